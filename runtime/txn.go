// Transactions: a function that reads and writes several keys, run again until nothing it read has
// changed when its writes are stored, all at once.

package kvrt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
)

// Uncommitted is the revision of a value that the transaction reading it has written itself: the
// bucket does not have it yet. Update takes it like any other revision.
const Uncommitted uint64 = math.MaxUint64

// TxnOption is an option of a transaction: MaxAttempts.
type TxnOption interface{ applyTxn(*txnOptions) }

type txnOptions struct{ attempts int }

// Txn is one attempt of a transaction: what it has read, and what it is going to write. Generated
// code makes it typed. Goroutines that the function starts may use it; their calls take turns. After
// the function has returned, every call is ErrTxnEnded.
type Txn struct {
	b      *Bucket
	ctx    context.Context // of the call that the attempt is part of, which ends before it
	leader bool            // an earlier attempt was in conflict: what it met is read by the leader's word

	mu      sync.Mutex
	ended   bool
	whole   bool                // reads are the leader's state at one moment of the attempt
	failed  error               // of the first read that got no answer: nothing can be decided without it
	reads   map[string]rawEntry // what was read first under each key; revision 0 where nothing was
	writes  map[string]*pending
	order   []string            // keys of writes
	touched map[string]struct{} // keys of both
}

// pending is a write that waits for the end of the function.
type pending struct {
	write
	op Op
}

// maxBatch is the number of messages in an atomic batch (server 2.12), and so of the keys in a
// transaction.
const maxBatch = 1000

// staleError: what an attempt read is not the state of the bucket, or the server did not take its
// writes for now. The function runs again.
type staleError struct{ cause error }

func (e *staleError) Error() string { return "conflict: " + e.cause.Error() }
func (e *staleError) Unwrap() error { return e.cause }

var errChanged = errors.New("what was read has changed")

// RunTxn runs fn until it can be committed, and returns the revision of its last write, or 0 if it
// changed nothing. Generated code calls it.
func RunTxn(ctx context.Context, b *Bucket, fn func(*Txn) error, opts ...TxnOption) (revision uint64, err error) {
	var o txnOptions
	for _, opt := range opts {
		opt.applyTxn(&o)
	}
	err = b.do(ctx, "txn", "", func(ctx context.Context) error {
		revision, err = b.transact(ctx, fn, o)
		return err
	})
	return revision, err
}

func (b *Bucket) transact(ctx context.Context, fn func(*Txn) error, o txnOptions) (uint64, error) {
	for attempts, wait := 1, (backoff{}); ; attempts++ {
		tx := &Txn{b: b, ctx: ctx, leader: attempts > 1, reads: map[string]rawEntry{}, writes: map[string]*pending{}, touched: map[string]struct{}{}}
		revision, err := tx.attempt(fn)
		stale, ok := err.(*staleError) // as it is: an error of fn may wrap anything
		if !ok {
			return revision, err
		}
		if o.attempts > 0 && attempts >= o.attempts {
			return 0, wrapf(ErrContention, "gave up after %d attempts; the last one: %v", attempts, stale.cause)
		}
		if !wait.sleep(ctx) {
			return 0, fmt.Errorf("%w: gave up after %d attempts: %w", ErrContention, attempts, ctx.Err())
		}
	}
}

// attempt runs fn once, and commits.
func (tx *Txn) attempt(fn func(*Txn) error) (uint64, error) {
	err := tx.call(fn)
	switch {
	case tx.failed != nil && err != nil:
		return 0, callerError{err}
	case tx.failed != nil:
		return 0, tx.failed
	case err == nil:
		return tx.commit()
	}
	// fn may have seen a state that never was: what it says counts only of one that was.
	confirmed := tx.confirm()
	if _, ok := confirmed.(*staleError); ok {
		return 0, confirmed
	}
	if confirmed != nil {
		return 0, fmt.Errorf("%w; it is not known whether the transaction's own error stands: %v", confirmed, err)
	}
	return 0, callerError{err}
}

// call lets fn use the transaction for as long as it runs.
func (tx *Txn) call(fn func(*Txn) error) error {
	defer func() {
		tx.mu.Lock()
		tx.ended = true
		tx.mu.Unlock()
	}()
	return fn(tx)
}

// do is one call of fn's on the transaction.
func (tx *Txn) do(op, key string, f func() error) error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	switch {
	case tx.ended:
		return tx.b.wrap(op, key, ErrTxnEnded)
	case tx.failed != nil:
		return tx.b.wrap(op, key, tx.failed)
	}
	return tx.b.wrap(op, key, f())
}

// touch refuses a key for which the batch has no room: each one takes a message.
func (tx *Txn) touch(key string) error {
	if _, ok := tx.touched[key]; !ok && len(tx.touched) == maxBatch {
		return wrapf(ErrTooLarge, "a transaction on more than %d keys", maxBatch)
	}
	tx.touched[key] = struct{}{}
	return nil
}

// view returns what the transaction sees under a key: what it wrote itself, or what it read. There
// is a value if op is Put.
func (tx *Txn) view(key string) (rawEntry, error) {
	if p := tx.writes[key]; p != nil {
		return p.view(), nil
	}
	if raw, ok := tx.reads[key]; ok {
		return raw, nil
	}
	if err := tx.touch(key); err != nil {
		return rawEntry{}, err
	}
	return tx.read(key)
}

