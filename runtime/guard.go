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
	g := &guard{c: c, subject: subject, release: func() {}, reconnects: c.nc.Stats().Reconnects, lastErr: c.nc.LastError()}
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
	nc := g.c.nc
	if !nc.IsConnected() || nc.Stats().Reconnects != g.reconnects {
		g.cancel(errConnectionLost)
		return
	}
	if !g.flushed {
		// The server's complaint precedes its answer to a ping that was sent later.
		ctx, cancel := context.WithTimeout(g.ctx, guardFlush)
		g.flushed = nc.FlushWithContext(ctx) == nil
		cancel()
	}
	if err := g.c.denied(g.subject, "", g.lastErr); err != nil {
		g.cancel(err)
		return
	}
	g.timer.Reset(guardEvery)
}

// denied returns ErrPermission if the connection's last error is the refusal of subject or of the
// subscription to inbox (unless empty) and is not the error before, or if it is the refusal of the
// subscription that all answers come to, which is made once for a connection.
func (c *conn) denied(subject, inbox string, before error) error {
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
	answers, _ := cutLast(c.nc.NewRespInbox(), ".")
	if strings.HasPrefix(d.subject, answers+".") || d.subject == inbox && !sameError(last, before) {
		return d.err()
	}
	return nil
}

// sameError compares by identity; the connection makes a new error each time.
func sameError(a, b error) bool {
	defer func() { _ = recover() }() // an error type that cannot be compared
	return a == b
}
