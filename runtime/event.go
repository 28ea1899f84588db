// Entries and events: what is read, and what a watcher delivers.

package kvrt

import (
	"fmt"
	"time"
)

// Entry is a value with its key, revision and time.
type Entry[K comparable, V any] struct {
	Key      K
	Value    V
	Revision uint64    // position in the bucket's stream; 0 in Modify for an absent key, Uncommitted for what a transaction wrote itself
	Created  time.Time // when the server stored this revision; zero in the result of a Modify that wrote

	err error // why Value is zero although there is one
}

// Exists reports whether there is a value: false only inside Modify, for an absent key.
func (e *Entry[K, V]) Exists() bool { return e.Revision != 0 }

// Err returns ErrDecode if a cache holds an entry whose value this schema cannot read: Value is zero
// then. It is nil for every other entry.
func (e *Entry[K, V]) Err() error { return e.err }

// Op is the kind of an event.
type Op int

// The kinds of events. Synced and Reset carry neither key nor value.
const (
	Put    Op = iota + 1 // a value was written
	Delete               // the key was deleted; older revisions stay in the history
	Purge                // the key was deleted with its history
	Expire               // the key's time to live ended (server 2.11 with limit_marker_ttl)
	Synced               // everything that existed when the watch started has been delivered
	Reset                // the bucket was deleted and created again; a new initial copy follows
)

// String returns the name of the constant.
func (op Op) String() string {
	switch op {
	case Put:
		return "Put"
	case Delete:
		return "Delete"
	case Purge:
		return "Purge"
	case Expire:
		return "Expire"
	case Synced:
		return "Synced"
	case Reset:
		return "Reset"
	}
	return fmt.Sprintf("Op(%d)", int(op))
}

// Event is a change of one key, or (Synced, Reset) of the watch itself.
type Event[K comparable, V any] struct {
	Op       Op
	Key      K
	Value    V // zero unless Op is Put
	Revision uint64
	Created  time.Time
	Err      error // ErrDecode: the value of a Put cannot be read; Value is zero
}

// BucketEvent is what a watch of a whole bucket delivers. Generated event types implement it, and
// UnmatchedEvent and ControlEvent; nothing else can.
type BucketEvent interface{ bucketEvent() }

func (Event[K, V]) bucketEvent() {}

// UnmatchedEvent is a change of a key that no pattern of the schema can parse.
type UnmatchedEvent struct {
	Op       Op
	Key      string
	Value    []byte
	Revision uint64
	Created  time.Time
}

func (UnmatchedEvent) bucketEvent() {}

// ControlEvent speaks of the watch itself: Op is Synced or Reset.
type ControlEvent struct{ Op Op }

func (ControlEvent) bucketEvent() {}
