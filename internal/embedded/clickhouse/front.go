package clickhouse

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
)

const (
	maxStatementBytes = 32 << 20
	maxInsertBytes    = 512 << 20
	maxResultBytes    = 32 << 20
	queueTime         = 30 * time.Second // a statement waits for its turn
	helloStatement    = "SELECT displayName(), version(), revision(), timezone()"
)

// front speaks ClickHouse's HTTP protocol. An answer is made whole before its first byte is sent, so an error
// always has its status and code.
type front struct {
	engine         *engine
	user, password string
	turns          chan struct{} // as many as statements may run at once
	log            *slog.Logger
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" && r.Method == http.MethodGet {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	answer, err := f.serve(w, r)
	if err == nil {
		err = f.send(w, r, answer)
	}
	if err != nil {
		f.fail(w, err)
	}
}

// answer is what goes back.
type answer struct {
	outcome
	ask ask
}

func (f *front) serve(w http.ResponseWriter, r *http.Request) (answer, error) {
	if err := f.authenticate(r); err != nil {
		return answer{}, err
	}
	if r.URL.Path != "/" || r.Method != http.MethodPost && r.Method != http.MethodGet {
		return answer{}, refuse(codeNotImplemented, "there is nothing at %s %.64q", r.Method, r.URL.Path)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return answer{}, refuse(codeNotImplemented, "external tables are not taken by the embedded engine")
	}
	asked, err := parse(r.URL, r.Header)
	if err != nil {
		return answer{}, err
	}
	if r.Method == http.MethodGet {
		asked.statement.settings["readonly"] = "2" // as ClickHouse does; settings may still be set
	}
	done, err := f.turn(r.Context())
	if err != nil {
		return answer{}, err
	}
	defer done()
	result, err := f.run(w, r, asked)
	return answer{outcome: result, ask: asked}, err
}

func (f *front) run(w http.ResponseWriter, r *http.Request, asked ask) (outcome, error) {
	body, err := openBody(w, r, asked)
	if err != nil {
		return outcome{}, err
	}
	if head, format, ok := splitInsert(asked.query); ok {
		asked.statement.sql, asked.statement.format = head, format
		return f.engine.insert(asked.statement, body)
	}
	rest, err := io.ReadAll(io.LimitReader(body, maxStatementBytes+1))
	if err != nil {
		return outcome{}, fmt.Errorf("read the statement: %w", err)
	}
	if len(rest) > maxStatementBytes {
		return outcome{}, refuse(codeTooLarge, "a statement of more than %d bytes", maxStatementBytes)
	}
	asked.statement.sql = strings.TrimSpace(asked.query + "\n" + string(rest))
	if asked.protocol != "" && asked.statement.sql == helloStatement {
		return f.hello(asked)
	}
	return f.engine.query(asked.statement)
}

func (f *front) authenticate(r *http.Request) error {
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	same := subtle.ConstantTimeCompare([]byte(user), []byte(f.user)) & subtle.ConstantTimeCompare([]byte(password), []byte(f.password))
	if same != 1 {
		return refuse(codeAuthenticationFailed, "Authentication failed: password is incorrect, or there is no such user. (AUTHENTICATION_FAILED)")
	}
	return nil
}

// turn waits until a statement may run.
func (f *front) turn(ctx context.Context) (done func(), err error) {
	patience := time.NewTimer(queueTime)
	defer patience.Stop()
	select {
	case f.turns <- struct{}{}:
		return func() { <-f.turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the client left: %w", ctx.Err())
	case <-patience.C:
		return nil, refuse(codeTooManySimultaneous, "more than %d statements at once. (TOO_MANY_SIMULTANEOUS_QUERIES)", cap(f.turns))
	}
}

func openBody(w http.ResponseWriter, r *http.Request, asked ask) (io.Reader, error) {
	var body io.Reader = http.MaxBytesReader(w, r.Body, maxInsertBytes)
	if r.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(body)
		if err != nil {
			return nil, refuse(codeCannotDecompress, "the body is not gzip: %s", err)
		}
		body = plain
	} else if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		return nil, refuse(codeNotImplemented, "content encoding %.32q", encoding)
	}
	if asked.compressedBody {
		body = compress.NewReader(body)
	}
	return io.LimitReader(body, maxInsertBytes), nil
}

func (f *front) send(w http.ResponseWriter, r *http.Request, a answer) error {
	data := a.data
	if a.ask.compressAnswer && len(data) > 0 {
		blocks := compress.NewWriter(compress.LevelZero, compress.LZ4)
		if err := blocks.Compress(data); err != nil {
			return fmt.Errorf("compress the answer: %w", err)
		}
		data = blocks.Data
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(data) > 0 {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, _ = writer.Write(data) // into memory
		_ = writer.Close()
		data = packed.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-ClickHouse-Format", a.ask.statement.format)
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(`{"read_rows":"%d","written_rows":"%d"}`, a.readRows, a.writtenRows))
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // a client that left needs no answer
	return nil
}

func (f *front) fail(w http.ResponseWriter, err error) {
	var said *exception
	if !errors.As(err, &said) {
		said = refuse(codeUnknown, "%s", err)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			said = refuse(codeTooLarge, "a body of more than %d bytes", tooLarge.Limit)
		}
	}
	f.log.Debug("a statement failed", "code", said.code)
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(said.code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(said.status())
	_, _ = io.WriteString(w, said.text+"\n")
}
