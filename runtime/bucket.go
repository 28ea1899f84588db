// Bucket: the handle that all accessors of a bucket share.

package kvrt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bucket is a bucket of the server, bound with Open or Ensure. Any number of goroutines may use it;
// it needs no closing.
type Bucket struct {
	conn
	js         jetstream.JetStream
	cfg        BucketConfig
	name       string
	stream     string // KV_ORDERS
	stored     string // prefix of the subjects its entries are stored under; in a mirror, the origin's
	direct     bool   // the stream allows direct gets
	history    int64  // revisions kept of each key when it was bound
	maxMsgSize int64  // limit of a message when it was bound; not positive for none
	rollup     bool   // the stream allowed a message to replace the earlier ones of its key
	log        *slog.Logger
	intercept  Interceptor

	own           *ownWrites
	barriers      barriers
	noLeaderReads atomic.Bool // STREAM.MSG.GET was refused
	noMultiGets   atomic.Bool // so were multi gets, or the server is too old for them
	small         smallListings
	horizons      horizons
	seen          atomic.Pointer[seenPosition]
	meanSize      atomic.Uint64 // of a stored message, when the leader was asked last; 0 if unknown
}

// seenPosition is how far the stream's leader had got when it was asked last.
type seenPosition struct {
	of   incarnation
	last uint64
}

// incarnation tells a stream from another one of the same name: the time of its creation.
type incarnation int64

// Call describes an operation to an interceptor.
type Call struct {
	Op     string // "get", "put", "watch", …: Error.Op
	Bucket string // name on the server
	Key    string // as NATS sees it; a filter such as order.acme.* for listings and watches; may be empty
}

// Interceptor is called around every operation, also one that is refused before anything is sent. It
// must call next, once, or return an error of its own. It may look at the error that next returns, or
// replace it by another one; if it returns none, the operation still fails with that of next.
type Interceptor func(ctx context.Context, call Call, next func(context.Context) error) error

// Status is the state of a bucket as the stream's leader tells it.
type Status struct {
	Bucket       string
	Entries      uint64 // revisions and markers stored, of all keys
	Keys         uint64 // keys that have at least one revision or marker
	Bytes        uint64
	LastRevision uint64 // of the newest entry ever written
	Created      time.Time
	History      int           // revisions kept of each key; 0 for no limit
	TTL          time.Duration // 0 for none
	Replicas     int
	Storage      Storage
	Mirror       bool
	Metadata     map[string]string
}

// streamInfo is the part of the answer to STREAM.INFO, CREATE and UPDATE that is used.
type streamInfo struct {
	Config    liveStream `json:"config"`
	Created   time.Time  `json:"created"`
	TimeStamp time.Time  `json:"ts"` // of the answer; server 2.10
	State     struct {
		Messages    uint64 `json:"messages"`
		Bytes       uint64 `json:"bytes"`
		FirstSeq    uint64 `json:"first_seq"`
		LastSeq     uint64 `json:"last_seq"`
		NumSubjects uint64 `json:"num_subjects"`
	} `json:"state"`
	Cluster *struct {
		Name   string `json:"name"`
		Leader string `json:"leader"`
	} `json:"cluster"`
}

// Name returns the bucket's name on the server.
func (b *Bucket) Name() string { return b.name }

// Status asks the stream's leader for the state of the bucket.
func (b *Bucket) Status(ctx context.Context) (status Status, err error) {
	err = b.do(ctx, "status", "", func(ctx context.Context) error {
		info, err := b.info(ctx)
		if err != nil {
			return err
		}
		status = Status{
			Bucket:       b.name,
			Entries:      info.State.Messages,
			Keys:         info.State.NumSubjects,
			Bytes:        info.State.Bytes,
			LastRevision: info.State.LastSeq,
			Created:      info.Created,
			History:      int(max(info.Config.MaxMsgsPerSubject, 0)),
			TTL:          info.Config.MaxAge,
			Replicas:     info.Config.Replicas,
			Storage:      FileStorage,
			Mirror:       info.Config.Mirror != nil,
			Metadata:     info.Config.Metadata,
		}
		if info.Config.Storage == "memory" {
			status.Storage = MemoryStorage
		}
		return nil
	})
	return status, err
}

// Drift returns the settings in which the live bucket differs from the schema, none when it is as
// declared. Settings that the schema does not name are not compared.
func (b *Bucket) Drift(ctx context.Context) (settings []Setting, err error) {
	err = b.do(ctx, "drift", "", func(ctx context.Context) error {
		info, err := b.info(ctx)
		if err != nil {
			return err
		}
		for _, d := range b.cfg.differences(&info.Config) {
			settings = append(settings, d.Setting)
		}
		return nil
	})
	return settings, err
}

