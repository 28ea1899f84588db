package kvrt_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// A filter that selected few entries is read differently the next time, with the same result: after
// writes and deletions, when it has become large, and empty.
func TestListingsOfFewEntriesAreComplete(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			js := kvtest.StartCluster(t, replicas)
			s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
			other := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas}) // knows no writes of s
			put(t, s, "b", 1, 1)
			selection := orderFilter{Tenant: new("a")}.selection()
			check := func(small bool, want ...uint64) {
				t.Helper()
				if other.b.ListsSmall(selection) != small {
					t.Fatalf("is expected to be small: %t", !small)
				}
				var entries, keys []uint64
				for e, err := range other.order.List(ctx, selection) {
					if err != nil || e.Value.Total != int64(e.Key.ID) || e.Revision == 0 {
						t.Fatal(e, err)
					}
					entries = append(entries, e.Key.ID)
				}
				for k, err := range other.order.Keys(ctx, selection) {
					if err != nil {
						t.Fatal(err)
					}
					keys = append(keys, k.ID)
				}
				n, err := other.order.Count(ctx, selection)
				if err != nil || n != len(want) || !slices.Equal(entries, want) || !slices.Equal(keys, want) {
					t.Fatalf("%d: %v, %v, want %v: %v", n, entries, keys, want, err)
				}
			}
			check(false)
			put(t, s, "a", 3, 3)
			put(t, s, "a", 1, 1)
			check(false, 3, 1)
			for id := range uint64(40) { // every write is in the listing after it, whichever replica answers
				put(t, s, "a", 10+id, int64(10+id))
				got := 0
				for _, err := range other.order.Keys(ctx, selection) {
					if err != nil {
						t.Fatal(err)
					}
					got++
				}
				if got != int(id)+3 {
					t.Fatalf("%d keys after %d writes", got, id+3)
				}
			}
			for id := range uint64(40) {
				if _, err := s.order.Purge(ctx, orderKey{"a", 10 + id}); err != nil {
					t.Fatal(err)
				}
			}
			check(true, 3, 1)
			if _, err := s.order.Delete(ctx, orderKey{"a", 3}); err != nil {
				t.Fatal(err)
			}
			check(true, 1)

			if _, err := s.order.PutMany(ctx, orders("a", 1100)); err != nil { // more than the server reads together
				t.Fatal(err)
			}
			var all []uint64
			for id := range uint64(1100) {
				all = append(all, id)
			}
			check(true, all...)
			check(false, all...)
			if _, err := s.order.PurgeMany(ctx, slices.Values(keysOf("a", 1100))); err != nil {
				t.Fatal(err)
			}
			if n, err := other.order.Count(ctx, selection); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		})
	}
}

// Breaking off a listing says nothing about how much it would have been.
func TestAListingThatIsBrokenOffIsNotSmall(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	if _, err := s.order.PutMany(t.Context(), orders("a", 2000)); err != nil {
		t.Fatal(err)
	}
	selection := orderFilter{}.selection()
	for range s.order.Keys(t.Context(), selection) {
		break
	}
	if s.b.ListsSmall(selection) {
		t.Fatal("2,000 keys are expected to be few")
	}
}

// A filter whose entries were small, and are no longer.
func TestAListingOfFewEntriesThatHaveGrown(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	const n = 10
	if _, err := s.order.PutMany(t.Context(), orders("a", n)); err != nil {
		t.Fatal(err)
	}
	selection := orderFilter{}.selection()
	count := func() (got int) {
		for _, err := range s.order.List(t.Context(), selection) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		return got
	}
	if got := count(); got != n || !s.b.ListsSmall(selection) {
		t.Fatalf("%d entries", got)
	}
	for id := range uint64(n) {
		if _, err := s.order.Put(t.Context(), orderKey{"a", id}, order{Note: strings.Repeat("x", 100_000)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(); got != n || s.b.ListsSmall(selection) {
		t.Fatalf("%d entries", got)
	}
}

// A replica of which nobody knows whether it is behind lists nothing.
func TestAListingOfFewEntriesWithoutALeader(t *testing.T) {
	cluster := kvtest.StartServers(t, 3)
	there := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 3})
	leader := streamLeader(t, cluster) // which would answer on for a while
	left := cluster.Servers[slices.IndexFunc(cluster.Servers, func(s *kvtest.Server) bool { return s != leader })]
	p := startProxy(t, left)
	s, err := kvrt.Open(t.Context(), p.connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 3}, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	put(t, there, "a", 1, 1)
	selection := orderFilter{}.selection()
	if n, err := s.order.Count(t.Context(), selection); n != 1 || err != nil || !s.b.ListsSmall(selection) {
		t.Fatal(n, err)
	}
	for _, s := range cluster.Servers {
		if s != left && s != leader {
			s.Stop()
		}
	}
	leader.Stop() // the last one, or another is elected
	if n, err := s.order.Count(within(t, 4*time.Second), selection); !errors.Is(err, kvrt.ErrUnavailable) {
		t.Fatal(n, err)
	}
}
