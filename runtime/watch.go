// Watches: one goroutine that follows the bucket's stream through whatever happens to the
// connection, the consumer, the leader and the bucket.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// WatchOption is an option of watches.
type WatchOption func(*watchOptions)

type watchOptions struct {
	updatesOnly   bool
	history       bool
	ignoreDeletes bool
	metaOnly      bool
	trackKeys     bool
	resume        Position
}

// UpdatesOnly starts with what is written after the watch was attached. Synced comes first. With
// ResumeFrom it has no effect.
func UpdatesOnly() WatchOption { return func(o *watchOptions) { o.updatesOnly = true } }

// WithHistory starts with all revisions that the bucket has of each key, and does not skip revisions
// within the bucket's history.
func WithHistory() WatchOption { return func(o *watchOptions) { o.history = true } }

// IgnoreDeletes leaves out Delete, Purge and Expire.
func IgnoreDeletes() WatchOption { return func(o *watchOptions) { o.ignoreDeletes = true } }

// MetaOnly has the server send no values: Value is zero in all events.
func MetaOnly() WatchOption { return func(o *watchOptions) { o.metaOnly = true } }

// TrackKeys has the watcher remember the keys that it has reported and that have a value, some 100
// bytes for each. When it was detached for a while it lists the bucket's keys, and reports a Delete
// for every key that is gone without a trace, since its marker was removed too. While it is attached, it
// does the same, some seconds later, with what the bucket drops without a marker: entries older than its
// ttl where it has no limit_marker_ttl, or the oldest of too many. Such a Delete has no time of creation,
// and its Revision is that of the bucket when it was found. Without TrackKeys a watcher cannot know. A
// reader so slow that a key is deleted and compacted before it has read up to there misses that in both
// cases.
func TrackKeys() WatchOption { return func(o *watchOptions) { o.trackKeys = true } }

// ResumeFrom goes on after a position that an earlier watcher of the same keys had reached; Synced
// comes when it has caught up. If the bucket has been created again since, or has lost what the
// position stands for, Reset comes first and then a full copy. The zero Position starts afresh.
func ResumeFrom(p Position) WatchOption { return func(o *watchOptions) { o.resume = p } }

// Watch follows the keys of a selection. It is attached when it returns, and goes on until Stop or
// the end of ctx.
//
//go:noinline
func (kv *KV[K, V]) Watch(ctx context.Context, s Selection, opts ...WatchOption) (*Watcher[Event[K, V]], error) {
	out := &patternOutlet[K, V]{newWatcher[Event[K, V]](), kv}
	if err := watch(ctx, kv.b, s, opts, out, &out.w.state); err != nil {
		return nil, err
	}
	return out.w, nil
}

// WatchKey follows one key.
func WatchKey[K comparable, V any](ctx context.Context, kv *KV[K, V], key K, opts ...WatchOption) (*Watcher[Event[K, V]], error) {
	name, err := kv.spec.Encode(key)
	return kv.Watch(ctx, Selection{name, err}, opts...)
}

// WatchBucket follows all keys of a bucket; those of no pattern come as UnmatchedEvent. E is the
// generated interface for the bucket's events.
func WatchBucket[E BucketEvent](ctx context.Context, b *Bucket, opts []WatchOption, patterns ...Keyspace) (*Watcher[E], error) {
	out := &bucketOutlet[E]{newWatcher[E](), patterns}
	if err := watch(ctx, b, Selection{pattern: ">"}, opts, out, &out.w.state); err != nil {
		return nil, err
	}
	return out.w, nil
}

// watching is the state of a watch; it belongs to its goroutine.
type watching struct {
	*watcherState
	out    outlet
	b      *Bucket
	op     string // "watch", "cache"
	filter string
	opts   watchOptions

	c       *consumer
	raw     rawEntry // the message that is being delivered
	at      Position // of the last message seen
	reset   bool     // the next copy is of another bucket, or of one that has lost its end
	synced  bool
	tracked *keySet     // with TrackKeys, and of caches
	cache   *cacheState // of caches
	// latest: until it is synced, the copy consists of the latest revision of each key.
	latest bool
}

