// keySet: the keys that a watch with TrackKeys has reported, and the sweep that finds those which
// vanished while it was detached.

package kvrt

import (
	"context"
	"maps"
	"slices"
)

// keySet holds the live keys that were reported. A nil keySet tracks nothing.
type keySet struct {
	revisions map[string]uint64 // the latest one reported
	// After a listing: the keys it found alive, and what the watch has to reach before the others
	// are known to be gone.
	alive map[string]struct{}
	until uint64
}

func newKeySet() *keySet { return &keySet{revisions: map[string]uint64{}} }

// note takes in a reported event.
func (s *keySet) note(key string, op Op, revision uint64) {
	switch {
	case s == nil:
	case op == Put:
		s.revisions[key] = revision
	default:
		delete(s.revisions, key)
	}
}

// listed reports that a listing has been made and not been acted upon.
func (s *keySet) listed() bool { return s != nil && s.alive != nil }

// due reports that everything has been delivered that could explain why a key was not listed.
func (s *keySet) due(sequence uint64) bool { return s.listed() && sequence >= s.until }

// gone returns the keys that vanished, in order, and forgets them and the listing.
func (s *keySet) gone() []string {
	var gone []string
	for _, key := range slices.Sorted(maps.Keys(s.revisions)) {
		if _, ok := s.alive[key]; !ok && s.revisions[key] <= s.until {
			gone = append(gone, key)
			delete(s.revisions, key)
		}
	}
	s.alive, s.until = nil, 0
	return gone
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
	err = w.b.scan(ctx, w.filter, startPolicy{latest: true}, true, func(raw *rawEntry) bool {
		_, reported := w.tracked.revisions[raw.key]
		switch {
		case raw.op != Put:
			delete(alive, raw.key)
		case reported || raw.revision > w.at.sequence: // or about to be
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
	}
	return true
}
