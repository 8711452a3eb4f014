package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	batch       = 32 // datagrams of one exporter in one sendmmsg call
	pace        = time.Millisecond
	sendBuffer  = 4 << 20
	maxRefusals = 16 // in a row, then a datagram is given up
)

// Config of a sender.
type Config struct {
	Target              netip.AddrPort
	Exporters, Services int
}

// Task asks for datagrams at a rate, for a time.
type Task struct {
	Rate int           `json:"rate"` // datagrams a second, over all exporters
	For  time.Duration `json:"for"`
}

// Sent answers a task.
type Sent struct {
	Truth
	Took time.Duration `json:"took"`
}

// Sender is one process' share of the world's switches.
type Sender struct {
	exporters []*exporter
	lanes     []*lane
	began     time.Time
	turn      int
}

// lane is the socket of an exporter and the datagrams of one call.
type lane struct {
	conn     net.Conn
	packets  *ipv4.PacketConn
	messages []ipv4.Message
}

// Open makes the sockets.
func Open(ctx context.Context, cfg Config) (*Sender, error) {
	if cfg.Exporters < 1 || cfg.Services < 1 || !cfg.Target.Addr().IsLoopback() {
		return nil, fmt.Errorf("send to %s from %d exporters about %d services: want a loopback address and at least one of each", cfg.Target, cfg.Exporters, cfg.Services)
	}
	s := &Sender{began: time.Now()}
	for i := range cfg.Exporters {
		l, err := openLane(ctx, ExporterAddress(i), cfg.Target)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		e := newExporter(i, cfg.Exporters, cfg.Services)
		for m := range l.messages {
			l.messages[m].Buffers = [][]byte{append([]byte(nil), e.template...)}
		}
		s.exporters, s.lanes = append(s.exporters, e), append(s.lanes, l)
	}
	return s, nil
}

func openLane(ctx context.Context, source netip.Addr, target netip.AddrPort) (*lane, error) {
	dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
	conn, err := dialer.DialContext(ctx, "udp4", target.String())
	if err != nil {
		return nil, fmt.Errorf("send from %s to %s: %w", source, target, err)
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		_ = udp.SetWriteBuffer(sendBuffer) // the kernel's bound will do
	}
	packets, ok := conn.(net.PacketConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("send from %s: not a UDP socket", source), conn.Close())
	}
	return &lane{conn: conn, packets: ipv4.NewPacketConn(packets), messages: make([]ipv4.Message, batch)}, nil
}

// Close ends the sockets.
func (s *Sender) Close() error {
	var err error
	for _, l := range s.lanes {
		err = errors.Join(err, l.conn.Close())
	}
	return err
}

// Serve carries out the tasks that come as JSON lines, one after another, and answers each with a line, until in ends.
func (s *Sender) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	tasks, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var t Task
		if err := tasks.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a task: %w", err)
		}
		sent, err := s.Send(ctx, t)
		if err != nil {
			return err
		}
		if err := answers.Encode(sent); err != nil {
			return fmt.Errorf("answer a task: %w", err)
		}
	}
}

// Send sends at the task's rate, or as fast as it can where that is less.
func (s *Sender) Send(ctx context.Context, t Task) (Sent, error) {
	var sent Sent
	began := time.Now()
	for ctx.Err() == nil {
		elapsed := time.Since(began)
		if elapsed >= t.For {
			break
		}
		due := int64(elapsed.Seconds() * float64(t.Rate))
		for sent.Datagrams < due {
			if err := s.call(int(min(batch, due-sent.Datagrams)), &sent.Truth); err != nil {
				return sent, err
			}
		}
		time.Sleep(pace)
	}
	sent.Took = time.Since(began)
	return sent, ctx.Err()
}

// call sends n datagrams of the next exporter.
func (s *Sender) call(n int, truth *Truth) error {
	e, l := s.exporters[s.turn], s.lanes[s.turn]
	s.turn = (s.turn + 1) % len(s.lanes)
	uptime := time.Since(s.began)
	for i := range n {
		e.write(l.messages[i].Buffers[0], uptime, truth)
	}
	refused := 0
	for done := 0; done < n; {
		sent, err := l.packets.WriteBatch(l.messages[done:n], 0)
		done += max(sent, 0)
		switch {
		case err == nil:
			refused = 0
		case !errors.Is(err, syscall.ECONNREFUSED):
			return fmt.Errorf("send from %s: %w", l.conn.LocalAddr(), err)
		default: // of an earlier datagram that nobody took
			if refused++; refused >= maxRefusals {
				return fmt.Errorf("send from %s: %w", l.conn.LocalAddr(), err)
			}
		}
	}
	return nil
}
