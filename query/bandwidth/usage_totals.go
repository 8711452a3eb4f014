package bandwidth

import (
	"context"
	_ "embed"
	"time"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

// MaxServices is how many services one question may name.
const MaxServices = 1000

// UsageTotal is what was metered for one service in a range: the billing counters themselves.
type UsageTotal struct {
	Service            string   `json:"service"`
	BytesInL2          int64    `json:"bytes_in_l2"`
	BytesOutL2         int64    `json:"bytes_out_l2"`
	BytesInL3          int64    `json:"bytes_in_l3"`
	BytesOutL3         int64    `json:"bytes_out_l3"`
	PacketsIn          int64    `json:"packets_in"`
	PacketsOut         int64    `json:"packets_out"`
	Samples            int64    `json:"samples"`
	ErrorBoundPercent  *float64 `json:"error_bound_percent" doc:"95 % bound, 196/sqrt(samples); 0 for bytes of port counters, which no sample stands behind; null without bytes"`
	DatagramsLost      int64    `json:"datagrams_lost" doc:"Of the exporters that metered the service in the range, within it; as all losses here"`
	SamplesLost        int64    `json:"samples_lost"`
	RecordsLost        int64    `json:"records_lost" doc:"Of NetFlow and IPFIX"`
	SamplesQuarantined int64    `json:"samples_quarantined" doc:"Of this service, of a rate that cannot be believed, still waiting for a decision"`
}

//go:embed usage_totals.sql
var usageTotalsSQL string

// UsageTotals adds up each service's hours in [from, to), by name; nil bounds are open. Names empty means every
// service in scope; services without usage are there with zeros. Errors: Invalid for bounds inside an hour and
// too many names, NotFound when a name is unknown.
func UsageTotals(ctx context.Context, db query.Postgres, scope query.Scope, names []string, from, to *time.Time) ([]UsageTotal, error) {
	if err := checkHours(names, from, to); err != nil {
		return nil, err
	}
	if names == nil {
		names = []string{}
	}
	totals, err := query.All[UsageTotal](ctx, db, usageTotalsSQL, scope.Owner(), names, from, to)
	if err != nil {
		return nil, err
	}
	return totals, allFound(names, totals)
}

func checkHours(names []string, from, to *time.Time) error {
	var fields fault.Fields
	fields.Check(from == nil || from.Equal(from.Truncate(time.Hour)), "from", "must be a whole hour UTC: usage is added up by the hour")
	fields.Check(to == nil || to.Equal(to.Truncate(time.Hour)), "to", "must be a whole hour UTC: usage is added up by the hour")
	fields.Check(from == nil || to == nil || from.Before(*to), "to", "must be after from")
	fields.Check(len(names) <= MaxServices, "service", "names at most %d services; ask for all instead", MaxServices)
	return fields.Err()
}

func allFound(names []string, totals []UsageTotal) error {
	found := make(map[string]bool, len(totals))
	for _, t := range totals {
		found[t.Service] = true
	}
	for _, name := range names {
		if !found[name] {
			return fault.New(fault.NotFound, "service_not_found", "there is no service %q", name)
		}
	}
	return nil
}
