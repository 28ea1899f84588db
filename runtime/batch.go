// Atomic batches (server 2.12): several messages that are stored all together or not at all. Each
// carries at most one guard; guards of keys that are not written ride on markers of the reserved key.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	headerExpectedSubject = "Nats-Expected-Last-Subject-Sequence-Subject"
	headerBatchID         = "Nats-Batch-Id"
	headerBatchSequence   = "Nats-Batch-Sequence"
	headerBatchCommit     = "Nats-Batch-Commit"
)

// batch is what a transaction stores. Every message of its own keys carries the id of the operation,
// and at least one of them is guarded, so that it cannot land twice.
type batch struct {
	id     string
	guards map[string]rawEntry // of keys that are not written
	writes []*write
}

// storeBatch stores the writes if all guards hold, theirs and those of other keys, and returns the
// revision of the last one.
func (b *Bucket) storeBatch(ctx context.Context, guards map[string]rawEntry, writes []*write) (uint64, error) {
	s := &batch{operationID(), guards, writes}
	messages := b.carriers(guards)
	for _, w := range writes {
		w.set(headerOpID, s.id)
		if w.guarded {
			w.set(headerExpected, strconv.FormatUint(w.expect, 10))
		}
	}
	messages = append(messages, writes...)
	for i, w := range messages {
		w.set(headerBatchID, batchID())
		w.set(headerBatchSequence, strconv.Itoa(i+1))
		if i == len(messages)-1 {
			w.set(headerBatchCommit, "1")
		}
		if err := b.checkSize(ctx, w); err != nil {
			return 0, fmt.Errorf("%s: %w", w.key, err)
		}
	}
	c, err := b.newCommits(messages)
	if err != nil {
		return 0, err
	}
	defer c.answers.Unsubscribe() //nolint:errcheck // the subscription is ours alone
	last, err := b.deliverBy(ctx, firstAttempt, c.publish, func(ctx context.Context) (uint64, error) { return b.resolveBatch(ctx, s) })
	if err != nil {
		return 0, err
	}
	// The server stores a batch without anything in between.
	for i, w := range writes {
		b.own.add(w.key, last-uint64(len(writes)-1-i))
	}
	return last, nil
}

// carriers makes the messages for guards of keys that are not written. The server ignores a guard on
// a key that the batch has written, so they come first; and it ignores one on an end marker of the
// batch, which therefore has none. Where the bucket keeps several revisions, the first carrier is a
// purge, so that the carriers of earlier transactions do not stay.
func (b *Bucket) carriers(guards map[string]rawEntry) []*write {
	var out []*write
	for _, key := range slices.Sorted(maps.Keys(guards)) {
		w := marker(reservedKey, len(out) == 0 && b.history != 1 && b.rollup)
		w.set(headerExpected, strconv.FormatUint(guards[key].revision, 10))
		w.set(headerExpectedSubject, subjectPrefix(b.name)+key)
		out = append(out, w)
	}
	return out
}

// commits publishes a batch, again and again. A server may be slow, since it syncs each batch of a
// stream without replicas to the disk (2.15): the answer to an earlier attempt counts when it comes.
type commits struct {
	b        *Bucket
	messages []*write
	inbox    string
	answers  *nats.Subscription
	attempts int
}

func (b *Bucket) newCommits(messages []*write) (*commits, error) {
	c := &commits{b: b, messages: messages, inbox: b.nc.NewInbox()}
	var err error
	if c.answers, err = b.nc.SubscribeSync(c.inbox + ".*"); err != nil {
		return nil, connErr(err)
	}
	return c, nil
}

