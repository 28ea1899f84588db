// Watcher: what a caller holds of a watch.

package kvrt

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"
)

// Watcher delivers the changes of the keys it was made for. Its channel is for one reader; the other
// methods may be called by any goroutine.
//
// It delivers the latest revision of every selected key, the revisions of a key in order and none
// twice, and all events in the order of the bucket. Revisions between two deliveries are skipped if
// the server has dropped them already, as it does with history 1 when a key is written quickly. This
// holds across lost connections, restarts and changes of leader. A reader that is slow slows the
// delivery down; nothing is dropped, and memory stays bounded.
//
// What happened while the watcher was detached is known from what the bucket still has. A key that
// was deleted and whose marker was removed too, all in such a gap, is not reported
// unless the watch was made with TrackKeys.
type Watcher[E any] struct {
	state   watcherState
	updates chan E
}

// watcherState is what a Watcher has whatever its events are. Code that depends on their type is
// compiled anew for each key pattern, so there is little of it.
type watcherState struct {
	cancel context.CancelFunc
	done   chan struct{}    // closed after updates
	closed chan nats.Status // of the connection

	mu        sync.Mutex
	sent      uint64                    // events that were given to the channel
	positions [eventsAhead + 1]Position // of the last of them, and of what came after each without being selected
	unread    func() int                // events that are in the channel
	offering  bool                      // the channel was full: an event is offered, and may have been taken
	asked     []chan Position
	wake      chan struct{} // tells the sender that someone asked
	stopped   bool
	err       error
}

// eventsAhead is how many events are ready before their reader asks for them, so that the two do not wake
// each other for each (BenchmarkWatch). It is small, since each may be as large as a message.
const eventsAhead = 16

func newWatcher[E any]() *Watcher[E] {
	updates := make(chan E, eventsAhead)
	return &Watcher[E]{
		state:   watcherState{done: make(chan struct{}), wake: make(chan struct{}, 1), unread: func() int { return len(updates) }},
		updates: updates,
	}
}

// Updates returns the channel of events. It is closed when the watch ends. A few events, 16 at most, may be in
// it before they are received; they do not count for Position.
func (w *Watcher[E]) Updates() <-chan E { return w.updates }

// Stop ends the watch: the channel is closed and empty when it returns. It may be called more than once.
func (w *Watcher[E]) Stop() { w.state.stop() }

func (w *watcherState) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.cancel()
	<-w.done
}

// Err returns why the watch ended: nil while it goes on and after Stop, otherwise an *Error, such as
// one of ErrBucketNotFound, ErrPermission, ErrUnavailable, or of the context's end.
func (w *Watcher[E]) Err() error { return w.state.reason() }

func (w *watcherState) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Position returns where the watch stands: never ahead of the events received. See ResumeFrom.
func (w *Watcher[E]) Position() Position { return w.state.stand() }

func (w *watcherState) stand() Position {
	w.mu.Lock()
	if !w.offering {
		defer w.mu.Unlock()
		return w.standLocked()
	}
	// Only the sender knows whether the event on offer has been taken into the channel.
	answer := make(chan Position, 1)
	w.asked = append(w.asked, answer)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return <-answer
}

func (w *watcherState) standLocked() Position { return *w.after(w.sent - uint64(w.unread())) }

// after is the position after so many events.
func (w *watcherState) after(events uint64) *Position {
	return &w.positions[events%uint64(len(w.positions))]
}

// send hands an event to the reader, who is at position when it has been taken. It reports false when ctx
// ends or the connection is closed.
//
//go:noinline
func (w *Watcher[E]) send(ctx context.Context, event E, position Position) bool {
	s := &w.state
	s.mu.Lock()
	select {
	case w.updates <- event:
		s.sentLocked(position)
		s.mu.Unlock()
		return true
	default:
	}
	s.offering = true
	s.mu.Unlock()
	for {
		select {
		case w.updates <- event:
			s.accepted(position)
			return true
		case <-s.wake:
			s.answer()
		case <-ctx.Done():
			s.withdrawn()
			return false
		case <-s.closed:
			s.withdrawn()
			return false
		}
	}
}

// close closes the channel; discard takes out before what was not read.
func (w *Watcher[E]) close(discard bool) {
	s := &w.state
	s.mu.Lock()
	defer s.mu.Unlock()
	for discard {
		select {
		case <-w.updates:
			s.sent--
		default:
			discard = false
		}
	}
	close(w.updates)
}

func (w *watcherState) sentLocked(position Position) {
	w.sent++
	*w.after(w.sent) = position
}

func (w *watcherState) accepted(position Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sentLocked(position)
	w.offering = false
	w.answerLocked()
}

func (w *watcherState) withdrawn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offering = false
	w.answerLocked()
}

// answer tells everyone who asked for the position.
func (w *watcherState) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answerLocked()
}

func (w *watcherState) answerLocked() {
	for _, answer := range w.asked {
		answer <- w.standLocked()
	}
	w.asked = nil
}

// advance moves the position past what is not delivered.
func (w *watcherState) advance(position Position) {
	w.mu.Lock()
	*w.after(w.sent) = position
	w.mu.Unlock()
}

// ended sets the reason, before the channel is closed.
func (w *watcherState) ended(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped && w.err == nil {
		w.err = err
	}
}
