// metKeys and hashSet: which keys a listing has met, in little memory.

package kvrt

import "math/bits"

// metKeys are the hashes of keys. A listing meets most keys when they cannot have come before, since what
// it meets was there when it began: these are only noted, which costs a tenth of looking them up.
type metKeys struct {
	noted []uint64
	set   *hashSet // of all, since a key came that may have come before
}

// newMetKeys makes room for as many keys as are expected.
func newMetKeys(expected uint64) *metKeys {
	return &metKeys{noted: make([]uint64, 0, min(expected, 1<<24))}
}

// meet reports whether the key with that hash comes for the first time; again tells that it need not.
func (m *metKeys) meet(hash uint64, again bool) bool {
	if m.set == nil {
		if !again {
			m.noted = append(m.noted, hash)
			return true
		}
		m.set = newHashSet(uint64(cap(m.noted)))
		for _, h := range m.noted {
			m.set.add(h)
		}
		m.noted = nil
	}
	return m.set.add(hash)
}

// hashSet is a set of hashes. It takes eight bytes for each, and a third of that as room; the map of
// the language takes twice as much. The zero value is empty.
type hashSet struct {
	slots []uint64 // by linear probing; 0 for a free one
	n     int
}

// newHashSet makes room for as many hashes as are expected.
func newHashSet(expected uint64) *hashSet {
	return &hashSet{slots: make([]uint64, min(expected, 1<<24)*4/3+64)}
}

// add reports whether the hash was not there.
func (s *hashSet) add(hash uint64) bool {
	if hash == 0 {
		hash = 1
	}
	if 5*s.n >= 4*len(s.slots) {
		old := s.slots
		s.slots, s.n = make([]uint64, 2*len(old)+64), 0
		for _, h := range old {
			if h != 0 {
				s.add(h)
			}
		}
	}
	at, _ := bits.Mul64(hash, uint64(len(s.slots)))
	for ; s.slots[at] != 0; at++ {
		if s.slots[at] == hash {
			return false
		}
		if at+1 == uint64(len(s.slots)) {
			at = ^uint64(0) // the next one is the first
		}
	}
	s.slots[at] = hash
	s.n++
	return true
}