// KeyValue returns the bucket as plain nats.go sees it, for what this package does not offer.
func (b *Bucket) KeyValue(ctx context.Context) (kv jetstream.KeyValue, err error) {
	err = b.do(ctx, "keyvalue", "", func(ctx context.Context) error {
		wait, limit := backoff{}, firstAttempt
		for ; ; limit *= 2 {
			// The first request tells what is wrong, if anything is. The second one, nats.go's own, can
			// only get lost.
			if _, err := b.info(ctx); err != nil {
				return err
			}
			attempt, cancel := context.WithTimeout(ctx, limit)
			kv, err = b.js.KeyValue(attempt, b.name)
			cancel()
			if err == nil || !wait.sleep(ctx) {
				return connErr(err)
			}
		}
	})
	return kv, err
}

func (b *Bucket) info(ctx context.Context) (*streamInfo, error) {
	info, err := apiCall[streamInfo](ctx, &b.conn, "STREAM.INFO."+b.stream, nil)
	if err == nil {
		b.seen.Store(&seenPosition{info.incarnation(), info.State.LastSeq})
		b.meanSize.Store(info.State.Bytes / max(info.State.Messages, 1))
	}
	return &info, err
}

// known is how far the leader has got at least, as far as is known without asking.
func (b *Bucket) known() (p seenPosition) {
	if seen := b.seen.Load(); seen != nil {
		p = *seen
	}
	if own := b.own.written(); own.of == p.of || p.of == 0 {
		p = seenPosition{own.of, max(own.last, p.last)}
	}
	return p
}

func (info *streamInfo) incarnation() incarnation { return incarnation(info.Created.UnixNano()) }

// do runs one operation: with a deadline, the interceptor around it, and its error wrapped.
func (b *Bucket) do(ctx context.Context, op, key string, f func(context.Context) error) error {
	ctx, cancel := b.withTimeout(ctx)
	defer cancel()
	return b.doUntimed(ctx, op, key, f)
}

// refuse is the operation of a call that cannot be made.
func (b *Bucket) refuse(ctx context.Context, op, key string, invalid error) error {
	return b.doUntimed(ctx, op, key, func(context.Context) error { return invalid })
}

// doUntimed is do for operations that last as long as their ctx.
func (b *Bucket) doUntimed(ctx context.Context, op, key string, f func(context.Context) error) error {
	if b.intercept == nil {
		return b.wrap(op, key, run(ctx, f))
	}
	return b.intercepted(ctx, op, key, func(ctx context.Context) error {
		return b.wrap(op, key, run(ctx, f))
	})
}

// intercepted calls f within the interceptor. An error of f stays one.
func (b *Bucket) intercepted(ctx context.Context, op, key string, f func(context.Context) error) error {
	err := b.wrap(op, key, errors.New("the interceptor has not called next"))
	replaced := b.intercept(ctx, Call{op, b.name, key}, func(ctx context.Context) error {
		err = f(ctx)
		return err
	})
	return cmp.Or(replaced, err)
}

// run calls f. One that had begun and ran out of time has met a server that was not available, wherever
// it noticed.
func run(ctx context.Context, f func(context.Context) error) error {
	began := ctx.Err() == nil
	err := f(ctx)
	if _, ok := err.(callerError); ok || !began {
		return err
	}
	return late(err)
}

// late adds to the error of a deadline what it means, unless it says.
func late(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for _, said := range []error{ErrUnavailable, ErrUnknownOutcome, ErrContention, ErrIncomplete, ErrPermission, ErrInvalidKey, ErrInvalidValue, ErrDecode} {
		if errors.Is(err, said) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// callerError carries an error of a caller's function through wrap unchanged.
type callerError struct{ error }

// wrap makes err an *Error, once.
func (b *Bucket) wrap(op, key string, err error) error {
	switch e := err.(type) {
	case nil:
		return nil
	case callerError:
		return e.error
	case *Error:
		return e
	}
	return &Error{Op: op, Bucket: b.name, Key: key, Revision: latestOf(err), Err: err}
}

// revisionError adds the revision that the server named to an error.
type revisionError struct {
	error
	revision uint64
}

func (e *revisionError) Unwrap() error { return e.error }

func latestOf(err error) uint64 {
	if e, ok := errors.AsType[*revisionError](err); ok {
		return e.revision
	}
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.lastSequence()
	}
	if e, ok := errors.AsType[*DecodeError](err); ok {
		return e.Revision
	}
	return 0
}

// bind takes over what the live stream tells.
func (b *Bucket) bind(info *streamInfo) {
	b.stored = subjectPrefix(b.name)
	if m := info.Config.Mirror; m != nil {
		b.stored = subjectPrefix(strings.TrimPrefix(m.Name, "KV_"))
	}
	b.direct = info.Config.AllowDirect
	b.history = info.Config.MaxMsgsPerSubject
	b.maxMsgSize = info.Config.MaxMsgSize
	b.rollup = info.Config.AllowRollup && !info.Config.DenyPurge
	b.own = newOwnWrites(ownWritesHalf, info.incarnation())
}
