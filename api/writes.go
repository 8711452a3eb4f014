package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/writes"
	"github.com/ezscale/platform/internal/permission"
)

func (e *edge) writeOperations(api huma.API) {
	o := writes.Orders{Commands: e.Commands, Postgres: e.Postgres, Now: e.Clock.Now}
	put := func(needs permission.Permission, path, id, tag, summary string) operation {
		return operation{method: http.MethodPut, path: path, id: id, tag: tag, summary: summary, access: guard.May(needs)}
	}
	post := func(needs permission.Permission, path, id, tag, summary string) operation {
		return operation{method: http.MethodPost, path: path, id: id, tag: tag, summary: summary, access: guard.May(needs), status: http.StatusCreated}
	}
	done := func(needs permission.Permission, path, id, tag, summary string) operation {
		return operation{method: http.MethodPost, path: path, id: id, tag: tag, summary: summary, access: guard.May(needs)}
	}
	serve(e, api, post(permission.NetworkWrite, "/exporters", "register-exporter", "network", "Register an exporter"), o.RegisterExporter)
	serve(e, api, put(permission.NetworkWrite, "/exporters/{name}", "change-exporter", "network", "Change an exporter's settings, whole"), o.ChangeExporter)
	serve(e, api, post(permission.CatalogWrite, "/plans", "create-plan", "catalog", "Create a plan"), o.CreatePlan)
	serve(e, api, put(permission.CatalogWrite, "/plans/{name}", "change-plan", "catalog", "Change a plan's terms, whole, and those of its running cycles"), o.ChangePlan)
	serve(e, api, post(permission.CustomersWrite, "/customers", "register-customer", "identity", "Register a customer"), o.RegisterCustomer)
	serve(e, api, put(permission.CustomersWrite, "/customers/{email}", "change-customer", "identity", "Change a customer's name"), o.ChangeCustomer)
	serve(e, api, post(permission.ServicesWrite, "/services", "create-service", "services", "Create a service with its prefixes, and open its cycle"), o.CreateService)
	serve(e, api, put(permission.ServicesWrite, "/services/{id}", "change-service-plan", "services", "Move a service to another plan"), o.ChangeServicePlan)
	serve(e, api, post(permission.ServicesWrite, "/services/{id}/prefixes", "assign-prefix", "services", "Give a service a prefix"), o.AssignPrefix)
	serve(e, api, done(permission.ServicesWrite, "/services/{id}/prefixes/release", "release-prefix", "services", "Take a prefix from a service"), o.ReleasePrefix)
	serve(e, api, done(permission.ServicesWrite, "/services/{id}/prefixes/attachment", "change-attachment", "services", "Say which exporter counts a prefix's traffic from now on"), o.ChangeAttachment)
	serve(e, api, post(permission.ServicesWrite, "/prefix-moves", "move-prefix", "services", "Move a prefix from one service to another at one instant"), o.MovePrefix)
	serve(e, api, post(permission.ServicesWrite, "/services/{id}/ports", "bind-port", "services", "Bind a port to a service: its counters are what is billed"), o.BindPort)
	serve(e, api, done(permission.ServicesWrite, "/services/{id}/ports/release", "release-port", "services", "Take a port from a service"), o.ReleasePort)
	serve(e, api, post(permission.ServicesWrite, "/port-moves", "move-port", "services", "Move a port from one service to another at one instant"), o.MovePort)
	serve(e, api, done(permission.NetworkWrite, "/quarantine/release", "release-quarantine", "network", "Give samples that were set aside a rate: they become usage"), o.ReleaseQuarantine)
	serve(e, api, done(permission.NetworkWrite, "/quarantine/reject", "reject-quarantine", "network", "Say that samples that were set aside never become usage"), o.RejectQuarantine)
}
