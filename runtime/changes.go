// Changes: what subscribers are told of a cache. One that is slow is told less often, and never
// something that is missing at the end.

package kvrt

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"
)

// Changes yields what the cache holds, as Put, then Synced, and from then on every change of what it
// holds, until the loop is left, ctx ends or the cache does. If the bucket is deleted and created
// again, Reset comes when the new copy is complete, followed by that copy and Synced.
//
// It does not hold up the cache or other readers. Changes of a key that follow each other faster than
// the loop takes them become one, the latest; a key that came and went in between is not mentioned.
// The revisions of one key come in order, those of different keys may not. It keeps at most one change
// for each key, so memory is bounded by the size of the cache.
//
//go:noinline
func (c *localCopy[K, V]) Changes(ctx context.Context) iter.Seq[Event[K, V]] {
	return func(yield func(Event[K, V]) bool) {
		s := c.subscribe()
		defer c.unsubscribe(s)
		for ctx.Err() == nil {
			ev, ok := c.take(s)
			if ok {
				if !yield(ev) {
					return
				}
				continue
			}
			select {
			case <-s.wake:
			case <-ctx.Done():
			case <-c.watch.done:
				if ev, ok = c.take(s); !ok || !yield(ev) {
					return
				}
			}
		}
	}
}

// subscriber is one loop over Changes. It is guarded by the cache's mutex.
type subscriber[K comparable, V any] struct {
	again   bool           // Reset is due
	first   []*Entry[K, V] // to be told before Synced
	synced  bool           // Synced has been told
	pending map[K]*change[K, V]
	queue   []*change[K, V] // those pending, the oldest first, and some that are no longer
	wake    chan struct{}
}

// change is the latest change of a key that a subscriber has not been told of.
type change[K comparable, V any] struct {
	key      K
	entry    *Entry[K, V] // nil if it was deleted:
	op       Op
	revision uint64
	created  time.Time
	known    bool // the subscriber has been told that the key has a value
	dropped  bool // nothing is to be told
}

func (c *localCopy[K, V]) subscribe() *subscriber[K, V] {
	s := &subscriber[K, V]{pending: map[K]*change[K, V]{}, wake: make(chan struct{}, 1)}
	c.mu.Lock()
	all := c.table.Load().entries()
	s.first = all
	if c.subscribers == nil {
		c.subscribers = map[*subscriber[K, V]]struct{}{}
	}
	c.subscribers[s] = struct{}{}
	c.mu.Unlock()
	inOrder(all) // nobody else looks at it
	return s
}

func (c *localCopy[K, V]) unsubscribe(s *subscriber[K, V]) {
	c.mu.Lock()
	delete(c.subscribers, s)
	c.mu.Unlock()
}

// inOrder sorts entries as the bucket has them.
func inOrder[K comparable, V any](entries []*Entry[K, V]) []*Entry[K, V] {
	slices.SortFunc(entries, func(a, b *Entry[K, V]) int { return cmp.Compare(a.Revision, b.Revision) })
	return entries
}

// note takes in a change; known tells that the key had a value before.
func (s *subscriber[K, V]) note(latest change[K, V], key K, known bool) {
	p, ok := s.pending[key]
	switch {
	case ok && latest.entry == nil && !p.known:
		p.dropped = true
		delete(s.pending, key)
		s.tidy()
		return
	case ok:
		latest.key, latest.known = key, p.known
		*p = latest
		return
	}
	latest.key, latest.known = key, known
	s.pending[key] = &latest
	s.queue = append(s.queue, &latest)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tidy keeps the queue from growing with keys that come and go.
func (s *subscriber[K, V]) tidy() {
	if len(s.queue) > 2*len(s.pending)+64 {
		s.queue = slices.DeleteFunc(s.queue, func(c *change[K, V]) bool { return c.dropped })
	}
}

// reset starts over with a copy of another bucket.
func (s *subscriber[K, V]) reset(all []*Entry[K, V]) {
	s.again, s.first, s.synced = true, all, false
	s.pending, s.queue = map[K]*change[K, V]{}, nil
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what is to be told next.
func (c *localCopy[K, V]) take(s *subscriber[K, V]) (Event[K, V], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.again:
		s.again = false
		return Event[K, V]{Op: Reset}, true
	case len(s.first) > 0:
		e := s.first[0]
		s.first = s.first[1:]
		return e.put(), true
	case !s.synced:
		s.first, s.synced = nil, true
		return Event[K, V]{Op: Synced}, true
	}
	for len(s.queue) > 0 {
		p := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if p.dropped {
			continue
		}
		delete(s.pending, p.key)
		if p.entry != nil {
			return p.entry.put(), true
		}
		return Event[K, V]{Op: p.op, Key: p.key, Revision: p.revision, Created: p.created}, true
	}
	s.queue = nil
	return Event[K, V]{}, false
}

// put is the event of an entry.
func (e *Entry[K, V]) put() Event[K, V] {
	return Event[K, V]{Op: Put, Key: e.Key, Value: e.Value, Revision: e.Revision, Created: e.Created, Err: e.err}
}
