// Caches: a local copy of what a filter selects, kept current by a watch.

package kvrt

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
)

// CacheOption is an option of caches: MaxEntries.
type CacheOption func(*cacheOptions)

type cacheOptions struct {
	max     int
	invalid error
}

// MaxEntries limits the entries of a cache. A first copy of more fails with ErrCacheFull; a cache that
// would grow beyond it later ends with that error, see Cache.Err, and drops nothing.
func MaxEntries(n int) CacheOption {
	return func(o *cacheOptions) {
		o.max = n
		if n < 1 {
			o.invalid = wrapf(ErrInvalidOption, "MaxEntries(%d)", n)
		}
	}
}

// Cache is a local copy of the entries that a filter selects, and follows the bucket until Close or
// the end of the context it was made with. Its methods may be called by any number of goroutines.
//
// What it holds of a key is never replaced by something older. It survives lost connections, restarts,
// changes of leader and the loss of its consumer: it attaches again, and lists the keys to find those
// that vanished meanwhile. If the bucket is deleted and created again, reads go on with the last full
// copy until a full one of the new bucket is there. A marker must stay for as long as the cache may be
// behind the bucket, a matter of milliseconds while it is attached: see Bucket.Compact and KeepMarkers.
// What the bucket drops without a marker, since it is older than a ttl without a limit_marker_ttl or one
// of too many, is found by looking: a second later, or a twentieth of the ttl, and after ten at most.
//
// The writes of a transaction become visible one after the other; after WaitFor with the revision that Txn
// returned, all of them are.
//
// A value is decoded once and shared by all who read it: what its pointers, slices and maps lead to
// must not be modified. An entry whose value cannot be decoded is there, with Err and a zero Value.
type Cache[K comparable, V any] struct{ cacheHandle }

// KeyCache is a Cache of a single key.
type KeyCache[K comparable, V any] struct {
	cacheHandle
	key K
}

// Cache makes a cache of the keys of a selection. It returns when the first full copy is in; without
// a deadline in ctx, it waits for that as long as there is progress. The end of ctx ends the cache.
//
//go:noinline
func (kv *KV[K, V]) Cache(ctx context.Context, s Selection, opts ...CacheOption) (*Cache[K, V], error) {
	c, err := newLocalCopy(ctx, kv.b, kindOf(kv), s, opts)
	if err != nil {
		return nil, err
	}
	return &Cache[K, V]{cacheHandle{c}}, nil
}

// CacheKey makes a cache of one key, as Cache does of many.
func CacheKey[K comparable, V any](ctx context.Context, kv *KV[K, V], key K, opts ...CacheOption) (*KeyCache[K, V], error) {
	name, err := kv.spec.Encode(key)
	c, err := newLocalCopy(ctx, kv.b, kindOf(kv), Selection{name, err}, opts)
	if err != nil {
		return nil, err
	}
	return &KeyCache[K, V]{cacheHandle{c}, key}, nil
}

// Get returns the entry under key, false if there is none. An entry whose value cannot be decoded is
// there: its Value is zero, and Entry.Err says why.
func (c *Cache[K, V]) Get(key K) (Entry[K, V], bool) { return read[K, V](c.copy, key) }

// Get returns the entry, false if there is none. If its value cannot be decoded, Value is zero and
// Entry.Err says why.
func (c *KeyCache[K, V]) Get() (Entry[K, V], bool) { return read[K, V](c.copy, c.key) }

func read[K comparable, V any](c *localCopy, key K) (Entry[K, V], bool) {
	if s := lookup[K, V](c.table.Load(), key); s != nil {
		return storedEntry(s), true
	}
	return Entry[K, V]{}, false
}

// Len returns the number of entries.
func (c *Cache[K, V]) Len() int { return int(c.copy.table.Load().live.Load()) }

// All yields what the cache holds at the moment when the loop begins, each key once and in no order.
func (c *Cache[K, V]) All() iter.Seq2[K, Entry[K, V]] {
	return func(yield func(K, Entry[K, V]) bool) {
		for _, r := range c.copy.snapshot() {
			if s := storedOf[K, V](r); !yield(s.key, storedEntry(s)) {
				return
			}
		}
	}
}

