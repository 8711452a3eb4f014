package reports

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// PortDetail is one port: what its agent last told of it, and the service it bills.
type PortDetail struct {
	ExporterID uuid.UUID  `json:"exporter_id" format:"uuid"`
	Exporter   string     `json:"exporter"`
	IfIndex    int64      `json:"if_index"`
	Port       string     `json:"port" doc:"Name as the agent tells it; empty: it tells none"`
	IfType     *int64     `json:"if_type" doc:"IANAifType-MIB; null: the agent has sent no counters of this port"`
	Speed      *int64     `json:"speed" doc:"bit/s"`
	AdminUp    *bool      `json:"admin_up"`
	OperUp     *bool      `json:"oper_up"`
	FCSErrors  *int64     `json:"fcs_errors" db:"fcs_errors" doc:"Of its Ethernet counters; null: not told"`
	OctetsIn   *int64     `json:"octets_in" doc:"As the port counts; what is over 2^63-1 shows as that"`
	OctetsOut  *int64     `json:"octets_out"`
	Rate       *int64     `json:"rate" doc:"Sampling rate of the newest flow sample"`
	ReadAt     *time.Time `json:"read_at"`
	BindingID  *uuid.UUID `json:"binding_id" format:"uuid" doc:"Of the binding that holds now; null: none"`
	ServiceID  *uuid.UUID `json:"service_id" format:"uuid" doc:"Billed by this port's counters now"`
	Service    *string    `json:"service"`
	BoundSince *time.Time `json:"bound_since"`
	BoundUntil *time.Time `json:"bound_until"`
}

//go:embed find_port.sql
var findPortSQL string

// FindPort finds a port that its exporter has told of, that flows went by or that is bound. exporter is an id or a
// name. Errors: NotFound.
func FindPort(ctx context.Context, db query.Postgres, exporter string, ifIndex int64, now time.Time) (PortDetail, error) {
	return query.One[PortDetail](ctx, db, "port", findPortSQL, exporter, ifIndex, now)
}
