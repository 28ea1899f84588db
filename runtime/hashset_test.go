package kvrt

import (
	"math/rand/v2"
	"testing"
)

func TestAHashSetIsASet(t *testing.T) {
	for _, expected := range []uint64{0, 10, 5000} {
		s, reference := newHashSet(expected), map[uint64]bool{}
		r := rand.New(rand.NewPCG(1, expected))
		for range 10_000 {
			// Neighbours collide: at the end of the slots, too.
			hash := r.Uint64N(2)*(^uint64(0)-3000) + r.Uint64N(3000)
			if hash == 0 {
				continue // the same as 1
			}
			if s.add(hash) == reference[hash] {
				t.Fatalf("%d: %d was there: %t", expected, hash, reference[hash])
			}
			reference[hash] = true
		}
		if s.n != len(reference) {
			t.Fatal(s.n, len(reference))
		}
	}
	var zero hashSet
	if !zero.add(0) || zero.add(0) {
		t.Fatal("zero")
	}
}

func TestMetKeysMeetsEachKeyOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, expected := range []uint64{0, 100, 5000} {
		m, reference := newMetKeys(expected), map[uint64]bool{}
		for i := range 3000 {
			hash, again := r.Uint64(), i > 1000
			if again && i%2 == 0 { // one that was met, as a rule
				hash = anyOf(reference)
			}
			if first := m.meet(hash, again); first == reference[hash] {
				t.Fatalf("%d: %d was met: %t", expected, i, reference[hash])
			}
			reference[hash] = true
		}
	}
}

func anyOf(reference map[uint64]bool) uint64 {
	for hash := range reference {
		return hash
	}
	return 0
}
