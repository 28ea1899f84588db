// cacheState: what a cache knows of its own currency, whatever the types of its entries are.

package kvrt

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// cacheState is how far a cache is.
type cacheState struct {
	b        *Bucket
	filter   string
	max      int // entries; 0 for no limit
	watch    watcherState
	ready    chan struct{} // closed when the first full copy is in
	progress atomic.Uint64 // grows with what is received
	expected uint64        // messages of the copy to come; of the watch's goroutine, as is asOf
	asOf     time.Time     // the copy to come has what the server had then, at least
	tracked  *keySet       // what vanished while it was cut off; likewise

	mu        sync.Mutex
	following bool // attached to the bucket that the copy is of, and with what had happened in between
	position  Position
	contact   time.Time
	waiting   []cacheWaiter
}

// cacheWaiter waits until the cache has reached a revision.
type cacheWaiter struct {
	revision uint64
	reached  chan struct{}
}

// cacheHandle has the methods of caches that do not depend on their types.
type cacheHandle struct{ copy *localCopy }

// Position returns up to where the cache has followed the bucket; it is not ahead of what reads see.
func (h *cacheHandle) Position() Position {
	s := &h.copy.cacheState
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position
}

// LastContact returns the latest moment, by the clock of this process, at which the cache is known to
// have held all that the server had which it follows. While all is well that is about a second ago at
// most; it stands still while the cache is cut off, while it fetches a new copy or cannot keep up with
// the writers, and after its end.
func (h *cacheHandle) LastContact() time.Time {
	s := &h.copy.cacheState
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contact
}

// Err returns why the cache no longer follows the bucket: nil while it does, or tries to, and after
// Close; otherwise an *Error, such as one of ErrCacheFull, ErrBucketNotFound, ErrPermission,
// ErrUnavailable (the connection was closed), or of the context's end. What it holds stays readable.
func (h *cacheHandle) Err() error { return h.copy.watch.reason() }

// Close ends the cache; what it holds stays readable. It may be called more than once. No goroutine
// is left when it returns.
func (h *cacheHandle) Close() { h.copy.watch.stop() }

// WaitFor returns when the cache has everything up to a revision of the bucket: after a write that
// returned this revision, reads of the cache see that write or a later one. While the cache is cut off
// it waits for it to be back. A revision that the filter does not select is reached with the server's
// next heartbeat, which may take about a second. It returns an *Error: of the end of ctx, of ErrCacheEnded
// after Close, or Err. The revisions of a bucket that was deleted and created again count anew; one
// from before is not waited for in a way that means anything.
func (h *cacheHandle) WaitFor(ctx context.Context, revision uint64) error {
	s := &h.copy.cacheState
	s.mu.Lock()
	if s.following && s.position.sequence >= revision {
		s.mu.Unlock()
		return nil
	}
	w := cacheWaiter{revision, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	var err error
	select {
	case <-w.reached:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.watch.done:
		if err = s.watch.reason(); err == nil {
			err = ErrCacheEnded
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.waiting {
		if s.waiting[i].reached == w.reached {
			s.waiting[i] = s.waiting[len(s.waiting)-1]
			s.waiting = s.waiting[:len(s.waiting)-1]
			break
		}
	}
	return s.b.wrap("wait", s.filter, err)
}

// heard tells how far the copy is; latest, that there was nothing behind it.
func (s *cacheState) heard(at Position, latest bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.following, s.position = true, at
	if latest {
		s.contact = time.Now()
	}
	kept := s.waiting[:0]
	for _, w := range s.waiting {
		if w.revision <= at.sequence {
			close(w.reached)
		} else {
			kept = append(kept, w)
		}
	}
	clear(s.waiting[len(kept):])
	s.waiting = kept
}

// expect tells how many messages a copy consists of, as far as is known, and of when it is.
func (s *cacheState) expect(messages uint64, asOf time.Time) {
	if s != nil {
		s.expected, s.asOf = messages, asOf
	}
}

// lost tells that the cache is cut off, and that the bucket may be another one when it is back.
func (s *cacheState) lost() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.following = false
	s.mu.Unlock()
}

// begin attaches the watch behind a cache, and returns when the first full copy is in.
func (s *cacheState) begin(ctx context.Context, b *Bucket, sel Selection, opts []CacheOption, out outlet, keys reported) error {
	var o cacheOptions
	for _, opt := range opts {
		opt(&o)
	}
	if err := cmp.Or(sel.err, o.invalid); err != nil {
		return b.refuse(ctx, "cache", sel.pattern, err)
	}
	s.b, s.filter, s.max, s.ready, s.watch.done = b, sel.pattern, o.max, make(chan struct{}), make(chan struct{})
	alive, cancel := context.WithCancel(ctx)
	s.watch.cancel = cancel
	s.tracked = &keySet{reported: keys}
	w := &watching{
		watcherState: &s.watch, out: out, b: b, op: "cache", filter: s.filter,
		tracked: s.tracked, cache: s,
	}
	running := false
	err := b.doUntimed(ctx, w.op, w.filter, func(callCtx context.Context) error {
		if err := w.start(callCtx); err != nil {
			return err
		}
		running = true
		go w.run(alive)
		return s.firstCopy(callCtx)
	})
	switch {
	case err == nil:
	case running:
		s.watch.stop()
	default:
		cancel()
	}
	return err
}

// firstCopy waits until the cache is filled.
func (s *cacheState) firstCopy(ctx context.Context) error {
	patience := s.b.timeout + silenceLimit
	check := time.NewTicker(patience)
	defer check.Stop()
	stalled := check.C
	if _, limited := ctx.Deadline(); limited {
		stalled = nil
	}
	for before := uint64(0); ; {
		select {
		case <-s.ready:
			return nil
		case <-s.watch.done:
		case <-ctx.Done():
		case <-stalled:
			if now := s.progress.Load(); now != before {
				before = now
				continue
			}
			return wrapf(ErrIncomplete, "nothing was received for %v", patience)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		return s.watch.reason()
	}
}

// filled tells that a full copy is in.
func (s *cacheState) filled(at Position) {
	s.heard(at, false)
	s.mu.Lock()
	if s.asOf.After(s.contact) {
		s.contact = s.asOf
	}
	s.mu.Unlock()
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
}

// full ends the cache, since there is no room for another entry.
func (s *cacheState) full() {
	s.watch.ended(s.b.wrap("cache", s.filter, wrapf(ErrCacheFull, "more than %d entries", s.max)))
}