func (p *pending) view() rawEntry {
	if p.op != Put {
		return rawEntry{key: p.key, op: p.op}
	}
	return rawEntry{key: p.key, data: p.data, op: Put, revision: Uncommitted}
}

// read reads a key for the first time. Any replica will do, since the commit confirms it, unless an
// attempt before was in conflict.
func (tx *Txn) read(key string) (raw rawEntry, err error) {
	if tx.leader {
		raw, err = tx.b.leaderGet(tx.ctx, key)
	} else {
		raw, err = tx.b.latest(tx.ctx, key, readOptions{})
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		tx.failed = err
		return rawEntry{}, err
	}
	tx.whole = tx.leader && len(tx.reads) == 0
	raw.key = key
	tx.reads[key] = raw
	return raw, nil
}

// fetch reads those of the keys that the transaction has not seen yet, together.
func (tx *Txn) fetch(keys []string) error {
	var unseen []string
	for _, key := range keys {
		_, read := tx.reads[key]
		if _, written := tx.writes[key]; read || written || slices.Contains(unseen, key) {
			continue
		}
		if err := tx.touch(key); err != nil {
			return err
		}
		unseen = append(unseen, key)
	}
	if len(unseen) < 2 {
		for _, key := range unseen {
			if _, err := tx.read(key); err != nil {
				return err
			}
		}
		return nil
	}
	entries, whole, err := tx.snapshot(unseen, tx.leader)
	if err != nil {
		tx.failed = err
		return err
	}
	tx.whole = whole && len(tx.reads) == 0
	for _, key := range unseen {
		raw := entries[key]
		raw.key = key
		tx.reads[key] = raw
	}
	return nil
}

// snapshot reads several keys. What it reads with fresh is not older than the call, by the leader's
// word; whole tells that it was all there at one moment since.
func (tx *Txn) snapshot(keys []string, fresh bool) (entries map[string]rawEntry, whole bool, err error) {
	var o readOptions
	if fresh {
		info, err := tx.b.info(tx.ctx)
		if err != nil {
			return nil, false, err
		}
		o.atLeast = info.State.LastSeq
	}
	entries = make(map[string]rawEntry, len(keys))
	rest, at, err := tx.b.latestPage(tx.ctx, keys, o, entries)
	if err != nil {
		return nil, false, err
	}
	for _, key := range rest {
		raw, err := tx.b.leaderGet(tx.ctx, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, false, err
		}
		entries[key] = raw
	}
	return entries, fresh && at > 0, nil
}

// put buffers a write, in the place of an earlier one to the key.
func (tx *Txn) put(w write, op Op) error {
	if err := tx.touch(w.key); err != nil {
		return err
	}
	if _, ok := tx.writes[w.key]; !ok {
		tx.order = append(tx.order, w.key)
	}
	w.data = bytes.Clone(w.data) // the caller may go on to use what was encoded
	tx.writes[w.key] = &pending{w, op}
	return nil
}

// changes reports whether a write makes a difference to what was read. It does where nothing was
// read, and where it renews a time to live.
func (tx *Txn) changes(p *pending) bool {
	raw, ok := tx.reads[p.key]
	if !ok {
		return true
	}
	exists := raw.revision != 0 && raw.op == Put
	if p.op != Put {
		return exists
	}
	return !exists || !bytes.Equal(p.data, raw.data) || p.header[headerTTL] != nil
}

// commit stores what was written, if nothing that was read has changed.
func (tx *Txn) commit() (uint64, error) {
	var writes []*write
	guarded := false
	for _, key := range tx.order {
		if p := tx.writes[key]; tx.changes(p) {
			writes = append(writes, &p.write)
			_, read := tx.reads[key]
			guarded = guarded || read
		}
	}
	if len(writes) == 0 {
		return 0, tx.confirm()
	}
	if !guarded {
		// A commit that may have to be repeated must not be able to land twice: one of its own keys
		// has to be guarded.
		if _, err := tx.read(writes[0].key); err != nil {
			return 0, err
		}
	}
	guards := maps.Clone(tx.reads)
	for _, w := range writes {
		if raw, ok := tx.reads[w.key]; ok {
			w.guarded, w.expect = true, raw.revision
			delete(guards, w.key)
		}
	}
	var revision uint64
	var err error
	if len(writes) == 1 && len(guards) == 0 {
		revision, err = tx.b.store(tx.ctx, writes[0])
	} else {
		revision, err = tx.b.storeBatch(tx.ctx, guards, writes)
	}
	if errors.Is(err, ErrConflict) || busy(err) {
		return 0, &staleError{err}
	}
	return revision, err
}

// confirm reports a *staleError unless all that was read was the state of the bucket at one moment
// of the attempt. A key that has now the revision that was read had it all the time since, and so
// at the moment when the confirmation began.
func (tx *Txn) confirm() error {
	if tx.whole || len(tx.reads) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(tx.reads))
	now := map[string]rawEntry{}
	var err error
	if len(keys) > 1 {
		now, _, err = tx.snapshot(keys, true)
	} else if now[keys[0]], err = tx.b.leaderGet(tx.ctx, keys[0]); errors.Is(err, ErrNotFound) {
		err = nil
	}
	if err != nil {
		return err
	}
	for _, key := range keys {
		if now[key].revision != tx.reads[key].revision {
			return &staleError{errChanged}
		}
	}
	return nil
}
