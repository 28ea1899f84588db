// Compaction: markers of deleted keys stay in a bucket until someone removes them.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// CompactOption is an option of Compact: KeepMarkers.
type CompactOption func(*compactOptions)

type compactOptions struct{ keep time.Duration }

// KeepMarkers leaves markers that are younger than d, by the server's clock: for watchers and other
// readers that were away for less than that.
func KeepMarkers(d time.Duration) CompactOption {
	return func(o *compactOptions) { o.keep = d }
}

const (
	compactChunk   = 256 // markers between two looks at the bucket's identity
	compactWorkers = 16  // purges under way at a time
)

// compactPass is how many markers are looked for at a time, some 10 MB of them. Tests have fewer.
var compactPass = 100_000

// Compact removes the markers of keys that were deleted, purged or have expired, with the older
// revisions of these keys. A value written since stays, however soon: each purge is bounded by the
// revision of the marker that was found.
//
// It is complete as of some moment between the call and its end, or returns an error: ErrIncomplete
// if it ended in between. It may be repeated. A watcher that is not attached while a key is deleted
// and its marker removed never sees the deletion: see TrackKeys and KeepMarkers. A mirror is
// compacted at its origin.
func (b *Bucket) Compact(ctx context.Context, opts ...CompactOption) error {
	var o compactOptions
	for _, opt := range opts {
		opt(&o)
	}
	return b.doUntimed(ctx, "compact", "", func(ctx context.Context) error {
		return b.compact(ctx, o)
	})
}

func (b *Bucket) compact(ctx context.Context, o compactOptions) error {
	before, err := b.timedInfo(ctx)
	if err != nil {
		return err
	}
	if before.Config.Mirror != nil {
		return wrapf(ErrInvalidOption, "a mirror is compacted at its origin, %s", before.Config.Mirror.Name)
	}
	now := before.TimeStamp
	if now.IsZero() { // servers before 2.10
		now = time.Now()
	}
	limit := now.Add(-o.keep)
	for purged := 0; ; {
		// Purges beside a consumer that is open take the server (2.15) fifteen times as long.
		var markers []rawEntry
		err := b.scan(ctx, ">", startPolicy{latest: true}, true, nil, func(raw *rawEntry) bool {
			if raw.op != Put && (o.keep <= 0 || !raw.created.After(limit)) {
				markers = append(markers, rawEntry{key: raw.key, revision: raw.revision})
			}
			return len(markers) < compactPass
		})
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(markers, compactChunk) {
			if err := b.purgeMarkers(ctx, before.incarnation(), chunk); err != nil {
				return fmt.Errorf("%w: after %d markers: %w", ErrIncomplete, purged, err)
			}
			purged += len(chunk)
		}
		if len(markers) < compactPass {
			return nil
		}
	}
}

// timedInfo is info with the default timeout, for operations that have none of their own.
func (b *Bucket) timedInfo(ctx context.Context) (*streamInfo, error) {
	ctx, cancel := b.withTimeout(ctx)
	defer cancel()
	return b.info(ctx)
}

// purgeMarkers removes markers. A purge names a key and a revision; in a bucket that was created
// again these would be someone else's, so each chunk looks first.
func (b *Bucket) purgeMarkers(ctx context.Context, of incarnation, markers []rawEntry) error {
	now, err := b.timedInfo(ctx)
	if err != nil {
		return err
	}
	if now.incarnation() != of {
		return errors.New("the bucket was created again")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		workers sync.WaitGroup
		next    atomic.Int64
	)
	for range min(compactWorkers, len(markers)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(markers)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := b.purgeBelow(ctx, markers[i].key, markers[i].revision+1); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// purgeBelow removes what is stored under a key with a sequence below the one given. Repeating it
// after a lost answer does no harm.
func (b *Bucket) purgeBelow(ctx context.Context, key string, sequence uint64) error {
	ctx, cancel := b.withTimeout(ctx)
	defer cancel()
	_, err := apiCall[struct{}](ctx, &b.conn, "STREAM.PURGE."+b.stream, purgeRequest{b.stored + key, sequence})
	return err
}

// purgeRequest is the request of STREAM.PURGE.
type purgeRequest struct {
	Filter   string `json:"filter"`
	Sequence uint64 `json:"seq"` // the first that stays
}
