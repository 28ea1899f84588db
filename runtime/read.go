// Reading one key.

package kvrt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// StrongReadOption is an option of reads on a bucket with linearizable: true: every ReadOption, and
// Linearizable.
type StrongReadOption interface{ applyRead(*readOptions) }

// ReadOption is an option of reads: AtLeast, and OnProgress for GetMany.
type ReadOption interface {
	StrongReadOption
	anyBucket()
}

type readOptions struct {
	atLeast      uint64
	linearizable bool
	progress     func(done, total int)
}

type atLeast uint64

func (n atLeast) applyRead(o *readOptions) { o.atLeast = uint64(n) }
func (atLeast) anyBucket()                 {}

// AtLeast makes a read see everything up to a revision of the bucket, such as one returned by an
// earlier write: if the replica asked first may not have it yet, the stream's leader is asked.
func AtLeast(revision uint64) ReadOption { return atLeast(revision) }

type linearizable struct{}

func (linearizable) applyRead(o *readOptions) { o.linearizable = true }

// Linearizable makes a read see every write that was acknowledged, to any client, before the read
// began. It costs a write (of a delete marker under the reserved key =kvgen) and a read. A plain
// read from the leader would not do: a leader that was cut off from the others answers on.
func Linearizable() StrongReadOption { return linearizable{} }

// Get returns the entry under key, or ErrNotFound.
func (kv *KV[K, V]) Get(ctx context.Context, key K, opts ...ReadOption) (Entry[K, V], error) {
	return getEntry(ctx, kv, key, readOptionsOf(opts))
}

// GetStrong is Get with the options of a bucket that allows linearizable reads.
func GetStrong[K comparable, V any](ctx context.Context, kv *KV[K, V], key K, opts ...StrongReadOption) (Entry[K, V], error) {
	return getEntry(ctx, kv, key, readOptionsOf(opts))
}

func readOptionsOf[O StrongReadOption](opts []O) readOptions {
	if len(opts) == 0 {
		return readOptions{} // without an allocation
	}
	var o readOptions
	for _, opt := range opts {
		opt.applyRead(&o)
	}
	return o
}

//go:noinline
func getEntry[K comparable, V any](ctx context.Context, kv *KV[K, V], key K, o readOptions) (entry Entry[K, V], err error) {
	name, invalid := kv.spec.Encode(key)
	err = kv.b.get(ctx, name, invalid, o, func(raw rawEntry) (err error) {
		entry, err = entryOf(kv, key, &raw)
		return err
	})
	return entry, err
}

// get reads a key that could be encoded unless invalid says why not, and has its value decoded.
func (b *Bucket) get(ctx context.Context, key string, invalid error, o readOptions, decode func(rawEntry) error) error {
	if invalid != nil {
		return b.refuse(ctx, "get", "", invalid)
	}
	return b.do(ctx, "get", key, func(ctx context.Context) error {
		raw, err := b.latest(ctx, key, o)
		if err != nil {
			return err
		}
		if raw.op != Put {
			return &revisionError{ErrNotFound, raw.revision}
		}
		return decode(raw)
	})
}

// latest reads the last message under a key, a marker included, as the options ask.
func (b *Bucket) latest(ctx context.Context, key string, o readOptions) (rawEntry, error) {
	if o.linearizable {
		return b.linearizableGet(ctx, key)
	}
	own, leader := b.own.floor(key)
	switch {
	case o.atLeast > 0:
		return b.atLeastGet(ctx, key, o.atLeast)
	case leader:
		return b.leaderGet(ctx, key)
	}
	for range directTries {
		raw, err := b.directGet(ctx, key)
		if raw.revision >= own || err != nil && !errors.Is(err, ErrNotFound) {
			return raw, err
		}
	}
	raw, err := b.leaderGet(ctx, key)
	if raw.revision < own && (err == nil || errors.Is(err, ErrNotFound)) {
		b.doubt(ctx)
	}
	return raw, err
}

