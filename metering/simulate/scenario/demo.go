package scenario

import (
	"fmt"
	"net/netip"
	"time"
)

// DemoQuota is the quota of the demonstration's service that is about to run over it: a minute of its traffic.
const DemoQuota = "1GB"

// Demo is a small hosting company: two switches, twelve services of seven customers, a little traffic of machines that
// nobody pays for, and one service that reaches its quota a minute or so after the start.
func Demo() Scenario {
	s := Scenario{
		Seed: 1, Network: Network{Loss: 0.0005, Duplicate: 0.0005, Reorder: 0.001},
		Agents: []Agent{demoAgent(0, 128), demoAgent(1, 128)},
		Plans: []Plan{
			plan("vps-s", "5.00", "1TB"), plan("vps-l", "20.00", "4TB"), plan("web-hosting", "3.00", "100GB"),
			plan("game-server", "12.00", "2TB"), plan("dedicated", "89.00", "20TB"), demoTrial(),
		},
		Customers: []Customer{
			{"ops@northwind.example", "Northwind Media"}, {"it@alpenglow.example", "Alpenglow Studios"},
			{"admin@pixelforge.example", "Pixelforge Games"}, {"hello@kiosk.example", "Kiosk Bookshop"},
			{"root@lumen.example", "Lumen Analytics"}, {"team@harbour.example", "Harbour Backup"},
			{"jo@jo-codes.example", "Jo Lindqvist"},
		},
	}
	day := func(in, out Bits, mix string) Traffic {
		return Traffic{In: in, Out: out, Mix: mix, Wave: 0.5, Jitter: 0.35, IPv6: 0.2}
	}
	add := func(agent int, port uint32, name, customer, plan string, host int, t Traffic) {
		s.Services = append(s.Services, Service{
			Name: name, Customer: customer, Plan: plan, Agent: s.Agents[agent].Name, Port: port, Traffic: t,
			Prefixes: []netip.Prefix{
				netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 20, byte(agent), byte(host)}), 32),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 20, byte(agent), byte(host)}), 64),
			},
		})
	}
	add(0, 11, "stream-edge-1", "ops@northwind.example", "dedicated", 11, day(14e6, 420e6, "bulk"))
	add(0, 12, "stream-edge-2", "ops@northwind.example", "dedicated", 12, day(11e6, 310e6, "bulk"))
	add(0, 13, "studio-nas", "it@alpenglow.example", "vps-l", 13, day(90e6, 35e6, "bulk"))
	add(0, 14, "render-farm", "it@alpenglow.example", "dedicated", 14, day(60e6, 75e6, "imix"))
	add(0, 15, "bookshop-web", "hello@kiosk.example", "web-hosting", 15, day(1e6, 9e6, "web"))
	add(0, 15, "bookshop-mail", "hello@kiosk.example", "vps-s", 16, day(2e6, 1e6, "imix"))
	add(1, 11, "arena-eu-1", "admin@pixelforge.example", "game-server", 11, day(18e6, 40e6, "game"))
	add(1, 12, "arena-eu-2", "admin@pixelforge.example", "game-server", 12, day(15e6, 33e6, "game"))
	add(1, 13, "clickstream", "root@lumen.example", "vps-l", 13, day(70e6, 12e6, "web"))
	add(1, 14, "vault-1", "team@harbour.example", "dedicated", 14, day(240e6, 16e6, "bulk"))
	add(1, 15, "jo-blog", "jo@jo-codes.example", "vps-s", 15, day(1e6, 6e6, "web"))
	add(1, 16, "jo-mirror", "jo@jo-codes.example", "trial", 16, Traffic{In: 6e6, Out: 114e6, Mix: "bulk", Jitter: 0.2})
	return s
}

// demoTrial costs enough per gigabyte for an invoice after a minute over the quota.
func demoTrial() Plan {
	p := plan("trial", "0.00", DemoQuota)
	p.Traffic.Overage.Price = "1.00"
	return p
}

// demoAgent is a switch with one uplink and ports 11 to 16. Part of its traffic nobody has registered.
func demoAgent(i int, rate uint32) Agent {
	a := Agent{
		Name: fmt.Sprintf("leaf-%d", i), Address: netip.AddrFrom4([4]byte{127, 1, 0, byte(i + 1)}), SubAgents: 2,
		Uptime: 40 * 24 * time.Hour, FirstSequence: 1_000_000, Expanded: i == 1,
		Ports: []Port{{Index: 1, Speed: 100e9, Rate: 4 * rate, Uplink: true}},
		Background: []Background{{
			Port: 11, Prefixes: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 20, byte(i), 200}), 30)},
			Traffic: Traffic{In: 3e6, Out: 2e6, Jitter: 0.5},
		}},
	}
	for port := uint32(11); port <= 16; port++ {
		a.Ports = append(a.Ports, Port{Index: port, Speed: 10e9, Rate: rate})
	}
	return a
}

// Size is how large a scenario Synthetic makes.
type Size struct {
	Agents   int
	Services int        // spread over the agents
	Rate     uint32     // of every port
	First    netip.Addr // agent and source address of the first agent; the others follow
	Traffic  Traffic    // of each service
}

// servicesPerPort is how many services share a port of a synthetic agent.
const servicesPerPort = 24

// Synthetic is as many alike services as wanted, "svc-10.20.0.1" with the address 10.20.0.1 and so on.
func Synthetic(size Size) Scenario {
	s := Scenario{Seed: 1}
	address := size.First
	for i := range size.Agents {
		a := Agent{
			Name: fmt.Sprintf("leaf-%d", i), Address: address,
			Ports: []Port{{Index: 1, Speed: 100e9, Rate: size.Rate, Uplink: true}},
		}
		mine := (size.Services + size.Agents - 1 - i) / size.Agents
		for p := range (mine + servicesPerPort - 1) / servicesPerPort {
			a.Ports = append(a.Ports, Port{Index: uint32(p + 2), Rate: size.Rate})
		}
		s.Agents = append(s.Agents, a)
		address = address.Next()
	}
	host := netip.AddrFrom4([4]byte{10, 20, 0, 0})
	for i := range size.Services {
		host = host.Next()
		s.Services = append(s.Services, Service{
			Name: "svc-" + host.String(), Agent: s.Agents[i%size.Agents].Name,
			Port:     uint32(i/size.Agents/servicesPerPort + 2),
			Prefixes: []netip.Prefix{netip.PrefixFrom(host, 32)}, Traffic: size.Traffic,
		})
	}
	return s
}
