package events

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Header is what travels beside an event's payload, as Kafka headers in CloudEvents' Kafka binding.
type Header struct {
	ID               uuid.UUID
	Type             string
	SchemaVersion    int
	Aggregate        Aggregate
	AggregateVersion int64
	Time             time.Time
	Producer         string // who numbers the messages: ProducerOfOutbox + relay range
	Epoch            int64  // the producer's fencing epoch
	Sequence         int64  // of the producer on this partition, from 1
}

// Subject writes an aggregate as one word: "service/0190…".
func (a Aggregate) Subject() string { return a.Type + "/" + a.ID.String() }

// ParseSubject reads what Subject wrote.
func ParseSubject(s string) (Aggregate, error) {
	kind, id, ok := strings.Cut(s, "/")
	if !ok || kind == "" {
		return Aggregate{}, fmt.Errorf("subject %q is not TYPE/ID", s)
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return Aggregate{}, fmt.Errorf("subject %q: %w", s, err)
	}
	return Aggregate{Type: kind, ID: parsed}, nil
}

// Each calls put for every Kafka header, always in the same order.
func (h Header) Each(put func(name, value string)) {
	put(HeaderSpec, SpecVersion)
	put(HeaderID, h.ID.String())
	put(HeaderType, h.Type)
	put(HeaderSource, SourcePlatform)
	put(HeaderSubject, h.Aggregate.Subject())
	put(HeaderTime, h.Time.UTC().Format(time.RFC3339Nano))
	put(HeaderVersion, strconv.Itoa(h.SchemaVersion))
	put(HeaderAggregate, strconv.FormatInt(h.AggregateVersion, 10))
	put(HeaderProducer, h.Producer)
	put(HeaderEpoch, strconv.FormatInt(h.Epoch, 10))
	put(HeaderSequence, strconv.FormatInt(h.Sequence, 10))
}

// ParseHeader reads the headers that Each wrote; get finds one by name. The error names the header at fault.
func ParseHeader(get func(name string) (value []byte, ok bool)) (Header, error) {
	p := headerParser{get: get}
	h := Header{
		ID:               parse(&p, HeaderID, uuid.Parse),
		Type:             parse(&p, HeaderType, nonEmpty),
		SchemaVersion:    parse(&p, HeaderVersion, strconv.Atoi),
		Aggregate:        parse(&p, HeaderSubject, ParseSubject),
		AggregateVersion: parse(&p, HeaderAggregate, parseInt),
		Time:             parse(&p, HeaderTime, parseTime),
		Producer:         parse(&p, HeaderProducer, nonEmpty),
		Epoch:            parse(&p, HeaderEpoch, parseInt),
		Sequence:         parse(&p, HeaderSequence, parseInt),
	}
	return h, p.err
}

type headerParser struct {
	get func(string) ([]byte, bool)
	err error // the first
}

func parse[T any](p *headerParser, name string, read func(string) (T, error)) T {
	var zero T
	if p.err != nil {
		return zero
	}
	value, ok := p.get(name)
	if !ok {
		p.err = fmt.Errorf("header %s is missing", name)
		return zero
	}
	v, err := read(string(value))
	if err != nil {
		p.err = fmt.Errorf("header %s: %w", name, err)
	}
	return v
}

func parseInt(s string) (int64, error)      { return strconv.ParseInt(s, 10, 64) }
func parseTime(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }

func nonEmpty(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("is empty")
	}
	return s, nil
}
