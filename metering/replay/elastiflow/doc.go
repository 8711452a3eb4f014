// Package elastiflow reads the flow documents of an ElastiFlow installation and puts them into the raw log, each once.
//
// Reading (reader.go): slices of whole minutes of @timestamp, each from a point in time, page after page by
// search_after. A request that is not answered is repeated with growing pauses; when the point in time is lost the
// slice is read from its start. Reading a slice again is harmless: what was counted is known by its hash.
//
// A slice (slice.go) sorts its documents: known, unreadable, of an unknown exporter, of an exporter whose scale cannot
// be believed (package scale), to be counted. What is not counted is counted by reason, with one example of each, and
// is not remembered: the next reading takes it, when its exporter has been registered or trusted meanwhile.
//
// What is counted is packed into envelopes of kind flows (pack.go) and written to the journal in one transaction with
// the hashes (package journal). Package sender brings it to the partition of its exporter, in order, one
// request at a time. When too much waits to be sent, reading waits.
//
// A backfill reads from a time to a time and is done. A follower (follow.go) reads up to a little before now, again and
// again, the last quarter of an hour each time, because documents are indexed late; it reports a watermark as a
// collector does: billing cycles wait until it has passed their end.
package elastiflow
