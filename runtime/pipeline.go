// pipeline: writes without a guard, several on their way at the same time. Their answers come to one
// subscription; a write whose answer got lost is not repeated.

package kvrt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// window is how many writes are on their way. On one server 64 are 7 times as fast as one after
	// the other, 256 are 9 times, and more bring nothing (BenchmarkPutMany).
	window = 256
	// pipelineTick is how often a pipeline that has to wait looks at the connection.
	pipelineTick = 100 * time.Millisecond
)

// pipeline belongs to one goroutine.
type pipeline struct {
	b       *Bucket
	ctx     context.Context
	op      string
	failure func(slot int, kind bulkKind, err error)
	report  func(done, total int) // progress; may be nil

	inbox   string
	answers chan *nats.Msg
	slots   [window]inFlight
	free    []int
	waiting int   // slots with a write that was sent and not answered
	again   []int // slots with a write that found no leader
	backoff backoff
	places  uint64

	leaderless time.Time // since the server first told that there is no leader; zero since a write was stored
	silences   int       // times that nothing was answered for long, since the last answer

	written, done int
	cause         error     // why no more is sent
	moved         time.Time // when an answer came, or something was sent after nothing had been on its way
	reconnects    uint64
	lastErr       error // of the connection, before anything was sent
}

// inFlight is a write that has a slot.
type inFlight struct {
	write
	place uint64 // in the order of the writes
	use   uint64 // counts the attempts in a slot, so that a late answer is not taken for another's
	sent  bool   // and not answered
}

// bulkWrite has fill send writes through a pipeline, and waits for them. failure is told of each that
// was not done; the error is why the others had no turn.
func (b *Bucket) bulkWrite(ctx context.Context, op string, o writeOptions, failure func(int, bulkKind, error), fill func(*pipeline)) (written int, cause error) {
	err := b.doUntimed(ctx, op, "", func(ctx context.Context) error {
		p := &pipeline{
			b: b, ctx: ctx, op: op, failure: failure, report: o.progress,
			inbox: b.nc.NewInbox(), answers: make(chan *nats.Msg, 2*window),
			free: make([]int, 0, window), reconnects: b.nc.Stats().Reconnects, lastErr: b.nc.LastError(),
		}
		for slot := range window {
			p.free = append(p.free, window-1-slot)
		}
		connectCtx, cancel := b.withTimeout(ctx)
		err := b.waitConnected(connectCtx)
		cancel()
		if err != nil {
			return err
		}
		sub, err := b.nc.ChanSubscribe(p.inbox+".*", p.answers)
		if err != nil {
			return connErr(err)
		}
		defer sub.Unsubscribe() //nolint:errcheck // the subscription is ours alone
		fill(p)
		p.drain()
		written = p.written
		return p.cause
	})
	return written, err
}

// reserve returns a slot for the next write, when there is one, or false if no more is to be sent.
func (p *pipeline) reserve() (slot int, ok bool) {
	for p.cause == nil && (len(p.free) == 0 || len(p.again) > 0) {
		p.step()
	}
	if p.cause == nil && p.ctx.Err() != nil {
		p.stop(p.ctx.Err())
	}
	if p.cause != nil {
		return 0, false
	}
	slot = p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return slot, true
}

// send sends a write that could be made, unless invalidity says why not, and takes the answers that are
// there.
func (p *pipeline) send(slot int, w *write, invalidity error) {
	s := &p.slots[slot]
	p.places++
	s.write, s.place = *w, p.places
	if invalidity == nil {
		invalidity = p.b.checkSize(p.ctx, w)
	}
	switch {
	case errors.Is(invalidity, ErrInvalidKey), errors.Is(invalidity, ErrInvalidValue), errors.Is(invalidity, ErrTooLarge):
		p.fail(slot, invalid, invalidity)
		return
	case invalidity != nil: // the question of the bucket's limits, or an option
		p.fail(slot, notWritten, invalidity)
		p.stop(invalidity)
		return
	}
	p.publish(slot)
	if p.places%window == 0 && p.overtaken() {
		p.denied()
	}
	for p.cause == nil && p.takeOne() {
	}
}

