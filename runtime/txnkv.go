// TxnKV: access to the keys of one pattern within a transaction.

package kvrt

import "bytes"

// TxnKV reads and writes the keys of one pattern in one attempt of a transaction.
type TxnKV[K comparable, V any] struct {
	tx *Txn
	kv *KV[K, V]
}

// NewTxnKV is called by generated code.
func NewTxnKV[K comparable, V any](tx *Txn, kv *KV[K, V]) TxnKV[K, V] { return TxnKV[K, V]{tx, kv} }

// Get returns the entry under key, or ErrNotFound: what the transaction has written there, with the
// revision Uncommitted, or else what it read there first. The value is decoded afresh each time.
func (a TxnKV[K, V]) Get(key K) (entry Entry[K, V], err error) {
	name, err := a.kv.spec.Encode(key)
	if err != nil {
		return entry, a.kv.b.wrap("get", "", err)
	}
	err = a.tx.do("get", name, func() error {
		raw, err := a.tx.view(name)
		if err != nil {
			return err
		}
		if raw.op != Put {
			return &revisionError{ErrNotFound, raw.revision}
		}
		entry, err = a.entry(key, raw)
		return err
	})
	return entry, err
}

// entry decodes a copy: a value may share the memory it was decoded from, and fn may change it.
func (a TxnKV[K, V]) entry(key K, raw rawEntry) (Entry[K, V], error) {
	raw.data = bytes.Clone(raw.data)
	return a.kv.entry(key, &raw)
}

// Put stores value under key at the end of the transaction, whatever is there. Together with a read
// of the key, anywhere in the transaction, it does so only if nobody has written since.
func (a TxnKV[K, V]) Put(key K, value V, opts ...TTLOption) error {
	return a.write("put", key, value, opts, func(string) error { return nil })
}

// Create is Put for a key that has no value, else ErrExists.
func (a TxnKV[K, V]) Create(key K, value V, opts ...TTLOption) error {
	return a.write("create", key, value, opts, func(name string) error {
		raw, err := a.tx.view(name)
		if err == nil && raw.op == Put {
			err = &revisionError{ErrExists, raw.revision}
		}
		return err
	})
}

// Update is Put for a key whose latest revision is the one given, else ErrConflict. The revision of a
// value that the transaction has written itself is Uncommitted.
func (a TxnKV[K, V]) Update(key K, value V, revision uint64, opts ...TTLOption) error {
	return a.write("update", key, value, opts, func(name string) error {
		if revision == 0 {
			return ErrInvalidRevision
		}
		raw, err := a.tx.view(name)
		if err == nil && (raw.op != Put || raw.revision != revision) {
			err = &revisionError{ErrConflict, raw.revision}
		}
		return err
	})
}

func (a TxnKV[K, V]) write(op string, key K, value V, opts []TTLOption, allow func(name string) error) error {
	w, err := a.kv.message(key, value, opts)
	if err != nil {
		return a.kv.b.wrap(op, w.key, err)
	}
	return a.tx.do(op, w.key, func() error {
		if err := allow(w.key); err != nil {
			return err
		}
		if err := a.kv.b.checkSize(a.tx.ctx, &w); err != nil {
			return err
		}
		return a.tx.put(w, Put)
	})
}

// Delete stores a marker under key at the end of the transaction, unless the transaction has read
// that there is no value.
func (a TxnKV[K, V]) Delete(key K) error {
	name, err := a.kv.spec.Encode(key)
	if err != nil {
		return a.kv.b.wrap("delete", "", err)
	}
	return a.tx.do("delete", name, func() error { return a.tx.put(*marker(name, false), Delete) })
}

// GetMany returns the entries under those of the keys that have a value, as Get sees them. What the
// transaction has not read before is read together. A value that cannot be decoded is ErrDecode, and
// the others are returned with it.
func (a TxnKV[K, V]) GetMany(keys []K) (map[K]Entry[K, V], error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		name, err := a.kv.spec.Encode(key)
		if err != nil {
			return nil, a.kv.b.wrap("get many", "", err)
		}
		names[i] = name
	}
	entries := map[K]Entry[K, V]{}
	err := a.tx.do("get many", "", func() error {
		if err := a.tx.fetch(names); err != nil {
			return err
		}
		var undecodable error
		for i, key := range keys {
			raw, err := a.tx.view(names[i])
			if err != nil {
				return err
			}
			if raw.op != Put {
				continue
			}
			entry, err := a.entry(key, raw)
			if err == nil {
				entries[key] = entry
			} else if undecodable == nil {
				undecodable = err
			}
		}
		return undecodable
	})
	return entries, err
}
