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
// pair has an error, ErrIncomplete if keys were yielded before or ctx has ended. Keys that no KeyX of the
// pattern could have made are skipped.
//
// The listing is complete as of some moment between the call and its end. It keeps eight bytes for
// each key, and ends with the context; without a deadline it goes on while it makes progress. While it
// is under way the server (2.15) is slow to purge: what is to be purged is better collected first. Values
// are left out of what is fetched, unless the bucket's entries have 256 bytes at most on average: then
// leaving them out costs more.
//
//go:noinline
func (kv *KV[K, V]) Keys(ctx context.Context, s Selection) iter.Seq2[K, error] {
	return func(yield func(K, error) bool) {
		kv.b.list(ctx, "keys", s, true, func(raw *rawEntry, err error) bool {
			var key K
			if raw != nil {
				if key, err = kv.spec.Parse(raw.key); err != nil {
					return true
				}
			}
			return yield(key, err)
		})
	}
}

// List yields the entries that have a value, each key once. An entry whose value cannot be decoded
// is yielded with its key and ErrDecode, and the listing goes on. For the rest, see Keys.
//
//go:noinline
func (kv *KV[K, V]) List(ctx context.Context, s Selection) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		kv.b.list(ctx, "list", s, false, func(raw *rawEntry, err error) bool {
			var entry Entry[K, V]
			if raw != nil {
				key, err := kv.spec.Parse(raw.key)
				if err != nil {
					return true
				}
				entry, err = entryOf(kv, key, raw)
				return yield(entry, kv.b.wrap("list", raw.key, err))
			}
			return yield(entry, err)
		})
	}
}

// Count returns the number of keys that Keys would yield.
//
//go:noinline
func (kv *KV[K, V]) Count(ctx context.Context, s Selection) (int, error) {
	return kv.b.count(ctx, s, func(key string) bool {
		_, err := kv.spec.Parse(key)
		return err == nil
	})
}

func (b *Bucket) count(ctx context.Context, s Selection, matches func(string) bool) (count int, err error) {
	b.list(ctx, "count", s, true, func(raw *rawEntry, lerr error) bool {
		switch {
		case raw == nil:
			count, err = 0, lerr
		case matches(raw.key):
			count++
		}
		return true
	})
	return count, err
}

