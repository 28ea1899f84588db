// consumer: an ordered pull consumer. One attach of it delivers messages in stream order without a
// gap, or ends with a detachedError; listings and watchers attach again where it ended.
//
// It pulls, since a pull request sets its own heartbeat: frequent ones find the end of an initial
// copy quickly, even where keys vanished since it began, and pull needs no flow-control subject and
// crosses account imports.

package kvrt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	silenceLimit = 3 * time.Second        // without heartbeat, the consumer counts as lost
	checkEvery   = 250 * time.Millisecond // look at the connection

	inactiveThreshold = time.Minute // without a request, after which the server drops the consumer
)

// startPolicy says where a consumer starts.
type startPolicy struct {
	sequence uint64 // first sequence to deliver; 0 for the start of the stream
	latest   bool   // of each key that exists when the consumer is created, the latest revision only
	onLeader bool   // nothing is asked for from a consumer that is not trusted
}

// consumer is one attach. It belongs to one goroutine.
type consumer struct {
	b       *Bucket
	name    string
	filter  string
	inbox   string
	sub     *nats.Subscription
	msgs    chan *nats.Msg
	timer   *time.Timer
	refused chan error // by the server, if the connection has an ErrorHandler
	unawait func()
	fast    bool // heartbeats are fast
	moved   bool // the position, since the last pull
	maxSize int

	// skipping: the server goes through a list of the latest revisions, which it makes for deliver policy
	// last_per_subject where the bucket keeps several. When it takes the next one from that list and then
	// finds that the request has expired, or has no room for it, it forgets the message: the rest is
	// delivered as if nothing were missing (2.15, loopAndGatherMsgs and getNextMsg). So the first request
	// that ends before it is filled ends the attach, and another one goes on behind the last message.
	skipping bool

	copyBatch int // messages asked for ahead of the reader while fast

	// bare: there may be a request that has neither heartbeats nor an expiry, for which the server would look
	// at the clock twice for each message. This is the way for the bulk of a large copy. Once nothing comes for
	// a while, stalled, there is another one that has them, and so have all further ones.
	bare, stalled bool

	pulled   time.Time     // when something was asked for last
	inactive time.Duration // that the server allows

	reconnects  uint64 // of the connection at attach
	lastErr     error  // likewise
	incarnation incarnation
	asOf        time.Time // a copy that is complete has what the leader had then
	last        uint64    // the stream's last sequence according to its leader, after the attach
	trusted     bool      // the consumer runs on the stream's leader: it has all that was acknowledged
	known       uint64    // how far the stream had got at least when the consumer was created; 0 if it may be behind
	pending     uint64    // messages to come, as of its creation or of the last message
	received    uint64    // consumer sequence of the last message
	bytes       uint64    // of the values received
	spare       bool      // they are not wanted
	position    uint64    // stream sequence of the last message or heartbeat
	outstanding int       // messages asked for and not received
	expected    uint64    // messages to come as of its creation
	quiet       bool      // nothing was written between its creation and the look at the leader: last is as of its creation
	questions   int       // whether the copy is complete
	near        uint64    // revisions that the server searches quickly
	lookEvery   time.Duration
}

// delivery is a message, or a heartbeat if msg is nil.
type delivery struct {
	msg      *nats.Msg
	sequence uint64 // stream position: everything selected up to it has been delivered
	pending  uint64 // selected messages behind it, as far as the consumer's server knows
	created  time.Time
}

// detachedError ends an attach; another one may go on.
type detachedError struct{ reason string }

func (e *detachedError) Error() string { return "consumer detached: " + e.reason }

// attach creates a consumer for the keys of a filter. The stream is looked at afterwards: what its
// leader had stored by then is what an initial copy must reach.
func (b *Bucket) attach(ctx context.Context, filter string, start startPolicy, headersOnly bool) (*consumer, error) {
	for wait := (backoff{}); ; {
		if err := b.waitConnected(ctx); err != nil {
			return nil, err
		}
		c, err := b.newConsumer(ctx, filter, start, headersOnly)
		// A consumer that was given to a server which is down now stays there; another one need not.
		if e, ok := errors.AsType[*apiError](err); !ok || e.ErrCode != codeConsumerOffline || !wait.sleep(ctx) {
			return c, err
		}
	}
}

