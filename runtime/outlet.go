// Outlets: a stored message becomes an event of the reader's type.

package kvrt

import "context"

// outlet turns what a watch has read into events of the reader's type.
type outlet interface {
	// event makes an event of a stored message, which it does not keep, and sends it if send is set. matched tells that the
	// message is one for this watch, alive that ctx has not ended.
	event(ctx context.Context, raw *rawEntry, o *watchOptions, position Position, send bool) (matched, alive bool)
	control(ctx context.Context, op Op, position Position) (alive bool)
	// close ends the outlet; discard tells that nobody is to see what was not read.
	close(discard bool)
}

// patternOutlet is the outlet of a watch of one pattern's keys.
type patternOutlet[K comparable, V any] struct {
	w  *Watcher[Event[K, V]]
	kv *KV[K, V]
}

func (p *patternOutlet[K, V]) event(ctx context.Context, raw *rawEntry, o *watchOptions, position Position, send bool) (matched, alive bool) {
	event, ok := match(p.kv, raw, o.metaOnly)
	if !ok || !send {
		return ok, true
	}
	return true, p.w.send(ctx, event, position)
}

func (p *patternOutlet[K, V]) control(ctx context.Context, op Op, position Position) bool {
	return p.w.send(ctx, Event[K, V]{Op: op}, position)
}

func (p *patternOutlet[K, V]) close(discard bool) { p.w.close(discard) }

// match makes an event of a stored message, if its key is one of the pattern's.
//
//go:noinline
func match[K comparable, V any](kv *KV[K, V], raw *rawEntry, meta bool) (Event[K, V], bool) {
	key, err := kv.spec.Parse(raw.key)
	if err != nil {
		return Event[K, V]{}, false
	}
	if meta {
		return Event[K, V]{Op: raw.op, Key: key, Revision: raw.revision, Created: raw.created}, true
	}
	return eventOf(kv, "watch", key, raw), true
}

// Keyspace is a KV of any types.
type Keyspace interface {
	matchAny(raw *rawEntry, meta bool) (BucketEvent, bool)
}

func (kv *KV[K, V]) matchAny(raw *rawEntry, meta bool) (BucketEvent, bool) {
	return match(kv, raw, meta)
}

// bucketOutlet is the outlet of a watch of all keys.
type bucketOutlet[E BucketEvent] struct {
	w        *Watcher[E]
	patterns []Keyspace
}

func (b *bucketOutlet[E]) event(ctx context.Context, raw *rawEntry, o *watchOptions, position Position, send bool) (matched, alive bool) {
	if !send {
		return true, true
	}
	return true, b.w.send(ctx, any(matchBucket(b.patterns, raw, o.metaOnly)).(E), position)
}

func (b *bucketOutlet[E]) control(ctx context.Context, op Op, position Position) bool {
	return b.w.send(ctx, any(ControlEvent{op}).(E), position)
}

func (b *bucketOutlet[E]) close(discard bool) { b.w.close(discard) }

func matchBucket(patterns []Keyspace, raw *rawEntry, meta bool) BucketEvent {
	for _, p := range patterns {
		if event, ok := p.matchAny(raw, meta); ok {
			return event
		}
	}
	event := UnmatchedEvent{Op: raw.op, Key: raw.key, Revision: raw.revision, Created: raw.created}
	if raw.op == Put && !meta {
		event.Value = raw.data
	}
	return event
}
