// Listings: complete, or an error; never a part that looks like the whole.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"time"
)

// Keys yields the keys that have a value, each once. If the listing cannot be completed, the last
// pair has an error, ErrIncomplete if keys were yielded before. Keys that no KeyX of the pattern
// could have made are skipped.
//
// The listing is complete as of some moment between the call and its end. It keeps eight bytes for
// each key, and ends with the context; without a deadline it goes on while it makes progress.
func (kv *KV[K, V]) Keys(ctx context.Context, s Selection) iter.Seq2[K, error] {
	return func(yield func(K, error) bool) {
		kv.list(ctx, "keys", s, true, func(key K, _ *rawEntry, err error) bool { return yield(key, err) })
	}
}

// List yields the entries that have a value, each key once. An entry whose value cannot be decoded
// is yielded with its key and ErrDecode, and the listing goes on. For the rest, see Keys.
func (kv *KV[K, V]) List(ctx context.Context, s Selection) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		kv.list(ctx, "list", s, false, func(key K, raw *rawEntry, err error) bool {
			if raw == nil {
				return yield(Entry[K, V]{}, err)
			}
			entry, err := kv.entry(key, raw)
			return yield(entry, kv.b.wrap("list", raw.key, err))
		})
	}
}

// Count returns the number of keys that Keys would yield.
func (kv *KV[K, V]) Count(ctx context.Context, s Selection) (count int, err error) {
	kv.list(ctx, "count", s, true, func(_ K, raw *rawEntry, lerr error) bool {
		if raw == nil {
			count, err = 0, lerr
			return false
		}
		count++
		return true
	})
	return count, err
}

// History returns what the bucket still has of a key, oldest first, markers included; nothing for
// an absent key. A value that cannot be decoded is an event with Err.
func (kv *KV[K, V]) History(ctx context.Context, key K) (events []Event[K, V], err error) {
	name, err := kv.spec.Encode(key)
	if err != nil {
		return nil, kv.b.wrap("history", "", err)
	}
	err = kv.b.doUntimed(ctx, "history", name, func(ctx context.Context) error {
		return kv.b.scan(ctx, name, startPolicy{}, false, func(raw *rawEntry) bool {
			events = append(events, kv.event(key, raw))
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// list calls visit for each live key of the selection, and with a nil entry for an error at the end.
func (kv *KV[K, V]) list(ctx context.Context, op string, s Selection, headersOnly bool, visit func(K, *rawEntry, error) bool) {
	var none K
	if s.err != nil {
		visit(none, nil, kv.b.wrap(op, "", s.err))
		return
	}
	stopped := false
	err := kv.b.doUntimed(ctx, op, s.pattern, func(ctx context.Context) error {
		seed := maphash.MakeSeed()
		seen := map[uint64]struct{}{}
		return kv.b.scan(ctx, s.pattern, startPolicy{latest: true}, headersOnly, func(raw *rawEntry) bool {
			if raw.op != Put {
				return true
			}
			key, err := kv.spec.Parse(raw.key)
			if err != nil {
				return true
			}
			// A key that is written during the listing comes again.
			hash := maphash.String(seed, raw.key)
			if _, again := seen[hash]; again {
				return true
			}
			seen[hash] = struct{}{}
			stopped = !visit(key, raw, nil)
			return !stopped
		})
	})
	if err != nil && !stopped {
		visit(none, nil, err)
	}
}

// scan visits the stored messages of a filter, in stream order, until all that was there when it
// began has been visited, or visit returns false. It attaches again when a consumer is lost.
func (b *Bucket) scan(ctx context.Context, filter string, start startPolicy, headersOnly bool, visit func(*rawEntry) bool) error {
	var (
		c           *consumer
		err         error
		position    uint64
		incarnation incarnation
		wait        backoff
		progress    = time.Now()
	)
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for {
		if c == nil {
			attachCtx, cancel := b.withTimeout(ctx)
			c, err = b.attach(attachCtx, filter, start, headersOnly)
			cancel()
			if err != nil && (position == 0 || !Retryable(err)) {
				return incomplete(position, err)
			}
		}
		if c != nil {
			if incarnation != 0 && c.incarnation != incarnation {
				return wrapf(ErrIncomplete, "the bucket was created again")
			}
			incarnation = c.incarnation
			var ended bool
			before := position
			if ended, err = c.scan(ctx, &position, visit); ended {
				return nil
			}
			if position > before {
				progress, wait = time.Now(), backoff{}
			}
			c.close()
			c = nil
			if !detached(err) {
				return incomplete(position, err)
			}
		}
		if _, limited := ctx.Deadline(); !limited && time.Since(progress) > b.timeout+silenceLimit || !wait.sleep(ctx) {
			return incomplete(position, err)
		}
	}
}

// scan visits what one attach delivers; ended tells that everything was visited or visit had enough.
func (c *consumer) scan(ctx context.Context, position *uint64, visit func(*rawEntry) bool) (ended bool, err error) {
	if c.completeAtOnce() {
		return true, nil
	}
	for {
		d, err := c.next(ctx)
		if err != nil {
			return false, err
		}
		if d.msg != nil && d.sequence > *position {
			*position = d.sequence
			if raw, ok := c.entry(&d); ok && !visit(&raw) {
				return true, nil
			}
		}
		if c.complete(&d) {
			return true, nil
		}
	}
}

// incomplete says of a scan's error that something had been visited.
func incomplete(position uint64, err error) error {
	if position == 0 && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: ended at revision %d: %w", ErrIncomplete, position, err)
}