// watch attaches, and goes on in a goroutine.
func watch(ctx context.Context, b *Bucket, s Selection, opts []WatchOption, out outlet, state *watcherState) error {
	if s.err != nil {
		return b.refuse(ctx, "watch", "", s.err)
	}
	ctx, state.cancel = context.WithCancel(ctx)
	w := &watching{watcherState: state, out: out, b: b, op: "watch", filter: s.pattern}
	for _, opt := range opts {
		opt(&w.opts)
	}
	if w.opts.trackKeys {
		w.tracked = &keySet{reported: seenKeys{}}
	}
	if err := b.doUntimed(ctx, w.op, w.filter, w.start); err != nil {
		state.cancel()
		return err
	}
	state.closed = b.nc.StatusChanged(nats.CLOSED)
	if b.nc.IsClosed() { // before it would be told
		state.closed <- nats.CLOSED
	}
	go w.run(ctx)
	return nil
}

// start attaches for the first time.
func (w *watching) start(ctx context.Context) error {
	ctx, cancel := w.b.withTimeout(ctx)
	defer cancel()
	switch {
	case w.opts.resume != Position{}:
		w.at = w.opts.resume
		w.latest = w.at.sequence == 0 && !w.opts.history // nothing was seen: a copy like any other
	case w.opts.updatesOnly:
		info, err := w.b.info(ctx)
		if err != nil {
			return err
		}
		// An explicit sequence: a consumer of what is new would forget where it started.
		w.at = Position{info.incarnation(), info.State.LastSeq}
		w.synced = true
	default:
		w.latest = !w.opts.history
	}
	err := w.attach(ctx)
	w.advance(w.at)
	return err
}

// attach makes a consumer that goes on where the watch stands, or starts anew (reset) because the
// bucket is another one, or has lost its end.
func (w *watching) attach(ctx context.Context) error {
	for {
		c, err := w.b.attach(ctx, w.filter, w.next(), w.opts.metaOnly)
		if err != nil {
			return err
		}
		known := w.at.incarnation != 0
		if !known || c.incarnation == w.at.incarnation && c.last >= w.at.sequence {
			w.at.incarnation = c.incarnation
			w.c = c
			return nil
		}
		c.close()
		w.reset = true
		w.at, w.synced, w.latest = Position{incarnation: c.incarnation}, false, !w.opts.history
		w.tracked.restart()
	}
}

// next is where a consumer has to start.
func (w *watching) next() startPolicy {
	// With history 1, what is stored after a sequence is the latest of each key anyway.
	if w.at.incarnation == 0 || w.latest && !w.synced && w.b.history != 1 {
		return startPolicy{latest: w.latest}
	}
	return startPolicy{sequence: w.at.sequence + 1}
}

