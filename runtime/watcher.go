// Watcher: what a caller holds of a watch.

package kvrt

import (
	"context"
	"sync"
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
	updates chan E
	cancel  context.CancelFunc
	done    chan struct{} // closed after updates

	mu       sync.Mutex
	position Position // of the last event received, and of what came after it without being selected
	sending  bool     // an event is offered to the reader, who may have taken it
	asked    []chan Position
	wake     chan struct{} // tells the sender that someone asked
	stopped  bool
	err      error
}

func newWatcher[E any](cancel context.CancelFunc) *Watcher[E] {
	return &Watcher[E]{
		updates: make(chan E),
		cancel:  cancel,
		done:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
	}
}

// Updates returns the channel of events. It is closed when the watch ends.
func (w *Watcher[E]) Updates() <-chan E { return w.updates }

// Stop ends the watch: the channel is closed when it returns. It may be called more than once.
func (w *Watcher[E]) Stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.cancel()
	<-w.done
}

// Err returns why the watch ended: nil while it goes on and after Stop, otherwise an *Error, such as
// one of ErrBucketNotFound, ErrPermission, ErrUnavailable, or of the context's end.
func (w *Watcher[E]) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Position returns where the watch stands: never ahead of the events received. See ResumeFrom.
func (w *Watcher[E]) Position() Position {
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

// send offers an event, and moves the position when it has been taken. It reports false when ctx ends.
func (w *Watcher[E]) send(ctx context.Context, event E, position Position) bool {
	w.mu.Lock()
	w.sending = true
	w.mu.Unlock()
	for {
		select {
		case w.updates <- event:
			w.mu.Lock()
			w.sending, w.position = false, position
			w.answer()
			w.mu.Unlock()
			return true
		case <-w.wake:
			w.mu.Lock()
			w.answer()
			w.mu.Unlock()
		case <-ctx.Done():
			w.mu.Lock()
			w.sending = false
			w.answer()
			w.mu.Unlock()
			return false
		}
	}
}

// answer tells everyone who asked; w.mu is held.
func (w *Watcher[E]) answer() {
	for _, answer := range w.asked {
		answer <- w.position
	}
	w.asked = nil
}

// advance moves the position past what is not delivered.
func (w *Watcher[E]) advance(position Position) {
	w.mu.Lock()
	w.position = position
	w.mu.Unlock()
}

// end closes the channel.
func (w *Watcher[E]) end(err error) {
	w.mu.Lock()
	if !w.stopped {
		w.err = err
	}
	w.mu.Unlock()
	close(w.updates)
	close(w.done)
	w.cancel()
}
