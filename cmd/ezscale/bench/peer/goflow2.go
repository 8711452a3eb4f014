package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/netsampler/goflow2/v2/format/json"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"github.com/netsampler/goflow2/v2/utils"
)

// queue is how many datagrams goflow2's receiver may keep for its decoders: its own default.
const queue = 1_000_000

// RunGoflow2 is goflow2 as a library, as its own program puts it together: UDP receiver, decoder, producer, JSON. The
// output is counted and thrown away. It tells out when it listens and, when in has ended, how many records it has made.
func RunGoflow2(ctx context.Context, listen netip.AddrPort, in io.Reader, out io.Writer, log *slog.Logger) error {
	var config *protoproducer.ProducerConfig // as its program does without a mapping file
	compiled, err := config.Compile()
	if err != nil {
		return fmt.Errorf("configure goflow2's producer: %w", err)
	}
	producer, err := protoproducer.CreateProtoProducer(compiled, protoproducer.CreateSamplingSystem)
	if err != nil {
		return fmt.Errorf("make goflow2's producer: %w", err)
	}
	defer producer.Close()
	sink := &discard{}
	pipe := utils.NewSFlowPipe(&utils.PipeConfig{Format: &json.JsonDriver{}, Transport: sink, Producer: producer})
	defer pipe.Close()
	receiver, err := utils.NewUDPReceiver(&utils.UDPReceiverConfig{Sockets: 1, Workers: 2, QueueSize: queue})
	if err != nil {
		return fmt.Errorf("make goflow2's receiver: %w", err)
	}
	if err := receiver.Start(listen.Addr().String(), int(listen.Port()), pipe.DecodeFlow); err != nil {
		return fmt.Errorf("start goflow2's receiver on %s: %w", listen, err)
	}
	go func() {
		for err := range receiver.Errors() {
			log.Warn("goflow2", "error", err)
		}
	}()
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return errors.Join(err, receiver.Stop())
	}
	_, _ = io.Copy(io.Discard, in) // an input that breaks ends it as well
	_, err = fmt.Fprintln(out, sink.records.Load())
	return errors.Join(err, receiver.Stop(), ctx.Err())
}

// discard takes what was formatted.
type discard struct{ records atomic.Int64 }

func (d *discard) Send(_, _ []byte) error {
	d.records.Add(1)
	return nil
}
