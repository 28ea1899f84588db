package kvrt_test

// Listings: of plain nats.go, which may be a part and not say so, and of this package.

import (
	"context"
	"errors"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func TestAListingThatIsCutIsNotCalledComplete(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	const keys = 9000 // more than are on their way at a time
	if _, err := s.order.PutMany(t.Context(), orders("a", keys)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got int
	var last error
	for _, err := range s.order.Keys(ctx, orderFilter{}.selection()) {
		if last = err; err != nil {
			break
		}
		if got++; got == 100 {
			cancel()
		}
	}
	if !errors.Is(last, kvrt.ErrIncomplete) || !errors.Is(last, context.Canceled) {
		t.Errorf("%d keys and %v", got, last)
	}
	short, cancelShort := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancelShort()
	if n, err := s.order.Count(short, orderFilter{}.selection()); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Count: %d, %v", n, err)
	}
	if _, err := s.order.History(short, orderKey{"a", 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("History: %v", err)
	}
	got = 0
	for _, err := range s.order.Keys(t.Context(), orderFilter{}.selection()) {
		if got == 100 {
			js.Conn().Close()
		}
		if last = err; err != nil {
			break
		}
		got++
	}
	if !errors.Is(last, kvrt.ErrIncomplete) || !errors.Is(last, nats.ErrConnectionClosed) {
		t.Errorf("%d keys and %v", got, last)
	}
}

// A listing of a bucket that is created again meanwhile is of neither.
func TestAListingOfABucketThatIsCreatedAgainMeanwhile(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	js := srv.Connect(t)
	s := ensureShop(t, js, shopConfig())
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), shopConfig())
	const n = 20_000 // more than is asked for ahead
	fill := func() {
		if _, err := s.order.PutMany(ctx, orders("a", n)); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	got := 0
	var last error
	for _, err := range here.order.Keys(ctx, orderFilter{}.selection()) {
		if last = err; err != nil {
			break
		}
		if got++; got == 100 {
			p.setDown(true)
			if err := js.DeleteStream(ctx, "KV_SHOP"); err != nil {
				t.Fatal(err)
			}
			s = ensureShop(t, js, shopConfig())
			fill()
			p.setDown(false)
		}
	}
	if !errors.Is(last, kvrt.ErrIncomplete) || got == n {
		t.Errorf("%d keys and %v", got, last)
	}
}

// The position of a copy that ends before the end of the stream is told by a heartbeat; a server that
// has all there is needs none.
func TestACopyOfAFewKeysDoesNotWaitForAHeartbeat(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "few", 1, 1)
	put(t, s, "other", 1, 1)
	const heartbeat = 20 * time.Millisecond
	quickest := time.Hour
	for range 50 {
		start := time.Now()
		n, err := s.order.Count(t.Context(), orderFilter{Tenant: new("few")}.selection())
		if err != nil || n != 1 {
			t.Fatal(n, err)
		}
		quickest = min(quickest, time.Since(start))
	}
	if quickest >= heartbeat {
		t.Errorf("the quickest of 50 listings of one key took %v", quickest)
	}
}

func TestPlainListingsThatAreCut(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	const n = 20_000
	if _, err := s.order.PutMany(ctx, orders("a", n)); err != nil {
		t.Fatal(err)
	}
	kv := plain(t, s)
	for limit := 4 * time.Millisecond; limit < 20*time.Second; limit += limit / 4 {
		short, cancel := context.WithTimeout(ctx, limit)
		keys, err := kv.Keys(short)
		cancel()
		if err == nil && len(keys) < n {
			return
		}
	}
	t.Error("plain nats.go no longer has the fault: what is cut is not called complete")
}

// A key that is written while it is listed has another message behind the others.
func TestAListingHasEachKeyOnce(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	putBeyond(t, s)
	seen := map[orderKey]bool{}
	for key, err := range s.order.Keys(ctx, orderFilter{}.selection()) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[key] {
			t.Fatalf("%v comes twice", key)
		}
		if seen[key] = true; len(seen) <= 10 {
			put(t, s, key.Tenant, key.ID, 2)
		}
	}
	if len(seen) != beyondAhead {
		t.Fatalf("%d keys", len(seen))
	}
}