func (b *Bucket) newConsumer(ctx context.Context, filter string, start startPolicy, headersOnly bool) (*consumer, error) {
	c := &consumer{
		b: b, name: consumerName(), filter: b.stored + filter, inbox: b.nc.NewInbox(),
		timer: time.NewTimer(checkEvery), fast: true, moved: true,
		maxSize: max(pullBytes, int(b.nc.MaxPayload())+64<<10), reconnects: b.nc.Stats().Reconnects, lastErr: b.nc.LastError(),
	}
	c.refused = make(chan error, 1)
	c.unawait = b.errors.await(func(err error) {
		select {
		case c.refused <- err:
		default: // one reason is enough
		}
	}, denial{b.nc, "Publish", c.pullSubject()}, denial{b.nc, "Subscription", c.inbox})
	if err := c.create(ctx, start, headersOnly); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *consumer) create(ctx context.Context, start startPolicy, headersOnly bool) error {
	config := map[string]any{
		"name":               c.name,
		"filter_subject":     c.filter,
		"deliver_policy":     "all",
		"ack_policy":         "none",
		"replay_policy":      "instant",
		"inactive_threshold": inactiveThreshold,
		"mem_storage":        true,
		"num_replicas":       1,
		"headers_only":       headersOnly,
	}
	switch {
	case start.latest:
		config["deliver_policy"] = "last_per_subject"
	case start.sequence > 0:
		config["deliver_policy"] = "by_start_sequence"
		config["opt_start_seq"] = start.sequence
	}
	if start.sequence > 0 {
		c.position = start.sequence - 1
	}
	before := c.b.known()
	type response struct {
		Pending uint64 `json:"num_pending"`
		Config  struct {
			MaxBatch          int           `json:"max_batch"` // of a request; a server may have a limit
			InactiveThreshold time.Duration `json:"inactive_threshold"`
		} `json:"config"`
		Cluster *struct {
			Name   string `json:"name"`
			Leader string `json:"leader"`
		} `json:"cluster"`
	}
	subject := "CONSUMER.CREATE." + c.b.stream + "." + c.name + "." + c.filter
	request := map[string]any{"stream_name": c.b.stream, "config": config, "action": "create"}
	created, err := apiCall[response](ctx, &c.b.conn, subject, request)
	if e, ok := errors.AsType[*apiError](err); ok && e.ErrCode == codeInactiveThreshold {
		delete(config, "inactive_threshold") // the stream has a lower one
		created, err = apiCall[response](ctx, &c.b.conn, subject, request)
	}
	if err != nil {
		return err
	}
	c.pending, c.expected = created.Pending, created.Pending
	c.copyBatch = int(min(max(c.pending, pullBatch), copyBatch))
	c.inactive = cmp.Or(created.Config.InactiveThreshold, inactiveThreshold)
	if limit := created.Config.MaxBatch; limit > 0 {
		c.copyBatch = min(c.copyBatch, limit)
	}
	c.msgs = make(chan *nats.Msg, 2*c.copyBatch+64) // room for what two pulls can bring, heartbeats included
	if c.sub, err = c.b.nc.ChanSubscribe(c.inbox, c.msgs); err != nil {
		return connErr(err)
	}
	doubtful := start.onLeader && created.Cluster != nil && created.Cluster.Name != ""
	early := !doubtful && (!start.latest || c.b.history == 1)
	if early && c.pending > 0 {
		if err := c.pull(); err != nil {
			return err
		}
	}
	c.asOf = time.Now()
	info, err := c.b.info(ctx)
	if err != nil {
		return err
	}
	c.skipping = start.latest && info.Config.MaxMsgsPerSubject != 1
	if c.skipping {
		c.copyBatch = min(c.copyBatch, skipBatch)
	}
	size := max(info.State.Bytes/max(info.State.Messages, 1), 1) // of a message, on average
	if c.skipping && !headersOnly && info.State.Messages > 0 {
		c.copyBatch = int(min(uint64(c.copyBatch), max(pullBytes/size, 32)))
	}
	c.near = min(max(nearBytes/size, nearRevisions), farRevisions)
	c.incarnation, c.last, c.lookEvery = info.incarnation(), info.State.LastSeq, info.Config.lookEvery()
	// A server without a cluster gives itself as the stream's leader (2.15), under no cluster's name.
	c.trusted = info.Cluster == nil || info.Cluster.Name == "" ||
		created.Cluster != nil && info.Cluster.Leader == created.Cluster.Leader
	if c.trusted && before.of == c.incarnation && before.last <= c.last {
		c.known = before.last
		c.quiet = c.known == c.last
	}
	if early || c.pending == 0 || start.onLeader && !c.trusted {
		return nil
	}
	return c.pull()
}

