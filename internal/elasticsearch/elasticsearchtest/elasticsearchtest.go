// Package elasticsearchtest gives tests a real Elasticsearch, named by EZSCALE_TEST_ELASTICSEARCH, and writes
// documents to it.
package elasticsearchtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Variable names the server's URL.
const Variable = "EZSCALE_TEST_ELASTICSEARCH"

const bound = 30 * time.Second

// Server is the Elasticsearch under test.
type Server struct {
	URL    string
	Prefix string // of this test's indices, which are deleted at its end
}

// New finds the server. Without one the test is skipped; beside an Apache Kafka it fails where CI=true, for those are
// tests on real servers.
func New(t testing.TB) *Server {
	t.Helper()
	if url := os.Getenv(Variable); url != "" {
		return At(t, url)
	}
	const why = `no Elasticsearch: run "make test-real", or under "ezscale servers --elasticsearch -- go test ..."`
	if os.Getenv("CI") == "true" && os.Getenv("EZSCALE_TEST_KAFKA_KIND") == "apache" {
		t.Fatal(why)
	}
	t.Skip(why)
	return nil
}

// At uses a server that the test has started itself.
func At(t testing.TB, url string) *Server {
	s := &Server{URL: url, Prefix: "test-" + uuid.NewString()[:8]}
	t.Cleanup(func() { s.clean(t) })
	return s
}

// clean deletes the test's indices one by one: the server takes no wildcard there.
func (s *Server) clean(t testing.TB) {
	_, text := s.ask(t, http.MethodGet, "/"+s.Prefix+"*/_alias", nil)
	var indices map[string]any
	if err := json.Unmarshal(text, &indices); err != nil {
		t.Logf("list the test's indices: %v", err)
	}
	for index := range indices {
		s.ask(t, http.MethodDelete, "/"+index, nil)
	}
	s.ask(t, http.MethodDelete, "/_index_template/"+s.Prefix+"*", nil)
}

// Index is the name of one of the test's indices.
func (s *Server) Index(name string) string { return s.Prefix + "-" + name }

// Must sends a request that has to succeed, and gives the answer.
func (s *Server) Must(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	status, answer := s.ask(t, method, path, text)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

func (s *Server) ask(t testing.TB, method, path string, body []byte) (int, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("reach the Elasticsearch under test: %v", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// Document is one to be indexed.
type Document struct {
	Index, ID string // an empty ID is given by the server
	Source    any
}

// Write indexes documents and makes them visible.
func (s *Server) Write(t testing.TB, documents ...Document) {
	t.Helper()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	for _, d := range documents {
		action := map[string]string{"_index": d.Index}
		if d.ID != "" {
			action["_id"] = d.ID
		}
		if err := encoder.Encode(map[string]any{"index": action}); err != nil {
			t.Fatal(err)
		}
		if err := encoder.Encode(d.Source); err != nil {
			t.Fatal(err)
		}
	}
	status, answer := s.ask(t, http.MethodPost, "/_bulk?refresh=true", body.Bytes())
	if status >= 300 || strings.Contains(string(answer), `"errors":true`) {
		t.Fatalf("index documents: %s", fmt.Sprintf("%d %.2000s", status, answer))
	}
}
