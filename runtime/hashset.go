// hashSet: which keys a listing has met, in little memory.

package kvrt

import "math/bits"

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
