// ownWrites: what a handle wrote itself, so that its plain reads, which any replica may answer, are
// not older.

package kvrt

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	ownWritesHalf = 32 << 10         // keys in each of the two halves of the memory
	replicaLag    = 30 * time.Second // after that, a replica that answers has an acknowledged write
)

// ownWrites remembers revisions by the hash of their key, in two halves: when the recent one is
// full, the older one is forgotten. If it was too young for that, reads go to the leader until what
// was forgotten is older than replicaLag.
type ownWrites struct {
	seed maphash.Seed
	half int // ownWritesHalf, or less in tests

	mu            sync.Mutex
	recent, older map[uint64]uint64
	latest        uint64    // of all writes
	begun         time.Time // when recent was
	leaderUntil   time.Time
	checked       time.Time   // when doubt last asked for the bucket's identity
	of            incarnation // of the bucket that was written to
}

func newOwnWrites(half int, of incarnation) *ownWrites {
	return &ownWrites{seed: maphash.MakeSeed(), half: half, recent: map[uint64]uint64{}, begun: time.Now(), of: of}
}

// add remembers an acknowledged write.
func (o *ownWrites) add(key string, revision uint64) {
	hash := maphash.String(o.seed, key)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest = max(o.latest, revision)
	if known, ok := o.recent[hash]; ok || len(o.recent) < o.half {
		o.recent[hash] = max(known, revision) // two writes may return in the other order
		return
	}
	now := time.Now()
	if len(o.older) > 0 {
		// The youngest of what is forgotten was written before recent was begun.
		if until := o.begun.Add(replicaLag); until.After(now) && until.After(o.leaderUntil) {
			o.leaderUntil = until
		}
	}
	o.older, o.recent, o.begun = o.recent, map[uint64]uint64{hash: revision}, now
}

// floor returns the revision that a read of the key must reach; leader tells that the memory had to
// forget too much, so that only what has got to position will do, or the leader.
func (o *ownWrites) floor(key string) (revision uint64, leader bool) {
	hash := maphash.String(o.seed, key)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.leaderUntil.IsZero() {
		if leader = time.Now().Before(o.leaderUntil); !leader {
			o.leaderUntil = time.Time{}
		}
	}
	return max(o.recent[hash], o.older[hash]), leader
}

// position returns the revision of the latest write: what has got as far as that has all of them.
func (o *ownWrites) position() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.latest
}

// written is position with the bucket that it is of.
func (o *ownWrites) written() seenPosition {
	o.mu.Lock()
	defer o.mu.Unlock()
	return seenPosition{o.of, o.latest}
}

// doubt reports, at most once a second, that the bucket's identity is to be checked: the leader has
// something older than what was written here.
func (o *ownWrites) doubt() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.checked) < time.Second {
		return false
	}
	o.checked = now
	return true
}

// confirm drops everything if the bucket is another one by now, whose revisions count anew.
func (o *ownWrites) confirm(of incarnation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if of != o.of {
		o.of, o.recent, o.older, o.latest, o.leaderUntil = of, map[uint64]uint64{}, nil, 0, time.Time{}
	}
}
