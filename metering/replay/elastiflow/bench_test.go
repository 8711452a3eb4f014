package elastiflow_test

import (
	"testing"
	"time"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/metering/replay/document"
)

// BenchmarkReplay reads documents from a real Elasticsearch and brings them to Kafka: documents a second, and again
// when all of them are known.
func BenchmarkReplay(b *testing.B) {
	w := newWorld(b)
	template(b, w.source, document.Codex, w.source.Index("flow")+"*")
	const documents, at = 100_000, 20_000
	for i := range documents / at {
		batch, _ := many(document.Codex, w.source.Index("flow"), at, start().Add(time.Duration(i)*time.Minute), start().Add(time.Duration(i+1)*time.Minute), nil)
		w.source.Write(b, batch...)
	}
	for b.Loop() {
		cfg := w.config()
		cfg.Name = time.Now().String()
		if _, err := w.owner.Exec(b.Context(), "truncate replay_slice, replay_seen"); err != nil {
			b.Fatal(err)
		}
		w.run(cfg, elasticsearch.Config{})
	}
	b.ReportMetric(float64(documents*b.N)/b.Elapsed().Seconds(), "documents/s")
}
