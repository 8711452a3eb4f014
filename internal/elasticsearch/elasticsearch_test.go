package elasticsearch_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/elasticsearch"
)

// answering is a client of a server that always says the same.
func answering(t *testing.T, status int, body string) *elasticsearch.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	client, err := elasticsearch.New(elasticsearch.Config{URL: server.URL, RequestTime: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestKindsOfFailure(t *testing.T) {
	t.Parallel()
	shard := func(kind string) string {
		return `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed","failed_shards":[{"index":"i","reason":{"type":"` + kind + `","reason":"r"}}]}}`
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"lost":              {404, shard("search_context_missing_exception"), elasticsearch.ErrLostPIT},
		"lost, by its root": {404, `{"error":{"type":"x","root_cause":[{"type":"search_context_missing_exception"}]}}`, elasticsearch.ErrLostPIT},
		"no index":          {404, `{"error":{"type":"index_not_found_exception"}}`, elasticsearch.ErrNoIndex},
		"busy":              {429, `{"error":{"type":"es_rejected_execution_exception"}}`, elasticsearch.ErrUnavailable},
		"busy shard":        {503, shard("es_rejected_execution_exception"), elasticsearch.ErrUnavailable},
		"a proxy":           {502, "<html>", elasticsearch.ErrUnavailable},
		"no password":       {401, `{"error":"security"}`, elasticsearch.ErrDenied},
		"no right":          {403, `{"error":{"type":"security_exception"}}`, elasticsearch.ErrDenied},
		"nonsense":          {400, shard("illegal_argument_exception"), elasticsearch.ErrRefused},
		"too long":          {413, "", elasticsearch.ErrTooLarge},
		"cut short":         {200, `{"hits":{"hits":[{"_id":`, elasticsearch.ErrUnavailable},
		"shards missing":    {200, `{"_shards":{"failed":1}}`, elasticsearch.ErrUnavailable},
		"a shard's context": {200, `{"_shards":{"failed":1,"failures":[{"index":"i","reason":{"type":"search_context_missing_exception"}}]}}`, elasticsearch.ErrLostPIT},
		"timed out":         {200, `{"timed_out":true}`, elasticsearch.ErrUnavailable},
		"well":              {200, `{"pit_id":"p","hits":{"hits":[]}}`, nil},
	} {
		_, err := answering(t, c.status, c.body).Search(t.Context(), elasticsearch.Query{PIT: "p", Size: 1})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		`{"cluster_uuid":"u","version":{"number":"8.6.2"}}`:                              nil,
		`{"cluster_uuid":"u","version":{"number":"7.12.0"}}`:                             nil,
		`{"cluster_uuid":"u","version":{"number":"10.0.0-SNAPSHOT"}}`:                    nil,
		`{"cluster_uuid":"u","version":{"number":"7.11.2"}}`:                             elasticsearch.ErrVersion,
		`{"cluster_uuid":"u","version":{"number":"6.8.23"}}`:                             elasticsearch.ErrVersion,
		`{"cluster_uuid":"u","version":{"number":"2.11.0","distribution":"opensearch"}}`: elasticsearch.ErrVersion,
		`{"cluster_uuid":"_na_","version":{"number":"8.6.2"}}`:                           elasticsearch.ErrUnavailable,
		`{"name":"something else"}`:                                                      elasticsearch.ErrVersion,
		`hello`:                                                                          elasticsearch.ErrUnavailable,
	} {
		c, err := answering(t, 200, body).Cluster(t.Context())
		if !errors.Is(err, want) || (want == nil) != (c.UUID == "u") {
			t.Errorf("%s: %+v, %v, want %v", body, c, err, want)
		}
	}
}

// A sort value has 19 digits: it comes back as it was, not by way of a float64.
func TestSortValuesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	const sort = `[1750000000123456789,4294967297]`
	client := answering(t, 200, `{"hits":{"hits":[{"_index":"i","_id":"1","_source":{"a":1},"sort":`+sort+`}]}}`)
	page, err := client.Search(t.Context(), elasticsearch.Query{Size: 1})
	if err != nil || len(page.Hits) != 1 || string(page.Hits[0].Sort) != sort {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "es:9200", "ftp://es", "http://", "http://user:secret@", "http://user:secret@[::1"} {
		_, err := elasticsearch.New(elasticsearch.Config{URL: url})
		if !errors.Is(err, elasticsearch.ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := elasticsearch.New(elasticsearch.Config{URL: "https://es", CA: []byte("no PEM")}); err == nil {
		t.Error("took a CA file without a certificate")
	}
}
