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
// If ctx has no deadline, each read and each write has the default timeout of the JetStream, and only
// MaxAttempts limits the attempts.
//
// What is stored has the time to live that the schema says (`ttl:`), counted from now. Where that is
// for the calls to say (`ttl: optional`), it is the one that the entry was last written with.
//
// Whatever ends without a write was decided on the answer of the stream's leader.
//
//go:noinline
func (kv *KV[K, V]) Modify(ctx context.Context, key K, fn func(entry *Entry[K, V]) error, opts ...ModifyOption) (entry Entry[K, V], err error) {
	name, err := kv.spec.Encode(key)
	written, err := kv.b.modify(ctx, name, err, opts, func(raw *rawEntry) decision {
		var d decision
		entry, d = decide(kv, key, raw, fn)
		return d
	})
	switch {
	case written.removed:
		return Entry[K, V]{Key: key}, err
	case written.revision > 0:
		return Entry[K, V]{Key: key, Value: entry.Value, Revision: written.revision}, err
	case !written.decided:
		return Entry[K, V]{}, err
	}
	return entry, err
}

// decide runs fn on what was read.
//
//go:noinline
func decide[K comparable, V any](kv *KV[K, V], key K, raw *rawEntry, fn func(*Entry[K, V]) error) (Entry[K, V], decision) {
	entry := Entry[K, V]{Key: key, Value: absentValue(kv)}
	exists := raw.exists()
	if exists {
		var err error
		if entry, err = entryOf(kv, key, raw); err != nil {
			return entry, decision{err: err}
		}
	}
	before := entry.Revision
	err := fn(&entry)
	entry.Key, entry.Revision = key, before
	if err != nil {
		return entry, refusal(err, exists)
	}
	w, err := messageOf(kv, key, entry.Value, nil)
	return entry, acceptance(&w, err, raw)
}

// decision is what one run of a Modify function comes to: a write, or an end without one.
type decision struct {
	write   *write
	removed bool
	err     error
}

// refusal is the decision of a function that returned an error.
func refusal(err error, exists bool) decision {
	switch {
	case errors.Is(err, Skip):
		return decision{}
	case errors.Is(err, Remove) && exists:
		return decision{write: marker("", false), removed: true}
	case errors.Is(err, Remove):
		return decision{}
	}
	return decision{err: callerError{err}}
}

// acceptance is the decision of a function that wants its value written, which could be encoded
// unless invalid says why not.
func acceptance(w *write, invalid error, raw *rawEntry) decision {
	switch {
	case invalid != nil:
		return decision{err: invalid}
	case raw.exists() && bytes.Equal(w.data, raw.data):
		return decision{}
	}
	return decision{write: w}
}

// modified is how a Modify ended.
type modified struct {
	decided  bool // by its function, on what was there
	removed  bool
	revision uint64 // of the value written
}

func (b *Bucket) modify(ctx context.Context, key string, invalid error, opts []ModifyOption, decide func(*rawEntry) decision) (m modified, err error) {
	if invalid != nil {
		return m, b.refuse(ctx, "modify", "", invalid)
	}
	var o modifyOptions
	for _, opt := range opts {
		opt.applyModify(&o)
	}
	err = b.doUntimed(ctx, "modify", key, func(ctx context.Context) error {
		m, err = b.modifyUntil(ctx, key, o, decide)
		return err
	})
	return m, err
}

