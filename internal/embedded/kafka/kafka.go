// Package kafka is the embedded broker: franz-go's kfake in a process of its own, with a data directory and
// synced writes (but for Throwaway), so that what it has acknowledged is on the disk.
//
// kfake keeps record batches in segment files and only their positions in memory, about 80 bytes a batch, so
// its size follows the number of batches kept, not their bytes: a topic that gets a batch per partition and
// second should not be kept for weeks here. It speaks the protocol of one broker; topics are made by request only,
// and a batch may have 1 MiB, as with Apache Kafka's defaults. Its cluster id, topics, offsets and producer
// numbers survive restarts.
//
// One process at a time works in the directory: the next waits until the kernel has taken the lock from a
// dying one.
package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ezscale/platform/internal/embedded/flock"
)

const (
	maxBatchBytes   = 1_048_588 // message.max.bytes of Apache Kafka
	softMemoryBytes = 128 << 20 // the collector of garbage works harder above it
	garbagePercent  = 50
	predecessorWait = 15 * time.Second

	retentionInterval = 2 * time.Minute
	clusterID         = "ezscale-embedded"
)

// Config of the broker.
type Config struct {
	Dir  string // its data; made when absent
	Port int    // on 127.0.0.1
	// Throwaway leaves out the syncs to the disk, of which kfake makes two for each batch, one after another for all
	// partitions: the data survives a kill, not a crash of the machine, as with Apache Kafka's defaults on one broker.
	Throwaway bool
}

// Brokers is the address that clients use.
func (c Config) Brokers() []string {
	return []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port))}
}

// Run serves until the context ends, then writes down its state and returns.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	debug.SetMemoryLimit(softMemoryBytes)
	debug.SetGCPercent(garbagePercent)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the Kafka directory: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, predecessorWait)
	defer cancel()
	lock, err := flock.Wait(waiting, filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return fmt.Errorf("lock the Kafka directory: %w", err)
	}
	defer func() { _ = lock.Release() }()
	options := []kfake.Opt{
		kfake.NumBrokers(1), kfake.Ports(cfg.Port), kfake.ClusterID(clusterID), kfake.DataDir(filepath.Join(cfg.Dir, "data")),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(maxBatchBytes)}),
	}
	if !cfg.Throwaway {
		options = append(options, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return fmt.Errorf("start the embedded Kafka: %w", err)
	}
	log.Info("serving", "port", cfg.Port)
	retain(ctx, cluster)
	cluster.Close()
	return nil
}

// retain drops what is older or more than its topic keeps, until the context ends. kfake does it by itself
// only once an hour.
func retain(ctx context.Context, cluster *kfake.Cluster) {
	due := time.NewTicker(retentionInterval)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
			cluster.ApplyRetention()
		}
	}
}

// Probe asks the broker which requests it knows.
func Probe(ctx context.Context, cfg Config) error {
	conn, err := kafka.DialContext(ctx, "tcp", cfg.Brokers()[0])
	if err != nil {
		return fmt.Errorf("reach the embedded Kafka: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.ApiVersions(); err != nil {
		return fmt.Errorf("ask the embedded Kafka: %w", err)
	}
	return nil
}
