// Package ownership is who owned what, as the counter sees it: exporters with their policies, prefixes and ports with their
// services, each over time. A snapshot of it never changes.
package ownership

import (
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/sflow"
)

// Policy says which side's samples of an exporter count.
type Policy uint8

// Policies.
const (
	Ingress Policy = iota
	Egress
	Both
	Bound // no flow becomes bytes: only bound ports' counters do
)

// ParsePolicy reads a policy's name.
func ParsePolicy(name string) (Policy, error) {
	switch name {
	case "ingress":
		return Ingress, nil
	case "egress":
		return Egress, nil
	case "both":
		return Both, nil
	case "bound":
		return Bound, nil
	}
	return 0, fmt.Errorf("count policy %q: want ingress, egress, both or bound", name)
}

// Exporter is what the meter must know of an exporter. Index is its place in a list that only grows.
type Exporter struct {
	ID                        uuid.UUID
	Index                     int32
	Agent                     netip.Addr // not valid: any agent
	Policy                    Policy
	Inside                    sflow.Inside
	RateMin, RateMax          uint32
	RateDefault, RateOverride uint32 // of flow records; 0: none
}

// Port is a port of an exporter.
type Port struct {
	Exporter int32
	Index    uint32 // ifIndex
}

// Snapshot is who owned what, as one transaction saw it. It never changes. Owners in Prefixes are indexes into a
// list of services that only grows, so that counters stay true when a newer snapshot is taken into use; with
// [Special] they are indexes into Specials, which are this snapshot's own.
type Snapshot struct {
	Exporters map[uuid.UUID]*Exporter
	Prefixes  *prefix.Table
	Specials  []SpecialOwner
	Bindings  map[Port][]Binding // ascending and disjoint
}

// Special marks an owner whose flows do not simply count.
const Special int32 = 1 << 30

// SpecialOwner is a service whose flows may be evidence only: because its prefix is attached to another exporter, or
// because a port of its own bills it at that time.
type SpecialOwner struct {
	Service  int32
	Attached int32     // exporter; negative: any
	Bound    []Binding // of the service, at whichever port
}

// Binding says that a port was a service's in [From, To), nanoseconds since 1970.
type Binding struct {
	Service  int32
	From, To int64
}

// Evidence says why a flow is not billed.
type Evidence uint8

// The reasons.
const (
	Counts       Evidence = iota // it is
	ByPort                       // the service is billed by its port's counters
	ByAttachment                 // another exporter counts this prefix
)

// String is the reason's name in usage_evidence.
func (e Evidence) String() string {
	switch e {
	case ByPort:
		return "bound"
	case ByAttachment:
		return "attachment"
	default:
		return "counts"
	}
}

// Resolve gives the service of an owner, and whether flows of it seen by an exporter count at a time.
func (s *Snapshot) Resolve(owner, exporter int32, at int64) (int32, Evidence) {
	if owner < Special {
		return owner, Counts
	}
	special := &s.Specials[owner&^Special]
	for _, b := range special.Bound {
		if at >= b.From && at < b.To {
			return special.Service, ByPort
		}
	}
	if special.Attached >= 0 && special.Attached != exporter {
		return special.Service, ByAttachment
	}
	return special.Service, Counts
}