func (b *Bucket) modifyUntil(ctx context.Context, key string, o modifyOptions, decide func(*rawEntry) decision) (modified, error) {
	// The first attempt takes what any replica has, unless this handle knows of something newer.
	read, fromLeader := func(ctx context.Context, key string) (rawEntry, error) {
		return b.latest(ctx, key, readOptions{})
	}, false
	for attempts, wait := 0, (backoff{}); ; {
		raw, err := b.timedRead(ctx, key, read)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return modified{}, err
		}
		decision := decide(&raw)
		if decision.write == nil {
			if fromLeader {
				return modified{decided: true}, decision.err
			}
			read, fromLeader = b.leaderGet, true
			continue
		}
		w := decision.write
		w.key, w.guarded, w.expect = key, true, raw.revision
		if raw.ttl != "" && b.cfg.KeyTTL && raw.exists() && !decision.removed && w.header[headerTTL] == nil {
			w.set(headerTTL, raw.ttl) // else the new value would stay for ever
		}
		revision, err := b.timedStore(ctx, w)
		if err == nil {
			return modified{true, decision.removed, revision}, nil
		}
		if !errors.Is(err, ErrConflict) {
			return modified{}, err
		}
		attempts++
		if o.attempts > 0 && attempts >= o.attempts {
			return modified{}, wrapf(ErrContention, "gave up after %d attempts", attempts)
		}
		if !wait.sleep(ctx) {
			return modified{}, fmt.Errorf("%w: gave up after %d attempts: %w", ErrContention, attempts, ctx.Err())
		}
		read, fromLeader = func(ctx context.Context, key string) (rawEntry, error) {
			return b.leaderGetFrom(ctx, key, latestOf(err))
		}, true
	}
}

// timedRead gives a read within a longer operation the default timeout, if ctx has no deadline: the time
// that the caller's function takes does not count, nor do other attempts.
func (b *Bucket) timedRead(ctx context.Context, key string, read func(context.Context, string) (rawEntry, error)) (rawEntry, error) {
	ctx, cancel := b.withTimeout(ctx)
	defer cancel()
	return read(ctx, key)
}

// timedStore is timedRead for a write.
func (b *Bucket) timedStore(ctx context.Context, w *write) (uint64, error) {
	ctx, cancel := b.withTimeout(ctx)
	defer cancel()
	return b.store(ctx, w)
}

// GetOrCreate returns the entry under key, or stores what fn returns if there is none; created tells
// which. An error of fn is returned as it is. fn runs at most once.
//
//go:noinline
func (kv *KV[K, V]) GetOrCreate(ctx context.Context, key K, fn func() (V, error)) (entry Entry[K, V], created bool, err error) {
	name, err := kv.spec.Encode(key)
	revision, err := kv.b.getOrCreate(ctx, name, err, func(raw *rawEntry) (err error) {
		entry, err = entryOf(kv, key, raw)
		return err
	}, func() (write, error) {
		value, err := fn()
		if err != nil {
			return write{}, callerError{err}
		}
		entry = Entry[K, V]{Key: key, Value: value}
		return messageOf(kv, key, value, nil)
	})
	if err != nil {
		return Entry[K, V]{}, false, err
	}
	if revision > 0 {
		entry.Key, entry.Revision = key, revision
	}
	return entry, revision > 0, nil
}

// getOrCreate has what is there decoded, or stores what is made and returns its revision.
func (b *Bucket) getOrCreate(ctx context.Context, key string, invalid error, decode func(*rawEntry) error, make func() (write, error)) (revision uint64, err error) {
	const op = "get or create"
	if invalid != nil {
		return 0, b.refuse(ctx, op, "", invalid)
	}
	err = b.doUntimed(ctx, op, key, func(ctx context.Context) error {
		var w *write
		for wait, floor := (backoff{}), uint64(0); ; {
			raw, err := b.timedRead(ctx, key, func(ctx context.Context, key string) (rawEntry, error) {
				return b.leaderGetFrom(ctx, key, floor)
			})
			if err == nil && raw.op == Put {
				return decode(&raw)
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if w == nil {
				made, err := make()
				if err != nil {
					return err
				}
				w = &made
			}
			w.guarded, w.expect = true, raw.revision
			revision, err = b.timedStore(ctx, w)
			if !errors.Is(err, ErrConflict) {
				return err
			}
			if !wait.sleep(ctx) {
				return fmt.Errorf("%w: %w", ErrContention, ctx.Err())
			}
			floor = latestOf(err)
		}
	})
	return revision, err
}