// publish is one attempt, under an id of its own: the server may still hold a part of an earlier one.
// Only the commit has an answer, which speaks for all.
func (c *commits) publish(ctx context.Context, limit time.Duration) (uint64, error) {
	b := c.b
	if err := b.waitConnected(ctx); err != nil {
		return 0, err
	}
	id, before := batchID(), b.nc.LastError()
	msgs := make([]*nats.Msg, len(c.messages))
	denials := make([]denial, len(c.messages))
	for i, w := range c.messages {
		w.set(headerBatchID, id)
		msgs[i] = &nats.Msg{Subject: b.write + subjectPrefix(b.name) + w.key, Header: w.header, Data: w.data}
		denials[i] = denial{b.nc, "Publish", msgs[i].Subject}
	}
	c.attempts++
	commit := msgs[len(msgs)-1]
	commit.Reply = c.inbox + "." + strconv.Itoa(c.attempts)

	g := b.watchRequest(ctx, commit.Subject, limit, denials...)
	attempt := g.context()
	for _, msg := range msgs {
		err := errBroken // a batch may be larger than the reconnect buffer, where it has no business
		if g.connected() {
			err = b.nc.PublishMsg(msg)
		}
		if err == nil {
			continue
		}
		// The batch is not complete.
		if err = g.stop(err); errors.Is(err, errConnectionLost) || errors.Is(err, nats.ErrReconnectBufExceeded) {
			err = errBroken
		}
		return 0, connErr(err)
	}
	revision, err := c.answer(attempt, commit.Reply)
	unanswered := attempt.Err() != nil
	err = g.stop(err)
	switch {
	case err == nil, errors.Is(err, ErrPermission):
		return revision, err
	case unanswered, errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrBadSubscription):
		return 0, &lostError{connErr(err)}
	case busy(err):
		// Also what follows when the server refuses one of the messages, of which it tells first.
		for _, d := range denials {
			if denied := b.denied(d.subject, before); denied != nil {
				return 0, denied
			}
		}
	}
	return 0, err
}

// answer waits for the answer to the attempt whose reply subject is given, or for one to an earlier
// attempt that says that it landed.
func (c *commits) answer(ctx context.Context, reply string) (uint64, error) {
	for {
		msg, err := c.answers.NextMsgWithContext(ctx)
		if err != nil {
			return 0, connErr(err)
		}
		var revision uint64
		if msg.Header.Get(headerStatus) == "503" {
			err = connErr(nats.ErrNoResponders)
		} else if revision, err = parseAck(msg.Data); err == nil {
			return revision, nil
		}
		if msg.Subject == reply {
			return 0, err
		}
	}
}

// batchID is unique among the batches that a stream has open, and as long as any other.
func batchID() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// busy reports that the server did not take a batch for now: too many of them are open, or it has
// lost the beginning of this one, as it does with the first message that is one too many, and when
// the stream's leader changes.
func busy(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && (e.ErrCode == codeBatchIncomplete || e.ErrCode == codeBatchTooMany)
}

// resolveBatch finds out whether an earlier attempt landed, after a repetition met a conflict.
func (b *Bucket) resolveBatch(ctx context.Context, s *batch) (uint64, error) {
	last := len(s.writes) - 1
	var unknown error
	for i, w := range s.writes {
		if !w.guarded {
			continue
		}
		revision, err := b.resolve(ctx, w, s.id)
		switch {
		case err == nil:
			return revision + uint64(last-i), nil
		case errors.Is(err, errNotYet):
			return 0, b.decided(ctx, s)
		case errors.Is(err, ErrConflict):
			return 0, err
		}
		unknown = err
	}
	for i, w := range s.writes {
		if raw, err := b.leaderGet(ctx, w.key); err == nil && raw.opID == s.id {
			return raw.revision + uint64(last-i), nil
		}
	}
	return 0, unknown
}

// decided returns ErrConflict if a guard of the batch, which has not landed, does not hold any more,
// so that it never can; and otherwise errNotYet: the conflict was with another write under way, which
// may have been the earlier attempt itself.
func (b *Bucket) decided(ctx context.Context, s *batch) error {
	expected := map[string]uint64{}
	for key, raw := range s.guards {
		expected[key] = raw.revision
	}
	for _, w := range s.writes {
		if w.guarded {
			expected[w.key] = w.expect
		}
	}
	for _, key := range slices.Sorted(maps.Keys(expected)) {
		raw, err := b.leaderGet(ctx, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		if raw.revision == expected[key] {
			continue
		}
		if raw.opID == s.id {
			return errNotYet // it has just landed: the next repetition finds it
		}
		return &revisionError{ErrConflict, raw.revision}
	}
	return errNotYet
}
