// KV: access to the keys of one pattern. Generated accessors hold one and expose of it what the
// bucket can do.

package kvrt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// KeySpec is what generated code tells of a key pattern.
type KeySpec[K comparable, V any] struct {
	Encode   func(K) (string, error)
	Parse    func(string) (K, error)
	Codec    Codec[V]
	Validate func(V) error // nil if there is nothing to check
	TTL      time.Duration // of every write; 0 for none
}

// KV reads and writes the keys of one pattern in one bucket.
//
// Go compiles what depends on its types for each key pattern, and a method twice: with the types, and
// as what a method table leads to. Of what is not called by generated code, and of what only some of it
// calls, there are functions instead.
type KV[K comparable, V any] struct {
	b    *Bucket
	spec KeySpec[K, V]
}

// NewKV is called by generated code.
func NewKV[K comparable, V any](b *Bucket, spec KeySpec[K, V]) *KV[K, V] {
	return &KV[K, V]{b, spec}
}

// rawEntry is a stored message: a value or a marker.
type rawEntry struct {
	key      string
	data     []byte
	op       Op
	revision uint64
	created  time.Time
	opID     string // of the conditional write that stored it; empty for others
	ttl      string // of a value that has a time to live; empty where only an event is made of it
}

// exists reports whether it is a value: neither a marker nor nothing.
func (raw *rawEntry) exists() bool { return raw.revision != 0 && raw.op == Put }

const (
	headerOperation = "KV-Operation"       // ADR-8
	headerReason    = "Nats-Marker-Reason" // ADR-43, server 2.11
	headerSequence  = "Nats-Sequence"
	headerSubject   = "Nats-Subject"
	headerTime      = "Nats-Time-Stamp"
	headerStatus    = "Status"
	headerPending   = "Nats-Num-Pending"
	headerBefore    = "Nats-Last-Sequence"
	headerExpected  = "Nats-Expected-Last-Subject-Sequence"
	headerRollup    = "Nats-Rollup"
	headerTTL       = "Nats-TTL"
	headerOpID      = "Kvgen-Op"
)

// added returns what the server says of a message in a header. It comes behind what was stored under that
// name, as it is with a message that another stream has republished.
func added(h nats.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// opOf tells what a stored message is from its headers.
func opOf(h nats.Header) Op {
	switch h.Get(headerOperation) {
	case "DEL":
		return Delete
	case "PURGE":
		return Purge
	}
	switch h.Get(headerReason) {
	case "MaxAge":
		return Expire
	case "Purge":
		return Purge
	case "Remove":
		return Delete
	}
	return Put
}

// entry decodes a stored value.
//
//go:noinline
func entryOf[K comparable, V any](kv *KV[K, V], key K, raw *rawEntry) (Entry[K, V], error) {
	value, err := kv.spec.Codec.Decode(raw.data)
	if err != nil {
		var none V
		value, err = none, &DecodeError{raw.key, raw.revision, raw.data, err}
	}
	return Entry[K, V]{Key: key, Value: value, Revision: raw.revision, Created: raw.created}, err
}

// event is entry for a watch or a history: a value that cannot be decoded is part of the event.
//
//go:noinline
func eventOf[K comparable, V any](kv *KV[K, V], op string, key K, raw *rawEntry) Event[K, V] {
	ev := Event[K, V]{Op: raw.op, Key: key, Revision: raw.revision, Created: raw.created}
	if raw.op != Put {
		return ev
	}
	entry, err := entryOf(kv, key, raw)
	ev.Value, ev.Err = entry.Value, kv.b.wrap(op, raw.key, err)
	return ev
}

// encode turns a value into bytes and checks it. Encoding comes first: it ends on a value that
// contains itself, where a generated Validate would not.
//
//go:noinline
func encodeValue[K comparable, V any](kv *KV[K, V], value V) ([]byte, error) {
	data, err := kv.spec.Codec.Encode(value)
	if err == nil && kv.spec.Validate != nil {
		err = kv.spec.Validate(value)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidValue, err)
	}
	return data, nil
}

