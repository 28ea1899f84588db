// Linearizable reads: a barrier is written, and a replica that has got as far as the barrier answers.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// linearizableGet writes a barrier and then asks any replica for the key and the barrier together,
// until that replica has got as far as the barrier.
func (b *Bucket) linearizableGet(ctx context.Context, key string) (rawEntry, error) {
	if err := b.linearizable(); err != nil {
		return rawEntry{}, err
	}
	barrier, err := b.barriers.pass(ctx, b.writeBarrier)
	if err != nil {
		return rawEntry{}, fmt.Errorf("the barrier of a linearizable read: %w", err)
	}
	entries := make(map[string]rawEntry, 2)
	if err := b.multiGetFrom(ctx, []string{key}, barrier, entries); err != nil {
		return rawEntry{}, err
	}
	raw, there := entries[key]
	if !there {
		return raw, ErrNotFound
	}
	return raw, nil
}

// linearizable returns ErrUnsupported if no answer to a read could tell how far its server has got.
func (b *Bucket) linearizable() error {
	if !b.direct {
		return wrapf(ErrUnsupported, "linearizable reads need a bucket with allow_direct")
	}
	return b.requires("linearizable", 2, 11)
}

// writeBarrier stores a delete marker under the reserved key. One more than needed does no harm, so a
// lost answer is no unknown outcome.
func (b *Bucket) writeBarrier(ctx context.Context) (uint64, error) {
	msg := &nats.Msg{
		Subject: b.write + subjectPrefix(b.name) + reservedKey,
		Header:  nats.Header{headerOperation: {"DEL"}},
	}
	wait, limit := backoff{}, firstAttempt
	for ; ; limit *= 2 {
		revision, err := b.publish(ctx, msg, limit)
		lost, unanswered := errors.AsType[*lostError](err)
		if err == nil || !unanswered && !passing(err) {
			return revision, err
		}
		if !unanswered {
			// No leader for now, or no bucket.
			if _, ierr := b.info(ctx); ierr != nil && !errors.Is(ierr, ErrPermission) {
				return 0, ierr
			}
		}
		if unanswered && errors.Is(err, nats.ErrConnectionClosed) || !wait.sleep(ctx) {
			if unanswered {
				err = lost.cause
			}
			return 0, b.ended(ctx, err)
		}
	}
}

// barriers lets concurrent reads share a barrier: one that is written after all of them began.
type barriers struct {
	mu      sync.Mutex
	running *barrier // began before whoever comes now
	queued  *barrier // will be written when running is done
}

type barrier struct {
	done     chan struct{}
	revision uint64
	err      error
}

// pass returns the revision of a barrier whose write began after the call.
func (s *barriers) pass(ctx context.Context, write func(context.Context) (uint64, error)) (uint64, error) {
	for {
		s.mu.Lock()
		if s.queued == nil {
			s.queued = &barrier{done: make(chan struct{})}
		}
		mine, previous := s.queued, s.running
		s.mu.Unlock()
		if previous != nil {
			select {
			case <-previous.done:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		// The first one to come here writes it, for all who wait.
		s.mu.Lock()
		first := s.queued == mine
		if first {
			s.queued, s.running = nil, mine
		}
		s.mu.Unlock()
		if first {
			mine.revision, mine.err = write(ctx)
			s.mu.Lock()
			s.running = nil
			s.mu.Unlock()
			close(mine.done)
			return mine.revision, mine.err
		}
		select {
		case <-mine.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if mine.err == nil {
			return mine.revision, nil
		}
		// Its writer's context may have ended; this one goes on.
	}
}