// run is the goroutine of the watch.
func (w *watching) run(ctx context.Context) {
	err := w.follow(ctx)
	if w.c != nil {
		w.c.close()
	}
	switch {
	case ctx.Err() != nil:
		if err = ctx.Err(); context.Cause(ctx) != err {
			err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	case err == nil: // nobody took an event until the connection was closed
		err = connErr(nats.ErrConnectionClosed)
	}
	w.ended(w.b.wrap(w.op, w.filter, err))
	w.out.close(ctx.Err() != nil)
	if w.closed != nil {
		w.b.nc.RemoveStatusListener(w.closed)
	}
	close(w.done)
	w.cancel()
}

func (w *watching) follow(ctx context.Context) error {
	if w.synced && !w.out.control(ctx, Synced, w.at) { // UpdatesOnly
		return nil
	}
	for {
		if w.reset && !w.out.control(ctx, Reset, w.at) {
			return nil
		}
		w.reset = false
		err := w.deliver(ctx)
		w.cache.lost()
		if err == nil || ctx.Err() != nil || !detached(err) {
			return err
		}
		w.b.log.LogAttrs(ctx, slog.LevelInfo, w.op+" attaches again", slog.String("bucket", w.b.name),
			slog.String("filter", w.filter), slog.String("reason", err.Error()))
		w.c.close()
		w.c = nil
		if err := w.reattach(ctx); err != nil {
			return err
		}
	}
}

// bucketGrace is how long a watch waits for a bucket that is gone to be created again, and for an
// account that has lost JetStream.
const bucketGrace = 5 * time.Second

// reattach attaches again until it succeeds, ctx ends, or it cannot succeed any more.
func (w *watching) reattach(ctx context.Context) error {
	var gone time.Time
	for wait := (backoff{}); ; {
		if err := w.b.waitConnected(ctx); err != nil {
			return err
		}
		attachCtx, cancel := context.WithTimeout(ctx, w.b.timeout)
		err := w.attach(attachCtx)
		cancel()
		if err == nil && w.tracked != nil && !w.reset {
			if err = w.relist(ctx); err != nil {
				w.c.close()
				w.c = nil
			}
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrPermission), errors.Is(err, nats.ErrConnectionClosed):
			return err
		case errors.Is(err, ErrBucketNotFound), withoutJetStream(err):
			if gone.IsZero() {
				gone = time.Now()
			}
			if time.Since(gone) > bucketGrace {
				return err
			}
		default:
			gone = time.Time{}
		}
		if wait.tries == 3 {
			w.b.log.LogAttrs(ctx, slog.LevelWarn, w.op+" cannot attach, and tries on", slog.String("bucket", w.b.name),
				slog.String("filter", w.filter), slog.String("reason", err.Error()))
		}
		if !wait.sleep(ctx) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// deliver sends events until the consumer detaches (an error) or ctx ends.
func (w *watching) deliver(ctx context.Context) error {
	if !w.synced {
		w.cache.expect(w.c.pending, w.c.asOf)
	}
	complete := w.c.completeAtOnce()
	if !complete && !w.synced && w.c.pending == 0 {
		var alive bool
		var err error
		if complete, alive, err = w.confirm(ctx); !alive {
			return err
		}
	}
	for latest := complete; ; {
		if w.tracked.due(w.at.sequence) && !w.sweep(ctx) {
			return nil
		}
		if !w.tracked.listed() {
			if !w.synced && complete && !w.sync(ctx) {
				return nil
			}
			if w.synced {
				if w.lookBack(ctx); !w.aged(ctx) {
					return nil
				}
				w.c.settled()
				w.cache.heard(w.at, latest)
			}
		}
		d, err := w.c.next(ctx)
		if err != nil {
			return err
		}
		if !w.take(ctx, &d) {
			return nil
		}
		complete = complete || w.c.complete(&d)
		if !complete && !w.synced && w.c.seemsComplete(&d) {
			var alive bool
			if complete, alive, err = w.confirm(ctx); !alive {
				return err
			}
		}
		latest = (d.msg == nil || d.pending == 0) && w.c.idle() // or more came while the event was taken in
	}
}

// confirm finds out whether a copy is complete that seems to be, and takes in the rest. It is not alive when
// ctx ends, or with an error.
func (w *watching) confirm(ctx context.Context) (complete, alive bool, err error) {
	rest, complete, err := w.c.confirm(ctx)
	if err != nil {
		return false, false, err
	}
	for i := range rest {
		if !w.take(ctx, &rest[i]) {
			return false, false, nil
		}
	}
	return complete, true, nil
}

// take takes in what is behind the position. It reports false when ctx ends.
func (w *watching) take(ctx context.Context, d *delivery) bool {
	if d.sequence <= w.at.sequence {
		return true
	}
	w.at.sequence = d.sequence
	return w.event(ctx, d)
}

// event delivers a message, or moves the position past what is none. It reports false when ctx ends.
func (w *watching) event(ctx context.Context, d *delivery) bool {
	if d.msg != nil {
		var ok bool
		if w.raw, ok = w.c.entry(d); ok {
			send := w.raw.op == Put || !w.opts.ignoreDeletes
			matched, alive := w.out.event(ctx, &w.raw, &w.opts, w.at, send)
			if matched {
				w.tracked.note(w.raw.key, w.raw.op, w.raw.revision)
			}
			if !alive || matched && send {
				return alive
			}
		}
	}
	w.advance(w.at)
	return true
}

// sync ends an initial copy.
func (w *watching) sync(ctx context.Context) bool {
	w.synced = true
	return w.out.control(ctx, Synced, w.at)
}