// takeOne handles an answer that is there, if one is.
func (p *pipeline) takeOne() bool {
	if p.waiting == 0 {
		return false
	}
	select {
	case msg := <-p.answers:
		p.take(msg)
		return true
	default:
		return false
	}
}

// overtaken reports whether a write is not answered while those of several windows after it are. While
// answers come, nothing else notices a write that the server refused to its connection only.
func (p *pipeline) overtaken() bool {
	return slices.ContainsFunc(p.slots[:], func(s inFlight) bool { return s.sent && p.places-s.place >= 4*window })
}

// drain waits until every write has been answered or given up.
func (p *pipeline) drain() {
	for p.waiting > 0 || len(p.again) > 0 {
		p.step()
	}
}

// step waits for an answer, or for what else makes it go on.
func (p *pipeline) step() {
	if p.waiting == 0 {
		p.sendAgain()
		return
	}
	tick := time.NewTimer(pipelineTick)
	defer tick.Stop()
	select {
	case msg := <-p.answers:
		p.take(msg)
	case <-p.ctx.Done():
		p.stop(p.ctx.Err())
		for p.takeOne() { // they may have come long ago, while the sequence was busy
		}
		p.giveUp(p.ctx.Err())
	case <-tick.C:
		p.look()
	}
}

// publish sends the write of a slot once.
func (p *pipeline) publish(slot int) {
	if !p.b.nc.IsConnected() || p.b.nc.Stats().Reconnects != p.reconnects {
		if !p.reconnect() {
			p.fail(slot, notWritten, p.cause)
			return
		}
	}
	s := &p.slots[slot]
	s.use++
	reply := p.inbox + "." + strconv.FormatUint(s.use*window+uint64(slot), 36)
	err := p.b.nc.PublishMsg(&nats.Msg{Subject: p.subject(slot), Reply: reply, Header: s.header, Data: s.data})
	if unsent(err) {
		p.again = append(p.again, slot)
		return
	}
	if err != nil {
		err = connErr(err)
		p.fail(slot, notWritten, err)
		p.stop(err)
		return
	}
	if p.waiting == 0 {
		p.moved = time.Now()
	}
	s.sent = true
	p.waiting++
}

func (p *pipeline) subject(slot int) string {
	return p.b.write + subjectPrefix(p.b.name) + p.slots[slot].key
}

// take handles an answer.
func (p *pipeline) take(msg *nats.Msg) {
	n, err := strconv.ParseUint(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:], 36, 64)
	if err != nil {
		return
	}
	slot := int(n % window)
	s := &p.slots[slot]
	if !s.sent || s.use != n/window {
		return // given up before
	}
	s.sent = false
	p.waiting--
	p.moved, p.silences = time.Now(), 0
	revision, err := uint64(0), error(nil)
	if msg.Header.Get(headerStatus) == "503" {
		err = connErr(nats.ErrNoResponders)
	} else {
		revision, err = parseAck(msg.Data)
	}
	switch {
	case err == nil:
		p.b.own.add(s.key, revision)
		p.backoff, p.leaderless = backoff{}, time.Time{}
		p.written++
		p.supersede(s)
		p.release(slot)
	case passing(err) && p.cause == nil:
		p.again = append(p.again, slot)
	case errors.Is(err, ErrTooLarge):
		p.fail(slot, invalid, err)
	default:
		p.fail(slot, notWritten, err)
		p.stop(err)
	}
}

var errSuperseded = errors.New("found no leader, and a later entry with the same key was written since")

// supersede gives up earlier writes to the key of one that was stored, which were to be sent again:
// the order of the sequence stays.
func (p *pipeline) supersede(by *inFlight) {
	p.again = slices.DeleteFunc(p.again, func(slot int) bool {
		if p.slots[slot].key != by.key || p.slots[slot].place > by.place {
			return false
		}
		p.fail(slot, notWritten, errSuperseded)
		return true
	})
}

