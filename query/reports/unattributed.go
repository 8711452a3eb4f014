package reports

import (
	_ "embed"
	"errors"
	"net/netip"
	"time"
)

// UnattributedAddress is traffic that no service owns: a machine nobody is billed for, or a prefix not assigned yet.
type UnattributedAddress struct {
	Keyed
	Address   string    `json:"address" doc:"'others' gathers, per exporter and hour, what was over the bound of addresses kept"`
	Exporters string    `json:"exporters" doc:"Names of those that saw it, with commas between"`
	BytesL2   int64     `json:"bytes_l2"`
	BytesL3   int64     `json:"bytes_l3"`
	Packets   int64     `json:"packets"`
	Samples   int64     `json:"samples"`
	Hours     int64     `json:"hours" doc:"In which it was seen"`
	FirstHour time.Time `json:"first_hour"`
	LastHour  time.Time `json:"last_hour"`
}

//go:embed unattributed.sql
var unattributedSQL string

// Unattributed lists addresses without a service: where revenue leaks.
func Unattributed() Report[UnattributedAddress] {
	return Report[UnattributedAddress]{
		Name: "unattributed", Title: "Traffic of addresses that no service owns", sql: unattributedSQL, span: day,
		Filters: []string{byExporter, bySearch}, search: addressOrPrefix,
		Orders: append(byColumn("bytes_l2", "bytes_l3", "packets", "samples", "hours"), timeOrder("first_hour"), timeOrder("last_hour"), textOrder("address")),
	}
}

// addressOrPrefix reads an address or a CIDR, host bits and all.
func addressOrPrefix(text string) (string, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return address.Unmap().String(), nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked().String(), nil
	}
	return "", errors.New("is no address such as 192.0.2.1 and no prefix such as 192.0.2.0/24")
}