// consumerName is unique among the consumers of a stream. It is short, since it is in the reply subject of
// each message.
func consumerName() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	name := []byte("kvgen_")
	for range 9 { // 53 bits
		name = append(name, digits[rand.IntN(len(digits))])
	}
	return string(name)
}

// close ends the attach. The server forgets an idle consumer by itself, so a lost deletion does no harm.
func (c *consumer) close() {
	c.timer.Stop()
	c.unawait()
	if c.sub != nil {
		_ = c.sub.Unsubscribe()
	}
	if c.b.nc.IsConnected() {
		_ = c.b.nc.Publish(c.b.api+"CONSUMER.DELETE."+c.b.stream+"."+c.name, nil)
	}
}

// next returns the next message or heartbeat. Its error is ctx's, a *detachedError, or final.
func (c *consumer) next(ctx context.Context) (delivery, error) {
	for {
		if c.outstanding <= c.ahead()/2 || c.forgotten() {
			if c.b.nc.Stats().Reconnects != c.reconnects {
				return delivery{}, &detachedError{"the connection was lost"}
			}
			if err := c.pull(); err != nil {
				if !c.b.nc.IsClosed() {
					err = &detachedError{err.Error()}
				}
				return delivery{}, err
			}
		}
		msg, err := c.receive(ctx)
		if err != nil {
			return delivery{}, err
		}
		status := msg.Header.Get(headerStatus)
		if status != "" && len(msg.Data) == 0 {
			d, ok, err := c.control(status, msg)
			if err != nil || ok {
				c.moved = c.moved || d.sequence > c.position
				c.position = max(c.position, d.sequence)
				return d, err
			}
			continue
		}
		c.outstanding--
		if !c.fast && c.b.nc.Stats().Reconnects != c.reconnects {
			// Its server may not have noticed, and have gone on with what was asked for before. But then
			// nobody knows what it has passed meanwhile.
			return delivery{}, &detachedError{"the connection was lost"}
		}
		d, received, ok := parseDelivery(msg)
		if !ok {
			continue
		}
		if received != c.received+1 {
			return delivery{}, &detachedError{fmt.Sprintf("message %d follows %d", received, c.received)}
		}
		c.received, c.position, c.pending, c.moved = received, d.sequence, d.pending, true
		c.bytes += uint64(len(msg.Data))
		return d, nil
	}
}

// idle reports that nothing has arrived that next has not returned.
func (c *consumer) idle() bool { return len(c.msgs) == 0 }

