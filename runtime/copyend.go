// The end of a copy, of a listing or of a watch. What a message says is still to come does not tell: in
// a key that is written again meanwhile, the server (2.15) takes away the old message at once and counts
// the new one a moment later. The key is missing then from what looks complete.
//
// A copy is complete as of a moment at which nothing that it selects lies behind its position: all that
// is there at that moment was there when it was passed. A heartbeat says so, but takes a millisecond, and
// does not come while messages do. A copy is also complete, as of the creation of its consumer, if as many
// messages have come as were there then, and none of them is newer.

package kvrt

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
)

const (
	// A search of more revisions, between the position and the leader's, takes the server longer than a
	// heartbeat does; of less only if they are large, and read from its files. One for a single key has an index.
	farRevisions, nearRevisions = 20_000, 1000
	nearBytes                   = 4 << 20

	tailAfter = 2       // questions whether the copy is complete, before the rest is fetched at once
	tailBatch = 4096    // messages that are fetched
	tailBytes = 4 << 20 // and their bytes, at least one message
)

// complete reports whether an initial copy ends with d, by a heartbeat: the consumer was at the end of
// what its server had, and that server had all that the leader had when the consumer was attached. Being
// past that point is not enough while more is to come: a key may have moved on by being written again.
func (c *consumer) complete(d *delivery) bool { return d.msg == nil && d.sequence >= c.last }

// seemsComplete reports the same of a message, which does not tell exactly: see confirm.
func (c *consumer) seemsComplete(d *delivery) bool {
	return d.msg != nil && d.pending == 0 && (c.trusted || d.sequence >= c.last || c.questions < tailAfter)
}

// completeAtOnce is complete before the first delivery. That nothing is to come, according to the server,
// does not tell: it may have counted down for a message that was written over, and not up for the new one.
func (c *consumer) completeAtOnce() bool {
	return c.pending == 0 && (c.quiet || c.last == 0)
}

// confirm finds out whether a copy is complete that seems to be. rest are messages that are still to be
// visited, in order, with which it is if complete says so; the consumer may deliver them too.
func (c *consumer) confirm(ctx context.Context) (rest []delivery, complete bool, err error) {
	switch {
	case c.quiet && c.received == c.expected && c.position <= c.last:
		return nil, true, nil // it has delivered all that was there at its creation
	case c.position+c.near < c.last && !c.oneKey():
		return nil, false, nil
	}
	ctx, cancel := c.b.withTimeout(ctx)
	defer cancel()
	c.questions++
	complete, err = c.nothingBehind(ctx)
	if err == nil && !complete && c.questions > tailAfter {
		rest, complete, err = c.tail(ctx)
	}
	if err != nil && ctx.Err() == nil && !c.b.nc.IsClosed() {
		err = &detachedError{"the end of the copy: " + err.Error()}
	}
	return rest, complete, err
}

// oneKey reports that the consumer's filter has no wildcard.
func (c *consumer) oneKey() bool { return !strings.ContainsAny(c.filter, "*>") }

// nothingBehind asks the stream's leader whether anything selected follows the position; without
// permission for that, whether anything at all does.
func (c *consumer) nothingBehind(ctx context.Context) (bool, error) {
	if !c.b.noLeaderReads.Load() {
		_, err := c.b.storedGet(ctx, "", msgGet{Sequence: c.position + 1, NextBySubject: c.filter})
		if errors.Is(err, ErrNotFound) {
			return true, nil
		}
		if !errors.Is(err, ErrPermission) {
			return false, err
		}
		c.b.noLeaderReads.Store(true)
	}
	info, err := c.b.info(ctx)
	return err == nil && c.position >= info.State.LastSeq, err
}

// tail fetches what follows the position with one request. The server reads it without letting anyone
// write in between, or counts what was written (2.11 to 2.15), so with nothing left the copy is complete:
// if the replica that answered is not behind the one that the consumer runs on. That is known if it had
// something that is as new as the leader's last message was before.
func (c *consumer) tail(ctx context.Context) (rest []delivery, complete bool, err error) {
	if !c.b.direct || c.b.noMultiGets.Load() || c.b.requires("", 2, 11) != nil {
		return nil, false, nil
	}
	info, err := c.b.info(ctx)
	if err != nil {
		return nil, false, err
	}
	request, err := json.Marshal(msgGet{Sequence: c.position + 1, NextBySubject: c.filter, Batch: tailBatch, MaxBytes: tailBytes})
	if err != nil {
		return nil, false, err
	}
	end, err := c.b.directGets(ctx, request, firstAttempt, func(msg *nats.Msg) error {
		raw, err := parseGet("", msg)
		msg.Subject = added(msg.Header, headerSubject)
		rest = append(rest, delivery{msg: msg, sequence: raw.revision, created: raw.created})
		return err
	})
	if errors.Is(err, ErrPermission) {
		c.b.noMultiGets.Store(true)
	}
	if err != nil || len(rest) == 0 || end.Get(headerStatus) != "204" {
		return nil, false, nil // the consumer goes on
	}
	last := rest[len(rest)-1].sequence
	c.position = max(c.position, last)
	return rest, end.Get(headerPending) == "0" && last >= info.State.LastSeq, nil
}
