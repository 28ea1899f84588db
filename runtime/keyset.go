// keySet: the keys that a watch with TrackKeys has reported, and the sweep that finds those which
// vanished while it was detached.

package kvrt

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// keySet finds the keys that a watch has reported and a listing does not find any more. A nil keySet
// tracks nothing.
type keySet struct {
	reported reported
	// After a listing: the keys it found alive, and what the watch has to reach before the others
	// are known to be gone.
	alive map[string]struct{}
	until uint64
	// After a look at the bucket: what it has begins with oldest, as of asOf.
	oldest, asOf uint64
	look         time.Time // when the next one is due
}

// reported are the keys that the reader of a watch knows to have a value.
type reported interface {
	// note takes in an event, after the reader has.
	note(key string, op Op, revision uint64)
	has(key string) bool
	// all yields the keys with the latest revision reported.
	all() iter.Seq2[string, uint64]
	// before returns the keys whose latest revision reported is below one.
	before(revision uint64) []string
	forget()
}

// seenKeys are the reported keys of a watch with TrackKeys, with the latest revision of each.
type seenKeys map[string]uint64

func (s seenKeys) note(key string, op Op, revision uint64) {
	if op == Put {
		s[key] = revision
	} else {
		delete(s, key)
	}
}

func (s seenKeys) has(key string) bool            { _, ok := s[key]; return ok }
func (s seenKeys) all() iter.Seq2[string, uint64] { return maps.All(s) }
func (s seenKeys) forget()                        { clear(s) }

func (s seenKeys) before(revision uint64) (keys []string) {
	for key, reported := range s {
		if reported < revision {
			keys = append(keys, key)
		}
	}
	return keys
}

// note takes in a reported event.
func (s *keySet) note(key string, op Op, revision uint64) {
	if s != nil {
		s.reported.note(key, op, revision)
	}
}

// restart forgets everything.
func (s *keySet) restart() {
	if s != nil {
		s.reported.forget()
		s.alive, s.until, s.oldest, s.asOf = nil, 0, 0, 0
	}
}

// listed reports that a listing has been made and not been acted upon.
func (s *keySet) listed() bool { return s != nil && s.alive != nil }

// due reports that everything has been delivered that could explain why a key was not listed.
func (s *keySet) due(sequence uint64) bool { return s.listed() && sequence >= s.until }

// gone returns the keys that vanished, in order, and forgets the listing.
func (s *keySet) gone() []string {
	gone := s.missing()
	s.alive, s.until = nil, 0
	return gone
}

// missing returns the reported keys that the listing has not found, in order.
func (s *keySet) missing() []string {
	var missing []string
	for key, revision := range s.reported.all() {
		if _, ok := s.alive[key]; !ok && revision <= s.until {
			missing = append(missing, key)
		}
	}
	slices.Sort(missing)
	return missing
}

// relist finds out which keys are alive, after the watch has attached again and before it goes on:
// the consumer that is attached will deliver what happens from then on.
func (w *watching) relist(ctx context.Context) error {
	info, err := w.b.timedInfo(ctx)
	if err != nil {
		return err
	}
	if info.incarnation() != w.at.incarnation {
		return &detachedError{"the bucket was created again"}
	}
	alive := map[string]struct{}{}
	err = w.b.scan(ctx, w.filter, startPolicy{latest: true}, true, nil, func(raw *rawEntry) bool {
		switch {
		case raw.op != Put:
			delete(alive, raw.key)
		case w.tracked.reported.has(raw.key) || raw.revision > w.at.sequence: // or about to be
			alive[raw.key] = struct{}{}
		}
		return true
	})
	if err != nil {
		return err
	}
	w.tracked.alive, w.tracked.until = alive, info.State.LastSeq
	return nil
}

// lookBack finds out, now and then, from where on the bucket still has messages. It drops those that
// are too old, or more than it may have, and leaves no markers unless it has a limit_marker_ttl.
func (w *watching) lookBack(ctx context.Context) {
	if w.tracked == nil || w.tracked.asOf != 0 || time.Now().Before(w.tracked.look) {
		return
	}
	first := w.tracked.look.IsZero()
	w.tracked.look = time.Now().Add(w.c.lookEvery)
	if first {
		return
	}
	if h, ok := w.b.horizon(ctx); ok && h.of == w.at.incarnation && h.first > w.tracked.oldest {
		w.tracked.oldest, w.tracked.asOf = h.first, max(h.last, 1)
	}
}

// aged reports the keys that the bucket has dropped, when everything has been delivered that could have
// taken their place. It reports false when ctx ends.
func (w *watching) aged(ctx context.Context) bool {
	if w.tracked == nil || w.tracked.asOf == 0 || w.at.sequence < w.tracked.asOf {
		return true
	}
	w.tracked.asOf = 0
	gone := w.tracked.reported.before(w.tracked.oldest)
	slices.Sort(gone)
	return w.vanished(ctx, gone)
}

// horizon is what a bucket has messages of.
type horizon struct {
	of          incarnation
	first, last uint64
}

// horizons share a look at the bucket among all who follow it.
type horizons struct {
	mu     sync.Mutex
	latest horizon
	at     time.Time
}

const (
	lookFresh   = 500 * time.Millisecond
	lookTimeout = 2 * time.Second
	lookSeldom  = 10 * time.Second // at what nobody should have removed
)

// horizon asks the stream's leader, or takes an answer that is fresh; ok is false if there is none.
func (b *Bucket) horizon(ctx context.Context) (h horizon, ok bool) {
	if !b.horizons.mu.TryLock() {
		return h, false // someone asks just now: the next look has the answer
	}
	defer b.horizons.mu.Unlock()
	if time.Since(b.horizons.at) > lookFresh {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		info, err := b.info(ctx)
		if err != nil {
			return h, false
		}
		b.horizons.latest, b.horizons.at = horizon{info.incarnation(), info.State.FirstSeq, info.State.LastSeq}, time.Now()
	}
	return b.horizons.latest, true
}

// lookEvery is how often to look what the bucket has dropped.
func (live *liveStream) lookEvery() time.Duration {
	every := lookSeldom
	if live.MaxAge > 0 && live.MarkerTTL == 0 {
		every = min(every, max(live.MaxAge/20, time.Second))
	}
	if live.Discard == "old" && (live.MaxBytes > 0 || live.MaxMsgs > 0) {
		every = time.Second
	}
	return every
}

// sweep reports the keys that vanished. It reports false when ctx ends.
func (w *watching) sweep(ctx context.Context) bool { return w.vanished(ctx, w.tracked.gone()) }

// vanished reports keys that are gone without a trace. It reports false when ctx ends.
func (w *watching) vanished(ctx context.Context, keys []string) bool {
	for _, key := range keys {
		raw := rawEntry{key: key, op: Delete, revision: w.at.sequence}
		if _, alive := w.out.event(ctx, &raw, &w.opts, w.at, !w.opts.ignoreDeletes); !alive {
			return false
		}
		w.tracked.note(key, raw.op, raw.revision)
	}
	return true
}
