// PutMany, DeleteMany and PurgeMany: many writes, with a bounded number of them on their way.

package kvrt

import (
	"context"
	"iter"
)

// BulkOption is an option of PutMany, DeleteMany and PurgeMany: OnProgress.
type BulkOption interface{ applyBulk(*writeOptions) }

// PutMany stores the entries of a sequence, whatever was there, and returns how many it has written.
// Hundreds are on their way at the same time, and the sequence is read no faster than they are
// answered, so that memory does not grow with its length. It is not atomic. Of several entries with
// the same key, the last one stays.
//
// What was not written is listed by a *BulkError. An entry that is refused before it is sent does not
// keep the others from being written; when the bucket is full, gone or forbidden, or ctx ends, the
// rest of the sequence is not read. After a lost connection, or when a leader has stopped, the entries
// that were on their way are Unknown, and the others follow as soon as they can.
//
//go:noinline
func (kv *KV[K, V]) PutMany(ctx context.Context, entries iter.Seq2[K, V], opts ...BulkOption) (written int, err error) {
	return putMany(ctx, kv, entries, nil, bulkOptions(opts))
}

// PutManyTTL is PutMany with the options of keys with `ttl:` in the schema.
//
//go:noinline
func PutManyTTL[K comparable, V any](ctx context.Context, kv *KV[K, V], entries iter.Seq2[K, V], opts ...TTLOption) (written int, err error) {
	return putMany(ctx, kv, entries, opts, ttlOptions(opts))
}

//go:noinline
func putMany[K comparable, V any](ctx context.Context, kv *KV[K, V], entries iter.Seq2[K, V], opts []TTLOption, o writeOptions) (written int, err error) {
	var inFlight [window]K
	var failed BulkError[K]
	written, cause := kv.b.bulkWrite(ctx, "put many", o, func(slot int, kind bulkKind, err error) {
		addFailure(&failed, inFlight[slot], kind, err)
	}, func(p *pipeline) {
		for key, value := range entries {
			slot, ok := p.reserve()
			if !ok {
				unsentEntry(kv, &failed, "put many", key, p.cause)
				return
			}
			inFlight[slot] = key
			w, err := messageOf(kv, key, value, opts)
			p.send(slot, &w, err)
		}
	})
	return written, bulkResult(&failed, "put many", kv.b.name, cause)
}

// DeleteMany stores a marker under each key of a sequence, as PutMany stores values.
//
//go:noinline
func (kv *KV[K, V]) DeleteMany(ctx context.Context, keys iter.Seq[K], opts ...BulkOption) (deleted int, err error) {
	return removeMany(ctx, kv, "delete many", keys, bulkOptions(opts), false)
}

// PurgeMany is DeleteMany that removes older revisions as well.
//
//go:noinline
func (kv *KV[K, V]) PurgeMany(ctx context.Context, keys iter.Seq[K], opts ...BulkOption) (purged int, err error) {
	return removeMany(ctx, kv, "purge many", keys, bulkOptions(opts), true)
}

//go:noinline
func removeMany[K comparable, V any](ctx context.Context, kv *KV[K, V], op string, keys iter.Seq[K], o writeOptions, purge bool) (removed int, err error) {
	var inFlight [window]K
	var failed BulkError[K]
	removed, cause := kv.b.bulkWrite(ctx, op, o, func(slot int, kind bulkKind, err error) {
		addFailure(&failed, inFlight[slot], kind, err)
	}, func(p *pipeline) {
		for key := range keys {
			slot, ok := p.reserve()
			if !ok {
				unsentEntry(kv, &failed, op, key, p.cause)
				return
			}
			inFlight[slot] = key
			name, err := kv.spec.Encode(key)
			p.send(slot, marker(name, purge), err)
		}
	})
	return removed, bulkResult(&failed, op, kv.b.name, cause)
}

// unsentEntry lists the entry at which the sequence was left.
func unsentEntry[K comparable, V any](kv *KV[K, V], failed *BulkError[K], op string, key K, cause error) {
	name, err := kv.spec.Encode(key)
	if err != nil {
		addFailure(failed, key, invalid, kv.b.wrap(op, "", err))
		return
	}
	addFailure(failed, key, notWritten, &Error{Op: op, Bucket: kv.b.name, Key: name, Err: cause})
}

func bulkOptions(opts []BulkOption) (o writeOptions) {
	for _, opt := range opts {
		opt.applyBulk(&o)
	}
	return o
}

func ttlOptions(opts []TTLOption) (o writeOptions) {
	for _, opt := range opts {
		opt.applyTTL(&o)
	}
	return o
}
