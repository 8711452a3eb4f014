package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// keepAlive is how long the server keeps a point in time after each use of it.
const keepAlive = "3m"

// TimeField is the field that documents are read by.
const TimeField = "@timestamp"

// Fields tells which of some fields each index of a pattern has, and their types: index, field, type.
// A pattern that fits no index gives none.
func (c *Client) Fields(ctx context.Context, indices, fields []string) (map[string]map[string]string, error) {
	var answer map[string]struct {
		Mappings map[string]struct {
			Mapping map[string]struct{ Type string }
		}
	}
	err := c.do(ctx, "read the fields of the indices", esapi.IndicesGetFieldMappingRequest{
		Index: indices, Fields: fields, IgnoreUnavailable: esapi.BoolPtr(true), AllowNoIndices: esapi.BoolPtr(true),
	}, &answer)
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]string{}
	for index, a := range answer {
		all[index] = map[string]string{}
		for field, m := range a.Mappings {
			for _, leaf := range m.Mapping {
				all[index][field] = leaf.Type
			}
		}
	}
	return all, nil
}

// Sourceless names the indices that do not store their documents: they can be searched, but not read.
func (c *Client) Sourceless(ctx context.Context, indices []string) ([]string, error) {
	var answer map[string]struct {
		Mappings struct {
			Source struct{ Enabled *bool } `json:"_source"`
		}
	}
	err := c.do(ctx, "read the mappings of the indices", esapi.IndicesGetMappingRequest{
		Index: indices, IgnoreUnavailable: esapi.BoolPtr(true), AllowNoIndices: esapi.BoolPtr(true), FilterPath: []string{"*.mappings._source.enabled"},
	}, &answer)
	var names []string
	for index, a := range answer {
		if enabled := a.Mappings.Source.Enabled; enabled != nil && !*enabled {
			names = append(names, index)
		}
	}
	return names, err
}

// OpenPIT takes a view of the indices that later writes do not change.
func (c *Client) OpenPIT(ctx context.Context, indices []string) (string, error) {
	var answer struct{ ID string }
	err := c.do(ctx, "open a point in time", esapi.OpenPointInTimeRequest{
		Index: indices, KeepAlive: keepAlive, IgnoreUnavailable: esapi.BoolPtr(true),
	}, &answer)
	if err == nil && answer.ID == "" {
		return "", fmt.Errorf("open a point in time: no id in the answer: %w", ErrRefused)
	}
	return answer.ID, err
}

// ClosePIT lets go of a view. One that is gone already is no failure.
func (c *Client) ClosePIT(ctx context.Context, id string) error {
	body, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		return fmt.Errorf("close a point in time: %w", err)
	}
	response, err := esapi.ClosePointInTimeRequest{Body: bytes.NewReader(body)}.Do(ctx, c.transport)
	if err != nil {
		return failure("close a point in time", err)
	}
	return response.Body.Close()
}

// Query asks for documents of a point in time whose time is in [From, To), in the order of their times.
type Query struct {
	PIT      string
	From, To time.Time
	After    json.RawMessage // the Sort of the last hit; nil: from the first
	Size     int
	Source   []string // which fields; none: only the count is asked for
}

// Hit is one document.
type Hit struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"` // nil when the index keeps none
	Sort   json.RawMessage `json:"sort"`
}

// Page is an answer.
type Page struct {
	PIT  string // to use from now on
	Hits []Hit
}

// answer is how Elasticsearch gives a page.
type answer struct {
	PIT      string `json:"pit_id"`
	TimedOut bool   `json:"timed_out"`
	Shards   struct {
		Failed   int
		Failures []struct {
			Index  string
			Reason fault
		}
	} `json:"_shards"`
	Hits struct {
		Total struct{ Value int64 }
		Hits  []Hit
	}
}

// Search gives one page. Shards that do not answer are a failure: a page is whole, or it is not given.
func (c *Client) Search(ctx context.Context, q Query) (Page, error) {
	a, err := c.search(ctx, q, map[string]any{
		"size": q.Size, "track_total_hits": false, "_source": q.Source,
		// One unit for indices of milliseconds and of nanoseconds, or pages would not follow each other.
		"sort": []any{
			map[string]any{TimeField: map[string]string{"order": "asc", "numeric_type": "date_nanos", "unmapped_type": "date"}},
			map[string]string{"_shard_doc": "asc"},
		},
	})
	return Page{PIT: a.PIT, Hits: a.Hits.Hits}, err
}

// Count tells how many documents there are in [From, To).
func (c *Client) Count(ctx context.Context, q Query) (int64, error) {
	a, err := c.search(ctx, q, map[string]any{"size": 0, "track_total_hits": true})
	return a.Hits.Total.Value, err
}

func (c *Client) search(ctx context.Context, q Query, body map[string]any) (answer, error) {
	const what = "read documents"
	body["pit"] = map[string]string{"id": q.PIT, "keep_alive": keepAlive}
	body["query"] = map[string]any{"bool": map[string]any{"filter": []any{map[string]any{"range": map[string]any{TimeField: map[string]string{
		"gte": q.From.UTC().Format(time.RFC3339Nano), "lt": q.To.UTC().Format(time.RFC3339Nano), "format": "strict_date_optional_time_nanos",
	}}}}}}
	if q.After != nil {
		body["search_after"] = q.After
	}
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", what, err)
	}
	var a answer
	err = c.do(ctx, what, esapi.SearchRequest{Body: bytes.NewReader(text), AllowPartialSearchResults: esapi.BoolPtr(false)}, &a)
	switch {
	case err != nil:
		return answer{}, err
	case len(a.Shards.Failures) > 0:
		f := a.Shards.Failures[0]
		return answer{}, fmt.Errorf("%s: index %s: %w (%s)", what, f.Index, kindOf(0, f.Reason), f.Reason.text())
	case a.Shards.Failed > 0 || a.TimedOut:
		return answer{}, fmt.Errorf("%s: %d shards did not answer: %w", what, a.Shards.Failed, ErrUnavailable)
	}
	return a, nil
}
