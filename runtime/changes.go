// Changes: what subscribers are told of a cache. One that is slow is told less often, and never
// something that is missing at the end.

package kvrt

import (
	"cmp"
	"context"
	"iter"
	"slices"
)

// Changes yields what the cache holds, as Put, then Synced, and from then on every change of what it
// holds, until the loop is left, ctx ends or the cache does. If the bucket is deleted and created
// again, Reset comes when the new copy is complete, followed by that copy and Synced.
//
// It does not hold up the cache or other readers. Changes of a key that follow each other faster than
// the loop takes them become one, the latest; a key that came and went in between is not mentioned.
// The revisions of one key come in order, those of different keys may not. It keeps at most one change
// for each key, so memory is bounded by the size of the cache.
func (c *Cache[K, V]) Changes(ctx context.Context) iter.Seq[Event[K, V]] {
	return changes[K, V](ctx, c.copy)
}

// Changes yields the entry as Put, if there is one, then Synced, and its changes: see Cache.Changes.
func (c *KeyCache[K, V]) Changes(ctx context.Context) iter.Seq[Event[K, V]] {
	return changes[K, V](ctx, c.copy)
}

//go:noinline
func changes[K comparable, V any](ctx context.Context, c *localCopy) iter.Seq[Event[K, V]] {
	return func(yield func(Event[K, V]) bool) {
		s := c.subscribe()
		defer c.unsubscribe(s)
		for {
			t, ok := c.await(ctx, s)
			if !ok {
				return
			}
			ev := Event[K, V]{Op: t.op}
			if t.record != nil {
				e := storedOf[K, V](t.record)
				ev = Event[K, V]{Op: t.op, Key: e.key, Value: e.value, Revision: e.revision, Created: timeOf(e.created), Err: e.err}
			}
			if !yield(ev) {
				return
			}
		}
	}
}

// told is what a subscriber is told.
type told struct {
	op     Op
	record *record // nil with Synced and Reset; of a marker, it has the key and no value
}

// subscriber is one loop over Changes. It is guarded by the cache's mutex.
type subscriber struct {
	again   bool      // Reset is due
	first   []*record // to be told before Synced
	synced  bool      // Synced has been told
	pending map[string]*change
	queue   []*change // those pending, the oldest first, and some that are no longer
	wake    chan struct{}
}

// change is the latest change of a key that a subscriber has not been told of.
type change struct {
	told
	key     string
	known   bool // the subscriber has been told that the key has a value
	dropped bool // nothing is to be told
}

func (c *localCopy) subscribe() *subscriber {
	s := &subscriber{pending: map[string]*change{}, wake: make(chan struct{}, 1)}
	c.mu.Lock()
	all := c.table.Load().records()
	s.first = all
	if c.subscribers == nil {
		c.subscribers = map[*subscriber]struct{}{}
	}
	c.subscribers[s] = struct{}{}
	c.mu.Unlock()
	inOrder(all) // nobody else looks at it
	return s
}

func (c *localCopy) unsubscribe(s *subscriber) {
	c.mu.Lock()
	delete(c.subscribers, s)
	c.mu.Unlock()
}

// await returns what is to be told next, and waits for it. It reports false at the end of ctx or the
// cache.
func (c *localCopy) await(ctx context.Context, s *subscriber) (told, bool) {
	for ctx.Err() == nil {
		if t, ok := c.take(s); ok {
			return t, true
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		case <-c.watch.done:
			return c.take(s)
		}
	}
	return told{}, false
}

// inOrder sorts records as the bucket has them.
func inOrder(records []*record) []*record {
	slices.SortFunc(records, func(a, b *record) int { return cmp.Compare(a.revision, b.revision) })
	return records
}

// note takes in a change of a key.
func (s *subscriber) note(key string, latest change) {
	p, ok := s.pending[key]
	switch {
	case ok && latest.op != Put && !p.known:
		p.dropped = true
		delete(s.pending, key)
		s.tidy()
		return
	case ok:
		p.told = latest.told
		return
	}
	latest.key = key
	s.pending[key] = &latest
	s.queue = append(s.queue, &latest)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tidy keeps the queue from growing with keys that come and go.
func (s *subscriber) tidy() {
	if len(s.queue) > 2*len(s.pending)+64 {
		s.queue = slices.DeleteFunc(s.queue, func(c *change) bool { return c.dropped })
	}
}

// reset starts over with a copy of another bucket.
func (s *subscriber) reset(all []*record) {
	s.again, s.first, s.synced = true, all, false
	s.pending, s.queue = map[string]*change{}, nil
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what is to be told next, if there is anything.
func (c *localCopy) take(s *subscriber) (told, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.again:
		s.again = false
		return told{op: Reset}, true
	case len(s.first) > 0:
		r := s.first[0]
		s.first = s.first[1:]
		return told{Put, r}, true
	case !s.synced:
		s.first, s.synced = nil, true
		return told{op: Synced}, true
	}
	for len(s.queue) > 0 {
		p := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if p.dropped {
			continue
		}
		delete(s.pending, p.key)
		return p.told, true
	}
	s.queue = nil
	return told{}, false
}
