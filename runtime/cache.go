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
//
// A value is decoded once and shared by all who read it: what its pointers, slices and maps lead to
// must not be modified. An entry whose value cannot be decoded is there, with Err and a zero Value.
type Cache[K comparable, V any] struct{ localCopy[K, V] }

// KeyCache is a Cache of a single key.
type KeyCache[K comparable, V any] struct {
	localCopy[K, V]
	key K
}

// localCopy is what Cache and KeyCache have in common.
type localCopy[K comparable, V any] struct {
	cacheState
	kv    *KV[K, V]
	table atomic.Pointer[cacheTable[K, V]] // what readers see
	next  *cacheTable[K, V]                // the copy being fetched, nil while the bucket is followed; of the watch's goroutine

	mu          sync.Mutex // held to change table, and by those who need it as of one moment
	subscribers map[*subscriber[K, V]]struct{}
}

// Cache makes a cache of the keys of a selection. It returns when the first full copy is in; without
// a deadline in ctx, it waits for that as long as there is progress. The end of ctx ends the cache.
//
//go:noinline
func (kv *KV[K, V]) Cache(ctx context.Context, s Selection, opts ...CacheOption) (*Cache[K, V], error) {
	c := new(Cache[K, V])
	if err := c.fill(ctx, kv, s, opts); err != nil {
		return nil, err
	}
	return c, nil
}

// CacheKey makes a cache of one key, as Cache does of many.
func (kv *KV[K, V]) CacheKey(ctx context.Context, key K, opts ...CacheOption) (*KeyCache[K, V], error) {
	name, err := kv.spec.Encode(key)
	c := &KeyCache[K, V]{key: key}
	if err := c.fill(ctx, kv, Selection{name, err}, opts); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *localCopy[K, V]) fill(ctx context.Context, kv *KV[K, V], s Selection, opts []CacheOption) error {
	c.kv, c.next = kv, newCacheTable[K, V]()
	c.table.Store(c.next)
	return c.cacheState.begin(ctx, kv.b, s, opts, &cacheOutlet[K, V]{c}, &cachedKeys[K, V]{c})
}

// Get returns the entry under key, false if there is none. An entry whose value cannot be decoded is
// there: its Value is zero, and Entry.Err says why.
func (c *Cache[K, V]) Get(key K) (Entry[K, V], bool) { return c.get(key) }

// Get returns the entry, false if there is none. If its value cannot be decoded, Value is zero and
// Entry.Err says why.
func (c *KeyCache[K, V]) Get() (Entry[K, V], bool) { return c.get(c.key) }

func (c *localCopy[K, V]) get(key K) (Entry[K, V], bool) {
	if e := c.table.Load().get(key); e != nil {
		return *e, true
	}
	return Entry[K, V]{}, false
}

// Len returns the number of entries.
func (c *Cache[K, V]) Len() int { return int(c.table.Load().live.Load()) }

// All yields what the cache holds at the moment of the call, each key once and in no order.
func (c *Cache[K, V]) All() iter.Seq2[K, Entry[K, V]] {
	return func(yield func(K, Entry[K, V]) bool) {
		for _, e := range c.snapshot() {
			if !yield(e.Key, *e) {
				return
			}
		}
	}
}

func (c *localCopy[K, V]) snapshot() []*Entry[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table.Load().entries()
}

// writable is the table that the watch changes.
func (c *localCopy[K, V]) writable() *cacheTable[K, V] {
	if c.next != nil {
		return c.next
	}
	return c.table.Load()
}

// cacheOutlet is the outlet of a cache's watch.
type cacheOutlet[K comparable, V any] struct{ c *localCopy[K, V] }

func (o *cacheOutlet[K, V]) event(_ context.Context, raw *rawEntry, _ *watchOptions, _ Position, _ bool) (matched, alive bool) {
	c := o.c
	c.progress.Add(1)
	key, err := c.kv.spec.Parse(raw.key)
	if err != nil {
		return false, true
	}
	if raw.op != Put {
		c.remove(key, raw)
		return true, true
	}
	entry, err := c.kv.entry(key, raw)
	entry.err = c.b.wrap("cache", raw.key, err)
	return true, c.put(&entry)
}

// put stores an entry, and reports false if there is no room for it.
func (c *localCopy[K, V]) put(e *Entry[K, V]) bool {
	t := c.writable()
	if t == c.next && t.used == 0 {
		t.reserve(c.expected)
	}
	if c.max > 0 && t.live.Load() >= int64(c.max) && t.get(e.Key) == nil {
		c.full()
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	added := t.set(e)
	if c.next == nil {
		for s := range c.subscribers {
			s.note(change[K, V]{entry: e}, e.Key, !added)
		}
	}
	return true
}

func (c *localCopy[K, V]) remove(key K, raw *rawEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writable().remove(key) && c.next == nil {
		for s := range c.subscribers {
			s.note(change[K, V]{op: raw.op, revision: raw.revision, created: raw.created}, key, true)
		}
	}
}

func (o *cacheOutlet[K, V]) control(_ context.Context, op Op, _ Position) bool {
	c := o.c
	switch {
	case op == Reset:
		c.next = newCacheTable[K, V]()
	case c.next != nil: // Synced
		c.mu.Lock()
		defer c.mu.Unlock()
		c.next.trim()
		c.table.Store(c.next)
		c.next = nil
		c.filled()
		if len(c.subscribers) > 0 {
			all := inOrder(c.table.Load().entries())
			for s := range c.subscribers {
				s.reset(all)
			}
		}
	}
	return true
}

func (o *cacheOutlet[K, V]) close() {}

// cachedKeys lets a keySet look at what a cache holds.
type cachedKeys[K comparable, V any] struct{ c *localCopy[K, V] }

func (k *cachedKeys[K, V]) note(string, Op, uint64) {} // the cache has it
func (k *cachedKeys[K, V]) forget()                 {} // Reset follows

func (k *cachedKeys[K, V]) has(key string) bool {
	parsed, err := k.c.kv.spec.Parse(key)
	return err == nil && k.c.writable().get(parsed) != nil
}

func (k *cachedKeys[K, V]) all() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for _, e := range k.c.writable().entries() {
			if key, err := k.c.kv.spec.Encode(e.Key); err == nil && !yield(key, e.Revision) {
				return
			}
		}
	}
}
