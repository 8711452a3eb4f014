package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The kinds of failure that callers tell apart.
var (
	ErrURL         = errors.New("the Elasticsearch URL cannot be used")
	ErrVersion     = errors.New("not an Elasticsearch of 7.12 or later")
	ErrUnavailable = errors.New("elasticsearch does not answer")          // ask again
	ErrLostPIT     = errors.New("the point in time is gone")              // open another one
	ErrNoIndex     = errors.New("there is no such index")                 //
	ErrTooLarge    = errors.New("the answer is larger than allowed")      // ask for less
	ErrDenied      = errors.New("elasticsearch denies access")            // credentials or rights
	ErrRefused     = errors.New("elasticsearch cannot do what was asked") // asking again does not help
)

// failure is of a request without an answer, or with one that broke off.
func failure(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// fault is how Elasticsearch tells of a failure; everything in it may be missing.
type fault struct {
	Type, Reason string
	RootCause    []fault `json:"root_cause"`
	FailedShards []struct {
		Index  string
		Reason fault
	} `json:"failed_shards"`
}

// types are all the kinds of failure named anywhere in it.
func (f fault) types() []string {
	all := []string{f.Type}
	for _, cause := range f.RootCause {
		all = append(all, cause.Type)
	}
	for _, shard := range f.FailedShards {
		all = append(all, shard.Reason.Type)
	}
	return all
}

// text is the deepest reason there is.
func (f fault) text() string {
	for _, shard := range f.FailedShards {
		return fmt.Sprintf("index %s: %s: %s", shard.Index, shard.Reason.Type, shard.Reason.Reason)
	}
	return f.Type + ": " + f.Reason
}

// refused reads an answer that tells of a failure.
func refused(what string, status int, body io.Reader) error {
	var answer struct{ Error json.RawMessage }
	var f fault
	text, _ := io.ReadAll(io.LimitReader(body, maxFault)) // whatever came of it; the status says enough
	if json.Unmarshal(text, &answer) != nil || json.Unmarshal(answer.Error, &f) != nil {
		f.Type = http.StatusText(status)
	}
	return fmt.Errorf("%s: %w (%d, %s)", what, kindOf(status, f), status, f.text())
}

func kindOf(status int, f fault) error {
	types := strings.Join(f.types(), " ")
	switch {
	case strings.Contains(types, "search_context_missing_exception"), strings.Contains(types, "search_context_exception"):
		return ErrLostPIT
	case strings.Contains(types, "index_not_found_exception"):
		return ErrNoIndex
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return ErrUnavailable
	}
	return ErrRefused
}
