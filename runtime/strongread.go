// Linearizable reads: a barrier is written, and a replica that has got as far as the barrier answers.

package kvrt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// linearizableGet writes a barrier and then asks any replica for the key and the barrier together,
// until that replica has got as far as the barrier.
func (b *Bucket) linearizableGet(ctx context.Context, key string) (rawEntry, error) {
	barrier, err := b.barriers.pass(ctx, b.writeBarrier)
	if err != nil {
		return rawEntry{}, fmt.Errorf("the barrier of a linearizable read: %w", err)
	}
	for wait := (backoff{}); ; {
		raw, upTo, err := b.multiGet(ctx, key, reservedKey)
		switch {
		case err == nil && upTo >= barrier && raw.revision == 0:
			return raw, ErrNotFound
		case err == nil && upTo >= barrier:
			return raw, nil
		case err != nil && !passing(err):
			return rawEntry{}, err
		}
		if !wait.sleep(ctx) {
			return rawEntry{}, fmt.Errorf("%w: no replica has reached revision %d: %w", ErrUnavailable, barrier, ctx.Err())
		}
	}
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

// multiGet asks one replica for several keys at once, and returns the entry of the first one and
// the position of the replica, which is 0 if none of the keys is there.
func (b *Bucket) multiGet(ctx context.Context, keys ...string) (first rawEntry, upTo uint64, err error) {
	subjects := make([]string, len(keys))
	for i, key := range keys {
		subjects[i] = b.stored + key
	}
	request, err := json.Marshal(msgGet{MultiLast: subjects})
	if err != nil {
		return first, 0, err
	}
	wait, limit := backoff{}, firstAttempt
	for ; ; limit *= 2 {
		first, upTo, err = b.multiGetOnce(ctx, keys[0], request, limit)
		if lost, unanswered := errors.AsType[*lostError](err); !unanswered {
			return first, upTo, err
		} else if errors.Is(err, nats.ErrConnectionClosed) || !wait.sleep(ctx) {
			return first, 0, b.ended(ctx, lost.cause)
		}
	}
}

func (b *Bucket) multiGetOnce(ctx context.Context, key string, request []byte, limit time.Duration) (first rawEntry, upTo uint64, err error) {
	if err := b.waitConnected(ctx); err != nil {
		return first, 0, err
	}
	subject := b.api + "DIRECT.GET." + b.stream
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return first, 0, connErr(err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the subscription is ours alone
	attempt, g := b.watchRequest(ctx, subject, limit)
	err = b.nc.PublishRequest(subject, inbox, request)
	for err == nil {
		var msg *nats.Msg
		if msg, err = sub.NextMsgWithContext(attempt); err != nil {
			break
		}
		switch status := msg.Header.Get(headerStatus); status {
		case "":
			if msg.Header.Get(headerSubject) != b.stored+key {
				continue
			}
			if first, err = parseGet(key, msg); err != nil {
				return first, 0, g.stop(err)
			}
		case "204":
			upTo, err = parseUint(msg.Header.Get("Nats-UpTo-Sequence"))
			return first, upTo, g.stop(err)
		case "404":
			return first, 0, g.stop(nil)
		case "503":
			return first, 0, g.stop(connErr(nats.ErrNoResponders))
		default:
			return first, 0, g.stop(fmt.Errorf("unexpected answer to a multi get: %s %s", status, msg.Header.Get("Description")))
		}
	}
	if err = g.stop(err); errors.Is(err, ErrPermission) {
		return first, 0, err
	}
	return first, 0, &lostError{connErr(err)}
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
