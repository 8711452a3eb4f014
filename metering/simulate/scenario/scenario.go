package scenario

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/goccy/go-yaml"
)

// Scenario is all that a simulation needs to know. Zero values stand for the defaults given with each field.
type Scenario struct {
	Seed          uint64         `yaml:"seed"`
	Start         time.Time      `yaml:"start,omitempty"`          // virtual time of the first tick; 2026-01-01T12:00:00Z
	Duration      time.Duration  `yaml:"duration,omitempty"`       // virtual; 0 goes on until told to stop
	Tick          time.Duration  `yaml:"tick,omitempty"`           // 10ms
	Flush         time.Duration  `yaml:"flush,omitempty"`          // longest wait of a sample for its datagram; 1s
	DatagramBytes int            `yaml:"datagram_bytes,omitempty"` // longest datagram; 1400
	Peers         []netip.Prefix `yaml:"peers,omitempty"`          // the outside world; 198.18.0.0/15 and 2001:db8:feed::/48
	Network       Network        `yaml:"network,omitempty"`        // for agents without their own
	Agents        []Agent        `yaml:"agents"`
	Services      []Service      `yaml:"services"`

	// What only the manifest needs.
	Since     time.Time  `yaml:"since,omitempty"` // of every service; 2026-01-01T00:00:00Z
	Plans     []Plan     `yaml:"plans,omitempty"`
	Customers []Customer `yaml:"customers,omitempty"`
}

// Network is what may happen to a datagram on its way, as probabilities.
type Network struct {
	Loss      float64 `yaml:"loss,omitempty"`
	Duplicate float64 `yaml:"duplicate,omitempty"`
	Reorder   float64 `yaml:"reorder,omitempty"`
	Delay     int     `yaml:"delay,omitempty"` // by how many datagrams of the agent one may come late; 16
}

// Agent is one switch.
type Agent struct {
	Name          string        `yaml:"name"`
	Address       netip.Addr    `yaml:"address"`                  // agent address inside the datagrams
	Source        netip.Addr    `yaml:"source,omitempty"`         // local address that it sends from; Address
	SubAgents     uint32        `yaml:"sub_agents,omitempty"`     // ports are dealt out to them in turn; 1
	FirstSequence uint32        `yaml:"first_sequence,omitempty"` // of every sub-agent's datagrams before the first reboot; 1
	Uptime        time.Duration `yaml:"uptime,omitempty"`         // at the start
	Expanded      bool          `yaml:"expanded,omitempty"`       // expanded sample formats
	Sides         string        `yaml:"sides,omitempty"`          // ingress or both; ingress
	HeaderBytes   int           `yaml:"header_bytes,omitempty"`   // of the sampled frame; 128
	Samples       int           `yaml:"samples,omitempty"`        // flow samples in one datagram at most; as many as fit
	Counters      time.Duration `yaml:"counters,omitempty"`       // counter polling interval; 20s
	RateMax       uint32        `yaml:"rate_max,omitempty"`       // highest rate that the platform is told to believe; its own default
	Ports         []Port        `yaml:"ports"`
	Network       *Network      `yaml:"network,omitempty"`
	Background    []Background  `yaml:"background,omitempty"`
	Events        []Event       `yaml:"events,omitempty"`
}

// Port is a switch port.
type Port struct {
	Index  uint32 `yaml:"index"`           // ifIndex
	Speed  Bits   `yaml:"speed,omitempty"` // 10Gbit
	Rate   uint32 `yaml:"rate"`            // one packet in Rate is sampled
	Uplink bool   `yaml:"uplink,omitempty"`
}

// Event changes something at a set time.
type Event struct {
	At    time.Duration `yaml:"at"`             // virtual, since the start
	Kind  string        `yaml:"kind"`           // reboot, rate or lose
	Port  uint32        `yaml:"port,omitempty"` // rate: of this port, of all when 0
	Rate  uint32        `yaml:"rate,omitempty"`
	Count int           `yaml:"count,omitempty"` // lose: how many datagrams in a row
}

// Kinds of events.
const (
	EventReboot = "reboot" // sequences, uptime and counters start again
	EventRate   = "rate"
	EventLose   = "lose"
)

