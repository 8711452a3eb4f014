package topics_test

import (
	"testing"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/topics"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/schemas/events"
)

// A changed EZSCALE_RAW_RETENTION reaches the topic that is there: by migrate and up through All, by a collector only
// where it is set.
func TestRawRetentionIsApplied(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	for _, c := range []struct {
		set  string
		want time.Duration
	}{{"", kafka.Forever}, {"48h", 48 * time.Hour}, {"720h", 720 * time.Hour}, {"", 720 * time.Hour}} {
		cfg, err := config.Load(func(name string) string {
			return map[string]string{"EZSCALE_RAW_RETENTION": c.set}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := topics.KeepRaw(t.Context(), client, topic, cfg); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Retention(t.Context(), topic); err != nil || got != c.want {
			t.Errorf("a collector with %q leaves %s, want %s: %v", c.set, got, c.want, err)
		}
		for _, wanted := range topics.All(cfg) {
			if want := kafka.NewTopic("", 0, 0, cfg.Collector.RawRetention); wanted.Name == events.TopicFlowsRaw && wanted.Config["retention.ms"] != want.Config["retention.ms"] {
				t.Errorf("migrate wants %v, the setting is %s", wanted.Config, cfg.Collector.RawRetention)
			}
		}
	}
}
