package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/manifest/faults"
	"github.com/ezscale/platform/internal/money"
)

// Stages of an application: what a later one names, an earlier one has made.
const (
	stageExporters = iota
	stagePlans
	stageCustomers
	stageServices
	stageReleases
	stageMoves
	stageAssignments
	stageAttachments
	stages
)

// Step is one command to be given.
type Step struct {
	Created bool     // else changed
	What    string   // "service svc-1"
	Changes []string // "price: 5.00 USD → 6.00 USD"; empty when created
	Path    string   // the object's place in the file

	stage  int
	method string
	url    string
	body   any
	from   []int64           // versions that it changes from
	fields map[string]string // the API's field → the file's, where they differ
}

// Lines is how the step is told: one line when something is created, one for each change.
func (s Step) Lines() []string {
	if s.Created {
		return []string{"+ created " + s.What}
	}
	lines := make([]string, len(s.Changes))
	for i, change := range s.Changes {
		lines[i] = "~ changed " + s.What + " " + change
	}
	return lines
}

// key is the step's idempotency key. It holds the versions that the step changes from, so that going back and forth
// between two files is not taken for a repetition.
func (s Step) key() (string, error) {
	text, err := json.Marshal([]any{s.method, s.url, s.body, s.from})
	if err != nil {
		return "", fmt.Errorf("make a key for %s: %w", s.What, err)
	}
	sum := sha256.Sum256(text)
	return "apply:" + hex.EncodeToString(sum[:16]), nil
}

// differ gathers the steps.
type differ struct {
	file      *File
	state     State
	steps     []Step
	unchanged int
	errs      faults.Errors
	holders   map[netip.Prefix]holder // by prefix; see holdersOnce
}

// Diff compares the file with the platform: the steps in order, and how many objects are as they should be. The
// error is faults.Errors: what the file asks for and no command can do.
func Diff(f *File, s State) ([]Step, int, error) {
	d := &differ{file: f, state: s}
	for _, e := range f.Exporters {
		d.exporter(e)
	}
	for _, p := range f.Plans {
		d.plan(p)
	}
	for _, c := range f.Customers {
		d.customer(c)
	}
	for _, service := range f.Services {
		d.service(service)
	}
	d.prefixes()
	d.ports()
	slices.SortStableFunc(d.steps, func(a, b Step) int { return a.stage - b.stage })
	return d.steps, d.unchanged, d.errs.OrNil()
}

func (d *differ) refuse(path, format string, args ...any) {
	d.errs = append(d.errs, d.file.fault(path, format, args...))
}

// changes collects the fields that differ.
type changes []string

func (c *changes) compare(field, old, new string) {
	if old != new {
		*c = append(*c, fmt.Sprintf("%s: %s → %s", field, old, new))
	}
}

// put adds a change of an object, or counts it as unchanged.
func (d *differ) put(c changes, s Step) {
	if len(c) == 0 {
		d.unchanged++
		return
	}
	s.Changes, s.method = c, http.MethodPut
	d.steps = append(d.steps, s)
}

func (d *differ) post(s Step) {
	s.Created, s.method = true, http.MethodPost
	d.steps = append(d.steps, s)
}

type object map[string]any

