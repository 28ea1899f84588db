// Writing one key. A conditional write carries the id of its operation, by which it is recognised
// when its answer got lost; an unconditional one is never repeated when its outcome is unknown.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// TTLOption is an option of writes to keys with `ttl:` in the schema: TTL, and OnProgress for PutMany.
type TTLOption interface{ applyTTL(*writeOptions) }

type ttlOption time.Duration

func (d ttlOption) applyTTL(o *writeOptions) { o.ttl, o.ttlGiven = time.Duration(d), true }

// TTL lets the entry expire d after this write, instead of what the schema says. At least a second; the
// server counts whole ones (2.15), so a fraction is rounded up.
func TTL(d time.Duration) TTLOption { return ttlOption(d) }

// DeleteOption is an option of Delete and Purge.
type DeleteOption func(*writeOptions)

// IfRevision deletes only while revision is the key's latest one; otherwise ErrConflict.
func IfRevision(revision uint64) DeleteOption {
	return func(o *writeOptions) { o.revision, o.guarded = revision, true }
}

// MarkerTTL lets the marker that a deletion leaves disappear after d, at least a second, and in whole ones
// like TTL. It needs a bucket with limit_marker_ttl and, for Delete, history 1: the marker's end would
// bring an older value back.
func MarkerTTL(d time.Duration) DeleteOption {
	return func(o *writeOptions) { o.ttl, o.ttlGiven = d, true }
}

type writeOptions struct {
	ttl      time.Duration
	ttlGiven bool
	revision uint64
	guarded  bool
	progress func(done, total int)
}

// write is one message to store.
type write struct {
	key     string
	data    []byte
	header  nats.Header
	guarded bool
	expect  uint64 // revision that must be the key's latest; 0 for none
	absent  bool   // there must be no value: what is expected is found out
}

func (w *write) set(name, value string) { w.add(name, []string{value}) }

func (w *write) add(name string, values []string) {
	if w.header == nil {
		w.header = nats.Header{}
	}
	w.header[name] = values
}

func (w *write) setTTL(ttl time.Duration) error {
	if ttl < time.Second {
		return wrapf(ErrInvalidOption, "a time to live of %v, below one second", ttl)
	}
	if part := ttl % time.Second; part > 0 && ttl < math.MaxInt64-time.Second {
		ttl += time.Second - part // the server would leave it out, and end the entry too early
	}
	w.set(headerTTL, ttl.String())
	return nil
}

// Put stores value under key, whatever was there. It returns ErrUnknownOutcome if the answer got
// lost: the write may have landed, or may still land.
//
//go:noinline
func (kv *KV[K, V]) Put(ctx context.Context, key K, value V, opts ...TTLOption) (uint64, error) {
	w, err := messageOf(kv, key, value, opts)
	return kv.b.storeAs(ctx, "put", &w, err)
}

// Create stores value under key if there is none, else ErrExists.
//
//go:noinline
func (kv *KV[K, V]) Create(ctx context.Context, key K, value V, opts ...TTLOption) (uint64, error) {
	w, err := messageOf(kv, key, value, opts)
	w.guarded, w.absent = true, true
	return kv.b.storeAs(ctx, "create", &w, err)
}

// Update stores value under key if revision is the key's latest one, else ErrConflict. Of a key that was
// deleted, that is the revision of its marker, which the server cannot tell from a value's: an Update that
// names it succeeds, and the key is back. Error.Revision may be such a one, so read before trying again.
//
//go:noinline
func (kv *KV[K, V]) Update(ctx context.Context, key K, value V, revision uint64, opts ...TTLOption) (uint64, error) {
	w, err := messageOf(kv, key, value, opts)
	w.guarded, w.expect = true, revision
	return kv.b.storeAs(ctx, "update", &w, err)
}

// message encodes key, value and TTL. If that cannot be done, what it returns tells the key at least.
//
//go:noinline
func messageOf[K comparable, V any](kv *KV[K, V], key K, value V, opts []TTLOption) (write, error) {
	name, err := kv.spec.Encode(key)
	if err != nil {
		return write{}, err
	}
	data, err := encodeValue(kv, value)
	return newWrite(name, data, err, kv.spec.TTL, opts)
}

// newWrite is the message of a value that could be encoded, unless invalid says why not.
func newWrite(key string, data []byte, invalid error, ttl time.Duration, opts []TTLOption) (write, error) {
	w := write{key: key, data: data}
	if invalid != nil {
		return w, invalid
	}
	if ttl == 0 && len(opts) == 0 {
		return w, nil // without an allocation
	}
	o := writeOptions{ttl: ttl, ttlGiven: ttl != 0}
	for _, opt := range opts {
		opt.applyTTL(&o)
	}
	if o.ttlGiven {
		return w, w.setTTL(o.ttl)
	}
	return w, nil
}