// Service is a metered service on one port of one agent.
type Service struct {
	Name     string         `yaml:"name"`
	Customer string         `yaml:"customer,omitempty"` // mail address
	Plan     string         `yaml:"plan,omitempty"`
	Agent    string         `yaml:"agent"`
	Port     uint32         `yaml:"port"`
	Prefixes []netip.Prefix `yaml:"prefixes"`
	Traffic  Traffic        `yaml:"traffic"`
}

// Background is traffic of addresses that no service has.
type Background struct {
	Port     uint32         `yaml:"port"`
	Prefixes []netip.Prefix `yaml:"prefixes"`
	Traffic  Traffic        `yaml:"traffic"`
}

// Traffic is how much of what goes in and out, on average of the day, in bits of whole frames.
type Traffic struct {
	In     Bits     `yaml:"in"`
	Out    Bits     `yaml:"out"`
	Mix    string   `yaml:"mix,omitempty"`    // packet sizes: imix, web, bulk or game; imix
	Wave   float64  `yaml:"wave,omitempty"`   // how far the day's wave goes up and down, 0 to 1
	Peak   int      `yaml:"peak,omitempty"`   // hour of the day (UTC) when it is highest, 24 for midnight; 20
	Jitter float64  `yaml:"jitter,omitempty"` // how far each second's rate may be off, 0 to 1
	IPv6   float64  `yaml:"ipv6,omitempty"`   // share of the packets, when there is an IPv6 prefix
	Local  float64  `yaml:"local,omitempty"`  // share of out that goes to the next service of the same agent, if it is on another port
	VLANs  []uint16 `yaml:"vlans,omitempty"`  // tags of its frames, outermost first
}

// Customer is a line of the manifest.
type Customer struct {
	Email string `yaml:"email"`
	Name  string `yaml:"name"`
}

// Plan is a plan of the manifest.
type Plan struct {
	Name    string      `yaml:"name"`
	Price   Price       `yaml:"price"`
	Traffic PlanTraffic `yaml:"traffic"`
}

// Price of a plan.
type Price struct {
	Amount   string `yaml:"amount"`
	Currency string `yaml:"currency"`
	Interval string `yaml:"interval"`
}

// PlanTraffic is what a plan includes and what more costs.
type PlanTraffic struct {
	Quota      string  `yaml:"quota"`
	Bytes      string  `yaml:"bytes"`
	Direction  string  `yaml:"direction"`
	Thresholds []int   `yaml:"thresholds,flow"`
	Overage    Overage `yaml:"overage"`
}

// Overage is the price of each unit above the quota.
type Overage struct {
	Unit  string `yaml:"unit"`
	Price string `yaml:"price"`
}

// Parse reads a scenario from YAML. A field it does not know is an error that names the line.
func Parse(text []byte) (Scenario, error) {
	var s Scenario
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&s); err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	return s, nil
}

// withDefaults fills in what was left out. The slices it changes are copies.
func (s Scenario) withDefaults() Scenario {
	set(&s.Start, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	set(&s.Since, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	set(&s.Tick, 10*time.Millisecond)
	set(&s.Flush, time.Second)
	set(&s.DatagramBytes, 1400)
	set(&s.Network.Delay, 16)
	if len(s.Peers) == 0 {
		s.Peers = []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8:feed::/48")}
	}
	s.Agents = append([]Agent(nil), s.Agents...)
	for i := range s.Agents {
		s.Agents[i] = s.Agents[i].withDefaults(s.Network)
	}
	s.Services = append([]Service(nil), s.Services...)
	for i := range s.Services {
		s.Services[i].Traffic = s.Services[i].Traffic.withDefaults()
	}
	return s
}

func (a Agent) withDefaults(network Network) Agent {
	set(&a.Source, a.Address)
	set(&a.SubAgents, 1)
	set(&a.FirstSequence, 1)
	set(&a.Sides, SidesIngress)
	set(&a.HeaderBytes, 128)
	set(&a.Counters, 20*time.Second)
	if a.Network != nil {
		network = *a.Network
		set(&network.Delay, 16)
	}
	a.Network = &network
	a.Ports = append([]Port(nil), a.Ports...)
	for i := range a.Ports {
		set(&a.Ports[i].Speed, 10e9)
	}
	a.Background = append([]Background(nil), a.Background...)
	for i := range a.Background {
		a.Background[i].Traffic = a.Background[i].Traffic.withDefaults()
	}
	return a
}

func (t Traffic) withDefaults() Traffic {
	set(&t.Mix, "imix")
	set(&t.Peak, 20)
	return t
}

// set gives a value to what has none.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
