package export

import (
	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/template"
)

// Of makes a template of IANA's elements, given in pairs of number and length.
func Of(id uint16, pairs ...uint16) template.Template {
	t := template.Template{ID: id}
	for i := 0; i+1 < len(pairs); i += 2 {
		t.Fields = append(t.Fields, element.Field{ID: pairs[i], Length: pairs[i+1]})
	}
	return t
}

// Options makes an options template whose first fields are its scopes.
func Options(id uint16, scopes int, pairs ...uint16) template.Template {
	t := Of(id, pairs...)
	t.Options, t.Scopes = true, scopes
	return t
}

// IPv4 is what routers usually send of an IPv4 flow: times as uptime in version 9.
func IPv4(id uint16) template.Template {
	return Of(id, element.SrcIPv4, 4, element.DstIPv4, 4, element.Protocol, 1, element.Direction, 1, element.Input, 4, element.Output, 4,
		element.Octets, 4, element.Packets, 4, element.StartUptime, 4, element.EndUptime, 4)
}

// IPv6 is the same of an IPv6 flow, with 64-bit counters and times in milliseconds.
func IPv6(id uint16) template.Template {
	return Of(id, element.SrcIPv6, 16, element.DstIPv6, 16, element.Protocol, 1, element.Direction, 1, element.Input, 4, element.Output, 4,
		element.Octets, 8, element.Packets, 8, element.StartMillis, 8, element.EndMillis, 8)
}

// IPFIXv4 is IPv4 with times in milliseconds, as IPFIX has no uptime.
func IPFIXv4(id uint16) template.Template {
	return Of(id, element.SrcIPv4, 4, element.DstIPv4, 4, element.Protocol, 1, element.Direction, 1, element.Input, 4, element.Output, 4,
		element.Octets, 8, element.Packets, 8, element.StartMillis, 8, element.EndMillis, 8)
}

// Sampler is the options template of a domain's samplers, for a protocol version: id, interval.
func Sampler(version, id uint16) template.Template {
	return Options(id, 1, device(version), 4, element.SamplerID, 2, element.SamplerInterval, 4)
}

// Rate is the options template of one rate for the whole domain, as Juniper and softflowd send it: interval, algorithm.
func Rate(version, id uint16) template.Template {
	return Options(id, 1, device(version), 4, element.SamplingInterval, 4, 35, 1)
}

// device is the scope of what holds for a whole device: version 9's System, or IPFIX's observationDomainId.
func device(version uint16) uint16 {
	if version == netflow.Version9 {
		return 1
	}
	return 149
}