func TestFiltersSelectWhatTheyName(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "b1", 1, 1)
	for _, tenant := range []string{"b*", "b>", ">", "*", "b1.1", "b1.>"} {
		// A wildcard in a value is part of the value.
		if n, err := s.order.Count(ctx, orderFilter{Tenant: &tenant}.selection()); err != nil || n != 0 {
			t.Errorf("%q: %d, %v", tenant, n, err)
		}
		put(t, s, tenant, 2, 2)
		if n, err := s.order.Count(ctx, orderFilter{Tenant: &tenant}.selection()); err != nil || n != 1 {
			t.Errorf("%q: %d, %v", tenant, n, err)
		}
	}
	kv := plain(t, s)
	filters := []string{"order.b*.1"}
	w, err := kv.WatchFiltered(ctx, filters)
	if err != nil {
		t.Fatalf("plain nats.go no longer has the fault: %v", err)
	}
	if e := <-w.Updates(); e != nil {
		t.Errorf("plain nats.go no longer has the fault: %v", e)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if filters[0] == "order.b*.1" {
		t.Error("plain nats.go no longer has the fault: it leaves the caller's slice")
	}
	if _, err := kv.WatchFiltered(ctx, []string{"order.>", "order.b1.*"}); err == nil {
		t.Error("plain nats.go no longer has the fault: it takes filters that overlap")
	}
}

// running counts the goroutines whose stack has all of the texts.
func running(texts ...string) (n int) {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:goruntime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(stack, text) }) {
			n++
		}
	}
	return n
}

func TestNothingIsLeftRunningByWhoLooksAway(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	const n = 3000 // more than fits in any buffer
	if _, err := s.order.PutMany(ctx, orders("a", n)); err != nil {
		t.Fatal(err)
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for !is() {
			if ctx.Err() != nil {
				t.Fatalf("waited in vain until %s", what)
			}
			time.Sleep(time.Millisecond)
		}
	}
	const ours, theirs = "github.com/kvgen/kvgen/runtime.", "github.com/nats-io/nats.go/jetstream.(*kvs)."
	before := running(ours)
	nothingIsLeft := func() bool { return running(ours) <= before }
	all := orderFilter{}.selection()
	for range s.order.Keys(ctx, all) {
		break
	}
	for range s.order.List(ctx, all) {
		break
	}
	until("no listing is left", nothingIsLeft)
	w := watch(t, s, orderFilter{})
	next(t, w)
	w.Stop()
	until("the watch that was stopped has ended", nothingIsLeft)
	short, cancel := context.WithCancel(ctx)
	if _, err := s.order.Watch(short, all); err != nil {
		t.Fatal(err)
	}
	cancel()
	until("the watch whose context ended has ended", nothingIsLeft)
	c := cache(t, s, orderFilter{})
	for range c.Changes(ctx) {
		break
	}
	c.Close()
	until("the cache that was closed has ended", nothingIsLeft)

	kv := plain(t, s)
	plainly, err := kv.WatchAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-plainly.Updates()
	lister, err := kv.ListKeys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-lister.Keys()
	waiting := func() bool {
		return running(theirs+"WatchFiltered.", "[chan send") == 2 && running(theirs+"ListKeys.", "[chan send") == 1
	}
	until("the buffers of plain nats.go are full", waiting)
	if err := errors.Join(plainly.Stop(), lister.Stop()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		time.Sleep(time.Millisecond)
		if !waiting() { // until somebody reads what nobody wants
			t.Fatal("plain nats.go no longer has the fault: nothing is left")
		}
	}
	for range plainly.Updates() {
	}
	for range lister.Keys() {
	}

	w = watch(t, s, orderFilter{})
	c = cache(t, s, orderFilter{})
	js.Conn().Close()
	for range w.Updates() {
	}
	until("what had a connection that was closed has ended", nothingIsLeft)
	if !errors.Is(c.Err(), nats.ErrConnectionClosed) || !errors.Is(w.Err(), nats.ErrConnectionClosed) {
		t.Errorf("%v, %v", c.Err(), w.Err())
	}
}

// A replica that is behind still has what was deleted and written over before.
func TestAListingShowsNothingThatWasDeletedBefore(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.StartCluster(t, 3)
	cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: 3}
	writer, reader := ensureShop(t, js, cfg), ensureShop(t, js, cfg)
	const keys = 200
	for round := range int64(15) {
		for _, total := range []int64{2 * round, 2*round + 1} {
			if _, err := writer.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
				for id := range uint64(keys) {
					if !yield(orderKey{"a", id}, order{Total: total}) {
						return
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for e, err := range reader.order.List(ctx, orderFilter{}.selection()) {
			if n++; err != nil || e.Value.Total != 2*round+1 {
				t.Fatal(e, err)
			}
		}
		if n != keys {
			t.Fatal(n)
		}
		if _, err := writer.order.DeleteMany(ctx, slices.Values(keysOf("a", keys))); err != nil {
			t.Fatal(err)
		}
		if n, err := reader.order.Count(ctx, orderFilter{}.selection()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
	}
}
