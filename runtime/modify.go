// Modify and GetOrCreate: read, decide, write, all under one guard.

package kvrt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// What the function given to Modify returns to end without writing a value.
var (
	// Skip leaves the key as it is.
	//lint:ignore ST1012 a signal, not a failure: named like io.EOF
	Skip = errors.New("kv: skip")
	// Remove deletes the key if nobody else has written it in the meantime.
	//lint:ignore ST1012 a signal, too
	Remove = errors.New("kv: remove")
)

// ModifyOption is an option of Modify: MaxAttempts.
type ModifyOption interface{ applyModify(*modifyOptions) }

type modifyOptions struct{ attempts int }

// AttemptsOption is an option of Modify and of Txn: MaxAttempts.
type AttemptsOption interface {
	ModifyOption
	TxnOption
}

type maxAttempts int

func (n maxAttempts) applyModify(o *modifyOptions) { o.attempts = int(n) }
func (n maxAttempts) applyTxn(o *txnOptions)       { o.attempts = int(n) }

// MaxAttempts lets Modify or Txn end with ErrContention after n conflicts. Without it they go on
// until their context ends.
func MaxAttempts(n int) AttemptsOption { return maxAttempts(n) }

// Modify reads the entry under key, calls fn with it and stores entry.Value, provided that nobody
// else has written the key in between; otherwise it starts again, after a short random wait. fn may
// run many times, and sees an entry decoded afresh each time; Exists tells whether there is one.
// When fn returns Skip, or leaves the value as it was, nothing is written; on Remove the key is
// deleted; another error of fn ends Modify and is returned as it is. The entry returned is what fn
// left, with the new revision (0 after Remove, and when there is none).
//
// Whatever ends without a write was decided on the answer of the stream's leader.
func (kv *KV[K, V]) Modify(ctx context.Context, key K, fn func(entry *Entry[K, V]) error, opts ...ModifyOption) (entry Entry[K, V], err error) {
	name, err := kv.spec.Encode(key)
	if err != nil {
		return entry, kv.b.wrap("modify", "", err)
	}
	var o modifyOptions
	for _, opt := range opts {
		opt.applyModify(&o)
	}
	err = kv.b.do(ctx, "modify", name, func(ctx context.Context) error {
		entry, err = kv.modify(ctx, key, name, fn, o)
		return err
	})
	return entry, err
}

func (kv *KV[K, V]) modify(ctx context.Context, key K, name string, fn func(*Entry[K, V]) error, o modifyOptions) (Entry[K, V], error) {
	// The first attempt takes what any replica has, unless this handle knows of something newer.
	read, fromLeader := func(ctx context.Context, key string) (rawEntry, error) {
		return kv.b.latest(ctx, key, readOptions{})
	}, false
	for attempts, wait := 0, (backoff{}); ; {
		raw, err := read(ctx, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Entry[K, V]{}, err
		}
		entry, decision := kv.decide(key, &raw, fn)
		if decision.write == nil {
			if fromLeader {
				return entry, decision.err
			}
			read, fromLeader = kv.b.leaderGet, true
			continue
		}
		decision.write.key, decision.write.guarded, decision.write.expect = name, true, raw.revision
		revision, err := kv.b.store(ctx, decision.write)
		if err == nil {
			if decision.removed {
				return Entry[K, V]{Key: key}, nil
			}
			return Entry[K, V]{Key: key, Value: entry.Value, Revision: revision}, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Entry[K, V]{}, err
		}
		attempts++
		if o.attempts > 0 && attempts >= o.attempts {
			return Entry[K, V]{}, wrapf(ErrContention, "gave up after %d attempts", attempts)
		}
		if !wait.sleep(ctx) {
			return Entry[K, V]{}, fmt.Errorf("%w: gave up after %d attempts: %w", ErrContention, attempts, ctx.Err())
		}
		read, fromLeader = kv.b.leaderGet, true
	}
}

// decision is what one run of a Modify function comes to: a write, or an end without one.
type decision struct {
	write   *write
	removed bool
	err     error
}

func (kv *KV[K, V]) decide(key K, raw *rawEntry, fn func(*Entry[K, V]) error) (Entry[K, V], decision) {
	entry := Entry[K, V]{Key: key, Value: kv.absentValue()}
	exists := raw.revision != 0 && raw.op == Put
	if exists {
		var err error
		if entry, err = kv.entry(key, raw); err != nil {
			return entry, decision{err: err}
		}
	}
	before := entry.Revision
	err := fn(&entry)
	entry.Key, entry.Revision = key, before
	switch {
	case errors.Is(err, Skip):
		return entry, decision{}
	case errors.Is(err, Remove) && exists:
		return entry, decision{write: marker("", false), removed: true}
	case errors.Is(err, Remove):
		return entry, decision{}
	case err != nil:
		return entry, decision{err: callerError{err}}
	}
	w, err := kv.message(key, entry.Value, nil)
	if err != nil {
		return entry, decision{err: err}
	}
	if exists && bytes.Equal(w.data, raw.data) {
		return entry, decision{}
	}
	return entry, decision{write: &w}
}

// GetOrCreate returns the entry under key, or stores what fn returns if there is none; created tells
// which. An error of fn is returned as it is. fn runs at most once.
func (kv *KV[K, V]) GetOrCreate(ctx context.Context, key K, fn func() (V, error)) (entry Entry[K, V], created bool, err error) {
	name, err := kv.spec.Encode(key)
	if err != nil {
		return entry, false, kv.b.wrap("get or create", "", err)
	}
	err = kv.b.do(ctx, "get or create", name, func(ctx context.Context) error {
		var w *write
		for wait := (backoff{}); ; {
			raw, err := kv.b.leaderGet(ctx, name)
			if err == nil && raw.op == Put {
				entry, err = kv.entry(key, &raw)
				return err
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if w == nil {
				value, err := fn()
				if err != nil {
					return callerError{err}
				}
				message, err := kv.message(key, value, nil)
				if err != nil {
					return err
				}
				w, entry.Key, entry.Value = &message, key, value
			}
			w.guarded, w.expect = true, raw.revision
			entry.Revision, err = kv.b.store(ctx, w)
			if err == nil {
				created = true
				return nil
			}
			if !errors.Is(err, ErrConflict) {
				return err
			}
			if !wait.sleep(ctx) {
				return fmt.Errorf("%w: %w", ErrContention, ctx.Err())
			}
		}
	})
	if err != nil {
		entry = Entry[K, V]{}
	}
	return entry, created, err
}
