package kvrt_test

import (
	"fmt"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// away cuts a watcher's connection while f runs, and returns when it is connected again.
func away(t *testing.T, p *proxy, connected func() bool, f func()) {
	t.Helper()
	p.setDown(true)
	for connected() {
		time.Sleep(time.Millisecond)
	}
	f()
	p.setDown(false)
	for !connected() {
		time.Sleep(time.Millisecond)
	}
}

func TestTrackKeysReportsWhatVanishedInAGap(t *testing.T) {
	for _, history := range []int{1, 4} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			ctx := within(t, time.Minute)
			server := kvtest.StartServer(t)
			cfg := kvrt.BucketConfig{Name: "SHOP", History: history}
			there := ensureShop(t, server.Connect(t), cfg)
			p := startProxy(t, server)
			js := p.connect(t)
			here := ensureShop(t, js, cfg)
			for id := range uint64(6) {
				put(t, there, "a", id, 1)
			}
			tracking := watch(t, here, orderFilter{}, kvrt.TrackKeys())
			plain := watch(t, here, orderFilter{})
			bucket, err := kvrt.WatchBucket[kvrt.BucketEvent](ctx, here.b, []kvrt.WatchOption{kvrt.TrackKeys(), kvrt.MetaOnly()}, here.order)
			if err != nil {
				t.Fatal(err)
			}
			defer bucket.Stop()
			for _, w := range []*kvrt.Watcher[orderEvent]{tracking, plain} {
				for id := range 6 {
					expect(t, w, fmt.Sprintf("Put a/%d 1", id))
				}
				expect(t, w, "Synced")
			}
			for range 7 {
				next(t, bucket)
			}
			away(t, p, js.Conn().IsConnected, func() {
				remove(t, there, "a", 1)
				remove(t, there, "a", 2)
				remove(t, there, "a", 3)
				put(t, there, "a", 9, 9) // came and went
				remove(t, there, "a", 9)
				if err := there.b.Compact(ctx); err != nil {
					t.Fatal(err)
				}
				put(t, there, "a", 2, 22) // is back
				put(t, there, "a", 4, 44)
				put(t, there, "a", 7, 77)
				remove(t, there, "a", 5) // with its marker
			})
			expect(t, tracking, "Put a/2 22", "Put a/4 44", "Put a/7 77", "Delete a/5", "Delete a/1", "Delete a/3")
			expect(t, plain, "Put a/2 22", "Put a/4 44", "Put a/7 77", "Delete a/5")
			var got []string
			for range 6 {
				ev := next(t, bucket).(orderEvent)
				got = append(got, fmt.Sprintf("%v%d%v", ev.Op, ev.Key.ID, ev.Created.IsZero()))
			}
			if want := "[Put2false Put4false Put7false Delete5false Delete1true Delete3true]"; fmt.Sprint(got) != want {
				t.Fatalf("%v, want %s", got, want)
			}
			// The next gap tells nothing twice; what is seen anyway is not told again.
			remove(t, there, "a", 0)
			expect(t, tracking, "Delete a/0")
			expect(t, plain, "Delete a/0")
			away(t, p, js.Conn().IsConnected, func() {
				if err := there.b.Compact(ctx); err != nil {
					t.Fatal(err)
				}
			})
			put(t, there, "a", 8, 8)
			expect(t, tracking, "Put a/8 8")
			expect(t, plain, "Put a/8 8")
		})
	}
}

func TestTrackKeysInTheMiddleOfTheCopy(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	there := ensureShop(t, server.Connect(t), shopConfig())
	p := startProxy(t, server)
	js := p.connect(t)
	here := ensureShop(t, js, shopConfig())
	putBeyond(t, there)
	w := watch(t, here, orderFilter{}, kvrt.TrackKeys())
	live := map[uint64]bool{}
	for live[5] = true; len(live) < 100; {
		live[next(t, w).Key.ID] = true
	}
	away(t, p, js.Conn().IsConnected, func() {
		remove(t, there, "a", 5)
		remove(t, there, "a", beyondAhead-1)
		if err := there.b.Compact(ctx); err != nil {
			t.Fatal(err)
		}
	})
	for {
		ev := next(t, w)
		if ev.Op == kvrt.Synced {
			break
		}
		live[ev.Key.ID] = ev.Op == kvrt.Put
	}
	for id := range uint64(beyondAhead) {
		if want := id != 5 && id != beyondAhead-1; live[id] != want {
			t.Errorf("key %d: %v when the copy was complete", id, live[id])
		}
	}
}

// The keys of a bucket that was deleted are not missed in the one that was created in its place.
func TestTrackKeysInABucketThatWasCreatedAgain(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	admin := server.Connect(t)
	there := ensureShop(t, admin, shopConfig())
	p := startProxy(t, server)
	js := p.connect(t)
	here := ensureShop(t, js, shopConfig())
	put(t, there, "a", 1, 1)
	put(t, there, "a", 2, 2)
	w := watch(t, here, orderFilter{}, kvrt.TrackKeys())
	deaf := watch(t, here, orderFilter{}, kvrt.TrackKeys(), kvrt.IgnoreDeletes())
	for _, w := range []*kvrt.Watcher[orderEvent]{w, deaf} {
		expect(t, w, "Put a/1 1", "Put a/2 2", "Synced")
	}
	if err := admin.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	there = ensureShop(t, admin, shopConfig())
	for id := range uint64(5) {
		put(t, there, "b", id, 5)
	}
	for _, w := range []*kvrt.Watcher[orderEvent]{w, deaf} {
		expect(t, w, "Reset", "Put b/0 5", "Put b/1 5", "Put b/2 5", "Put b/3 5", "Put b/4 5", "Synced")
	}
	// Twice, since what was reported once is not gone again.
	for id := range uint64(2) {
		away(t, p, js.Conn().IsConnected, func() {
			remove(t, there, "b", id)
			if err := there.b.Compact(ctx); err != nil {
				t.Fatal(err)
			}
			put(t, there, "b", 10+id, 6)
		})
		expect(t, w, fmt.Sprintf("Put b/%d 6", 10+id), fmt.Sprintf("Delete b/%d", id))
		expect(t, deaf, fmt.Sprintf("Put b/%d 6", 10+id))
	}
	put(t, there, "b", 20, 7)
	expect(t, w, "Put b/20 7")
	expect(t, deaf, "Put b/20 7")
}
