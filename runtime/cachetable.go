// cacheTable: the entries of a cache. One goroutine writes, and readers never wait for it.

package kvrt

import (
	"hash/maphash"
	"reflect"
	"sync/atomic"
)

// cacheTable is a hash table with open addressing. An entry is immutable; a change puts another one
// into its slot. A key that is removed leaves a tombstone, so that a reader who is under way finds
// what lies behind it. When the table grows, readers under way finish in the old slots, where
// nothing changes any more.
//
// What a read of a large table costs is the memory it has to wait for. The texts in keys are therefore
// shared where they are equal: comparing a key leads to a text that was read a moment ago.
type cacheTable[K comparable, V any] struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[Entry[K, V]]] // a power of two of them
	live  atomic.Int64
	used  int          // slots that are not empty, tombstones among them
	tomb  *Entry[K, V] // what marks a slot as one that was used

	texts  []string // those of recent keys, each at the place that its hash gives; a power of two of them
	fields []int    // those of K that are texts
}

const (
	minCacheSlots      = 8
	maxReservedEntries = 1 << 18 // 4 MB of slots
	maxSharedTexts     = 1 << 12 // 64 KB
)

func newCacheTable[K comparable, V any]() *cacheTable[K, V] {
	t := &cacheTable[K, V]{seed: maphash.MakeSeed(), tomb: new(Entry[K, V]), fields: textFields(reflect.TypeFor[K]())}
	t.rebuild(0)
	return t
}

// textFields returns which fields of a key are texts.
func textFields(key reflect.Type) (fields []int) {
	for i := 0; key.Kind() == reflect.Struct && i < key.NumField(); i++ {
		if f := key.Field(i); f.IsExported() && f.Type.Kind() == reflect.String {
			fields = append(fields, i)
		}
	}
	return fields
}

// share replaces the texts of a new key by equal ones of recent keys, if there are any.
//
//go:noinline
func (t *cacheTable[K, V]) share(key *K) {
	if len(t.texts) == 0 {
		return
	}
	parts := reflect.ValueOf(key).Elem()
	for _, i := range t.fields {
		part := parts.Field(i)
		text := part.String()
		recent := &t.texts[maphash.String(t.seed, text)&uint64(len(t.texts)-1)]
		if *recent == text {
			part.SetString(*recent)
		} else {
			*recent = text
		}
	}
}

// get returns the entry of a key, or nil. Any goroutine may call it.
func (t *cacheTable[K, V]) get(key K) *Entry[K, V] {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := maphash.Comparable(t.seed, key) & mask; ; i = (i + 1) & mask {
		switch e := slots[i].Load(); {
		case e == nil:
			return nil
		case e.Key == key && e != t.tomb:
			return e
		}
	}
}

// slot returns the slot that has the key, or the one where it belongs and free as true. It is for the
// writer.
func (t *cacheTable[K, V]) slot(key K) (slot *atomic.Pointer[Entry[K, V]], free bool) {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := maphash.Comparable(t.seed, key) & mask; ; i = (i + 1) & mask {
		switch e := slots[i].Load(); {
		case e == nil:
			if slot == nil {
				slot = &slots[i]
			}
			return slot, true
		case e == t.tomb:
			if slot == nil {
				slot = &slots[i]
			}
		case e.Key == key:
			return &slots[i], false
		}
	}
}

// set stores an entry, which nobody else knows yet, and reports whether its key had none before. It is
// for the writer.
//
//go:noinline
func (t *cacheTable[K, V]) set(e *Entry[K, V]) (added bool) {
	slot, free := t.slot(e.Key)
	if !free {
		e.Key = slot.Load().Key // the texts that are there already
		slot.Store(e)
		return false
	}
	t.share(&e.Key)
	if slot.Load() == nil {
		// Two thirds full at most: probes stay short, and always end.
		if size := len(*t.slots.Load()); (t.used+1)*3 > size*2 {
			t.rebuild(t.live.Load())
			slot, _ = t.slot(e.Key)
		}
		t.used++
	}
	slot.Store(e)
	t.live.Add(1)
	return true
}

// remove forgets a key, and reports whether it was there. It is for the writer.
//
//go:noinline
func (t *cacheTable[K, V]) remove(key K) bool {
	slot, free := t.slot(key)
	if free {
		return false
	}
	slot.Store(t.tomb)
	t.live.Add(-1)
	return true
}

// reserve makes room for as many entries as are expected, which may turn out to be others. It is for
// the writer of a table without any.
func (t *cacheTable[K, V]) reserve(expected uint64) {
	t.rebuild(int64(min(expected, maxReservedEntries)))
}

// trim gives back what was reserved in vain. It is for the writer.
func (t *cacheTable[K, V]) trim() {
	if live := t.live.Load(); int64(len(*t.slots.Load())) > 4*max(live, minCacheSlots) {
		t.rebuild(live)
	}
}

// rebuild moves the entries into slots that are half full at most with n of them.
//
//go:noinline
func (t *cacheTable[K, V]) rebuild(n int64) {
	var old []atomic.Pointer[Entry[K, V]]
	if slots := t.slots.Load(); slots != nil {
		old = *slots
	}
	size := minCacheSlots
	for int64(size) < 2*n {
		size *= 2
	}
	slots := make([]atomic.Pointer[Entry[K, V]], size)
	mask := uint64(size - 1)
	t.used = 0
	for i := range old {
		e := old[i].Load()
		if e == nil || e == t.tomb {
			continue
		}
		t.used++
		at := maphash.Comparable(t.seed, e.Key) & mask
		for slots[at].Load() != nil {
			at = (at + 1) & mask
		}
		slots[at].Store(e)
	}
	t.slots.Store(&slots)
	if n := min(size/16, maxSharedTexts); n > len(t.texts) && len(t.fields) > 0 {
		t.texts = make([]string, n)
	}
}

// entries returns all entries, as of one moment if the writer calls it.
//
//go:noinline
func (t *cacheTable[K, V]) entries() []*Entry[K, V] {
	all := make([]*Entry[K, V], 0, t.live.Load())
	slots := *t.slots.Load()
	for i := range slots {
		if e := slots[i].Load(); e != nil && e != t.tomb {
			all = append(all, e)
		}
	}
	return all
}
