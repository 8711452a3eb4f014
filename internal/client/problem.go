package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Problem is a refusal of the server (RFC 9457).
type Problem struct {
	Status    int     `json:"status"`
	Code      string  `json:"code"`
	Title     string  `json:"title"`
	Detail    string  `json:"detail"`
	RequestID string  `json:"request_id"`
	Errors    []Field `json:"errors"`
}

// Field is what is wrong with one part of the input.
type Field struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error says what is wrong, field by field, and under which id the server's log knows it.
func (p *Problem) Error() string {
	parts := []string{p.sentence()}
	for _, f := range p.Errors {
		parts = append(parts, fmt.Sprintf("%s %s", strings.TrimPrefix(f.Location, "body."), f.Message))
	}
	text := strings.Join(parts, "; ")
	if p.RequestID != "" {
		text += fmt.Sprintf(" (%s, request %s)", p.Code, p.RequestID)
	}
	return text
}

func (p *Problem) sentence() string {
	switch {
	case p.Status == http.StatusUnauthorized:
		return "the platform does not accept the token: set EZSCALE_TOKEN, or name the data directory with --data"
	case p.Detail != "":
		return p.Detail
	default:
		return fmt.Sprintf("the platform answered %d %s", p.Status, http.StatusText(p.Status))
	}
}

// problemOf reads a refusal, also one that something in between made.
func problemOf(status int, body []byte) *Problem {
	var p Problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		p = Problem{}
	}
	p.Status = status
	return &p
}
