package kvrt

import "context"

// SelectionText shows a selection to the tests.
func SelectionText(s Selection) (string, error) { return s.pattern, s.err }

// OwnWrites shows the memory of a handle's own writes, with room for 2*half keys, to the tests.
type OwnWrites struct{ o *ownWrites }

func NewOwnWrites(half int) OwnWrites               { return OwnWrites{newOwnWrites(half, 1)} }
func (o OwnWrites) Add(key string, revision uint64) { o.o.add(key, revision) }
func (o OwnWrites) Floor(key string) (uint64, bool) { return o.o.floor(key) }
func (o OwnWrites) Len() int                        { return len(o.o.recent) + len(o.o.older) }
func (o OwnWrites) Age()                            { o.o.begun = o.o.begun.Add(-replicaLag) }
func (o OwnWrites) BucketIsAnother()                { o.o.confirm(2) }

// RemembersWrites gives the handle room for 2*half of its own writes.
func (b *Bucket) RemembersWrites(half int) { b.own.half = half }

// CompactPass has Compact look for fewer markers at a time.
func CompactPass(n int) (restore func()) {
	before := compactPass
	compactPass = n
	return func() { compactPass = before }
}

// Barriers shows to the tests how linearizable reads share barriers.
type Barriers struct{ b barriers }

func (b *Barriers) Pass(ctx context.Context, write func(context.Context) (uint64, error)) (uint64, error) {
	return b.b.pass(ctx, write)
}

// ForgetReads makes a transaction commit as if it had read nothing.
func ForgetReads(tx *Txn) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	clear(tx.reads)
}

// Pending is the largest number of changes that the cache keeps for a subscriber.
func (c *Cache[K, V]) Pending() int {
	c.copy.mu.Lock()
	defer c.copy.mu.Unlock()
	most := 0
	for s := range c.copy.subscribers {
		most = max(most, len(s.queue))
	}
	return most
}

// ForgetListings has the next listing of every filter use a consumer.
func (b *Bucket) ForgetListings() {
	b.small.mu.Lock()
	defer b.small.mu.Unlock()
	clear(b.small.filters)
}

// ListsSmall tells whether the next listing of a selection is to use a multi get.
func (b *Bucket) ListsSmall(s Selection) bool { return b.small.expects(s.pattern) }

// CopyBatch is how many messages of a copy are asked for ahead of its reader.
const CopyBatch = copyBatch
