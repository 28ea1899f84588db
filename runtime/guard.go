// guard: what becomes of a request that has no answer. The server does not answer a request that it
// refuses, and a lost connection answers nothing either; both are known long before the deadline.

package kvrt

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	guardAfter = 100 * time.Millisecond // without an answer by then, something may be wrong
	guardEvery = 250 * time.Millisecond
	guardFlush = 2 * time.Second
)

// guard watches a request that has no answer yet, and ends its context when it cannot get one.
type guard struct {
	c          *conn
	call       context.Context // of the request, beyond the attempt
	ctx        context.Context
	subject    string
	cancel     context.CancelCauseFunc
	release    context.CancelFunc
	reconnects uint64
	lastErr    error
	unawait    func()

	mu      sync.Mutex
	timer   *time.Timer
	flushed bool
	stopped bool
}

// watchRequest returns the context of an attempt and its guard, which must be stopped.
func (c *conn) watchRequest(ctx context.Context, subject string, limit time.Duration) (context.Context, *guard) {
	g := &guard{c: c, call: ctx, subject: subject, release: func() {}, reconnects: c.nc.Stats().Reconnects, lastErr: c.nc.LastError()}
	if limit > 0 {
		ctx, g.release = context.WithTimeout(ctx, limit)
	}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	g.unawait = c.errors.await(g.cancel, denial{c.nc, "Publish", subject})
	g.mu.Lock()
	g.timer = time.AfterFunc(guardAfter, g.check)
	g.mu.Unlock()
	return g.ctx, g
}

// stop returns when no check is running, nor will run. It replaces err, the attempt's, by what the
// guard found.
func (g *guard) stop(err error) error {
	if cause := context.Cause(g.ctx); err != nil && cause != nil {
		err = cause
	}
	g.cancel(nil) // a check that waits for the server ends with it
	g.mu.Lock()
	g.stopped = true
	g.timer.Stop()
	if errors.Is(err, context.DeadlineExceeded) && !g.flushed && g.call.Err() == nil && g.connected() {
		// On a slow machine the attempt's time may be over before the check's: a refusal must not pass
		// for a lost answer.
		if denied := g.refused(g.call); denied != nil {
			err = denied
		}
	}
	g.mu.Unlock()
	g.release()
	g.unawait()
	return err
}

func (g *guard) check() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped || g.ctx.Err() != nil {
		return
	}
	if !g.connected() {
		g.cancel(errConnectionLost)
		return
	}
	if err := g.refused(g.ctx); err != nil {
		g.cancel(err)
		return
	}
	g.timer.Reset(guardEvery)
}

// connected reports whether the connection is the one that the request went to.
func (g *guard) connected() bool {
	return g.c.nc.IsConnected() && g.c.nc.Stats().Reconnects == g.reconnects
}

// refused returns ErrPermission if the server has refused the request; g.mu is held.
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
