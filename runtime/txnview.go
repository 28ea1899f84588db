// What the function of a transaction sees and asks for: each call on an attempt, without the types of
// the pattern.

package kvrt

import (
	"bytes"
	"errors"
	"slices"
)

// pending is a write that waits for the end of the function.
type pending struct {
	write
	op Op
}

// do is one call of fn's on the transaction; invalid says why it cannot be made.
func (tx *Txn) do(op, key string, invalid error, f func() error) error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	err := invalid
	switch {
	case tx.ended:
		err = ErrTxnEnded
	case tx.failed != nil:
		err = tx.failed
	case err == nil:
		end := tx.begin()
		err = f()
		end()
	}
	return tx.b.wrap(op, key, err)
}

// touch refuses a key for which the batch has no room: each one takes a message.
func (tx *Txn) touch(key string) error {
	if _, ok := tx.touched[key]; !ok && len(tx.touched) == maxBatch {
		tx.failed = wrapf(ErrTooLarge, "a transaction on more than %d keys", maxBatch)
		return tx.failed
	}
	tx.touched[key] = struct{}{}
	return nil
}

// view returns what the transaction sees under a key: what it wrote itself, or what it read. There
// is a value if op is Put.
func (tx *Txn) view(key string) (rawEntry, error) {
	if p := tx.writes[key]; p != nil {
		return p.view(), nil
	}
	if raw, ok := tx.reads[key]; ok {
		return raw, nil
	}
	if err := tx.touch(key); err != nil {
		return rawEntry{}, err
	}
	return tx.read(key)
}

func (p *pending) view() rawEntry {
	if p.op != Put {
		return rawEntry{key: p.key, op: p.op}
	}
	return rawEntry{key: p.key, data: p.data, op: Put, revision: Uncommitted}
}

// read reads a key for the first time. Any replica will do, since the commit confirms it, unless an
// attempt before was in conflict.
func (tx *Txn) read(key string) (raw rawEntry, err error) {
	if tx.leader {
		raw, err = tx.b.leaderGet(tx.ctx, key)
	} else {
		raw, err = tx.b.latest(tx.ctx, key, readOptions{})
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		tx.failed = err
		return rawEntry{}, err
	}
	tx.whole = tx.leader && len(tx.reads) == 0
	raw.key = key
	tx.reads[key] = raw
	return raw, nil
}

// fetch reads those of the keys that the transaction has not seen yet, together.
func (tx *Txn) fetch(keys []string) error {
	var unseen []string
	for _, key := range keys {
		_, read := tx.reads[key]
		if _, written := tx.writes[key]; read || written || slices.Contains(unseen, key) {
			continue
		}
		if err := tx.touch(key); err != nil {
			return err
		}
		unseen = append(unseen, key)
	}
	if len(unseen) < 2 {
		for _, key := range unseen {
			if _, err := tx.read(key); err != nil {
				return err
			}
		}
		return nil
	}
	entries, whole, err := tx.snapshot(unseen, tx.leader)
	if err != nil {
		tx.failed = err
		return err
	}
	tx.whole = whole && len(tx.reads) == 0
	for _, key := range unseen {
		raw := entries[key]
		raw.key = key
		tx.reads[key] = raw
	}
	return nil
}

// snapshot reads several keys. What it reads with fresh is not older than the call, by the leader's
// word; whole tells that it was all there at one moment since.
func (tx *Txn) snapshot(keys []string, fresh bool) (entries map[string]rawEntry, whole bool, err error) {
	var o readOptions
	if fresh {
		info, err := tx.b.info(tx.ctx)
		if err != nil {
			return nil, false, err
		}
		o.atLeast = info.State.LastSeq
	}
	entries = make(map[string]rawEntry, len(keys))
	rest, at, err := tx.b.latestPage(tx.ctx, keys, o, entries)
	if err != nil {
		return nil, false, err
	}
	for _, key := range rest {
		raw, err := tx.b.leaderGet(tx.ctx, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, false, err
		}
		entries[key] = raw
	}
	return entries, fresh && at > 0, nil
}

// get returns what the transaction sees under a key that could be encoded, unless invalid says why not.
// The data is the caller's: a value may share the memory it was decoded from, and fn may change it.
func (tx *Txn) get(key string, invalid error) (raw rawEntry, err error) {
	err = tx.do("get", key, invalid, func() error {
		raw, err = tx.view(key)
		if err == nil && raw.op != Put {
			err = &revisionError{ErrNotFound, raw.revision}
		}
		return err
	})
	raw.data = bytes.Clone(raw.data)
	return raw, err
}

// getMany is get for several keys; those without a value have another op than Put.
func (tx *Txn) getMany(keys []string, invalid error) (raws []rawEntry, err error) {
	err = tx.do("get many", "", invalid, func() error {
		if err := tx.fetch(keys); err != nil {
			return err
		}
		raws = make([]rawEntry, len(keys))
		for i, key := range keys {
			if raws[i], err = tx.view(key); err != nil {
				return err
			}
			raws[i].data = bytes.Clone(raws[i].data)
		}
		return nil
	})
	return raws, err
}

// put buffers a write that could be made, unless invalid says why not.
func (tx *Txn) put(w *write, invalid error) error {
	return tx.do("put", w.key, invalid, func() error { return tx.buffer(w, Put) })
}

func (tx *Txn) create(w *write, invalid error) error {
	return tx.do("create", w.key, invalid, func() error {
		raw, err := tx.view(w.key)
		if err != nil {
			return err
		}
		if raw.op == Put {
			return &revisionError{ErrExists, raw.revision}
		}
		return tx.buffer(w, Put)
	})
}

func (tx *Txn) update(w *write, revision uint64, invalid error) error {
	return tx.do("update", w.key, invalid, func() error {
		if revision == 0 {
			return ErrInvalidRevision
		}
		raw, err := tx.view(w.key)
		if err != nil {
			return err
		}
		if raw.op != Put || raw.revision != revision {
			return &revisionError{ErrConflict, raw.revision}
		}
		return tx.buffer(w, Put)
	})
}

func (tx *Txn) remove(key string, invalid error) error {
	return tx.do("delete", key, invalid, func() error { return tx.buffer(marker(key, false), Delete) })
}

// buffer keeps a write, in the place of an earlier one to the key.
func (tx *Txn) buffer(w *write, op Op) error {
	if err := tx.b.checkSize(tx.ctx, w); err != nil {
		return err
	}
	if err := tx.touch(w.key); err != nil {
		return err
	}
	if _, ok := tx.writes[w.key]; !ok {
		tx.order = append(tx.order, w.key)
	}
	w.data = bytes.Clone(w.data) // the caller may go on to use what was encoded
	tx.writes[w.key] = &pending{*w, op}
	return nil
}
