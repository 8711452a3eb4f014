package parts

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

const (
	maxArchiveBytes = 1 << 30
	stallTimeout    = 60 * time.Second // without a byte
	reportInterval  = 200 * time.Millisecond
	copyBufferBytes = 256 << 10
)

// permanent marks an answer that asking again will not change.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// transfer is one archive on its way into a file; sum covers the first done bytes of it.
type transfer struct {
	store *Store
	part  Part
	file  *os.File
	sum   hash.Hash
	done  int64
	total int64
	told  time.Time
}

// download leaves the verified archive in the file called name. What an earlier attempt left there counts.
func (s *Store) download(ctx context.Context, p Part, name string) error {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer file.Close()
	t := &transfer{store: s, part: p, file: file, sum: sha512.New()}
	if t.done, err = io.Copy(t.sum, io.LimitReader(file, maxArchiveBytes)); err != nil {
		return fmt.Errorf("read what is there of the archive: %w", err)
	}
	if t.done > 0 && t.verify() == nil {
		return nil // only the unpacking was interrupted
	}
	if err := t.attempts(ctx); err != nil {
		return err
	}
	if err := t.verify(); err != nil {
		return errors.Join(err, os.Remove(name)) // so that the next try begins anew
	}
	return nil
}

func (t *transfer) attempts(ctx context.Context) error {
	pause := t.store.cfg.Pause
	for failed := 0; ; {
		before := t.done
		err := t.attempt(ctx)
		if err == nil {
			return nil
		}
		if fatal := (permanent{}); errors.As(err, &fatal) || ctx.Err() != nil {
			return err
		}
		if t.done > before {
			failed, pause = 0, t.store.cfg.Pause
		}
		if failed++; failed >= t.store.cfg.Attempts {
			return fmt.Errorf("gave up after %d attempts (is there a network?): %w", failed, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// attempt asks for the rest of the archive and takes what comes.
func (t *transfer) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("no byte for %s", stallTimeout)) })
	defer stalled.Stop()
	response, err := t.ask(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer response.Body.Close()
	if err := t.accept(response); err != nil {
		return err
	}
	return cause(ctx, t.take(response.Body, stalled))
}

func (t *transfer) ask(ctx context.Context) (*http.Response, error) {
	base := strings.TrimSuffix(t.store.cfg.Registry, "/")
	if base == "" {
		return nil, permanent{errors.New("no npm registry is named, and the part is not in the cache")}
	}
	url := base + "/" + t.part.Package + "/-/" + path.Base(t.part.Package) + "-" + t.part.Version + ".tgz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, permanent{fmt.Errorf("the registry's address: %w", err)}
	}
	if t.done > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.done))
	}
	return t.store.cfg.Client.Do(request)
}

// accept sets total, and begins anew where the server does not continue.
func (t *transfer) accept(response *http.Response) error {
	switch code := response.StatusCode; {
	case code == http.StatusPartialContent && response.Header.Get("Content-Range") != "":
		var first int64
		if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &first); err != nil || first != t.done {
			return errors.Join(t.restart(), errors.New("the server continues elsewhere"))
		}
	case code == http.StatusOK:
		if err := t.restart(); err != nil {
			return err
		}
	case code == http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(t.restart(), errors.New("the archive is shorter than what is there"))
	case code >= http.StatusInternalServerError || code == http.StatusTooManyRequests:
		return fmt.Errorf("%s answers %s", response.Request.URL.Redacted(), response.Status)
	default:
		return permanent{fmt.Errorf("%s answers %s", response.Request.URL.Redacted(), response.Status)}
	}
	t.total = 0
	if response.ContentLength >= 0 {
		t.total = t.done + response.ContentLength
	}
	return nil
}

func (t *transfer) restart() error {
	t.done = 0
	t.sum.Reset()
	if err := t.file.Truncate(0); err != nil {
		return permanent{fmt.Errorf("empty the archive: %w", err)}
	}
	return nil
}

func (t *transfer) take(body io.Reader, stalled *time.Timer) error {
	buffer := make([]byte, copyBufferBytes)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			stalled.Reset(stallTimeout)
			if err := t.keep(buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			t.store.cfg.Progress(t.part.Name, t.done, t.total)
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", t.done, err)
		}
	}
}

func (t *transfer) keep(b []byte) error {
	if t.done+int64(len(b)) > maxArchiveBytes {
		return permanent{fmt.Errorf("more than %d bytes: %w", maxArchiveBytes, ErrArchive)}
	}
	if _, err := t.file.WriteAt(b, t.done); err != nil {
		return permanent{fmt.Errorf("write the archive: %w", err)}
	}
	t.sum.Write(b)
	t.done += int64(len(b))
	if time.Since(t.told) >= reportInterval {
		t.told = time.Now()
		t.store.cfg.Progress(t.part.Name, t.done, t.total)
	}
	return nil
}

func (t *transfer) verify() error {
	got := "sha512-" + base64.StdEncoding.EncodeToString(t.sum.Sum(nil))
	if got != t.part.Integrity {
		return permanent{fmt.Errorf("%s %s is not what was pinned: %w: got %s, want %s",
			t.part.Package, t.part.Version, ErrChecksum, got, t.part.Integrity)}
	}
	return nil
}

// cause replaces "context canceled" by why it was.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}
