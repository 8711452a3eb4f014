package clickhouse

import (
	"net/http"
	"net/url"
	"strings"
)

// Bounds of what a client may ask.
const (
	maxSettings     = 128
	maxSettingBytes = 4 << 10
	maxNameBytes    = 128
)

// ask is a parsed request: the statement and how data travels. The body is not read yet.
type ask struct {
	statement      statement
	query          string // of the URL; the body follows it
	protocol       string // client_protocol_version: the client speaks Native with block headers until told not to
	compressAnswer bool   // as ClickHouse's own compressed blocks
	compressedBody bool
}

// parse reads the URL. Whatever is not a word of the protocol is a setting, whose name the engine judges.
func parse(u *url.URL, header http.Header) (ask, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return ask{}, refuse(codeUnknownFunctionParameter, "bad query string: %s", err)
	}
	a := ask{statement: statement{
		format: "TabSeparated", settings: map[string]string{}, values: map[string]string{},
	}}
	if format := header.Get("X-ClickHouse-Format"); format != "" {
		a.statement.format = format
	}
	a.statement.database = header.Get("X-ClickHouse-Database")
	for name, values := range query {
		if err := a.take(name, values[len(values)-1]); err != nil {
			return ask{}, err
		}
	}
	return a, nil
}

func (a *ask) take(name, value string) error {
	switch name {
	case "query":
		a.query = value
	case "database":
		a.statement.database = value
	case "default_format":
		a.statement.format = value
	case "client_protocol_version":
		a.protocol = value
	case "compress":
		a.compressAnswer = value == "1"
	case "decompress":
		a.compressedBody = value == "1"
	case "session_id":
		return refuse(codeNotImplemented, "sessions are not kept by the embedded engine")
	case "user", "password", "query_id", "quota_key", "wait_end_of_query", "buffer_size", "session_timeout",
		"session_check", "stacktrace", "role", "enable_http_compression", "http_write_exception_in_output_format":
		// said elsewhere, or without meaning here: an answer is always complete before it is sent
	default:
		return a.setting(name, value)
	}
	return nil
}

func (a *ask) setting(name, value string) error {
	if parameter, ok := strings.CutPrefix(name, "param_"); ok {
		if parameter == "" || len(parameter) > maxNameBytes {
			return refuse(codeUnknownFunctionParameter, "bad name of a parameter")
		}
		a.statement.values[parameter] = value
		return nil
	}
	if !isSettingName(name) || len(value) > maxSettingBytes {
		return refuse(codeUnknownFunctionParameter, "bad setting %.64q", name)
	}
	if len(a.statement.settings) >= maxSettings {
		return refuse(codeUnknownFunctionParameter, "more than %d settings", maxSettings)
	}
	a.statement.settings[name] = value
	return nil
}

// isSettingName admits identifiers only: a name goes into a statement unquoted.
func isSettingName(name string) bool {
	if name == "" || len(name) > maxNameBytes || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, c := range []byte(name) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// splitInsert takes an INSERT whose data follows outside of its text apart: the statement without its FORMAT
// or VALUES, and the format. ok is false for all else.
func splitInsert(sql string) (head, format string, ok bool) {
	trimmed := strings.TrimRight(strings.TrimSpace(sql), "; \t\r\n")
	if !hasWord(skipComments(trimmed), "INSERT") {
		return "", "", false
	}
	words := strings.Fields(trimmed)
	last := words[len(words)-1]
	if strings.EqualFold(last, "VALUES") {
		return strings.TrimSpace(trimmed[:len(trimmed)-len(last)]), "Values", true
	}
	if len(words) < 3 || !strings.EqualFold(words[len(words)-2], "FORMAT") || !isSettingName(last) {
		return "", "", false
	}
	head = strings.TrimSpace(trimmed[:len(trimmed)-len(last)])
	return strings.TrimSpace(head[:len(head)-len("FORMAT")]), last, true
}

func hasWord(sql, word string) bool {
	if len(sql) <= len(word) || !strings.EqualFold(sql[:len(word)], word) {
		return false
	}
	next := sql[len(word)]
	return next == ' ' || next == '\t' || next == '\n' || next == '\r' || next == '/'
}

// skipComments returns the statement from its first word on.
func skipComments(sql string) string {
	for {
		sql = strings.TrimSpace(sql)
		var end string
		switch {
		case strings.HasPrefix(sql, "--"):
			end = "\n"
		case strings.HasPrefix(sql, "/*"):
			end = "*/"
		default:
			return sql
		}
		_, after, found := strings.Cut(sql[2:], end)
		if !found {
			return ""
		}
		sql = after
	}
}
