// keySet: the keys that a watch with TrackKeys has reported, and the sweep that finds those which
// vanished while it was detached.

package kvrt

import (
	"context"
	"iter"
	"maps"
	"slices"
)

// keySet finds the keys that a watch has reported and a listing does not find any more. A nil keySet
// tracks nothing.
type keySet struct {
	reported reported
	// After a listing: the keys it found alive, and what the watch has to reach before the others
	// are known to be gone.
	alive map[string]struct{}
	until uint64
}

// reported are the keys that the reader of a watch knows to have a value.
type reported interface {
	// note takes in an event, after the reader has.
	note(key string, op Op, revision uint64)
	has(key string) bool
	// all yields the keys with the latest revision reported.
	all() iter.Seq2[string, uint64]
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
		s.alive, s.until = nil, 0
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

// sweep reports the keys that vanished. It reports false when ctx ends.
func (w *watching) sweep(ctx context.Context) bool {
	for _, key := range w.tracked.gone() {
		raw := rawEntry{key: key, op: Delete, revision: w.at.sequence}
		if _, alive := w.out.event(ctx, &raw, &w.opts, w.at, !w.opts.ignoreDeletes); !alive {
			return false
		}
		w.tracked.note(key, raw.op, raw.revision)
	}
	return true
}
