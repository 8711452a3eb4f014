package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/audit"
	"github.com/ezscale/platform/query/identity"
)

type auditInput struct {
	PageInput
	Actor   string    `query:"actor" maxLength:"200" doc:"Who ordered: customer:ID; or a kind with its colon, staff:"`
	Command string    `query:"command" maxLength:"200" doc:"What was ordered: catalog.ChangePlan; or a context with its point, billing."`
	Object  string    `query:"object" maxLength:"200" doc:"What it was about: its type, its id, or type:id"`
	From    time.Time `query:"from" doc:"Inclusive; absent: from the first"`
	To      time.Time `query:"to" doc:"Exclusive; absent: to the last"`
}

func (e *edge) auditOperations(t route.Table) {
	const tag = "audit"
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/audit", ID: "list-audit", Tag: tag, Summary: "What was ordered, by whom, from where, and what it changed; newest first", Access: guard.May(permission.AuditRead)},
		func(ctx context.Context, in *auditInput) (query.List[audit.Entry], error) {
			filter := audit.Filter{Actor: in.Actor, Command: in.Command, Object: in.Object, From: in.From, To: in.To}
			return audit.List(ctx, e.Postgres, filter, in.page())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/activity", ID: "list-activity", Tag: tag, Summary: "What you ordered, and what was done to what is yours; newest first; to a token its own orders alone", Access: guard.Self()},
		func(ctx context.Context, in *PageInput) (query.List[audit.Activity], error) {
			who := guard.PrincipalOf(ctx)
			var customer *uuid.UUID // no scope is for what others do: a program sees what it has ordered itself
			if who.InPerson() && who.Customer != uuid.Nil {
				customer = &who.Customer
			}
			list, err := audit.Own(ctx, e.Postgres, who.Actor, customer, in.page())
			if err != nil {
				return list, err
			}
			return list, e.nameImpersonators(ctx, list.Items)
		})
}

// nameImpersonators says who of the staff looked: of those alone, past the wall that keeps customers from who works here.
func (e *edge) nameImpersonators(ctx context.Context, items []audit.Activity) error {
	var ids []uuid.UUID
	for _, a := range items {
		if a.ImpersonatorID != nil && !slices.Contains(ids, *a.ImpersonatorID) {
			ids = append(ids, *a.ImpersonatorID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	names, err := identity.StaffNames(ctx, e.Background, ids)
	for i, a := range items {
		if a.ImpersonatorID != nil {
			items[i].ImpersonatedBy = names[*a.ImpersonatorID]
		}
	}
	return err
}