func (d *differ) exporter(e Exporter) {
	settings := object{"source": canonical("prefix", e.Source), "count_policy": e.Count, "rate_min": e.RateMin, "rate_max": e.RateMax}
	if e.Agent != "" {
		settings["agent"] = e.Agent
	}
	inside := slices.Sorted(slices.Values(e.Inside))
	if len(inside) > 0 {
		settings["inside"] = inside
	}
	if e.RateDefault > 0 {
		settings["rate_default"] = e.RateDefault
	}
	if e.RateOverride > 0 {
		settings["rate_override"] = e.RateOverride
	}
	s := Step{What: "exporter " + e.Name, Path: e.Path, stage: stageExporters, url: "/exporters", body: settings, fields: map[string]string{"count_policy": "count"}}
	old, ok := d.state.Exporters[e.Name]
	if !ok {
		settings["name"] = e.Name
		d.post(s)
		return
	}
	var c changes
	c.compare("source", old.Source, canonical("prefix", e.Source))
	c.compare("agent", orDefault(old.Agent, "any"), orDefault(e.Agent, "any"))
	c.compare("count", old.CountPolicy, e.Count)
	c.compare("rate_min", strconv.FormatInt(old.RateMin, 10), strconv.FormatInt(e.RateMin, 10))
	c.compare("rate_max", strconv.FormatInt(old.RateMax, 10), strconv.FormatInt(e.RateMax, 10))
	c.compare("inside", orDefault(strings.Join(old.Inside, ", "), "none"), orDefault(strings.Join(inside, ", "), "none"))
	c.compare("rate_default", rate(old.RateDefault), rate(e.RateDefault))
	c.compare("rate_override", rate(old.RateOverride), rate(e.RateOverride))
	s.url, s.from = "/exporters/"+url.PathEscape(e.Name), []int64{old.Version}
	d.put(c, s)
}

func rate(n int64) string {
	if n == 0 {
		return "none"
	}
	return strconv.FormatInt(n, 10)
}

func (d *differ) plan(p Plan) {
	terms := object{"price": p.Price, "interval": p.Interval, "byte_basis": p.Bytes, "direction": p.Direction, "bill_at": p.BillAt, "thresholds": p.Thresholds}
	if p.Quota > 0 {
		terms["quota_bytes"] = p.Quota
	}
	if p.Overage != nil {
		terms["overage"] = p.Overage
	}
	s := Step{What: "plan " + p.Name, Path: p.Path, stage: stagePlans, url: "/plans", body: terms, fields: map[string]string{
		"interval": "price.interval", "quota_bytes": "traffic.quota", "byte_basis": "traffic.bytes", "direction": "traffic.direction", "bill_at": "traffic.bill_at",
		"thresholds": "traffic.thresholds", "overage.unit_bytes": "traffic.overage.unit", "overage.unit_price": "traffic.overage.price"}}
	old, ok := d.state.Plans[p.Name]
	if !ok {
		terms["name"] = p.Name
		d.post(s)
		return
	}
	var c changes
	c.compare("price", old.Price.Amount+" "+old.Price.Currency, p.Price.Amount+" "+p.Price.Currency)
	c.compare("price.interval", old.Interval, p.Interval)
	c.compare("traffic.quota", quota(old.QuotaBytes), quota(p.Quota))
	c.compare("traffic.bytes", old.ByteBasis, p.Bytes)
	c.compare("traffic.direction", old.Direction, p.Direction)
	c.compare("traffic.bill_at", orDefault(old.BillAt, defaultBillAt), p.BillAt)
	c.compare("traffic.thresholds", fmt.Sprint(old.Thresholds), fmt.Sprint(p.Thresholds))
	c.compare("traffic.overage", overage(old.Overage), overage(p.Overage))
	s.url, s.from = "/plans/"+url.PathEscape(p.Name), []int64{old.Version}
	d.put(c, s)
}

// quota writes a size so that two that differ read differently.
func quota(bytes int64) string {
	if bytes == 0 {
		return "none"
	}
	short := strings.ReplaceAll(bytesize.Format(bytes), " ", "")
	if back, err := bytesize.Parse(short); err == nil && back == bytes {
		return short
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

func overage(o *client.Overage) string {
	if o == nil {
		return "none"
	}
	price := o.UnitPrice
	if parsed, err := money.ParsePrice(price); err == nil {
		price = parsed.String()
	}
	return price + " per " + quota(o.UnitBytes)
}

func (d *differ) customer(c Customer) {
	s := Step{What: "customer " + c.Email, Path: c.Path, stage: stageCustomers, url: "/customers", body: object{"name": c.Name}}
	old, ok := d.state.Customers[c.Email]
	if !ok {
		s.body = object{"email": c.Email, "name": c.Name}
		d.post(s)
		return
	}
	var changed changes
	changed.compare("name", old.Name, c.Name)
	s.url, s.from = "/customers/"+url.PathEscape(c.Email), []int64{old.Version}
	d.put(changed, s)
}
