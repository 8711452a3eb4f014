package owners

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/meter/ownership"
)

// loadBindings reads which port was whose.
func (a *Attribution) loadBindings(ctx context.Context, tx pgx.Tx, v *View) error {
	v.Bindings, v.bound = map[ownership.Port][]ownership.Binding{}, map[int32][]ownership.Binding{}
	rows, err := tx.Query(ctx, "select exporter_id, if_index, service_id, lower(valid), upper(valid) from binding order by exporter_id, if_index, lower(valid)")
	if err != nil {
		return err
	}
	var exporter, service uuid.UUID
	var port int64
	var from time.Time
	var to *time.Time
	_, err = pgx.ForEachRow(rows, []any{&exporter, &port, &service, &from, &to}, func() error {
		b := ownership.Binding{Service: a.services[service]}
		b.From, b.To = interval(from, to)
		key := ownership.Port{Exporter: a.exporters[exporter], Index: uint32(port)}
		v.Bindings[key] = append(v.Bindings[key], b)
		v.bound[b.Service] = append(v.bound[b.Service], b)
		return nil
	})
	return err
}

func interval(from time.Time, to *time.Time) (int64, int64) {
	if to == nil {
		return nanos(from), prefix.Forever
	}
	return nanos(from), nanos(*to)
}

// nanos are nanoseconds since 1970, of what is before it 0; what they cannot say any more, from 2262 on, is for ever.
func nanos(t time.Time) int64 {
	switch year := t.UTC().Year(); {
	case year < 1970:
		return 0
	case year >= 2262:
		return prefix.Forever
	}
	return t.UnixNano()
}

func (a *Attribution) loadPrefixes(ctx context.Context, tx pgx.Tx, v *View) error {
	rows, err := tx.Query(ctx, "select prefix, service_id, attachment_id, lower(valid), upper(valid) from assignment")
	if err != nil {
		return err
	}
	special := specials{view: v, places: map[specialKey]int32{}}
	var all []prefix.Assignment
	var p netip.Prefix
	var owner uuid.UUID
	var attachment *uuid.UUID
	var from time.Time
	var to *time.Time
	if _, err = pgx.ForEachRow(rows, []any{&p, &owner, &attachment, &from, &to}, func() error {
		key := specialKey{a.services[owner], -1}
		if attachment != nil {
			key.attached = a.exporters[*attachment]
		}
		one := prefix.Assignment{Prefix: p, Owner: special.owner(key)}
		if one.From, one.To = interval(from, to); one.From < one.To { // else it begins too late, or ended too early, to matter
			all = append(all, one)
		}
		return nil
	}); err != nil {
		return err
	}
	v.Prefixes, err = prefix.New(all)
	return err
}

type specialKey struct{ service, attached int32 }

// specials gives owners whose flows may be evidence a place of their own in a view.
type specials struct {
	view   *View
	places map[specialKey]int32
}

func (s *specials) owner(key specialKey) int32 {
	bound := s.view.bound[key.service]
	if key.attached < 0 && len(bound) == 0 {
		return key.service
	}
	place, ok := s.places[key]
	if !ok {
		place = int32(len(s.view.Specials))
		s.places[key] = place
		s.view.Specials = append(s.view.Specials, ownership.SpecialOwner{Service: key.service, Attached: key.attached, Bound: bound})
	}
	return ownership.Special | place
}
