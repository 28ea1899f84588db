// TxnKV: access to the keys of one pattern within a transaction.

package kvrt

// TxnKV reads and writes the keys of one pattern in one attempt of a transaction.
type TxnKV[K comparable, V any] struct {
	tx *Txn
	kv *KV[K, V]
}

// NewTxnKV is called by generated code.
func NewTxnKV[K comparable, V any](tx *Txn, kv *KV[K, V]) TxnKV[K, V] { return TxnKV[K, V]{tx, kv} }

// Get returns the entry under key, or ErrNotFound: what the transaction has written there, with the
// revision Uncommitted, or else what it read there first. The value is decoded afresh each time.
//
//go:noinline
func (a TxnKV[K, V]) Get(key K) (Entry[K, V], error) {
	name, err := a.kv.spec.Encode(key)
	raw, err := a.tx.get(name, err)
	if err != nil {
		return Entry[K, V]{}, err
	}
	entry, err := entryOf(a.kv, key, &raw)
	return entry, a.kv.b.wrap("get", name, err)
}

// GetMany returns the entries under those of the keys that have a value, as Get sees them. What the
// transaction has not read before is read together. A value that cannot be decoded is ErrDecode, and
// the others are returned with it.
//
//go:noinline
func (a TxnKV[K, V]) GetMany(keys []K) (map[K]Entry[K, V], error) {
	names := make([]string, len(keys))
	var err error
	for i, key := range keys {
		if names[i], err = a.kv.spec.Encode(key); err != nil {
			break
		}
	}
	raws, err := a.tx.getMany(names, err)
	entries := make(map[K]Entry[K, V], len(raws))
	for i := range raws {
		if raws[i].op != Put {
			continue
		}
		entry, derr := entryOf(a.kv, keys[i], &raws[i])
		if derr == nil {
			entries[keys[i]] = entry
		} else if err == nil {
			err = a.kv.b.wrap("get many", names[i], derr)
		}
	}
	return entries, err
}

// Put stores value under key at the end of the transaction, whatever is there. Together with a read
// of the key, anywhere in the transaction, it does so only if nobody has written since.
//
//go:noinline
func (a TxnKV[K, V]) Put(key K, value V, opts ...TTLOption) error {
	w, err := messageOf(a.kv, key, value, opts)
	return a.tx.put(&w, err)
}

// Create is Put for a key that has no value, else ErrExists.
//
//go:noinline
func (a TxnKV[K, V]) Create(key K, value V, opts ...TTLOption) error {
	w, err := messageOf(a.kv, key, value, opts)
	return a.tx.create(&w, err)
}

// Update is Put for a key whose latest revision is the one given, else ErrConflict. The revision of a
// value that the transaction has written itself is Uncommitted.
//
//go:noinline
func (a TxnKV[K, V]) Update(key K, value V, revision uint64, opts ...TTLOption) error {
	w, err := messageOf(a.kv, key, value, opts)
	return a.tx.update(&w, revision, err)
}

// Delete stores a marker under key at the end of the transaction, unless the transaction has read
// that there is no value.
//
//go:noinline
func (a TxnKV[K, V]) Delete(key K) error {
	name, err := a.kv.spec.Encode(key)
	return a.tx.remove(name, err)
}