// storeAs sends a message that could be made, unless invalid says why not, as the operation op.
func (b *Bucket) storeAs(ctx context.Context, op string, w *write, invalid error) (revision uint64, err error) {
	switch {
	case invalid != nil:
	case w.guarded && w.expect == 0 && !w.absent:
		invalid = ErrInvalidRevision
	}
	if invalid != nil {
		return 0, b.refuse(ctx, op, w.key, invalid)
	}
	ctx, cancel := b.withTimeout(ctx)
	defer cancel()
	if b.intercept != nil {
		return b.storeIntercepted(ctx, op, *w)
	}
	return b.storeOnce(ctx, op, w)
}

// storeIntercepted is apart, since what its closure holds is allocated.
func (b *Bucket) storeIntercepted(ctx context.Context, op string, w write) (revision uint64, err error) {
	err = b.intercepted(ctx, op, w.key, func(ctx context.Context) error {
		revision, err = b.storeOnce(ctx, op, &w)
		return err
	})
	return revision, err
}

func (b *Bucket) storeOnce(ctx context.Context, op string, w *write) (revision uint64, err error) {
	began := ctx.Err() == nil
	if w.absent {
		revision, err = b.createAbsent(ctx, w)
	} else {
		revision, err = b.store(ctx, w)
	}
	if began {
		err = late(err)
	}
	return revision, b.wrap(op, w.key, err)
}

// Delete stores a marker under key, absent or not, and returns its revision. Older revisions stay
// in the history.
//
//go:noinline
func (kv *KV[K, V]) Delete(ctx context.Context, key K, opts ...DeleteOption) (uint64, error) {
	name, err := kv.spec.Encode(key)
	return kv.b.remove(ctx, "delete", name, err, opts)
}

// Purge stores a marker under key and removes its older revisions.
//
//go:noinline
func (kv *KV[K, V]) Purge(ctx context.Context, key K, opts ...DeleteOption) (uint64, error) {
	name, err := kv.spec.Encode(key)
	return kv.b.remove(ctx, "purge", name, err, opts)
}

func (b *Bucket) remove(ctx context.Context, op, key string, invalid error, opts []DeleteOption) (uint64, error) {
	w := marker(key, op == "purge")
	if invalid == nil {
		invalid = b.applyDelete(w, op, opts)
	}
	return b.storeAs(ctx, op, w, invalid)
}

func (b *Bucket) applyDelete(w *write, op string, opts []DeleteOption) error {
	var o writeOptions
	for _, opt := range opts {
		opt(&o)
	}
	w.guarded, w.expect = o.guarded, o.revision
	if !o.ttlGiven {
		return nil
	}
	if op == "delete" && b.history != 1 {
		return wrapf(ErrInvalidOption, "MarkerTTL with Delete on a bucket that keeps history; use Purge")
	}
	// An older server ignores the header: the marker would stay.
	if err := b.requires("MarkerTTL", 2, 11); err != nil {
		return err
	}
	return w.setTTL(o.ttl)
}

// marker is the message of a deletion (ADR-8).
func marker(key string, purge bool) *write {
	w := &write{key: key}
	if purge {
		w.set(headerOperation, "PURGE")
		w.set(headerRollup, "sub")
		return w
	}
	w.set(headerOperation, "DEL")
	return w
}

// createAbsent stores w if its key has no value. The first attempt expects that nothing was ever there;
// when there is a marker, its revision is what the leader says, since a replica's may be an old one.
func (b *Bucket) createAbsent(ctx context.Context, w *write) (uint64, error) {
	for tries, wait := 1, (backoff{}); ; tries++ {
		revision, err := b.store(ctx, w)
		if !errors.Is(err, ErrConflict) {
			return revision, err
		}
		raw, rerr := b.leaderGetFrom(ctx, w.key, latestOf(err))
		switch {
		case errors.Is(rerr, ErrNotFound):
			w.expect = 0
		case rerr != nil:
			return 0, rerr
		case raw.op == Put:
			return 0, &revisionError{ErrExists, raw.revision}
		default:
			w.expect = raw.revision
		}
		// The first conflict is the usual one, with a marker; more of them are a race.
		if tries > 1 && !wait.sleep(ctx) {
			return 0, fmt.Errorf("%w: %d attempts: %w", ErrContention, tries, ctx.Err())
		}
	}
}

// store sends w until it knows what became of it, and returns the revision.
func (b *Bucket) store(ctx context.Context, w *write) (uint64, error) {
	id := ""
	if w.guarded {
		id = operationID()
		values := [...]string{id, strconv.FormatUint(w.expect, 10)} // one allocation for both headers
		w.add(headerOpID, values[:1:1])
		w.add(headerExpected, values[1:])
	}
	if err := b.checkSize(ctx, w); err != nil {
		return 0, err
	}
	revision, err := b.deliver(ctx, w, id)
	if err == nil && w.key != reservedKey {
		b.own.add(w.key, revision)
	}
	return revision, err
}

func (b *Bucket) deliver(ctx context.Context, w *write, id string) (uint64, error) {
	msg := &nats.Msg{Subject: b.write + subjectPrefix(b.name) + w.key, Header: w.header, Data: w.data}
	send := func(ctx context.Context, limit time.Duration) (uint64, error) { return b.publish(ctx, msg, limit) }
	if !w.guarded {
		return b.deliverBy(ctx, 0, send, nil)
	}
	return b.deliverBy(ctx, firstAttempt, send, func(ctx context.Context) (uint64, error) { return b.resolve(ctx, w, id) })
}