// localCopy is a cache of entries of any types. It is the outlet of its watch, and tells it the keys
// that it has.
type localCopy struct {
	cacheState
	kind  recordKind
	table atomic.Pointer[cacheTable] // what readers see
	next  *cacheTable                // the copy being fetched, nil while the bucket is followed; of the watch's goroutine

	mu          sync.Mutex // held to change table, and by those who need it as of one moment
	subscribers map[*subscriber]struct{}
}

func newLocalCopy(ctx context.Context, b *Bucket, kind recordKind, s Selection, opts []CacheOption) (*localCopy, error) {
	c := &localCopy{kind: kind}
	c.next = newCacheTable(&c.kind)
	c.table.Store(c.next)
	if err := c.begin(ctx, b, s, opts, c, c); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *localCopy) snapshot() []*record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table.Load().records()
}

// writable is the table that the watch changes.
func (c *localCopy) writable() *cacheTable {
	if c.next != nil {
		return c.next
	}
	return c.table.Load()
}

// event takes in a stored message.
func (c *localCopy) event(_ context.Context, raw *rawEntry, _ *watchOptions, _ Position, _ bool) (matched, alive bool) {
	c.progress.Add(1)
	r, ok := c.kind.load(raw)
	if !ok {
		return false, true
	}
	if raw.op != Put {
		c.remove(r, raw)
		return true, true
	}
	return true, c.put(r, raw)
}

// put stores a record, and reports false if there is no room for it.
func (c *localCopy) put(r *record, raw *rawEntry) bool {
	t := c.writable()
	if t == c.next && t.used == 0 {
		t.reserve(c.expected)
	}
	if c.max > 0 && t.live.Load() >= int64(c.max) && !t.has(r) {
		if c.vacate(); t.live.Load() >= int64(c.max) {
			c.full()
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	added := t.set(r)
	if c.next == nil {
		for s := range c.subscribers {
			s.note(raw.key, change{told: told{op: Put, record: r}, known: !added})
		}
	}
	return true
}

// vacate removes what vanished while the cache was cut off, before it has followed the bucket up to there.
func (c *localCopy) vacate() {
	if !c.tracked.listed() {
		return
	}
	for _, key := range c.tracked.missing() {
		raw := &rawEntry{key: key, op: Delete, revision: c.tracked.until}
		if r, ok := c.kind.load(raw); ok {
			c.remove(r, raw)
		}
	}
}

// remove forgets the entry with the key of a record, which a marker was read into.
func (c *localCopy) remove(marker *record, raw *rawEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writable().remove(marker) && c.next == nil {
		for s := range c.subscribers {
			s.note(raw.key, change{told: told{op: raw.op, record: marker}, known: true})
		}
	}
}

func (c *localCopy) control(_ context.Context, op Op, position Position) bool {
	switch {
	case op == Reset:
		c.next = newCacheTable(&c.kind)
	case c.next != nil: // Synced
		c.mu.Lock()
		defer c.mu.Unlock()
		c.next.trim()
		c.table.Store(c.next)
		c.next = nil
		c.filled(position)
		if len(c.subscribers) > 0 {
			all := inOrder(c.table.Load().records())
			for s := range c.subscribers {
				s.reset(all)
			}
		}
	}
	return true
}

func (c *localCopy) close(bool) {}

func (c *localCopy) before(revision uint64) (keys []string) {
	for _, r := range c.writable().records() {
		if r.revision < revision {
			if key, err := c.kind.name(r); err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func (c *localCopy) note(string, Op, uint64) {} // the table has it
func (c *localCopy) forget()                 {} // Reset follows

func (c *localCopy) has(key string) bool {
	r, ok := c.kind.load(&rawEntry{key: key, op: Delete})
	return ok && c.writable().has(r)
}

func (c *localCopy) all() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for _, r := range c.writable().records() {
			if key, err := c.kind.name(r); err == nil && !yield(key, r.revision) {
				return
			}
		}
	}
}
