// cacheTable: the entries of a cache. One goroutine writes, and readers never wait for it.

package kvrt

import (
	"hash/maphash"
	"reflect"
	"sync/atomic"
	"time"
	"unsafe"
)

// record is an entry of a cache, as far as it does not depend on the types of key and value: code that
// does is compiled anew for each key pattern, so there is little of it. It is the first field of a
// stored, and immutable once it is in a table.
type record struct {
	revision uint64
	created  int64 // nanoseconds since 1970; 0 of a key that vanished, nobody knows when
	err      error // why there is no value
}

// stored is an entry of a cache.
type stored[K comparable, V any] struct {
	record
	key   K
	value V
}

// storedOf returns the entry that a record is the first field of. Every record is one, except tomb.
func storedOf[K comparable, V any](r *record) *stored[K, V] {
	return (*stored[K, V])(unsafe.Pointer(r))
}

func storedEntry[K comparable, V any](s *stored[K, V]) Entry[K, V] {
	return Entry[K, V]{Key: s.key, Value: s.value, Revision: s.revision, Created: timeOf(s.created), err: s.err}
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// recordKind is what has to know the types of a cache's entries.
type recordKind struct {
	load  func(raw *rawEntry) (r *record, ok bool) // with its key, and a value if it is one
	name  func(r *record) (string, error)          // its key in the bucket
	hash  func(seed maphash.Seed, r *record) uint64
	equal func(a, b *record) bool       // whether the keys are
	adopt func(to, from *record)        // the equal key of another one
	key   func(r *record) reflect.Value // which can be set
	typ   reflect.Type                  // of the keys
}

func kindOf[K comparable, V any](kv *KV[K, V]) recordKind {
	return recordKind{
		load: func(raw *rawEntry) (*record, bool) {
			key, err := kv.spec.Parse(raw.key)
			if err != nil {
				return nil, false
			}
			s := &stored[K, V]{record: record{revision: raw.revision}, key: key}
			if !raw.created.IsZero() {
				s.created = raw.created.UnixNano()
			}
			if raw.op == Put {
				entry, err := entryOf(kv, key, raw)
				s.value, s.err = entry.Value, kv.b.wrap("cache", raw.key, err)
			}
			return &s.record, true
		},
		name:  func(r *record) (string, error) { return kv.spec.Encode(storedOf[K, V](r).key) },
		hash:  func(seed maphash.Seed, r *record) uint64 { return maphash.Comparable(seed, storedOf[K, V](r).key) },
		equal: func(a, b *record) bool { return storedOf[K, V](a).key == storedOf[K, V](b).key },
		adopt: func(to, from *record) { storedOf[K, V](to).key = storedOf[K, V](from).key },
		key:   func(r *record) reflect.Value { return reflect.ValueOf(&storedOf[K, V](r).key).Elem() },
		typ:   reflect.TypeFor[K](),
	}
}

// cacheTable is a hash table with open addressing. A change of an entry puts another record into its
// slot. A key that is removed leaves a tombstone, so that a reader who is under way finds what lies
// behind it. When the table grows, readers under way finish in the old slots, where nothing changes
// any more.
//
// What a read of a large table costs is the memory it has to wait for. The texts in keys are therefore
// shared where they are equal: comparing a key leads to a text that was read a moment ago.
type cacheTable struct {
	kind  *recordKind
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[record]] // a power of two of them
	live  atomic.Int64
	used  int // slots that are not empty, tombstones among them

	texts  []string // those of recent keys, each at the place that its hash gives; a power of two of them
	fields []int    // those of the key that are texts
}

// tomb marks a slot as one that was used.
var tomb = new(record)

const (
	minCacheSlots      = 8
	maxReservedEntries = 1 << 18 // 4 MB of slots
	maxSharedTexts     = 1 << 12 // 64 KB
)

func newCacheTable(kind *recordKind) *cacheTable {
	t := &cacheTable{kind: kind, seed: maphash.MakeSeed(), fields: textFields(kind.typ)}
	t.rebuild(0)
	return t
}