// deliverBy sends, again after firstAttempt and so on, until it is known what became of it. What can
// be repeated, since it lands once at most, has a function that finds out, after a conflict, whether
// an earlier attempt landed, or returns errNotYet.
func (b *Bucket) deliverBy(ctx context.Context, limit time.Duration, send func(context.Context, time.Duration) (uint64, error),
	resolve func(context.Context) (uint64, error)) (uint64, error) {
	var lost *lostError // the last attempt that may have landed
	for wait := (backoff{}); ; limit *= 2 {
		revision, err := send(ctx, limit)
		this, unanswered := errors.AsType[*lostError](err)
		switch {
		case err == nil:
			return revision, nil
		case unanswered && resolve == nil:
			return 0, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		case unanswered:
			lost = this
		case lost != nil && errors.Is(err, ErrConflict):
			revision, err := resolve(ctx)
			if !errors.Is(err, errNotYet) {
				return revision, err
			}
		case lost != nil && !passing(err) && !busy(err):
			return 0, fmt.Errorf("%w: %w, and then: %w", ErrUnknownOutcome, lost, err)
		case unsent(err):
		case lost == nil && !errors.Is(err, nats.ErrNoResponders):
			return 0, err
		case lost == nil:
			// Nobody listens on the subject, because there is no bucket, or no leader for now.
			if _, ierr := b.info(ctx); errors.Is(ierr, ErrPermission) {
				return 0, err
			} else if ierr != nil {
				return 0, ierr
			}
		}
		if !wait.sleep(ctx) {
			if lost != nil {
				return 0, fmt.Errorf("%w: %w", ErrUnknownOutcome, lost)
			}
			return 0, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// publish is one attempt.
func (b *Bucket) publish(ctx context.Context, msg *nats.Msg, limit time.Duration) (uint64, error) {
	reply, err := b.roundTrip(ctx, msg, limit, false)
	if err != nil {
		return 0, err
	}
	return parseAck(reply.Data)
}

// errNotYet: the stream has not decided yet; the guarded write may be repeated.
var errNotYet = errors.New("not decided yet")

// resolve finds out whether an earlier attempt of w landed, after a repetition met a conflict: its
// message then is the first one under the key after the revision it expected.
func (b *Bucket) resolve(ctx context.Context, w *write, id string) (uint64, error) {
	subject := b.stored + w.key
	next, err := b.storedGet(ctx, w.key, msgGet{Sequence: w.expect + 1, NextBySubject: subject})
	if errors.Is(err, ErrPermission) && b.direct {
		// What a client with grants for single keys can see: the latest message.
		if latest, derr := b.directGet(ctx, w.key); derr == nil && latest.opID == id {
			return latest.revision, nil
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		if w.expect == 0 {
			return 0, errNotYet
		}
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	case next.opID == id:
		return next.revision, nil
	}
	// Another message follows, or none. Ours was not in between if the expected one is still there:
	// the server drops the oldest first.
	if w.expect != 0 {
		if _, err := b.storedGet(ctx, w.key, msgGet{Sequence: w.expect}); err == nil {
			if next.revision == 0 {
				return 0, errNotYet
			}
			return 0, &revisionError{ErrConflict, next.revision}
		}
	}
	return 0, wrapf(ErrUnknownOutcome, "the answer got lost, and the key was written again since")
}

// operationID is unique among all operations that could be confused: those on one key.
func operationID() string {
	id := make([]byte, 0, 26) // what two numbers need
	return string(strconv.AppendUint(strconv.AppendUint(id, rand.Uint64(), 36), rand.Uint64(), 36))
}

// checkSize refuses what the server would refuse, headers counted.
func (b *Bucket) checkSize(ctx context.Context, w *write) error {
	size := int64(len(w.data))
	if limit := b.cfg.MaxValueSize; limit > 0 && size > limit {
		return wrapf(ErrTooLarge, "%d bytes, the schema allows %d (max_value_size)", size, limit)
	}
	total := size
	if len(w.header) > 0 {
		total += int64(len("NATS/1.0\r\n\r\n"))
	}
	for name, values := range w.header {
		total += int64(len(name) + len(values[0]) + len(": \r\n"))
	}
	if limit := b.nc.MaxPayload(); limit > 0 && total > limit {
		return wrapf(ErrTooLarge, "%d bytes with headers, the server takes messages of %d", total, limit)
	}
	if b.maxMsgSize > 0 && total > b.maxMsgSize {
		info, err := b.info(ctx) // the limit may have been raised since
		if err != nil {
			return err
		}
		if limit := info.Config.MaxMsgSize; limit > 0 && total > limit {
			return wrapf(ErrTooLarge, "%d bytes with headers, the bucket takes %d", total, limit)
		}
	}
	return nil
}