// receive waits for a message while the consumer is alive.
func (c *consumer) receive(ctx context.Context) (*nats.Msg, error) {
	select {
	case msg, ok := <-c.msgs:
		if ok {
			return msg, nil
		}
	default:
	}
	silent := time.Now() // from here: nothing was due while the reader was busy
	patience := checkEvery
	if c.bare && c.received > 0 {
		patience = stallAfter
	}
	c.timer.Reset(patience)
	for {
		select {
		case msg, ok := <-c.msgs:
			if ok {
				return msg, nil
			}
			return nil, &detachedError{"the subscription ended"}
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-c.refused:
			return nil, err
		case <-c.timer.C:
			if c.b.nc.IsClosed() {
				return nil, connErr(nats.ErrConnectionClosed)
			}
			if err := c.b.denied(c.pullSubject(), c.lastErr); err != nil {
				return nil, err
			}
			if c.b.nc.Stats().Reconnects != c.reconnects || !c.b.nc.IsConnected() {
				return nil, &detachedError{"the connection was lost"}
			}
			if time.Since(silent) > silenceLimit {
				return nil, &detachedError{fmt.Sprintf("no heartbeat for %v", silenceLimit)}
			}
			if c.bare {
				// What was asked for before may still be filled, beside what is asked for now.
				c.bare, c.stalled, c.outstanding = false, true, 0
				if err := c.pull(); err != nil {
					return nil, &detachedError{err.Error()}
				}
			}
			c.timer.Reset(checkEvery)
		}
	}
}

// control handles a status message; ok tells that it is a heartbeat.
func (c *consumer) control(status string, msg *nats.Msg) (d delivery, ok bool, err error) {
	text := msg.Header.Get("Description")
	switch status {
	case "100":
		received, err1 := parseUint(msg.Header.Get("Nats-Last-Consumer"))
		sequence, err2 := parseUint(msg.Header.Get("Nats-Last-Stream"))
		if err1 != nil || err2 != nil {
			return d, false, nil
		}
		if received != c.received {
			return d, false, &detachedError{fmt.Sprintf("%d messages were sent, %d received", received, c.received)}
		}
		return delivery{sequence: sequence}, true, nil
	case "408", "409":
		left, err := parseUint(msg.Header.Get("Nats-Pending-Messages"))
		if err == nil { // the request ended before its batch was full
			c.outstanding -= int(left)
			if c.skipping && left > 0 {
				err = &detachedError{"a request ended early: " + strings.ToLower(text)}
			}
			return d, false, err
		}
		return d, false, &detachedError{strings.ToLower(text)}
	default: // 404, 503: the consumer is gone
		return d, false, &detachedError{strings.TrimSpace(status + " " + strings.ToLower(text))}
	}
}

// settled switches to slow heartbeats: the copy is complete.
func (c *consumer) settled() { c.fast, c.skipping = false, false }

// entry is the stored message of a delivery, false for the reserved key.
func (c *consumer) entry(d *delivery) (rawEntry, bool) {
	key, ok := strings.CutPrefix(d.msg.Subject, c.b.stored)
	if !ok || key == reservedKey {
		return rawEntry{}, false
	}
	raw := rawEntry{key: key, data: d.msg.Data, op: Put, revision: d.sequence, created: d.created}
	if len(d.msg.Header) > 0 {
		raw.op = opOf(d.msg.Header)
	}
	return raw, true
}

// parseDelivery reads the metadata in a message's reply subject (ADR-15):
// $JS.ACK[.domain.account].stream.consumer.deliveries.sequence.received.time.pending[.token].
func parseDelivery(msg *nats.Msg) (d delivery, received uint64, ok bool) {
	rest, ok := strings.CutPrefix(msg.Reply, "$JS.ACK.")
	if !ok {
		return d, 0, false
	}
	skip := 3
	if strings.Count(rest, ".") > 6 {
		skip = 5
	}
	for range skip {
		_, rest, _ = strings.Cut(rest, ".")
	}
	numbers, n := [4]uint64{}, 0
	for i := 0; i < len(rest) && n < len(numbers); i++ {
		switch digit := rest[i] - '0'; {
		case digit <= 9:
			numbers[n] = numbers[n]*10 + uint64(digit)
		case rest[i] == '.':
			n++
		default:
			return d, 0, false
		}
	}
	if n < len(numbers)-1 {
		return d, 0, false
	}
	return delivery{msg: msg, sequence: numbers[0], created: time.Unix(0, int64(numbers[2])).UTC(), pending: numbers[3]}, numbers[1], true
}

// detached reports whether err ends an attach and not the whole operation.
func detached(err error) bool {
	var e *detachedError
	return errors.As(err, &e)
}
