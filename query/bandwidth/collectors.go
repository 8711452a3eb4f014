package bandwidth

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

// Collector is the last word of one collector: what its sockets took in and what they could not hold.
type Collector struct {
	ID               uuid.UUID       `json:"id" format:"uuid"`
	Host             string          `json:"host"`
	Listen           string          `json:"listen"`
	BootAt           time.Time       `json:"boot_at"`
	ReportedAt       time.Time       `json:"reported_at"`
	ReceiveBuffer    int64           `json:"receive_buffer" doc:"Bytes, as the kernel granted them"`
	Datagrams        int64           `json:"datagrams" doc:"Since boot_at, as all counts here"`
	Bytes            int64           `json:"bytes"`
	KernelDrops      int64           `json:"kernel_drops"`
	SpoolDrops       int64           `json:"spool_drops"`
	UnknownDatagrams int64           `json:"unknown_datagrams" doc:"From sources that no exporter names"`
	Unknown          []UnknownSource `json:"unknown" nullable:"false"`
}

// UnknownSource is an address that sends to a collector and is no exporter's.
type UnknownSource struct {
	Source    string    `json:"source"`
	Datagrams int64     `json:"datagrams"`
	Bytes     int64     `json:"bytes"`
	LastAt    time.Time `json:"last_at"`
}

// Unattributed is traffic of an address that no service owns, added up over exporters and hours.
type Unattributed struct {
	Address string `json:"address" doc:"'::' gathers what was over the bound of addresses kept"`
	BytesL2 int64  `json:"bytes_l2"`
	BytesL3 int64  `json:"bytes_l3"`
	Packets int64  `json:"packets"`
	Samples int64  `json:"samples"`
}

// MaxUnattributedHours bounds how far back unattributed traffic is added up.
const MaxUnattributedHours = 31 * 24

//go:embed list_collectors.sql
var listCollectorsSQL string

//go:embed list_unattributed.sql
var listUnattributedSQL string

// ListCollectors lists collectors, the one that spoke last first. There are few; one page holds them all.
func ListCollectors(ctx context.Context, db query.Postgres) (query.List[Collector], error) {
	rows, err := query.All[Collector](ctx, db, listCollectorsSQL, query.MaxLimit)
	return query.List[Collector]{Items: rows}, err
}

// ListUnattributed lists the addresses without a service by bytes, the biggest first, over the last hours
// (1 … MaxUnattributedHours) before now, the running one among them; at most limit of them.
func ListUnattributed(ctx context.Context, db query.Postgres, hours int, now time.Time, limit int) (query.List[Unattributed], error) {
	var fields fault.Fields
	fields.Check(hours >= 1 && hours <= MaxUnattributedHours, "hours", "must be 1 to %d", MaxUnattributedHours)
	if err := fields.Err(); err != nil {
		return query.List[Unattributed]{}, err
	}
	since := now.Truncate(time.Hour).Add(time.Duration(1-hours) * time.Hour)
	rows, err := query.All[Unattributed](ctx, db, listUnattributedSQL, since, query.Page{Limit: limit}.Rows()-1)
	return query.List[Unattributed]{Items: rows}, err
}
