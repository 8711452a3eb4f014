package peer

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
)

func TestDropsOf(t *testing.T) {
	t.Parallel()
	const line = "  123: 0100007F:18C7 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 45678 2 0000000000000000 17\n"
	for _, c := range []struct {
		line  string
		port  int
		drops int64
		ok    bool
	}{
		{line, 6343, 17, true}, {line, 6344, 0, false}, {"", 0, 0, false},
		{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops", 6343, 0, false},
	} {
		if drops, ok := dropsOf(c.line, c.port); drops != c.drops || ok != c.ok {
			t.Errorf("%q: %d, %v", c.line, drops, ok)
		}
	}
}

// Goflow2 reads our datagrams: each sample becomes one record.
func TestGoflow2ReadsTheDatagrams(t *testing.T) {
	t.Parallel()
	listen, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	in, end := io.Pipe()
	out, told := io.Pipe()
	done := make(chan error, 1)
	var words bytes.Buffer
	go func() {
		done <- RunGoflow2(context.Background(), listen, in, told, slog.New(slog.NewTextHandler(&words, nil)))
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("%q: %v", lines.Text(), lines.Err())
	}
	if _, there, err := socket(int(listen.Port())); !there || err != nil {
		t.Fatalf("nobody is seen to listen: %v", err)
	}
	conn, err := net.Dial("udp4", listen.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const datagrams = 20
	for _, b := range load.Examples(datagrams) {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second) // it tells nobody how far it is
	if err := end.Close(); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	records, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
	if err != nil || records == 0 || records%load.SamplesEach != 0 || records > datagrams*load.SamplesEach {
		t.Errorf("%d records of %d datagrams: %v", records, datagrams, err)
	}
	if err := <-done; err != nil {
		t.Error(err, words.String())
	}
}
