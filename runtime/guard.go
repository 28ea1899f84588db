// guard: what becomes of a request that has no answer. The server does not answer a request that it
// refuses, and a lost connection answers nothing either; both are known long before the deadline.

package kvrt

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	guardAfter = 100 * time.Millisecond // without an answer by then, something may be wrong
	guardEvery = 250 * time.Millisecond
	guardFlush = 2 * time.Second
	guardTick  = 50 * time.Millisecond // how exactly these times, and those of attempts, are kept
)

// guard watches a request that has no answer yet. It ends the attempt, whose context it can be, when there
// cannot be an answer.
type guard struct {
	c          *conn
	call       context.Context // of the request, beyond the attempt
	subject    string
	begun      time.Time
	limit      time.Duration // of the attempt; 0 for none
	reconnects uint64
	lastErr    error
	unfollow   func() bool
	unawait    func()

	done    chan struct{}
	ending  atomic.Pointer[ending]
	checks  sync.WaitGroup
	flushed bool // by the check, or afterwards

	check time.Time // when it is next due; the watchdog's, as is
	busy  bool      // that one is running, and
	place int       // among those that wait
}

// ending is why an attempt was ended.
type ending struct{ err, cause error }

// watchRequest returns the guard of an attempt, which must be stopped. also are denials of what is sent
// beside the request.
func (c *conn) watchRequest(ctx context.Context, subject string, limit time.Duration, also ...denial) *guard {
	g := &guard{c: c, call: ctx, subject: subject, begun: time.Now(), limit: limit,
		reconnects: c.nc.Stats().Reconnects, lastErr: c.nc.LastError(), done: make(chan struct{})}
	g.check = g.begun.Add(guardAfter)
	if c.errors != nil {
		g.unawait = c.errors.await(g.refuse, append(also, denial{c.nc, "Publish", subject})...)
	}
	c.watchdog.add(g)
	return g
}

// context returns the guard as the context of the attempt, which ends with the call too.
func (g *guard) context() context.Context {
	if g.call.Done() != nil {
		g.unfollow = context.AfterFunc(g.call, g.follow)
	}
	return g
}

// Deadline, Done, Err and Value make it a context.
func (g *guard) Deadline() (time.Time, bool) {
	deadline, ok := g.call.Deadline()
	if end := g.begun.Add(g.limit); g.limit > 0 && (!ok || end.Before(deadline)) {
		return end, true
	}
	return deadline, ok
}

func (g *guard) Done() <-chan struct{} { return g.done }

func (g *guard) Err() error {
	if e := g.ending.Load(); e != nil {
		return e.err
	}
	return nil
}

func (g *guard) Value(key any) any { return g.call.Value(key) }

func (g *guard) end(err, cause error) {
	if g.ending.CompareAndSwap(nil, &ending{err, cause}) {
		close(g.done)
	}
}

func (g *guard) follow()          { g.end(g.call.Err(), context.Cause(g.call)) }
func (g *guard) refuse(err error) { g.end(context.Canceled, err) }
func (g *guard) expire()          { g.end(context.DeadlineExceeded, context.DeadlineExceeded) }

// stop returns when no check is running, nor will run. It replaces err, the attempt's, by what the
// guard found.
func (g *guard) stop(err error) error {
	if g.unfollow != nil {
		g.unfollow()
	}
	if g.unawait != nil {
		g.unawait()
	}
	ended := g.ending.Load()
	if g.c.watchdog.remove(g) {
		g.end(context.Canceled, context.Canceled) // a check that waits for the server ends with it
		g.checks.Wait()
	}
	if err == nil {
		return nil
	}
	if ended != nil {
		err = ended.cause
	}
	if errors.Is(err, context.DeadlineExceeded) && !g.flushed && g.call.Err() == nil && g.connected() {
		// On a slow machine the attempt's time may be over before the check's: a refusal must not pass
		// for a lost answer.
		if denied := g.refused(g.call); denied != nil {
			return denied
		}
	}
	return err
}

// look finds out whether there can still be an answer.
func (g *guard) look() {
	if !g.connected() {
		g.refuse(errConnectionLost)
	} else if err := g.refused(g); err != nil {
		g.refuse(err)
	}
	g.c.watchdog.looked(g)
}

// connected reports whether the connection is the one that the request went to.
func (g *guard) connected() bool {
	return g.c.nc.IsConnected() && g.c.nc.Stats().Reconnects == g.reconnects
}

// refused returns ErrPermission if the server has refused the request.
func (g *guard) refused(ctx context.Context) error {
	if !g.flushed {
		// The server's complaint precedes its answer to a ping that was sent later.
		ctx, cancel := context.WithTimeout(ctx, guardFlush)
		g.flushed = g.c.nc.FlushWithContext(ctx) == nil
		cancel()
	}
	return g.c.denied(g.subject, g.lastErr)
}

// denied returns ErrPermission if the connection's last error is the refusal of subject and is not the
// error before, or if it is the refusal of a subscription to an inbox: that may be the one all answers
// come to, which is made once for a connection, and no other inbox of its prefix is granted either.
func (c *conn) denied(subject string, before error) error {
	last := c.nc.LastError()
	if last == nil || !errors.Is(last, nats.ErrPermissionViolation) {
		return nil
	}
	d, ok := parseDenial(c.nc, last.Error())
	if !ok {
		return nil
	}
	if d.action == "Publish" {
		if d.subject == subject && !sameError(last, before) {
			return d.err()
		}
		return nil
	}
	inboxes, _ := cutLast(c.nc.NewInbox(), ".")
	if strings.HasPrefix(d.subject, inboxes+".") {
		return d.err()
	}
	return nil
}

// sameError compares by identity; the connection makes a new error each time.
func sameError(a, b error) bool {
	defer func() { _ = recover() }() // an error type that cannot be compared
	return a == b
}

// watchdog has guards look when they should. One timer serves all requests of a handle, since setting
// one costs more than most of what else a request does; it runs while there are requests.
type watchdog struct {
	mu      sync.Mutex
	waiting []*guard
	timer   *time.Timer
	running bool
	used    bool // since the last tick
}

func (w *watchdog) add(g *guard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g.place = len(w.waiting)
	w.waiting = append(w.waiting, g)
	w.used = true
	if w.running {
		return
	}
	w.running = true
	if w.timer == nil {
		w.timer = time.AfterFunc(guardTick, w.tick)
	} else {
		w.timer.Reset(guardTick)
	}
}

// remove reports whether a look is still going on.
func (w *watchdog) remove(g *guard) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.waiting) - 1
	w.waiting[g.place], w.waiting[last].place = w.waiting[last], g.place
	w.waiting[last] = nil
	w.waiting = w.waiting[:last]
	return g.busy
}

func (w *watchdog) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, g := range w.waiting {
		if g.limit > 0 && now.Sub(g.begun) >= g.limit {
			g.expire()
		}
		if !g.busy && now.After(g.check) && g.Err() == nil {
			g.busy = true
			g.checks.Go(g.look) // it waits for the server
		}
	}
	w.running, w.used = w.used || len(w.waiting) > 0, false
	if w.running {
		w.timer.Reset(guardTick)
	}
}

func (w *watchdog) looked(g *guard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g.busy, g.check = false, time.Now().Add(guardEvery)
}