// directTries is how many answers of replicas are taken before the leader is asked.
const directTries = 2

// atLeastGet reads what is not older than a revision of the bucket, nor than what this handle wrote.
func (b *Bucket) atLeastGet(ctx context.Context, key string, asked uint64) (rawEntry, error) {
	own, _ := b.own.floor(key)
	revision := max(asked, own)
	if b.direct {
		raw, err := b.directGet(ctx, key)
		if raw.revision >= revision || err != nil && !errors.Is(err, ErrNotFound) {
			return raw, err
		}
		// The key is older, or the replica is. A multi get tells, if there is an entry.
		wait := backoff{}
		for tries := 0; raw.revision > 0 && tries < directTries; tries++ {
			entries, upTo, _, merr := b.multiGetPart(ctx, []string{key}, multiGetBytes)
			raw, err = entries[key], merr
			if err == nil && (raw.revision >= revision || raw.revision > 0 && upTo >= revision) {
				return raw, nil
			}
			if err != nil || !wait.sleep(ctx) {
				break // the leader's answer, or its error, counts
			}
		}
	}
	for wait := (backoff{}); ; {
		raw, reached, err := b.leaderGetAt(ctx, key, revision)
		if reached || err != nil && !errors.Is(err, ErrNotFound) {
			return raw, err
		}
		if own > asked {
			b.doubt(ctx)
			own, _ = b.own.floor(key)
			revision = max(asked, own)
		}
		if !wait.sleep(ctx) {
			return rawEntry{}, fmt.Errorf("%w: the bucket has not reached revision %d: %w", ErrUnavailable, revision, ctx.Err())
		}
	}
}

// leaderGetAt asks the leader; reached tells that it had got as far as the revision. A leader that
// was just elected may not have, nor may one that was cut off, so both its position before the read
// and that it still leads count.
func (b *Bucket) leaderGetAt(ctx context.Context, key string, revision uint64) (raw rawEntry, reached bool, err error) {
	before, err := b.info(ctx)
	if err != nil || before.State.LastSeq < revision {
		return rawEntry{}, false, err
	}
	raw, err = b.storedGet(ctx, key, msgGet{LastBySubject: b.stored + key})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return rawEntry{}, false, err
	}
	if before.Cluster == nil || raw.revision >= revision {
		return raw, true, err
	}
	after, ierr := b.info(ctx)
	if ierr != nil {
		return rawEntry{}, false, ierr
	}
	return raw, after.Cluster != nil && after.Cluster.Leader == before.Cluster.Leader, err
}

// directGet asks any replica for the last message under a key.
func (b *Bucket) directGet(ctx context.Context, key string) (rawEntry, error) {
	if !b.direct {
		return b.leaderGet(ctx, key)
	}
	for wait := (backoff{}); ; {
		msg, err := b.read(ctx, b.api+"DIRECT.GET."+b.stream+"."+b.stored+key, nil)
		if err == nil {
			return parseGet(key, msg)
		}
		if !errors.Is(err, nats.ErrNoResponders) {
			return rawEntry{}, err
		}
		if err := b.stillThere(ctx); err != nil {
			return rawEntry{}, err
		}
		if !wait.sleep(ctx) {
			return rawEntry{}, err
		}
	}
}

// stillThere is for when no replica listens: either the bucket is gone, or its servers just start.
func (b *Bucket) stillThere(ctx context.Context) error {
	_, err := b.info(ctx)
	return err
}

// leaderGet asks the stream's leader for the last message under a key. Without permission for that
// it does what a client with grants for single keys can, a direct get: callers let a guarded write
// confirm the answer.
func (b *Bucket) leaderGet(ctx context.Context, key string) (rawEntry, error) {
	return b.leaderGetFrom(ctx, key, 0)
}

