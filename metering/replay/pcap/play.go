package pcap

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// shortestWait is the wait that is worth a request of what was gathered before it.
const shortestWait = 5 * time.Millisecond

// player is one run of Play.
type player struct {
	*Replay
	survey   *Survey
	sender   *sender
	packer   *packer
	began    time.Time
	progress Progress
}

// Play sends the datagrams that the survey found. It returns how far it came, also with an error. Errors: ErrNothing,
// ErrAhead, ErrChanged, kafka's, ctx's. After an error the same call goes on where it was, if AtNow is not set.
func (r *Replay) Play(ctx context.Context, survey *Survey, progress func(Progress)) (Progress, error) {
	if len(survey.Shares) == 0 {
		return Progress{}, ErrNothing
	}
	for _, share := range survey.Shares {
		if !r.cfg.AtNow && share.Last.After(r.cfg.Now().Add(maxAhead)) {
			return Progress{}, fmt.Errorf("%w: %s", ErrAhead, share.Last.Format(time.RFC3339))
		}
	}
	p := &player{Replay: r, survey: survey, sender: newSender(r), began: r.cfg.Now()}
	p.packer = &packer{producers: p.producers(), emit: func(one *producer, value []byte, _ int) error {
		return p.sender.add(ctx, one.partition, value)
	}}
	read, err := r.walk(ctx, func(f *found) error {
		if err := p.packet(ctx, f); err != nil {
			return err
		}
		p.progress.Envelopes = p.sender.sent
		progress(p.progress)
		return nil
	})
	if err == nil {
		err = p.finish(ctx)
	}
	p.progress.Envelopes = p.sender.sent
	if err == nil && read.digest != survey.digest {
		err = ErrChanged
	}
	return p.progress, err
}

func (p *player) producers() map[uuid.UUID]*producer {
	all := map[uuid.UUID]*producer{}
	for _, share := range p.survey.Shares {
		one := &producer{header: identify(p.survey.digest, share), partition: p.partition(share.Exporter)}
		if p.cfg.AtNow {
			one.header.Collector, one.header.Boot = uuid.New(), p.began.UnixNano()
		}
		all[share.Exporter] = one
	}
	return all
}

func (p *player) packet(ctx context.Context, f *found) error {
	if err := p.packer.tick(f.at); err != nil {
		return err
	}
	p.progress.Bytes = f.offset
	if f.at > 0 {
		p.progress.At = time.Unix(0, f.at).UTC()
	}
	if f.exporter == nil {
		return nil
	}
	if p.packer.producers[f.exporter.ID] == nil {
		return ErrChanged
	}
	if err := p.pace(ctx, f.datagram.Received); err != nil {
		return err
	}
	f.datagram.Received = p.receiveTime(f.datagram.Received)
	p.progress.Datagrams++
	return p.packer.add(f.exporter, f.datagram)
}

// pace waits until it is a datagram's turn. What was gathered before goes out first.
func (p *player) pace(ctx context.Context, at int64) error {
	if p.cfg.Speed <= 0 {
		return nil
	}
	due := p.began.Add(time.Duration(float64(at-p.survey.first) / p.cfg.Speed))
	wait := due.Sub(p.cfg.Now())
	if wait < shortestWait {
		return nil
	}
	if err := p.sender.flush(ctx); err != nil {
		return err
	}
	return p.cfg.Sleep(ctx, wait)
}

// receiveTime is the capture's, or moved to now. Played faster than captured it is the time of sending: a receive time
// that lies ahead of the clock would be counted in hours that have not begun.
func (p *player) receiveTime(at int64) int64 {
	switch {
	case !p.cfg.AtNow:
		return at
	case p.cfg.Speed == 1:
		return p.began.UnixNano() + at - p.survey.first
	}
	return p.cfg.Now().UnixNano()
}

func (p *player) finish(ctx context.Context) error {
	if err := p.packer.finish(); err != nil {
		return err
	}
	return p.sender.flush(ctx)
}
