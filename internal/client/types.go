package client

import "time"

// The parts of the API's answers that the command line uses; api/openapi.json has them whole.

// Money is an amount as a decimal.
type Money struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// Exporter is a device that sends.
type Exporter struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Source       string   `json:"source"`
	Agent        string   `json:"agent"`
	CountPolicy  string   `json:"count_policy"`
	RateMin      int64    `json:"rate_min"`
	RateMax      int64    `json:"rate_max"`
	Inside       []string `json:"inside"`
	RateDefault  int64    `json:"rate_default"`
	RateOverride int64    `json:"rate_override"`
	Version      int64    `json:"version"`
}

// Overage is the price of bytes beyond a quota.
type Overage struct {
	UnitBytes int64  `json:"unit_bytes"`
	UnitPrice string `json:"unit_price"`
}

// Plan is what a service costs.
type Plan struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Price      Money    `json:"price"`
	Interval   string   `json:"interval"`
	QuotaBytes int64    `json:"quota_bytes"`
	ByteBasis  string   `json:"byte_basis"`
	Direction  string   `json:"direction"`
	BillAt     string   `json:"bill_at"`
	Thresholds []int    `json:"thresholds"`
	Overage    *Overage `json:"overage"`
	Version    int64    `json:"version"`
}

// Customer owns services.
type Customer struct {
	ID      string `json:"id"`
	Email   string `json:"email"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
}

// Service is what a customer has.
type Service struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Customer Customer  `json:"customer"`
	Plan     Plan      `json:"plan"`
	Since    time.Time `json:"since"`
	Prefixes []Prefix  `json:"prefixes"`
	Ports    []Port    `json:"ports"`
	Version  int64     `json:"version"`
}

// Prefix is an address range of a service.
type Prefix struct {
	Prefix     string     `json:"prefix"`
	From       time.Time  `json:"from"`
	To         *time.Time `json:"to"`
	Attachment string     `json:"attachment"` // exporter; empty: none
}

// Port is a port of an exporter that is a service's alone.
type Port struct {
	Exporter string     `json:"exporter"`
	IfIndex  int64      `json:"if_index"`
	From     time.Time  `json:"from"`
	To       *time.Time `json:"to"`
}

// UsageTotal is what was metered for one service.
type UsageTotal struct {
	Service            string   `json:"service"`
	BytesInL2          int64    `json:"bytes_in_l2"`
	BytesOutL2         int64    `json:"bytes_out_l2"`
	BytesInL3          int64    `json:"bytes_in_l3"`
	BytesOutL3         int64    `json:"bytes_out_l3"`
	PacketsIn          int64    `json:"packets_in"`
	PacketsOut         int64    `json:"packets_out"`
	Samples            int64    `json:"samples"`
	ErrorBoundPercent  *float64 `json:"error_bound_percent"`
	DatagramsLost      int64    `json:"datagrams_lost"`
	SamplesLost        int64    `json:"samples_lost"`
	RecordsLost        int64    `json:"records_lost"`
	SamplesQuarantined int64    `json:"samples_quarantined"`
}

// Clock is the business clock of a development installation.
type Clock struct {
	Now           time.Time `json:"now"`
	OffsetSeconds int64     `json:"offset_seconds"`
	DueCycles     int       `json:"due_cycles"`
}

// Invoice is a finalised invoice or credit note.
type Invoice struct {
	ID          string    `json:"id"`
	Number      string    `json:"number"`
	Kind        string    `json:"kind"`
	Customer    Customer  `json:"customer"`
	Service     Service   `json:"service"`
	Total       Money     `json:"total"`
	FinalisedAt time.Time `json:"finalised_at"`
}