// sendAgain sends what found no leader, in order, once all others have been answered.
func (p *pipeline) sendAgain() {
	slots := p.again
	p.again = nil
	slices.SortFunc(slots, func(a, b int) int { return cmp.Compare(p.slots[a].place, p.slots[b].place) })
	stop := p.cause
	if stop == nil {
		stop = p.noLeader()
	}
	for _, slot := range slots {
		if stop == nil {
			p.publish(slot)
		} else {
			p.fail(slot, notWritten, stop)
		}
	}
}

// noLeader waits until there is a leader, and returns an error if there is no point in another attempt:
// no leader for the default timeout, unless ctx has a deadline of its own.
func (p *pipeline) noLeader() error {
	ctx, cancel := p.b.withTimeout(p.ctx)
	defer cancel()
	if _, err := p.b.info(ctx); err != nil && !errors.Is(err, ErrPermission) {
		p.stop(err)
		return err
	}
	if p.leaderless.IsZero() {
		p.leaderless = time.Now()
	}
	_, limited := p.ctx.Deadline()
	if !p.backoff.sleep(p.ctx) || !limited && time.Since(p.leaderless) > p.b.timeout {
		err := fmt.Errorf("%w: %w", ErrUnavailable, nats.ErrNoResponders)
		if p.ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, p.ctx.Err())
		}
		p.stop(err)
		return err
	}
	return nil
}

// look finds out why no answer comes.
func (p *pipeline) look() {
	nc := p.b.nc
	switch {
	case nc.IsClosed():
		p.stop(connErr(nats.ErrConnectionClosed))
		p.giveUp(errConnectionLost)
	case !nc.IsConnected() || nc.Stats().Reconnects != p.reconnects:
		p.reconnect()
	case p.denied():
	case time.Since(p.moved) > p.b.timeout:
		// What went to a leader that stopped is never answered; what is sent now may be.
		err := fmt.Errorf("%w: no answer for %v", ErrUnavailable, p.b.timeout)
		if p.silences++; p.silences > 1 {
			p.stop(err)
		}
		p.giveUp(err)
	}
}

// denied looks whether the server has refused a write, of which it tells only the connection.
func (p *pipeline) denied() bool {
	ctx, cancel := context.WithTimeout(p.ctx, guardFlush)
	defer cancel()
	if p.b.nc.FlushWithContext(ctx) != nil {
		return false
	}
	found := false
	for slot := range p.slots {
		if !p.slots[slot].sent {
			continue
		}
		if err := p.b.denied(p.subject(slot), p.lastErr); err != nil {
			p.slots[slot].sent = false
			p.waiting--
			p.fail(slot, notWritten, err)
			p.stop(err)
			found = true
		}
	}
	return found
}

// reconnect gives up what was on its way with the connection, and waits for another one. It reports
// false if there is none.
func (p *pipeline) reconnect() bool {
	p.giveUp(errConnectionLost)
	ctx, cancel := p.b.withTimeout(p.ctx)
	defer cancel()
	if err := p.b.waitConnected(ctx); err != nil {
		p.stop(err)
		return false
	}
	p.reconnects = p.b.nc.Stats().Reconnects
	p.moved = time.Now()
	return true
}

// giveUp ends the wait for all answers.
func (p *pipeline) giveUp(reason error) {
	for slot := range p.slots {
		if p.slots[slot].sent {
			p.slots[slot].sent = false
			p.waiting--
			p.fail(slot, unknown, fmt.Errorf("%w: %w", ErrUnknownOutcome, &lostError{reason}))
		}
	}
}

// stop ends the sending; the first reason counts.
func (p *pipeline) stop(cause error) {
	if p.cause == nil {
		p.cause = cause
	}
}

func (p *pipeline) fail(slot int, kind bulkKind, err error) {
	p.failure(slot, kind, p.b.wrap(p.op, p.slots[slot].key, err))
	p.release(slot)
}

// release makes a slot free for the next write.
func (p *pipeline) release(slot int) {
	p.slots[slot].write = write{}
	p.free = append(p.free, slot)
	if p.done++; p.report != nil {
		p.report(p.done, 0)
	}
}
