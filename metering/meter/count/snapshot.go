package count

import (
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/prefix"
)

// Policy says which side's samples of an exporter count.
type Policy uint8

// Policies.
const (
	Ingress Policy = iota
	Egress
	Both
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
	}
	return 0, fmt.Errorf("count policy %q: want ingress, egress or both", name)
}

// Exporter is what the meter must know of an exporter. Index is its place in a list that only grows.
type Exporter struct {
	ID               uuid.UUID
	Index            int32
	Agent            netip.Addr // not valid: any agent
	Policy           Policy
	RateMin, RateMax uint32
}

// Snapshot is who owned what, as one transaction saw it. It never changes. Owners in Prefixes are indexes into a
// list of services that only grows, so that counters stay true when a newer snapshot is taken into use.
type Snapshot struct {
	Exporters map[uuid.UUID]*Exporter
	Prefixes  *prefix.Table
}
