// Denials: which request the server refused. The server tells a refusal to the connection and not to
// the request, and the connection keeps only its last error. ErrorHandler keeps them all apart.

package kvrt

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// ErrorHandler returns a handler for nats.ErrorHandler that tells operations of this package at once
// and exactly which of them the server refused, and then calls next, which may be nil:
//
//	nats.Connect(url, nats.ErrorHandler(kvrt.ErrorHandler(next)))
//
// Without it, when many refusals come at the same time, some operations may run into their deadline
// instead of ErrPermission. A handler that was wrapped in another function is not recognised.
func ErrorHandler(next nats.ErrHandler) nats.ErrHandler {
	h := &errorHandler{next: next, waiting: map[denial]map[*waiter]struct{}{}}
	return h.handle
}

// errorHandler belongs to the connections that it was given to.
type errorHandler struct {
	next nats.ErrHandler

	mu      sync.Mutex
	waiting map[denial]map[*waiter]struct{}
}

// denial is what the server refuses on a connection.
type denial struct {
	nc      *nats.Conn
	action  string // "Publish" or "Subscription", as the server calls it
	subject string
}

type waiter struct{ refuse func(error) }

// probe is passed to a handler of this package, to find out which one it is.
type probe struct{ handler *errorHandler }

func (*probe) Error() string { return "kvrt: which handler is this" }

// handlerOf returns the connection's ErrorHandler, or nil if it has another handler. Functions cannot
// be compared, but all handles of errorHandlers share their code, and no other function does.
func handlerOf(nc *nats.Conn) *errorHandler {
	f := nc.ErrorHandler()
	if f == nil || reflect.ValueOf(f).Pointer() != reflect.ValueOf((&errorHandler{}).handle).Pointer() {
		return nil
	}
	var p probe
	f(nc, nil, &p)
	return p.handler
}

func (h *errorHandler) handle(nc *nats.Conn, sub *nats.Subscription, err error) {
	if p, ok := err.(*probe); ok {
		p.handler = h
		return
	}
	if errors.Is(err, nats.ErrPermissionViolation) {
		if d, ok := parseDenial(nc, err.Error()); ok {
			h.refuse(d)
		}
	}
	if h.next != nil {
		h.next(nc, sub, err)
	}
}

// parseDenial reads `Permissions Violation for Publish to "a.b"` (server 2.15, client.go).
func parseDenial(nc *nats.Conn, text string) (denial, bool) {
	_, text, ok := strings.Cut(text, "Permissions Violation for ")
	if !ok {
		return denial{}, false
	}
	action, quoted, _ := strings.Cut(text, " to ")
	quoted, err := strconv.QuotedPrefix(quoted)
	if err != nil {
		return denial{}, false
	}
	subject, err := strconv.Unquote(quoted)
	return denial{nc, action, subject}, err == nil
}

func (h *errorHandler) refuse(d denial) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiting[d] {
		w.refuse(d.err())
	}
}

func (d denial) err() error {
	if d.action == "Subscription" {
		return wrapf(ErrPermission, "the user must be allowed to subscribe to %s", d.subject)
	}
	return wrapf(ErrPermission, "the user must be allowed to publish to %s", d.subject)
}

// await has refuse called, which must not block, when one of the denials comes. On a nil handler it
// does nothing.
func (h *errorHandler) await(refuse func(error), denials ...denial) (stop func()) {
	if h == nil {
		return func() {}
	}
	w := &waiter{refuse}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range denials {
		if h.waiting[d] == nil {
			h.waiting[d] = map[*waiter]struct{}{}
		}
		h.waiting[d][w] = struct{}{}
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, d := range denials {
			if delete(h.waiting[d], w); len(h.waiting[d]) == 0 {
				delete(h.waiting, d)
			}
		}
	}
}
