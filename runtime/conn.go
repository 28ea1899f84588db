// The connection: raw requests over the user's nats.Conn. It tells apart what plain requests do
// not: whether a message was sent at all, whether its answer got lost, and whether the server
// refused its subject.

package kvrt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// conn sends requests with the prefix, default timeout and trace of the user's JetStream.
type conn struct {
	nc      *nats.Conn
	api     string // "$JS.API.", "$JS.hub.API.": with the last dot
	write   string // before the subject of a write: "", or api where it is not the default
	timeout time.Duration
	trace   *jetstream.ClientTrace
}

func newConn(js jetstream.JetStream) conn {
	opts := js.Options()
	c := conn{nc: js.Conn(), api: jetstream.DefaultAPIPrefix, timeout: opts.DefaultTimeout, trace: opts.ClientTrace}
	switch {
	case opts.Domain != "":
		c.api = "$JS." + opts.Domain + ".API."
	case opts.APIPrefix != "":
		c.api = strings.TrimSuffix(opts.APIPrefix, ".") + "."
	}
	if c.api != jetstream.DefaultAPIPrefix {
		c.write = c.api
	}
	if c.timeout <= 0 {
		c.timeout = 5 * time.Second
	}
	return c
}

// withTimeout gives ctx the default timeout of the user's JetStream, if it has no deadline.
func (c *conn) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

// lostError: a message was handed to the connection, and no answer tells what became of it.
type lostError struct{ cause error }

func (e *lostError) Error() string { return "no answer: " + e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

var errConnectionLost = errors.New("the connection was lost")

// roundTrip sends msg and waits for its answer, once. While there is no connection it waits for
// one, so that nothing lies in the reconnect buffer and lands after the caller has given up. An
// error is a *lostError if the message may have reached the server, and otherwise says why it did
// not: ErrUnavailable, ErrPermission, ErrTooLarge or the context's error.
func (c *conn) roundTrip(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	if err := c.waitConnected(ctx); err != nil {
		return nil, err
	}
	attempt, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g := guard{c: c, subject: msg.Subject, cancel: cancel, reconnects: c.nc.Stats().Reconnects, lastErr: c.nc.LastError()}
	g.start()
	reply, err := c.nc.RequestMsgWithContext(attempt, msg)
	g.stop()
	if err == nil {
		return reply, nil
	}
	if cause := context.Cause(attempt); cause != nil {
		err = cause
	}
	switch {
	case errors.Is(err, ErrPermission), errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrMaxPayload),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionDraining):
		return nil, connErr(err)
	}
	return nil, &lostError{connErr(err)}
}

// waitConnected returns when there is a connection.
func (c *conn) waitConnected(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.nc.IsConnected() {
		return nil
	}
	changes := c.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer c.nc.RemoveStatusListener(changes)
	for !c.nc.IsConnected() {
		if c.nc.IsClosed() {
			return connErr(nats.ErrConnectionClosed)
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return fmt.Errorf("%w: no connection to a server: %w", ErrUnavailable, ctx.Err())
		}
	}
	return nil
}

// read sends an idempotent request until there is an answer or ctx ends.
func (c *conn) read(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	if c.trace != nil && c.trace.RequestSent != nil {
		c.trace.RequestSent(subject, data)
	}
	for wait := (backoff{}); ; {
		reply, err := c.roundTrip(ctx, &nats.Msg{Subject: subject, Data: data})
		if err == nil {
			if c.trace != nil && c.trace.ResponseReceived != nil {
				c.trace.ResponseReceived(subject, reply.Data, reply.Header)
			}
			return reply, nil
		}
		var lost *lostError
		if !errors.As(err, &lost) {
			return nil, err
		}
		if errors.Is(err, nats.ErrConnectionClosed) || !wait.sleep(ctx) {
			return nil, c.ended(ctx, err)
		}
	}
}

// ended describes a read that got no answer before ctx ended.
func (c *conn) ended(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// apiReply is what every response of the JetStream API may hold beside its own fields.
type apiReply struct {
	Error *apiError `json:"error"`
}

// apiCall makes a request of the JetStream API, again while the server says that it is not ready.
// An answer of the server that is an error is an *apiError.
func apiCall[T any](ctx context.Context, c *conn, subject string, request any) (T, error) {
	var response struct {
		apiReply
		Body T
	}
	var data []byte
	if request != nil {
		var err error
		if data, err = json.Marshal(request); err != nil {
			return response.Body, err
		}
	}
	absent := 0
	for wait := (backoff{}); ; {
		response.Error = nil
		reply, err := c.read(ctx, c.api+subject, data)
		if err == nil {
			if err := json.Unmarshal(reply.Data, &response.apiReply); err != nil {
				return response.Body, fmt.Errorf("unexpected answer to %s: %w", subject, err)
			}
			if response.Error == nil {
				err := json.Unmarshal(reply.Data, &response.Body)
				return response.Body, err
			}
			err = response.Error
			if !response.Error.passing() {
				return response.Body, err
			}
		} else if errors.Is(err, nats.ErrNoResponders) {
			// A server that starts answers its API last; one without JetStream never does.
			if absent++; absent > 3 {
				return response.Body, err
			}
		} else {
			return response.Body, err
		}
		if !wait.sleep(ctx) {
			return response.Body, err
		}
	}
}

const (
	guardAfter = 100 * time.Millisecond // without an answer by then, something may be wrong
	guardEvery = 250 * time.Millisecond
	guardFlush = 2 * time.Second
)

// guard watches a request that has no answer yet, and ends it when it cannot get one.
type guard struct {
	c          *conn
	subject    string
	cancel     context.CancelCauseFunc
	reconnects uint64
	lastErr    error

	mu      sync.Mutex
	timer   *time.Timer
	flushed bool
	stopped bool
}

func (g *guard) start() {
	g.mu.Lock()
	g.timer = time.AfterFunc(guardAfter, g.check)
	g.mu.Unlock()
}

// stop returns when no check is running, nor will run.
func (g *guard) stop() {
	g.mu.Lock()
	g.stopped = true
	g.timer.Stop()
	g.mu.Unlock()
}

func (g *guard) check() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	nc := g.c.nc
	if !nc.IsConnected() || nc.Stats().Reconnects != g.reconnects {
		g.cancel(errConnectionLost)
		return
	}
	if !g.flushed {
		// The server's complaint precedes its answer to a ping that was sent later.
		g.flushed = nc.FlushTimeout(guardFlush) == nil
	}
	if err := g.c.denied(g.subject, g.lastErr); err != nil {
		g.cancel(err)
		return
	}
	g.timer.Reset(guardEvery)
}

// denied returns ErrPermission if the connection's last error is the refusal of subject and is not
// the error before, or if it is the refusal of the inbox that answers come to.
func (c *conn) denied(subject string, before error) error {
	last := c.nc.LastError()
	if last == nil || !errors.Is(last, nats.ErrPermissionViolation) {
		return nil
	}
	text := last.Error()
	if !sameError(last, before) && strings.Contains(text, fmt.Sprintf("%q", subject)) {
		return wrapf(ErrPermission, "publish to %s", subject)
	}
	inbox, _ := cutLast(c.nc.NewRespInbox(), ".")
	if strings.Contains(text, `Subscription to "`+inbox+".") {
		return wrapf(ErrPermission, "subscribe to %s.*", inbox)
	}
	return nil
}

// sameError compares by identity; the connection makes a new error each time.
func sameError(a, b error) bool {
	defer func() { _ = recover() }() // an error type that cannot be compared
	return a == b
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+len(sep):]
}
