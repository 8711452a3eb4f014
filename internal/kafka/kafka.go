// Package kafka is the platform's whole knowledge of Kafka: make topics, append a batch to one partition, read
// one partition from an offset. It wraps kafka-go, and leaves out on purpose what that library cannot promise:
//
//   - No Writer: it batches behind the caller's back and goes on to the next batch when one has failed. Produce
//     sends one request to one explicit partition with acks from all replicas and says what became of it.
//     An error means unknown: the same batch is sent again by the caller, which numbers what it sends.
//   - No consumer groups: offsets and leases live in Postgres (internal/consumer), beside the effects.
//   - Own produce path: kafka-go copies a request twice on its way and hands it through three goroutines. Here the
//     caller's goroutine writes one list of pieces, large values from where they lie.
//   - Own fetch path: kafka-go's Conn gives either values without headers or a fresh allocation for each
//     message. Reader asks with Fetch v10 and walks the record batches in place, checksum verified.
//
// Errors are of four kinds: ErrUnavailable (call again), ErrOffsetOutOfRange (stop and alarm, never jump),
// ErrTooLarge (the broker refuses the message for its size), and the rest, which is a fault in a call.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// The kinds of failure that callers tell apart.
var (
	ErrUnavailable      = errors.New("kafka is not available")
	ErrOffsetOutOfRange = errors.New("the offset is not in the partition")
	ErrTooLarge         = errors.New("the message is larger than the broker takes")
	ErrCorrupt          = errors.New("a record batch is damaged")
	ErrPartitionCount   = errors.New("the topic has another partition count")
)

// Bounds used where Config leaves a zero.
const (
	defaultDialTimeout    = 5 * time.Second
	defaultRequestTimeout = 15 * time.Second
	defaultFetchBytes     = 1 << 20
	metadataAge           = 5 * time.Second
	idleTimeout           = 5 * time.Minute
)

// Config names a cluster. Zero values take the defaults.
type Config struct {
	Brokers        []string      // host:port, at least one
	ClientID       string        // default "ezscale"
	DialTimeout    time.Duration // default 5 s
	RequestTimeout time.Duration // of one request, its connection included; default 15 s
	FetchBytes     int           // asked for with one fetch; a larger batch still comes whole; default 1 MiB
}

// Header is one header of a message.
type Header struct {
	Key   string
	Value []byte
}

// Message is what Produce appends. A zero Time is the broker's or the client's now.
type Message struct {
	Key, Value []byte
	Headers    []Header
	Time       time.Time
}

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	cfg       Config
	transport *kafkago.Transport
	client    *kafkago.Client
	dialer    *kafkago.Dialer
	producers producers
}

// New makes a client; nothing is connected before the first call.
func New(cfg Config) *Client {
	cfg = cfg.withDefaults()
	transport := &kafkago.Transport{
		DialTimeout: cfg.DialTimeout, IdleTimeout: idleTimeout, MetadataTTL: metadataAge, ClientID: cfg.ClientID,
	}
	return &Client{
		cfg:       cfg,
		transport: transport,
		client:    &kafkago.Client{Addr: kafkago.TCP(cfg.Brokers...), Timeout: cfg.RequestTimeout, Transport: transport},
		dialer:    &kafkago.Dialer{ClientID: cfg.ClientID, Timeout: cfg.DialTimeout},
	}
}

func (c Config) withDefaults() Config {
	if c.ClientID == "" {
		c.ClientID = "ezscale"
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = defaultRequestTimeout
	}
	if c.FetchBytes <= 0 {
		c.FetchBytes = defaultFetchBytes
	}
	return c
}

// Close lets go of the connections. Readers are closed by their owners.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.producers.close()
}

// Ping asks for the cluster's metadata, so that a doctor can say whether a broker answers.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.client.ApiVersions(ctx, &kafkago.ApiVersionsRequest{})
	return c.failure("reach kafka", err)
}

// failure gives an error its kind. The metadata is asked anew after one that may come from old metadata.
func (c *Client) failure(what string, err error) error {
	if err == nil {
		return nil
	}
	kind := kindOf(err)
	if kind == nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if errors.Is(kind, ErrUnavailable) && !errors.Is(err, context.Canceled) {
		c.transport.CloseIdleConnections()
	}
	return fmt.Errorf("%s: %w: %w", what, kind, err)
}

func kindOf(err error) error {
	var code kafkago.Error
	if errors.As(err, &code) {
		return kindOfCode(code)
	}
	var network net.Error
	switch {
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, net.ErrClosed),
		errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition), errors.Is(err, protocol.ErrNoLeader):
		return ErrUnavailable
	}
	return nil
}

func kindOfCode(code kafkago.Error) error {
	switch {
	case code == kafkago.OffsetOutOfRange:
		return ErrOffsetOutOfRange
	case code == kafkago.MessageSizeTooLarge, code == kafkago.RecordListTooLarge:
		return ErrTooLarge
	case code.Temporary(), code == kafkago.UnknownTopicOrPartition, code == kafkago.BrokerNotAvailable,
		code == kafkago.ReplicaNotAvailable, code == kafkago.NotEnoughReplicasAfterAppend, code == kafkago.KafkaStorageError,
		code == kafkago.FencedLeaderEpoch, code == kafkago.UnknownLeaderEpoch, code == kafkago.Unknown:
		return ErrUnavailable
	}
	return nil
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
