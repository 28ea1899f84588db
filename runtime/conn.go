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
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// conn sends requests with the prefix, default timeout and trace of the user's JetStream.
type conn struct {
	nc       *nats.Conn
	api      string // "$JS.API.", "$JS.hub.API.": with the last dot
	write    string // before the subject of a write: "", or api where it is not the default
	timeout  time.Duration
	trace    *jetstream.ClientTrace
	errors   *errorHandler // nil unless the connection has one of this package
	watchdog *watchdog
	replies  *replies
}

func newConn(js jetstream.JetStream) conn {
	opts := js.Options()
	c := conn{nc: js.Conn(), api: jetstream.DefaultAPIPrefix, timeout: opts.DefaultTimeout, trace: opts.ClientTrace,
		errors: handlerOf(js.Conn()), watchdog: new(watchdog), replies: &replies{nc: js.Conn()}}
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

// firstAttempt is how long a request that may be repeated waits before it is: the server it went to
// may have stopped while the connection to another one lives. Each further attempt waits twice as long.
const firstAttempt = time.Second

// roundTrip sends msg and waits for its answer, once, no longer than limit unless that is zero.
// While there is no connection it waits for one, so that nothing lies in the reconnect buffer and
// lands after the caller has given up. An error is a *lostError if the message may have reached the
// server, and otherwise says why it did not: ErrUnavailable, ErrPermission, ErrTooLarge or the
// context's error.
//
// What is idempotent may have its answer come to a subscription of ours. When the application drains the
// connection, that one ends at once, and with it the answers on their way; the connection's own is the last.
func (c *conn) roundTrip(ctx context.Context, msg *nats.Msg, limit time.Duration, idempotent bool) (reply *nats.Msg, err error) {
	if err := c.waitConnected(ctx); err != nil {
		return nil, err
	}
	g := c.watchRequest(ctx, msg.Subject, limit)
	if idempotent {
		reply, err = c.replies.request(g, msg)
	} else {
		reply, err = c.nc.RequestMsgWithContext(g.context(), msg)
	}
	err = g.stop(err)
	if err == nil {
		return reply, nil
	}
	switch {
	case errors.Is(err, ErrPermission), errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrMaxPayload),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionDraining),
		errors.Is(err, nats.ErrHeadersNotSupported), errors.Is(err, nats.ErrBadSubject), unsent(err):
		return nil, connErr(err)
	}
	return nil, &lostError{connErr(err)}
}

// waitConnected returns when there is a connection.
func (c *conn) waitConnected(ctx context.Context) error {
	if c.nc.IsConnected() {
		if c.nc.IsDraining() { // there would be no answer
			return connErr(nats.ErrConnectionDraining)
		}
		return ctx.Err()
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
	wait, limit := backoff{}, firstAttempt
	for ; ; limit *= 2 {
		reply, err := c.roundTrip(ctx, &nats.Msg{Subject: subject, Data: data}, limit, true)
		if err == nil {
			if c.trace != nil && c.trace.ResponseReceived != nil {
				c.trace.ResponseReceived(subject, reply.Data, reply.Header)
			}
			return reply, nil
		}
		if _, lost := errors.AsType[*lostError](err); !lost && !unsent(err) {
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
			response.Error.unplaced = response.Error.ErrCode == codeInsufficientResources && strings.HasPrefix(subject, "CONSUMER.CREATE.")
			err = response.Error
			if !response.Error.passing() {
				return response.Body, err
			}
		} else if errors.Is(err, nats.ErrNoResponders) {
			// A server that starts answers its API last; one without JetStream never does.
			if absent++; absent > 3 {
				return response.Body, fmt.Errorf("%w: is JetStream enabled, and are API prefix and domain right?", err)
			}
		} else {
			return response.Body, err
		}
		if !wait.sleep(ctx) {
			return response.Body, err
		}
	}
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+len(sep):]
}