// lookup returns the entry of a key, or nil. Any goroutine may call it.
func lookup[K comparable, V any](t *cacheTable, key K) *stored[K, V] {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := maphash.Comparable(t.seed, key) & mask; ; i = (i + 1) & mask {
		switch r := slots[i].Load(); {
		case r == nil:
			return nil
		case r == tomb:
		default:
			if s := storedOf[K, V](r); s.key == key {
				return s
			}
		}
	}
}

// slot returns the slot that has the key of a record, or the one where it belongs and free as true. It
// is for the writer, as are all methods.
func (t *cacheTable) slot(like *record) (slot *atomic.Pointer[record], free bool) {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := t.kind.hash(t.seed, like) & mask; ; i = (i + 1) & mask {
		switch r := slots[i].Load(); {
		case r == nil:
			if slot == nil {
				slot = &slots[i]
			}
			return slot, true
		case r == tomb:
			if slot == nil {
				slot = &slots[i]
			}
		case t.kind.equal(r, like):
			return &slots[i], false
		}
	}
}

// has reports whether there is an entry with the key of a record.
func (t *cacheTable) has(like *record) bool {
	_, free := t.slot(like)
	return !free
}

// set stores a record, which nobody else knows yet, and reports whether its key had none before.
func (t *cacheTable) set(r *record) (added bool) {
	slot, free := t.slot(r)
	if !free {
		t.kind.adopt(r, slot.Load()) // the texts that are there already
		slot.Store(r)
		return false
	}
	t.share(r)
	if slot.Load() == nil {
		// Two thirds full at most: probes stay short, and always end.
		if size := len(*t.slots.Load()); (t.used+1)*3 > size*2 {
			t.rebuild(t.live.Load())
			slot, _ = t.slot(r)
		}
		t.used++
	}
	slot.Store(r)
	t.live.Add(1)
	return true
}

// remove forgets the entry with the key of a record, and reports whether there was one.
func (t *cacheTable) remove(like *record) bool {
	slot, free := t.slot(like)
	if free {
		return false
	}
	slot.Store(tomb)
	t.live.Add(-1)
	return true
}

// share replaces the texts of a new key by equal ones of recent keys, if there are any.
func (t *cacheTable) share(r *record) {
	if len(t.texts) == 0 {
		return
	}
	key := t.kind.key(r)
	for _, i := range t.fields {
		part := key.Field(i)
		text := part.String()
		recent := &t.texts[maphash.String(t.seed, text)&uint64(len(t.texts)-1)]
		if *recent == text {
			part.SetString(*recent)
		} else {
			*recent = text
		}
	}
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

// reserve makes room for as many entries as are expected, which may turn out to be others. It is for
// a table without any.
func (t *cacheTable) reserve(expected uint64) {
	t.rebuild(int64(min(expected, maxReservedEntries)))
}

// trim gives back what was reserved in vain.
func (t *cacheTable) trim() {
	if live := t.live.Load(); int64(len(*t.slots.Load())) > 4*max(live, minCacheSlots) {
		t.rebuild(live)
	}
}

// rebuild moves the records into slots that are half full at most with n of them.
func (t *cacheTable) rebuild(n int64) {
	var old []atomic.Pointer[record]
	if slots := t.slots.Load(); slots != nil {
		old = *slots
	}
	size := minCacheSlots
	for int64(size) < 2*n {
		size *= 2
	}
	slots := make([]atomic.Pointer[record], size)
	mask := uint64(size - 1)
	t.used = 0
	for i := range old {
		r := old[i].Load()
		if r == nil || r == tomb {
			continue
		}
		t.used++
		at := t.kind.hash(t.seed, r) & mask
		for slots[at].Load() != nil {
			at = (at + 1) & mask
		}
		slots[at].Store(r)
	}
	t.slots.Store(&slots)
	if n := min(size/16, maxSharedTexts); n > len(t.texts) && len(t.fields) > 0 {
		t.texts = make([]string, n)
	}
}

// records returns all of them, as of one moment if the writer calls it.
func (t *cacheTable) records() []*record {
	all := make([]*record, 0, t.live.Load())
	slots := *t.slots.Load()
	for i := range slots {
		if r := slots[i].Load(); r != nil && r != tomb {
			all = append(all, r)
		}
	}
	return all
}