// absentValue is the value Modify starts from when the key is absent: the zero value, or what the
// codec makes of a type whose zero value is of no use.
//
//go:noinline
func absentValue[K comparable, V any](kv *KV[K, V]) V {
	if c, ok := kv.spec.Codec.(interface{ New() V }); ok {
		return c.New()
	}
	var none V
	return none
}

// parseGet reads the answer to a direct get.
func parseGet(key string, msg *nats.Msg) (rawEntry, error) {
	h := msg.Header
	switch status := h.Get(headerStatus); status {
	case "":
	case "404":
		return rawEntry{}, ErrNotFound
	default:
		return rawEntry{}, fmt.Errorf("unexpected answer to a direct get: %s %s", status, h.Get("Description"))
	}
	revision, err := parseUint(added(h, headerSequence))
	if err != nil {
		return rawEntry{}, errors.New("an answer to a direct get without a sequence")
	}
	created, err := time.Parse(time.RFC3339Nano, added(h, headerTime))
	if err != nil {
		return rawEntry{}, fmt.Errorf("an answer to a direct get: %w", err)
	}
	return rawEntry{key, msg.Data, opOf(h), revision, created, h.Get(headerOpID), h.Get(headerTTL)}, nil
}

// storedMessage is the answer to STREAM.MSG.GET.
type storedMessage struct {
	Message struct {
		Subject  string    `json:"subject"`
		Sequence uint64    `json:"seq"`
		Header   []byte    `json:"hdrs"`
		Data     []byte    `json:"data"`
		Time     time.Time `json:"time"`
	} `json:"message"`
}

func (m *storedMessage) entry(key string) (rawEntry, error) {
	raw := rawEntry{key: key, data: m.Message.Data, op: Put, revision: m.Message.Sequence, created: m.Message.Time}
	if len(m.Message.Header) > 0 {
		h, err := nats.DecodeHeadersMsg(m.Message.Header)
		if err != nil {
			return raw, fmt.Errorf("the headers of revision %d: %w", raw.revision, err)
		}
		raw.op, raw.opID, raw.ttl = opOf(h), h.Get(headerOpID), h.Get(headerTTL)
	}
	return raw, nil
}

// msgGet is the request of STREAM.MSG.GET and of DIRECT.GET without a subject.
type msgGet struct {
	Sequence      uint64   `json:"seq,omitempty"`
	LastBySubject string   `json:"last_by_subj,omitempty"`
	NextBySubject string   `json:"next_by_subj,omitempty"`
	MultiLast     []string `json:"multi_last,omitempty"`
	Batch         int      `json:"batch,omitempty"`     // messages of the answer to NextBySubject (2.11)
	MaxBytes      int      `json:"max_bytes,omitempty"` // of an answer of several messages
}

// pubAck is the answer to a publish.
type pubAck struct {
	apiReply
	Stream   string `json:"stream"`
	Sequence uint64 `json:"seq"`
}

func parseAck(data []byte) (uint64, error) {
	if sequence, ok := plainAck(data); ok {
		return sequence, nil
	}
	var ack pubAck
	if err := json.Unmarshal(data, &ack); err != nil {
		return 0, fmt.Errorf("unexpected acknowledgement: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	if ack.Stream == "" || ack.Sequence == 0 {
		return 0, errors.New("unexpected acknowledgement without a sequence")
	}
	return ack.Sequence, nil
}

// plainAck reads the usual acknowledgement, `{"stream":"KV_ORDERS","seq":42}`, without an allocation.
func plainAck(data []byte) (sequence uint64, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"KV_`))
	if !ok {
		return 0, false
	}
	rest = bytes.TrimLeftFunc(rest, func(r rune) bool {
		return r == '_' || r == '-' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
	})
	if rest, ok = bytes.CutPrefix(rest, []byte(`","seq":`)); !ok {
		return 0, false
	}
	for len(rest) > 1 && '0' <= rest[0] && rest[0] <= '9' && sequence < 1<<60/10 {
		sequence, rest = sequence*10+uint64(rest[0]-'0'), rest[1:]
	}
	return sequence, sequence > 0 && len(rest) == 1 && rest[0] == '}'
}
