package scenario

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/goccy/go-yaml"
)

// The shapes of an `ezscale apply` file.
type (
	manifestFile struct {
		Exporters []manifestExporter `yaml:"exporters"`
		Plans     []Plan             `yaml:"plans"`
		Customers []Customer         `yaml:"customers"`
		Services  []manifestService  `yaml:"services"`
	}
	manifestExporter struct {
		Name    string       `yaml:"name"`
		Source  netip.Prefix `yaml:"source"`
		Agent   netip.Addr   `yaml:"agent"`
		Count   string       `yaml:"count"`
		RateMax uint32       `yaml:"rate_max,omitempty"`
	}
	manifestService struct {
		Name     string         `yaml:"name"`
		Customer string         `yaml:"customer"`
		Plan     string         `yaml:"plan"`
		Since    time.Time      `yaml:"since"`
		Prefixes []netip.Prefix `yaml:"prefixes,flow"`
	}
)

// Names that stand in where a scenario says none.
const (
	defaultPlan     = "simulated"
	defaultCustomer = "simulated@example.com"
)

// Manifest gives the file for `ezscale apply` that makes a platform know the scenario's agents and services.
func (s Scenario) Manifest() ([]byte, error) {
	s, err := s.Complete()
	if err != nil {
		return nil, err
	}
	m := manifestFile{Plans: s.Plans, Customers: s.Customers}
	for _, a := range s.Agents {
		m.Exporters = append(m.Exporters, manifestExporter{
			Name: a.Name, Source: netip.PrefixFrom(a.Source, a.Source.BitLen()), Agent: a.Address, Count: SidesIngress, RateMax: a.RateMax,
		})
	}
	var planless, ownerless bool
	for _, v := range s.Services {
		planless, ownerless = planless || v.Plan == "", ownerless || v.Customer == ""
		set(&v.Plan, defaultPlan)
		set(&v.Customer, defaultCustomer)
		m.Services = append(m.Services, manifestService{v.Name, v.Customer, v.Plan, s.Since, v.Prefixes})
	}
	if planless {
		m.Plans = append(m.Plans[:len(m.Plans):len(m.Plans)], plan(defaultPlan, "5.00", "1TB"))
	}
	if ownerless {
		m.Customers = append(m.Customers[:len(m.Customers):len(m.Customers)], Customer{defaultCustomer, "Simulated"})
	}
	text, err := yaml.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return text, nil
}

// plan is a monthly plan in dollars that bills the sum of both directions by the gigabyte.
func plan(name, price, quota string) Plan {
	return Plan{
		Name: name, Price: Price{price, "USD", "month"},
		Traffic: PlanTraffic{quota, "l2", "sum", []int{75, 90, 100}, Overage{"1GB", "0.01"}},
	}
}
