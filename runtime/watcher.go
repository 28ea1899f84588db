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

	mu       sync.Mutex
	position Position // of the last event received, and of what came after it without being selected
	sending  bool     // an event is offered to the reader, who may have taken it
	asked    []chan Position
	wake     chan struct{} // tells the sender that someone asked
	stopped  bool
	err      error
}

func newWatcher[E any]() *Watcher[E] {
	return &Watcher[E]{
		state:   watcherState{done: make(chan struct{}), wake: make(chan struct{}, 1)},
		updates: make(chan E),
	}
}

// Updates returns the channel of events. It is closed when the watch ends.
func (w *Watcher[E]) Updates() <-chan E { return w.updates }

// Stop ends the watch: the channel is closed when it returns. It may be called more than once.
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
	if !w.sending {
		defer w.mu.Unlock()
		return w.position
	}
	// Only the sender knows whether the event on offer has been taken.
	answer := make(chan Position, 1)
	w.asked = append(w.asked, answer)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return <-answer
}

// send offers an event, and moves the position when it has been taken. It reports false when ctx ends
// or the connection is closed.
//
//go:noinline
func (w *Watcher[E]) send(ctx context.Context, event E, position Position) bool {
	w.state.offers()
	for {
		select {
		case w.updates <- event:
			w.state.taken(position)
			return true
		case <-w.state.wake:
			w.state.answer()
		case <-ctx.Done():
			w.state.withdrawn()
			return false
		case <-w.state.closed:
			w.state.withdrawn()
			return false
		}
	}
}

func (w *watcherState) offers() {
	w.mu.Lock()
	w.sending = true
	w.mu.Unlock()
}

func (w *watcherState) taken(position Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sending, w.position = false, position
	w.answerLocked()
}

func (w *watcherState) withdrawn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sending = false
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
		answer <- w.position
	}
	w.asked = nil
}

// advance moves the position past what is not delivered.
func (w *watcherState) advance(position Position) {
	w.mu.Lock()
	w.position = position
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
