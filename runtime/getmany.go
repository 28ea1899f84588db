// GetMany: many keys with few requests.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// OnProgress has a bulk operation call f as it goes on, from the goroutine that called it: done keys
// of total have had their turn. total is 0 where it is not known, since keys come from a sequence.
func OnProgress(f func(done, total int)) ProgressOption { return progress(f) }

// ProgressOption is an option of all bulk operations: OnProgress. Others take it and ignore it.
type ProgressOption interface {
	ReadOption
	TTLOption
	BulkOption
}

type progress func(done, total int)

func (f progress) applyRead(o *readOptions)  { o.progress = f }
func (progress) anyBucket()                  {}
func (f progress) applyTTL(o *writeOptions)  { o.progress = f }
func (f progress) applyBulk(o *writeOptions) { o.progress = f }

// GetMany returns the entries under those of the keys that have a value. Keys may be given more than
// once. 1,024 keys cost one request (server 2.11), which is answered as of one moment if the values
// have 8 MB at most together; beyond that it is one moment for each 1,024 keys. Older servers, and
// clients that may not publish to $JS.API.DIRECT.GET.KV_<bucket>, read key by key, many at a time.
//
// A key that cannot be encoded, or whose value cannot be decoded, is part of a *BulkError, and the
// other entries are returned with it.
//
//go:noinline
func (kv *KV[K, V]) GetMany(ctx context.Context, keys []K, opts ...ReadOption) (map[K]Entry[K, V], error) {
	return getMany(ctx, kv, keys, readOptionsOf(opts))
}

// GetManyStrong is GetMany with the options of a bucket that allows linearizable reads.
//
//go:noinline
func GetManyStrong[K comparable, V any](ctx context.Context, kv *KV[K, V], keys []K, opts ...StrongReadOption) (map[K]Entry[K, V], error) {
	return getMany(ctx, kv, keys, readOptionsOf(opts))
}

const opGetMany = "get many"

//go:noinline
func getMany[K comparable, V any](ctx context.Context, kv *KV[K, V], keys []K, o readOptions) (map[K]Entry[K, V], error) {
	entries := make(map[K]Entry[K, V], len(keys))
	var failed BulkError[K]
	names := make([]string, 0, len(keys))
	byName := make(map[string]K, len(keys))
	for _, key := range keys {
		name, err := kv.spec.Encode(key)
		if err != nil {
			addFailure(&failed, key, invalid, kv.b.wrap(opGetMany, "", err))
		} else if _, again := byName[name]; !again {
			byName[name] = key
			names = append(names, name)
		}
	}
	err := kv.b.getMany(ctx, names, o, func(raw *rawEntry) {
		key := byName[raw.key]
		entry, err := entryOf(kv, key, raw)
		if err != nil {
			addFailure(&failed, key, undecodable, kv.b.wrap(opGetMany, raw.key, err))
			return
		}
		entries[key] = entry
	})
	if err != nil {
		return nil, err
	}
	return entries, bulkResult(&failed, opGetMany, kv.b.name, nil)
}

// getMany visits the values under different keys.
//
//go:noinline
func (b *Bucket) getMany(ctx context.Context, keys []string, o readOptions, visit func(*rawEntry)) error {
	return b.doUntimed(ctx, opGetMany, "", func(ctx context.Context) error {
		done := 0
		for page := range b.pages(keys) {
			pageCtx, cancel := b.withTimeout(ctx)
			entries, err := b.latestAll(pageCtx, page, o)
			cancel()
			if err != nil {
				return err
			}
			for _, key := range page {
				if raw, ok := entries[key]; ok && raw.exists() {
					raw.key = key
					visit(&raw)
				}
			}
			if done += len(page); o.progress != nil {
				o.progress(done, len(keys))
			}
		}
		return nil
	})
}

// pages cuts keys into what one multi get may ask for: not too many for the server, nor too long for
// a message. One place is left for the reserved key.
func (b *Bucket) pages(keys []string) func(yield func([]string) bool) {
	const perKey = len(`"",`)
	limit := int(b.nc.MaxPayload()) - 1024
	return func(yield func([]string) bool) {
		for len(keys) > 0 {
			n, size := 0, 0
			for n < len(keys) && n < multiGetKeys {
				if size += len(b.stored) + len(keys[n]) + perKey; size > limit && n > 0 {
					break
				}
				n++
			}
			if !yield(keys[:n]) {
				return
			}
			keys = keys[n:]
		}
	}
}

// latestAll reads a page of keys as the options ask. What is absent is absent, or has revision 0.
func (b *Bucket) latestAll(ctx context.Context, keys []string, o readOptions) (map[string]rawEntry, error) {
	if o.linearizable {
		return b.linearizablePage(ctx, keys)
	}
	entries := make(map[string]rawEntry, len(keys))
	rest, _, err := b.latestPage(ctx, keys, o, entries)
	if err != nil {
		return nil, err
	}
	return entries, b.latestEach(ctx, rest, o, entries)
}

// eachAtOnce is how many single reads are on their way at the same time.
const eachAtOnce = 64

// latestEach reads keys one by one, several at the same time.
func (b *Bucket) latestEach(ctx context.Context, keys []string, o readOptions, entries map[string]rawEntry) error {
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		workers sync.WaitGroup
		next    atomic.Int64
		mu      sync.Mutex
	)
	for range min(eachAtOnce, len(keys)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(keys)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				raw, err := b.latest(ctx, keys[i], o)
				if err != nil && !errors.Is(err, ErrNotFound) {
					cancel(fmt.Errorf("key %s: %w", keys[i], err))
					return
				}
				mu.Lock()
				entries[keys[i]] = raw
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// linearizablePage is linearizableGet for a page of keys: one barrier for all.
func (b *Bucket) linearizablePage(ctx context.Context, keys []string) (map[string]rawEntry, error) {
	if err := b.linearizable(); err != nil {
		return nil, err
	}
	barrier, err := b.barriers.pass(ctx, b.writeBarrier)
	if err != nil {
		return nil, fmt.Errorf("the barrier of a linearizable read: %w", err)
	}
	all := make(map[string]rawEntry, len(keys)+1)
	if len(keys) == multiGetKeys { // no place is left for the reserved key, and none needed if one of the keys is there
		keys, _, err = b.multiGet(ctx, keys, barrier, math.MaxInt, all)
		if err != nil {
			return nil, err
		}
	}
	for part := range slices.Chunk(keys, multiGetKeys-1) {
		if err := b.multiGetFrom(ctx, part, barrier, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// multiGetFrom asks replicas for keys and the reserved key, until one answers that has got as far as a
// barrier under that key.
func (b *Bucket) multiGetFrom(ctx context.Context, keys []string, barrier uint64, all map[string]rawEntry) error {
	_, _, err := b.multiGet(ctx, append(slices.Clone(keys), reservedKey), barrier, 0, all)
	return err
}
