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
	call   context.Context // of the call that the attempt is part of, which ends before it
	ctx    context.Context // of the step that is under way, see begin
	leader bool            // an earlier attempt was in conflict: what it met is read by the leader's word

	mu      sync.Mutex
	ended   bool
	whole   bool                // reads are the leader's state at one moment of the attempt
	failed  error               // of the first read that got no answer, or key too many: nothing can be decided without it
	reads   map[string]rawEntry // what was read first under each key; revision 0 where nothing was
	writes  map[string]*pending
	order   []string            // keys of writes
	touched map[string]struct{} // keys of both
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

// RunTxn runs fn, and again, after a short random wait, while others write what it read, until its
// writes can be stored: all of them or none, and as of one moment at which everything that it read,
// absence included, is as it was read. It returns the revision of the last write, or 0 if nothing
// changed: a write of the bytes that were read, or a deletion where nothing was found, is none. Writes
// are buffered, and seen by later reads of the same attempt. Generated code calls it.
//
// An error of fn ends it with nothing written and is returned as it is, after its reads have been
// confirmed; if they were not the bucket's state at one moment, fn runs again. While it runs, fn may
// see such a state, so it should have no effect but through the transaction, and must not loop
// or panic on what cannot be. A read that got no answer, and a key that is one too many, end the
// transaction, whatever fn returns.
//
// Other errors are ErrContention, after MaxAttempts or when ctx ends; ErrTooLarge for more than 1,000
// keys; ErrUnknownOutcome if the answer to the commit got lost and every key it wrote has been written
// again since; and ErrPermission: beside the keys that it writes, a transaction that reads others too
// writes the reserved key =kvgen. If ctx has no deadline, each read and each commit has the default
// timeout of the JetStream, and only MaxAttempts limits the attempts.
func RunTxn(ctx context.Context, b *Bucket, fn func(*Txn) error, opts ...TxnOption) (revision uint64, err error) {
	var o txnOptions
	for _, opt := range opts {
		opt.applyTxn(&o)
	}
	err = b.doUntimed(ctx, "txn", "", func(ctx context.Context) error {
		revision, err = b.transact(ctx, fn, o)
		return err
	})
	return revision, err
}

func (b *Bucket) transact(ctx context.Context, fn func(*Txn) error, o txnOptions) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for attempts, wait := 1, (backoff{}); ; attempts++ {
		tx := &Txn{b: b, call: ctx, leader: attempts > 1, reads: map[string]rawEntry{}, writes: map[string]*pending{}, touched: map[string]struct{}{}}
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
	err := tx.run(fn)
	defer tx.begin()()
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

// begin gives a step of the attempt, a call of the function's or the end, the default timeout, if the
// call has no deadline. The time that the function takes does not count, nor do other attempts.
func (tx *Txn) begin() (end context.CancelFunc) {
	tx.ctx, end = tx.b.withTimeout(tx.call)
	return end
}

// run lets fn use the transaction for as long as it runs.
func (tx *Txn) run(fn func(*Txn) error) error {
	defer func() {
		tx.mu.Lock()
		tx.ended = true
		tx.mu.Unlock()
	}()
	return fn(tx)
}

// changes reports whether a write makes a difference to what was read. It does where nothing was
// read, and where it renews a time to live.
func (tx *Txn) changes(p *pending) bool {
	raw, ok := tx.reads[p.key]
	if !ok {
		return true
	}
	exists := raw.exists()
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
		if errors.Is(err, ErrTooLarge) {
			err = fmt.Errorf("%s: %w", writes[0].key, err)
		}
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
