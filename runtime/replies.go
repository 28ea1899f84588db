// replies: where the answers to the requests of a handle arrive.

package kvrt

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"weak"

	"github.com/nats-io/nats.go"
)

const (
	replySlots = 256  // requests that wait at the same time; others take the connection's own way
	lateLimit  = 1024 // answers that nobody waits for any more, and that may still come
)

// replies is a subscription whose messages the waiting requests take themselves; one that gets the answer
// to another request hands it on. The connection's own requests have a goroutine that does nothing else,
// and wakes for each answer: without it a Get takes less time, and much less where there are several at once
// (BenchmarkOverhead).
type replies struct {
	nc *nats.Conn

	mu    sync.Mutex
	begun bool           // the first request goes the connection's own way, so that both are subscribed by then
	inbox string         // with its last dot; empty before the first request
	msgs  chan *nats.Msg // has room for all that may come, so that the connection never drops one
	end   func()         // of the subscription
	slots []*replySlot
	free  []*replySlot
	late  int
}

// replySlot belongs to one request at a time.
type replySlot struct {
	index, use uint64 // the uses are counted, so that a late answer is not taken for another's
	busy       bool
	answer     chan *nats.Msg
}

// request sends msg and waits for its answer until the call or the guard ends.
func (r *replies) request(g *guard, msg *nats.Msg) (*nats.Msg, error) {
	slot, reply, msgs, err := r.reserve()
	if err != nil {
		return nil, err
	}
	if slot == nil {
		return r.nc.RequestMsgWithContext(g.context(), msg)
	}
	msg.Reply = reply
	if err := r.nc.PublishMsg(msg); err != nil {
		r.release(slot, false)
		return nil, err
	}
	answer, err := r.await(g, slot, reply, msgs)
	r.release(slot, answer == nil)
	switch {
	case answer == nil:
		return nil, err
	case len(answer.Data) == 0 && answer.Header.Get(headerStatus) == "503":
		return nil, nats.ErrNoResponders
	}
	return answer, nil
}

func (r *replies) await(g *guard, slot *replySlot, reply string, msgs <-chan *nats.Msg) (*nats.Msg, error) {
	for {
		select {
		case answer := <-slot.answer:
			return answer, nil
		case msg := <-msgs:
			if msg.Subject == reply {
				return msg, nil
			}
			r.handOn(msg)
		case <-g.call.Done():
			return r.sweep(slot, reply, msgs), context.Cause(g.call)
		case <-g.done:
			return r.sweep(slot, reply, msgs), g.Err()
		}
	}
}

// sweep returns the answer if it is there, for which nobody had time.
func (r *replies) sweep(slot *replySlot, reply string, msgs <-chan *nats.Msg) *nats.Msg {
	for {
		select {
		case answer := <-slot.answer:
			return answer
		case msg := <-msgs:
			if msg.Subject == reply {
				return msg
			}
			r.handOn(msg)
		default:
			return nil
		}
	}
}

// reserve returns a slot, the reply subject of its request and where the answer arrives; no slot if there
// is none for now.
func (r *replies) reserve() (slot *replySlot, reply string, msgs <-chan *nats.Msg, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late >= lateLimit {
		if len(r.free) < len(r.slots) {
			return nil, "", nil, nil
		}
		r.end() // and what is late with it
		r.inbox, r.late = "", 0
	}
	if r.inbox == "" {
		if err := r.subscribe(); err != nil {
			return nil, "", nil, err
		}
	}
	if !r.begun {
		r.begun = true
		return nil, "", nil, nil
	}
	switch last := len(r.free) - 1; {
	case last >= 0:
		slot, r.free = r.free[last], r.free[:last]
	case len(r.slots) < replySlots:
		slot = &replySlot{index: uint64(len(r.slots)), answer: make(chan *nats.Msg, 1)}
		r.slots = append(r.slots, slot)
	default:
		return nil, "", nil, nil
	}
	slot.use++
	slot.busy = true
	return slot, r.inbox + strconv.FormatUint(slot.use*replySlots+slot.index, 36), r.msgs, nil
}

func (r *replies) subscribe() error {
	inbox, msgs := r.nc.NewInbox()+".", make(chan *nats.Msg, replySlots+lateLimit)
	sub, err := r.nc.ChanSubscribe(inbox+"*", msgs)
	if err != nil {
		return err
	}
	r.inbox, r.msgs = inbox, msgs
	// A handle needs no closing; its subscription goes with it. What a cleanup holds stays, so that is not
	// the subscription: it leads to the connection, and that to what the application's handlers hold.
	cleanup := runtime.AddCleanup(r, func(sub weak.Pointer[nats.Subscription]) {
		if sub := sub.Value(); sub != nil {
			go func() { _ = sub.Unsubscribe() }() // which may have to wait for the connection
		}
	}, weak.Make(sub))
	r.end = func() {
		cleanup.Stop()
		_ = sub.Unsubscribe()
	}
	return nil
}

// handOn gives an answer to the request that waits for it.
func (r *replies) handOn(msg *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := strconv.ParseUint(msg.Subject[min(len(r.inbox), len(msg.Subject)):], 36, 64)
	if err != nil || n%replySlots >= uint64(len(r.slots)) {
		return
	}
	slot := r.slots[n%replySlots]
	if !slot.busy || slot.use != n/replySlots {
		r.late = max(r.late-1, 0)
		return
	}
	select {
	case slot.answer <- msg:
	default: // a second answer
	}
}

// release ends the use of a slot; late tells that its answer may still come.
func (r *replies) release(slot *replySlot, late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slot.busy = false
	select {
	case <-slot.answer:
	default:
		if late {
			r.late++
		}
	}
	r.free = append(r.free, slot)
}