// leaderGetFrom is leaderGet where the leader has named a revision of the key, in a conflict, that a
// replica which is asked in its place has to reach.
func (b *Bucket) leaderGetFrom(ctx context.Context, key string, revision uint64) (rawEntry, error) {
	if !b.noLeaderReads.Load() {
		raw, err := b.storedGet(ctx, key, msgGet{LastBySubject: b.stored + key})
		if !errors.Is(err, ErrPermission) || !b.direct {
			return raw, err
		}
		b.noLeaderReads.Store(true)
	}
	for wait := (backoff{}); ; {
		own, _ := b.own.floor(key)
		raw, err := b.directGet(ctx, key)
		switch {
		case raw.revision >= max(revision, own), err != nil && !errors.Is(err, ErrNotFound):
			return raw, err
		case err != nil && wait.tries >= directTries, wait.tries >= replicaTries: // its marker was removed, perhaps
			return raw, err
		case raw.revision < own && wait.tries >= directTries:
			b.doubt(ctx)
		}
		if !wait.sleep(ctx) {
			return rawEntry{}, fmt.Errorf("%w: no replica has reached revision %d: %w", ErrUnavailable, max(revision, own), ctx.Err())
		}
	}
}

// doubt makes sure that what this handle wrote was written to the bucket that is there now.
func (b *Bucket) doubt(ctx context.Context) {
	if !b.own.doubt() {
		return
	}
	if info, err := b.info(ctx); err == nil {
		b.own.confirm(info.incarnation())
	}
}

// replicaTries is how many answers of replicas that are behind are not taken, where the leader cannot
// be asked: some four seconds of them.
const replicaTries = 20

// storedGet asks the stream's leader for one message.
func (b *Bucket) storedGet(ctx context.Context, key string, request msgGet) (rawEntry, error) {
	msg, err := apiCall[storedMessage](ctx, &b.conn, "STREAM.MSG.GET."+b.stream, request)
	if err != nil {
		return rawEntry{}, err
	}
	return msg.entry(key)
}

// GetRevision returns what was stored under key at a revision, a value or a marker, or ErrNotFound
// if the bucket no longer has it or the revision is of another key.
//
//go:noinline
func (kv *KV[K, V]) GetRevision(ctx context.Context, key K, revision uint64) (event Event[K, V], err error) {
	name, err := kv.spec.Encode(key)
	err = kv.b.getRevision(ctx, name, err, revision, func(raw *rawEntry) error {
		event = eventOf(kv, "get revision", key, raw)
		return event.Err
	})
	return event, err
}

func (b *Bucket) getRevision(ctx context.Context, key string, invalid error, revision uint64, decode func(*rawEntry) error) error {
	const op = "get revision"
	if invalid != nil {
		return b.refuse(ctx, op, "", invalid)
	}
	return b.do(ctx, op, key, func(ctx context.Context) error {
		if revision == 0 {
			return ErrInvalidRevision
		}
		raw, subject, err := b.revisionGet(ctx, key, revision)
		if err != nil {
			return err
		}
		if subject != b.stored+key {
			return wrapf(ErrNotFound, "revision %d is of another key", revision)
		}
		return decode(&raw)
	})
}

// revisionGet reads one message by its sequence, from any replica where the bucket allows it, and
// from the leader if that replica does not have it (yet).
func (b *Bucket) revisionGet(ctx context.Context, key string, revision uint64) (rawEntry, string, error) {
	if b.direct {
		request, err := json.Marshal(msgGet{Sequence: revision})
		if err != nil {
			return rawEntry{}, "", err
		}
		msg, err := b.read(ctx, b.api+"DIRECT.GET."+b.stream, request)
		switch {
		case err == nil && msg.Header.Get(headerStatus) == "":
			raw, err := parseGet(key, msg)
			return raw, added(msg.Header, headerSubject), err
		case err != nil && !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, ErrPermission):
			return rawEntry{}, "", err
		}
	}
	stored, err := apiCall[storedMessage](ctx, &b.conn, "STREAM.MSG.GET."+b.stream, msgGet{Sequence: revision})
	if err != nil {
		return rawEntry{}, "", err
	}
	raw, err := stored.entry(key)
	return raw, stored.Message.Subject, err
}
