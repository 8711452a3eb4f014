package bandwidth

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

// Bounds of a series.
const (
	MaxPoints     = 5000
	defaultRange  = time.Hour
	defaultPoints = 720 // a step chosen for the caller gives at most this many

	slotLength = 10 * time.Second
	liveEdge   = 10 * time.Minute // the newest part of every fine series comes from Postgres
)

// SeriesRequest asks for a service's graph. Zero fields have defaults: the last hour, the finest step that gives
// at most 720 points, bytes, l2.
type SeriesRequest struct {
	Service  uuid.UUID
	From, To time.Time
	Step     string // 10s, 1m, 5m, 1h, 1d
	Unit     string // bytes, bit/s
	Basis    string // l2, l3
}

// Series is a service's graph: one point per step of [From, To), both whole steps. Points end at now.
type Series struct {
	ServiceID      uuid.UUID `json:"service_id" format:"uuid"`
	From           time.Time `json:"from"`
	To             time.Time `json:"to" doc:"Exclusive"`
	StepSeconds    int64     `json:"step_seconds"`
	Unit           string    `json:"unit" enum:"bytes,bit/s"`
	Basis          string    `json:"basis" enum:"l2,l3"`
	Points         []Point   `json:"points" nullable:"false"`
	ResolutionNote string    `json:"resolution_note,omitempty" doc:"What limits this series, in a sentence"`
}

// Point is one step. In and Out are null where nothing is known.
type Point struct {
	T   time.Time `json:"t" doc:"Start of the step"`
	In  *int64    `json:"in"`
	Out *int64    `json:"out"`
	Gap bool      `json:"gap" doc:"Exporters that meter this service were not heard, or lost datagrams, within the step"`
}

// Sources are where a series is read.
type Sources struct {
	Postgres   query.Postgres
	ClickHouse ClickHouse // nil: fine steps reach back as far as Postgres keeps slots
}

// UsageSeries draws a service's graph. The caller has checked that the service is in scope. Errors: Invalid for
// an unknown step, unit or basis, an empty range, and a range that gives more than MaxPoints.
func UsageSeries(ctx context.Context, src Sources, request SeriesRequest, now time.Time) (Series, error) {
	plan, err := request.plan(now)
	if err != nil {
		return Series{}, err
	}
	usage, note, err := src.usage(ctx, plan, now)
	if err != nil {
		return Series{}, err
	}
	heard, err := hearing(ctx, src.Postgres, plan, now)
	if err != nil {
		return Series{}, err
	}
	return plan.draw(usage, heard, note, now), nil
}

// seriesPlan is a request with every choice made.
type seriesPlan struct {
	SeriesRequest
	step time.Duration
}

func (r SeriesRequest) plan(now time.Time) (seriesPlan, error) {
	p := seriesPlan{SeriesRequest: r}
	if p.To.IsZero() {
		p.To = now
	}
	if p.From.IsZero() {
		p.From = p.To.Add(-defaultRange)
	}
	var fields fault.Fields
	fields.Check(p.From.Before(p.To), "to", "must be after from")
	p.Unit = pick(&fields, "unit", p.Unit, "bytes", "bit/s")
	p.Basis = pick(&fields, "basis", p.Basis, "l2", "l3")
	if p.Step == "" {
		p.Step = fitting(p.To.Sub(p.From), defaultPoints)
	}
	p.step = stepLength(p.Step)
	fields.Check(p.step > 0, "step", "must be one of %s", strings.Join(stepNames(), ", "))
	if err := fields.Err(); err != nil {
		return seriesPlan{}, err
	}
	p.From, p.To = p.From.UTC().Truncate(p.step), ceil(p.To.UTC(), p.step)
	if points := p.To.Sub(p.From) / p.step; points > MaxPoints {
		fields.Add("step", "a step of %s gives %d points, at most %d; ask for %s or a shorter range", p.Step, points, MaxPoints,
			fitting(p.To.Sub(p.From), MaxPoints))
	}
	return p, fields.Err()
}

// pick gives the first allowed value for none, and a fault for one that is not allowed.
func pick(fields *fault.Fields, name, value string, allowed ...string) string {
	if value == "" {
		return allowed[0]
	}
	for _, a := range allowed {
		if value == a {
			return value
		}
	}
	fields.Add(name, "must be one of %s", strings.Join(allowed, ", "))
	return value
}

func stepNames() []string { return []string{"10s", "1m", "5m", "1h", "1d"} }

// stepLength is 0 for a name that is no step.
func stepLength(name string) time.Duration {
	switch name {
	case "10s":
		return slotLength
	case "1m":
		return time.Minute
	case "5m":
		return 5 * time.Minute
	case "1h":
		return time.Hour
	case "1d":
		return 24 * time.Hour
	default:
		return 0
	}
}

// fitting is the finest step that cuts a range into at most points pieces, the coarsest if none does.
func fitting(length time.Duration, points int) string {
	names := stepNames()
	for _, name := range names {
		if length <= time.Duration(points)*stepLength(name) {
			return name
		}
	}
	return names[len(names)-1]
}

func ceil(t time.Time, step time.Duration) time.Time {
	if down := t.Truncate(step); down.Equal(t) {
		return t
	}
	return t.Truncate(step).Add(step)
}

// draw makes the points up to now from what was used and what was heard.
func (p seriesPlan) draw(usage map[int64]amount, heard ear, note string, now time.Time) Series {
	s := Series{ServiceID: p.Service, From: p.From, To: p.To, StepSeconds: int64(p.step / time.Second),
		Unit: p.Unit, Basis: p.Basis, Points: []Point{}, ResolutionNote: note}
	for t := p.From; t.Before(p.To) && t.Before(now); t = t.Add(p.step) {
		used, metered := usage[t.Unix()]
		silent, gap := heard.at(t)
		point := Point{T: t, Gap: gap}
		if metered || !silent {
			in, out := p.scale(used.in(p.Basis)), p.scale(used.out(p.Basis))
			point.In, point.Out = &in, &out
		}
		s.Points = append(s.Points, point)
	}
	return s
}

// scale turns a step's bytes into the unit asked for, rounded half up.
func (p seriesPlan) scale(bytes int64) int64 {
	if p.Unit == "bytes" {
		return bytes
	}
	seconds := int64(p.step / time.Second)
	whole, rest := bytes/seconds, bytes%seconds
	return whole*8 + (rest*8+seconds/2)/seconds
}
