// Package events holds what the platform's parts tell each other: versioned event structs, the usage window,
// and the names and partition counts of the Kafka topics they travel on.
//
// An event's JSON is a contract. A landed schema (schema/*.json, exported from these structs) may gain
// optional fields; anything else is a new version beside the old one. Events hold ids and amounts, never
// names, mail addresses or secrets: topics are kept for ever and personal data must be erasable.
package events

import (
	"hash/fnv"
	"time"

	"github.com/google/uuid"
)

// Topics and their partition counts. Counts are fixed from day one: a key must never change its partition by accident.
const (
	TopicEvents   = "events.v1"    // domain events, partition by virtual shard, kept for ever
	TopicFlowsRaw = "flows.raw.v1" // envelopes of exporter datagrams, partition by exporter, 7 days
	TopicUsage    = "usage.v1"     // UsageWindow, partition by service, 90 days

	EventPartitions = 12
	FlowPartitions  = 12
	UsagePartitions = 12

	// VirtualShards divides every key space; shards map to partitions, and later to machines.
	VirtualShards = 1024
)

// Kafka header names. The ce_ ones are CloudEvents' Kafka binding.
const (
	HeaderID         = "ce_id"
	HeaderType       = "ce_type"
	HeaderSource     = "ce_source"
	HeaderSubject    = "ce_subject"
	HeaderTime       = "ce_time"
	HeaderSpec       = "ce_specversion"
	HeaderVersion    = "schema_version"    // decimal
	HeaderAggregate  = "aggregate_version" // decimal
	HeaderProducer   = "producer"          // who numbers the messages
	HeaderEpoch      = "epoch"             // the producer's fencing epoch, decimal
	HeaderSequence   = "sequence"          // of the producer on this partition, from 1, decimal
	SpecVersion      = "1.0"
	SourcePlatform   = "ezscale"
	ProducerOfOutbox = "outbox/" // + relay range
)

// Aggregate names the thing an event is about. Its events are ordered by version.
type Aggregate struct {
	Type string
	ID   uuid.UUID
}

// Event is one fact. ShardKey is constant for an aggregate: what must stay in order together shares it
// (usually the customer; the aggregate itself where there is none).
type Event interface {
	Type() string
	SchemaVersion() int
	Aggregate() Aggregate
	ShardKey() uuid.UUID
}

// VirtualShard maps a key to its shard, 0 … VirtualShards-1.
func VirtualShard(key uuid.UUID) int {
	h := fnv.New64a()
	h.Write(key[:])
	return int(h.Sum64() % VirtualShards)
}

// Partition maps a virtual shard to one of count partitions in contiguous ranges.
func Partition(vshard, count int) int { return vshard * count / VirtualShards }

// Aggregate types.
const (
	TypeCustomer   = "customer"
	TypePerson     = "person"
	TypeLink       = "link"
	TypeSession    = "session"
	TypeRole       = "role"
	TypeToken      = "token"
	TypeClient     = "client"
	TypePlan       = "plan"
	TypeExporter   = "exporter"
	TypeService    = "service"
	TypePrefix     = "prefix"
	TypeCycle      = "cycle"
	TypeQuotaAlert = "quota_alert"
	TypePortAlert  = "port_alert"
	TypeInvoice    = "invoice"
)

// Period is a half-open interval of time, UTC.
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}
