package clickhouse

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Codes of ClickHouse's own list that this front uses.
const (
	codeUnknownFunctionParameter = 36  // BAD_ARGUMENTS
	codeTooManySimultaneous      = 202 // TOO_MANY_SIMULTANEOUS_QUERIES
	codeAuthenticationFailed     = 516 // AUTHENTICATION_FAILED
	codeNotImplemented           = 48  // NOT_IMPLEMENTED
	codeTooLarge                 = 307 // TOO_MANY_BYTES
	codeCannotDecompress         = 271 // CANNOT_DECOMPRESS
	codeResultTooLarge           = 396 // TOO_MANY_ROWS_OR_BYTES
	codeUnknown                  = 1002
)

// exception is an error as ClickHouse words it: "Code: 60. DB::Exception: ...".
type exception struct {
	code int
	text string
}

func (e *exception) Error() string { return e.text }

func newException(said string) *exception {
	e := &exception{code: codeUnknown, text: said}
	if after, ok := strings.CutPrefix(said, "Code: "); ok {
		number, _, _ := strings.Cut(after, ".")
		if code, err := strconv.Atoi(number); err == nil {
			e.code = code
		}
	}
	if said == "" {
		e.text = "the engine failed without a word"
	}
	return e
}

func refuse(code int, format string, args ...any) *exception {
	return &exception{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: %s", code, fmt.Sprintf(format, args...))}
}

// status is the HTTP status that ClickHouse gives to a code; most are the server's fault there.
func (e *exception) status() int {
	switch e.code {
	case codeUnknownFunctionParameter, codeCannotDecompress, 6, 26, 27, 38, 41, 43, 47, 50, 53, 62, 69, 70, 72, 115, 117, 130, 321, 456:
		return http.StatusBadRequest // cannot parse, syntax, types, unknown identifier or setting, ...
	case 46, 60, 61, 81, 218: // unknown function, table, ..., database
		return http.StatusNotFound
	case codeAuthenticationFailed:
		return http.StatusForbidden
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManySimultaneous:
		return http.StatusServiceUnavailable
	case 159: // timeout exceeded
		return http.StatusRequestTimeout
	default:
		return http.StatusInternalServerError
	}
}
