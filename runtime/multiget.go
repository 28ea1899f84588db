// Multi gets (server 2.11): one replica's answer for several keys, as of one moment, with the
// position that the replica had reached.

package kvrt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	multiGetKeys  = 1024    // the server refuses more (2.15, stream.go)
	multiGetBytes = 8 << 20 // of an answer; the server's default would be the connection's pending limit
	multiGetTries = 5       // replicas that may be asked before the leader is
)

// errTooMany: more than multiGetKeys match what a multi get asks for.
var errTooMany = errors.New("the server does not read so many keys together")

// latestPage adds what a replica has of the keys, 1,024 at most, to all, and returns the keys that no
// replica can speak for. at is the position as of which the others were read, all at that moment; 0
// if there is none such.
func (b *Bucket) latestPage(ctx context.Context, keys []string, o readOptions, all map[string]rawEntry) (rest []string, at uint64, err error) {
	if !b.direct || o.linearizable || b.noMultiGets.Load() {
		return keys, 0, nil
	}
	floor := o.atLeast
	for _, key := range keys {
		own, leader := b.own.floor(key)
		if leader { // unlike a single read, the answer tells its position
			own = b.own.position()
		}
		floor = max(floor, own)
	}
	rest, at, err = b.multiGet(ctx, keys, floor, multiGetTries, all)
	if errors.Is(err, ErrPermission) || errors.Is(err, ErrUnsupported) {
		b.noMultiGets.Store(true)
		return keys, 0, nil
	}
	return rest, at, err
}

// multiGet asks replicas for several keys at once, 1,024 at most, and adds what is there to all, none of
// it older than floor. rest are the keys that were left when replicas behind that had answered tries
// times; 0 is no limit. at is the position of the replica, if there was one answer for all, and else 0:
// a large answer is made in parts, by one replica or another.
func (b *Bucket) multiGet(ctx context.Context, keys []string, floor uint64, tries int, all map[string]rawEntry) (rest []string, at uint64, err error) {
	whole := true
	for wait := (backoff{}); ; {
		part, upTo, more, err := b.multiGetPart(ctx, keys, multiGetBytes)
		if err != nil {
			return nil, 0, err
		}
		if upTo < floor {
			if tries--; tries == 0 || tries > 0 && len(part) == 0 { // of nothing, the server does not tell as of when
				return keys, 0, nil
			}
			if !wait.sleep(ctx) {
				return nil, 0, fmt.Errorf("%w: no replica has reached revision %d: %w", ErrUnavailable, floor, ctx.Err())
			}
			continue
		}
		maps.Copy(all, part)
		switch {
		case !more && whole:
			return nil, upTo, nil
		case !more:
			return nil, 0, nil
		}
		// What the server leaves out is asked for afresh: when it continues an answer itself, keys that
		// were written in between are in neither part. The reserved key tells the position of the next.
		whole, wait = false, backoff{}
		keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
			_, there := part[key]
			return there && key != reservedKey
		})
	}
}

// multiGetPart is one answer, of maxBytes or one entry more.
func (b *Bucket) multiGetPart(ctx context.Context, keys []string, maxBytes int) (entries map[string]rawEntry, upTo uint64, more bool, err error) {
	subjects := make([]string, len(keys))
	for i, key := range keys {
		subjects[i] = b.stored + key
	}
	request, err := json.Marshal(msgGet{MultiLast: subjects, MaxBytes: maxBytes})
	if err != nil {
		return nil, 0, false, err
	}
	for wait, limit := (backoff{}), firstAttempt; ; {
		entries, upTo, more, err = b.multiGetOnce(ctx, request, limit)
		lost, unanswered := errors.AsType[*lostError](err)
		switch {
		case unanswered:
			err, limit = lost.cause, 2*limit
		case !errors.Is(err, nats.ErrNoResponders):
			return entries, upTo, more, err
		default:
			if err := b.stillThere(ctx); err != nil {
				return nil, 0, false, err
			}
		}
		if errors.Is(err, nats.ErrConnectionClosed) || !wait.sleep(ctx) {
			return nil, 0, false, b.ended(ctx, err)
		}
	}
}

func (b *Bucket) multiGetOnce(ctx context.Context, request []byte, limit time.Duration) (entries map[string]rawEntry, upTo uint64, more bool, err error) {
	entries = map[string]rawEntry{}
	end, err := b.directGets(ctx, request, limit, func(msg *nats.Msg) error {
		key, ok := strings.CutPrefix(added(msg.Header, headerSubject), b.stored)
		if !ok {
			return nil
		}
		raw, err := parseGet(key, msg)
		entries[key] = raw
		return err
	})
	if err != nil {
		return nil, 0, false, err
	}
	switch status := end.Get(headerStatus); status {
	case "204":
		upTo, err = parseUint(end.Get("Nats-UpTo-Sequence"))
		pending := end.Get(headerPending)
		return entries, upTo, pending != "" && pending != "0", err
	case "404":
		if end.Get("Description") == "Message Not Found" { // one that is there could not be read (2.11 to 2.15)
			return nil, 0, false, &lostError{errors.New("the server could not read a message")}
		}
		return nil, 0, false, nil
	case "408": // "Empty Request": it does not know the field
		return nil, 0, false, wrapf(ErrUnsupported, "reading several keys together needs a server of 2.11")
	case "413":
		return nil, 0, false, errTooMany
	default:
		return nil, 0, false, fmt.Errorf("unexpected answer to a multi get: %s %s", status, end.Get("Description"))
	}
}

// errGap: a part of an answer got lost, and what was in it must not pass for absent.
var errGap = errors.New("a message of the answer is missing")

// directGets sends a direct get that has several messages as answer, and returns the headers of the one
// that ends it. Each says which one comes before it.
func (b *Bucket) directGets(ctx context.Context, request []byte, limit time.Duration, visit func(*nats.Msg) error) (end nats.Header, err error) {
	if err := b.waitConnected(ctx); err != nil {
		return nil, err
	}
	subject := b.api + "DIRECT.GET." + b.stream
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, connErr(err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the subscription is ours alone
	g := b.watchRequest(ctx, subject, limit)
	attempt := g.context()
	err = b.nc.PublishRequest(subject, inbox, request)
	for before := "0"; err == nil; {
		var msg *nats.Msg
		if msg, err = sub.NextMsgWithContext(attempt); err != nil {
			break
		}
		if told := added(msg.Header, headerBefore); told != "" && told != before {
			err = errGap
			break
		}
		before = added(msg.Header, headerSequence)
		if msg.Header.Get(headerStatus) != "" {
			return msg.Header, g.stop(nil)
		}
		if err := visit(msg); err != nil {
			return nil, g.stop(err)
		}
	}
	switch err = g.stop(err); {
	case errors.Is(err, ErrPermission):
		return nil, err
	case errors.Is(err, nats.ErrNoResponders):
		return nil, connErr(err)
	}
	return nil, &lostError{connErr(err)}
}
