// Package manifest reads the YAML file of `ezscale apply`, finds out what differs from the platform, and brings the
// platform to what the file says, each difference by its own command.
//
// The file is read strictly: an unknown field, a wrong type, a bad value, a name or prefix that stands there twice
// are errors, and all of them are told at once, each with file, line, column, the path of its field and the line
// itself. What the server refuses is told in the same way. Objects are known by name; what is on the platform and
// not in the file is left alone, and a second run changes nothing. Writes carry idempotency keys made from what
// they change and the version it is changed from, so that a run that was cut off can simply be repeated.
package manifest

import (
	"time"

	"github.com/ezscale/platform/internal/client"
)

// MaxBytes bounds a manifest.
const MaxBytes = 16 << 20

// Manifest is what a file names.
type Manifest struct {
	Exporters []Exporter
	Plans     []Plan
	Customers []Customer
	Services  []Service
}

// Exporter is one device. Path is its place in the file: "exporters[0]".
type Exporter struct {
	Path         string
	Name         string
	Source       string // prefix
	Agent        string // empty: any
	Count        string // ingress, egress, both, bound
	RateMin      int64
	RateMax      int64
	Inside       []string // gre, mpls, vxlan; sorted
	RateDefault  int64    // 0: none
	RateOverride int64    // 0: none
}

// Plan is one plan.
type Plan struct {
	Path       string
	Name       string
	Price      client.Money
	Interval   string
	Quota      int64  // bytes; 0: none
	Bytes      string // l2, l3
	Direction  string
	BillAt     string // estimate, lower_bound
	Thresholds []int
	Overage    *client.Overage
}

// Customer is one customer.
type Customer struct {
	Path  string
	Email string // lower case
	Name  string
}

// Service is one service. Prefixes and Ports are nil when the file does not speak of them: they are left alone.
type Service struct {
	Path     string
	Name     string
	Customer string // mail address, lower case
	Plan     string
	Since    time.Time // zero: not said
	Prefixes []Prefix
	Ports    []Port
}

// Prefix is a prefix of a service.
type Prefix struct {
	Path       string
	Prefix     string
	Attachment *string // exporter, empty for none; nil: the file does not speak of it
}

// Port is a port that is a service's alone.
type Port struct {
	Path     string
	Exporter string
	IfIndex  int64
}

// Defaults of fields that a file leaves out, and of exporters' sampling rates.
const (
	defaultCount     = "ingress"
	defaultInterval  = "month"
	defaultBytes     = "l2"
	defaultDirection = "sum"
	defaultBillAt    = "estimate"
	defaultRateMin   = 1
	defaultRateMax   = 1_000_000
	maxRate          = 1<<32 - 1
	maxIfIndex       = 1<<32 - 1
)

func defaultThresholds() []int { return []int{75, 90, 100} }
