package api

import (
	"net/http"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/api/writes"
	"github.com/ezscale/platform/internal/permission"
)

func (e *edge) writeOperations(t route.Table) {
	o := writes.Orders{Commands: e.Commands, Postgres: e.Postgres, Now: e.Clock.Now}
	put := func(needs permission.Permission, path, id, tag, summary string) route.Operation {
		return route.Operation{Method: http.MethodPut, Path: path, ID: id, Tag: tag, Summary: summary, Access: guard.May(needs)}
	}
	post := func(needs permission.Permission, path, id, tag, summary string) route.Operation {
		return route.Operation{Method: http.MethodPost, Path: path, ID: id, Tag: tag, Summary: summary, Access: guard.May(needs), Status: http.StatusCreated}
	}
	done := func(needs permission.Permission, path, id, tag, summary string) route.Operation {
		return route.Operation{Method: http.MethodPost, Path: path, ID: id, Tag: tag, Summary: summary, Access: guard.May(needs)}
	}
	route.Serve(t, post(permission.NetworkWrite, "/exporters", "register-exporter", "network", "Register an exporter"), o.RegisterExporter)
	route.Serve(t, put(permission.NetworkWrite, "/exporters/{name}", "change-exporter", "network", "Change an exporter's settings, whole"), o.ChangeExporter)
	route.Serve(t, post(permission.CatalogWrite, "/plans", "create-plan", "catalog", "Create a plan"), o.CreatePlan)
	route.Serve(t, put(permission.CatalogWrite, "/plans/{name}", "change-plan", "catalog", "Change a plan's terms, whole, and those of its running cycles"), o.ChangePlan)
	route.Serve(t, post(permission.CustomersWrite, "/customers", "register-customer", "identity", "Register a customer"), o.RegisterCustomer)
	route.Serve(t, put(permission.CustomersWrite, "/customers/{id}", "change-customer", "identity", "Change a customer's name"), o.ChangeCustomer)
	route.Serve(t, post(permission.ServicesWrite, "/services", "create-service", "services", "Create a service with its prefixes, and open its cycle"), o.CreateService)
	route.Serve(t, put(permission.ServicesWrite, "/services/{id}", "change-service-plan", "services", "Move a service to another plan"), o.ChangeServicePlan)
	route.Serve(t, post(permission.ServicesWrite, "/services/{id}/prefixes", "assign-prefix", "services", "Give a service a prefix"), o.AssignPrefix)
	route.Serve(t, done(permission.ServicesWrite, "/services/{id}/prefixes/release", "release-prefix", "services", "Take a prefix from a service"), o.ReleasePrefix)
	route.Serve(t, done(permission.ServicesWrite, "/services/{id}/prefixes/attachment", "change-attachment", "services", "Say which exporter counts a prefix's traffic from now on"), o.ChangeAttachment)
	route.Serve(t, post(permission.ServicesWrite, "/prefix-moves", "move-prefix", "services", "Move a prefix from one service to another at one instant"), o.MovePrefix)
	route.Serve(t, post(permission.ServicesWrite, "/services/{id}/ports", "bind-port", "services", "Bind a port to a service: its counters are what is billed"), o.BindPort)
	route.Serve(t, done(permission.ServicesWrite, "/services/{id}/ports/release", "release-port", "services", "Take a port from a service"), o.ReleasePort)
	route.Serve(t, post(permission.ServicesWrite, "/port-moves", "move-port", "services", "Move a port from one service to another at one instant"), o.MovePort)
	route.Serve(t, done(permission.NetworkWrite, "/quarantine/release", "release-quarantine", "network", "Give samples that were set aside a rate: they become usage"), o.ReleaseQuarantine)
	route.Serve(t, done(permission.NetworkWrite, "/quarantine/reject", "reject-quarantine", "network", "Say that samples that were set aside never become usage"), o.RejectQuarantine)
}