// History returns what the bucket still has of a key, oldest first, markers included; nothing for
// an absent key. A value that cannot be decoded is an event with Err.
//
//go:noinline
func (kv *KV[K, V]) History(ctx context.Context, key K) (events []Event[K, V], err error) {
	name, err := kv.spec.Encode(key)
	err = kv.b.visitHistory(ctx, name, err, func(raw *rawEntry) bool {
		events = append(events, eventOf(kv, "history", key, raw))
		return true
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

func (b *Bucket) visitHistory(ctx context.Context, key string, invalid error, visit func(*rawEntry) bool) error {
	if invalid != nil {
		return b.refuse(ctx, "history", "", invalid)
	}
	return b.doUntimed(ctx, "history", key, func(ctx context.Context) error {
		return b.scan(ctx, key, startPolicy{}, false, nil, visit)
	})
}

// list calls visit for each live key of the selection, once, until it returns false, and with a nil
// entry for an error at the end.
func (b *Bucket) list(ctx context.Context, op string, s Selection, headersOnly bool, visit func(*rawEntry, error) bool) {
	if s.err != nil {
		visit(nil, b.refuse(ctx, op, "", s.err))
		return
	}
	stopped := false
	err := b.doUntimed(ctx, op, s.pattern, func(ctx context.Context) error {
		if b.small.expects(s.pattern) {
			if entries, ok := b.listSmall(ctx, s.pattern); ok {
				for i := 0; i < len(entries) && !stopped; i++ {
					stopped = !visit(&entries[i], nil)
				}
				return nil
			}
		}
		messages, bytes := 0, 0
		seed := maphash.MakeSeed()
		var (
			met   *metKeys
			known uint64 // up to there, what comes was there when the first consumer began
		)
		err := b.scan(ctx, s.pattern, startPolicy{latest: true}, headersOnly, func(c *consumer) {
			if met == nil {
				met, known = newMetKeys(c.pending), c.known
			}
			known = min(known, c.known) // another consumer may be on a replica that is behind
		}, func(raw *rawEntry) bool {
			messages, bytes = messages+1, bytes+len(raw.data)
			if raw.op != Put {
				return true
			}
			// A key that is written during the listing comes again.
			if !met.meet(maphash.String(seed, raw.key), raw.revision > known) {
				return true
			}
			stopped = !visit(raw, nil)
			return !stopped
		})
		if err == nil && !stopped {
			b.small.learn(s.pattern, messages, bytes)
		}
		return err
	})
	if err != nil && !stopped {
		visit(nil, err)
	}
}

// scan visits the stored messages of a filter, in stream order, until all that was there when it
// began has been visited, or visit returns false. It attaches again when a consumer is lost; attached, if
// not nil, is told each time. With headersOnly the values may be missing, but need not.
func (b *Bucket) scan(ctx context.Context, filter string, start startPolicy, headersOnly bool, attached func(*consumer), visit func(*rawEntry) bool) error {
	var (
		c           *consumer
		err         error
		position    uint64
		incarnation incarnation
		wait        backoff
		progress    = time.Now()
		spare       = headersOnly && b.smallValues()
	)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: nothing was read: %w", ErrIncomplete, err)
	}
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for {
		if c == nil {
			attachCtx, cancel := b.withTimeout(ctx)
			c, err = b.attachToLeader(attachCtx, filter, start, headersOnly && !spare)
			cancel()
			if err != nil && (position == 0 || !Retryable(err)) {
				return incomplete(ctx, position, err)
			}
		}
		if c != nil {
			if incarnation != 0 && c.incarnation != incarnation {
				return wrapf(ErrIncomplete, "the bucket was created again")
			}
			incarnation = c.incarnation
			if attached != nil {
				attached(c)
			}
			var ended bool
			before := position
			c.spare = spare
			if ended, err = c.scan(ctx, &position, visit); ended {
				return nil
			}
			spare = spare && !c.wasteful()
			if position > before {
				progress, wait = time.Now(), backoff{}
			}
			c.close()
			c = nil
			if !detached(err) {
				return incomplete(ctx, position, err)
			}
		}
		if _, limited := ctx.Deadline(); !limited && time.Since(progress) > b.timeout+silenceLimit || !wait.sleep(ctx) {
			return incomplete(ctx, position, err)
		}
	}
}

// Where the values are not wanted, the server can leave them out. It says how large they were instead, which
// takes it longer, and the client too, than a small value does (BenchmarkListing).
const (
	smallSize    = 256       // bytes, of a stored message with its key and all
	spareSize    = 512       // bytes of a value, on average, that are too many
	sparedBefore = 256 << 10 // bytes that are not
)

// smallValues reports whether the stored messages are small, on average.
func (b *Bucket) smallValues() bool {
	size := b.meanSize.Load()
	return 0 < size && size <= smallSize && b.history == 1
}

// wasteful reports that values which are not wanted have turned out to be large.
func (c *consumer) wasteful() bool {
	return c.spare && c.bytes > sparedBefore && c.bytes > spareSize*c.received
}

// leaderTries is how many consumers are made at most to have one on the stream's leader: the server gives
// each to any of the replicas, so that with three of them it takes three tries on average.
const leaderTries = 32

// attachToLeader is attach for who takes the first revision of a key that comes for the latest: a
// replica that is behind still has what was deleted or written over before the call. After leaderTries
// any replica will do.
func (b *Bucket) attachToLeader(ctx context.Context, filter string, start startPolicy, headersOnly bool) (*consumer, error) {
	for tries := 1; ; tries++ {
		start.onLeader = start.latest && tries < leaderTries
		c, err := b.attach(ctx, filter, start, headersOnly)
		if err != nil || c.trusted || !start.onLeader || c.completeAtOnce() {
			return c, err
		}
		c.close()
	}
}

// scan visits what one attach delivers; ended tells that everything was visited or visit had enough.
func (c *consumer) scan(ctx context.Context, position *uint64, visit func(*rawEntry) bool) (ended bool, err error) {
	if c.completeAtOnce() {
		return true, nil
	}
	raw := new(rawEntry) // of all messages: visit does not keep it
	take := func(d *delivery) bool {
		if d.msg == nil || d.sequence <= *position {
			return true
		}
		*position = d.sequence
		var ok bool
		*raw, ok = c.entry(d)
		return !ok || visit(raw)
	}
	confirm := func() (bool, error) {
		rest, complete, err := c.confirm(ctx)
		for i := range rest {
			if err != nil || !take(&rest[i]) {
				return true, err
			}
		}
		return complete, err
	}
	if c.pending == 0 {
		if ended, err := confirm(); ended || err != nil {
			return ended, err
		}
	}
	for {
		d, err := c.next(ctx)
		if err != nil {
			return false, err
		}
		if !take(&d) || c.complete(&d) {
			return true, nil
		}
		if c.wasteful() {
			return false, &detachedError{"its values are large"}
		}
		if c.seemsComplete(&d) {
			if ended, err := confirm(); ended || err != nil {
				return ended, err
			}
		}
	}
}

// incomplete says of a scan's error that something had been visited, or that there was no time for it.
func incomplete(ctx context.Context, position uint64, err error) error {
	if position == 0 && ctx.Err() == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if position == 0 {
		return fmt.Errorf("%w: nothing was read: %w", ErrIncomplete, late(err))
	}
	return fmt.Errorf("%w: ended at revision %d: %w", ErrIncomplete, position, late(err))
}
