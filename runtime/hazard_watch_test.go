package kvrt_test

// Watches of plain nats.go that go silent, repeat themselves or stop short, and those of this package
// in the same place.

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func TestAWatchOfUpdatesOnlyReplaysNothingAfterARestart(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	js := server.Connect(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(20) {
		put(t, s, "a", id, 1)
	}
	w := watch(t, s, orderFilter{}, kvrt.UpdatesOnly())
	expect(t, w, "Synced")
	for round := range int64(2) {
		server.Stop()
		server.Start(t)
		// Not Put: the outcome of one that goes into a connection just lost is unknown.
		if _, err := s.order.Modify(ctx, orderKey{"a", 3}, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total = round + 10; return nil }); err != nil {
			t.Fatal(err)
		}
		expect(t, w, []string{"Put a/3 10", "Put a/3 11"}[round])
	}
}

func TestAWatchGoesOnWhenItsConsumerIsGone(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	for name := range stream.ConsumerNames(ctx).Name() {
		if err := stream.DeleteConsumer(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, "a", 1, 2)
	put(t, s, "a", 2, 3)
	expect(t, w, "Put a/1 2", "Put a/2 3")
}

// A message that gets lost on a connection that lives is missed when the next one comes, or the next
// heartbeat.
func TestAWatchMissesAMessageThatGotLost(t *testing.T) {
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), shopConfig())
	p := startProxy(t, srv)
	w := watch(t, ensureShop(t, p.connect(t), shopConfig()), orderFilter{})
	expect(t, w, "Synced")
	note := strings.Repeat("x", 2000)
	for i, another := range []bool{true, false} {
		p.setDeaf(true)
		if _, err := there.order.Put(t.Context(), orderKey{"a", uint64(i)}, order{Note: note, Total: 1}); err != nil {
			t.Fatal(err)
		}
		for !p.hasLost(len(note)) {
			time.Sleep(time.Millisecond)
		}
		p.setDeaf(false)
		if another {
			put(t, there, "b", 1, 2)
		}
		expect(t, w, fmt.Sprintf("Put a/%d 1", i))
		if another {
			expect(t, w, "Put b/1 2")
		}
	}
}

func TestAnIdleWatchStaysAttached(t *testing.T) {
	t.Parallel() // it waits
	var log bytes.Buffer
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig(), kvrt.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	put(t, s, "a", 1, 1)
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	time.Sleep(time.Second) // until what was asked for in a hurry has ended
	before := js.Conn().Stats().InMsgs
	time.Sleep(3 * time.Second)
	if heard := js.Conn().Stats().InMsgs - before; heard < 2 || heard > 12 {
		t.Errorf("%d messages in three seconds, a heartbeat each second is due", heard)
	}
	put(t, s, "a", 2, 2)
	expect(t, w, "Put a/2 2")
	w.Stop()
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

func TestResumingBeyondTheEndDoesNotWaitSilently(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	text := w.Position().String()
	var future kvrt.Position
	if err := future.UnmarshalText([]byte(text[:strings.LastIndex(text, ".")] + ".zz")); err != nil {
		t.Fatal(err)
	}
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(future)), "Reset", "Put a/1 1", "Synced")
}

func TestACopyEndsQuicklyWhereKeysVanishMeanwhile(t *testing.T) {
	for _, history := range []int{1, 5} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			ctx := within(t, time.Minute)
			s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: history})
			const gone = 400
			putBeyond(t, s)
			w := watch(t, s, orderFilter{})
			next(t, w)
			for id := range uint64(gone) {
				remove(t, s, "a", beyondAhead-1-id)
			}
			if err := s.b.Compact(ctx); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for next(t, w).Op != kvrt.Synced {
			}
			// 400 heartbeats of a millisecond; of 20, it was 8 seconds.
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("Synced came after %v", took)
			}
		})
	}
}

func TestALargeWatchNeedsNoFlowControlGrant(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.CONSUMER.CREATE.KV_SHOP.>",
		"$JS.API.CONSUMER.MSG.NEXT.KV_SHOP.>", "$JS.API.CONSUMER.DELETE.KV_SHOP.>")
	full := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	putBeyond(t, full)
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	s, err := kvrt.Open(t.Context(), srv.Connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, s, orderFilter{})
	for id := range beyondAhead {
		if ev := next(t, w); ev.Key.ID != uint64(id) {
			t.Fatalf("event %d: %+v", id, ev)
		}
	}
	expect(t, w, "Synced")
}

// await returns the next update of a plain watch, or nil where it says that its copy is complete.
func await(t *testing.T, w jetstream.KeyWatcher) (e jetstream.KeyValueEntry, open bool) {
	t.Helper()
	select {
	case e, open = <-w.Updates():
		return e, open
	case <-time.After(45 * time.Second):
		t.Fatal("a watch of plain nats.go that says nothing for 45s")
		return nil, false
	}
}

func watchPlainly(t *testing.T, s *shop, opts ...jetstream.WatchOpt) jetstream.KeyWatcher {
	t.Helper()
	w, err := plain(t, s).WatchAll(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What this package does instead is shown by TestWatchReportsThatTheBucketWasCreatedAgain,
// TestAWatchOfUpdatesOnlyReplaysNothingAfterARestart and TestWatchEndsWithAReason. A heartbeat of
// plain nats.go takes seconds, so three faults are waited for at once.
func TestPlainWatchesAfterALoss(t *testing.T) {
	if testing.Short() {
		t.Skip("20 seconds of waiting")
	}
	t.Parallel() // with little work for a processor
	ctx := within(t, 2*time.Minute)
	const n = 20
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(n) {
		put(t, s, "a", id, 1)
	}
	recreated := watchPlainly(t, s)
	for range n + 1 {
		await(t, recreated)
	}
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	s = ensureShop(t, js, shopConfig())
	for id := range uint64(2 * n) {
		put(t, s, "b", id, 1)
	}

	server := kvtest.StartServer(t)
	other := ensureShop(t, server.Connect(t), shopConfig())
	for id := range uint64(n) {
		put(t, other, "a", id, 1)
	}
	updates := watchPlainly(t, other, jetstream.UpdatesOnly())
	server.Stop()
	server.Start(t)

	js = kvtest.StartServer(t).Connect(t, quiet)
	gone := watchPlainly(t, ensureShop(t, js, shopConfig()))
	await(t, gone)
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}

	if e, open := await(t, gone); open {
		t.Errorf("of a bucket that is gone: %v", e)
	} // closed, and the interface has nothing that says why
	if e, open := await(t, updates); !open || e.Key() != "order.a.0" {
		t.Errorf("plain nats.go no longer has the fault: the first update is %v", e)
	}
	if e, open := await(t, recreated); !open || e.Revision() <= n {
		t.Errorf("plain nats.go no longer has the fault: the first one of the new bucket is %v", e)
	}
}

func TestPlainWatchesThatResumeBeyondTheEnd(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	// What this package does instead is TestResumingBeyondTheEndDoesNotWaitSilently.
	silent := watchPlainly(t, s, jetstream.ResumeFromRevision(1000))
	if e, open := await(t, silent); e != nil || !open {
		t.Errorf("%v, %v", e, open)
	}
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	for total := range int64(20) {
		put(t, s, "a", 1, total)
		expect(t, w, fmt.Sprint("Put a/1 ", total))
	}
	select {
	case e := <-silent.Updates():
		t.Errorf("plain nats.go no longer has the fault: %v", e)
	default:
	}
}

// TestALargeWatchNeedsNoFlowControlGrant has what this package does.
func TestPlainWatchesWithoutAGrantForFlowControl(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.CONSUMER.CREATE.KV_SHOP.>", "$JS.API.CONSUMER.DELETE.KV_SHOP.>")
	js := srv.Connect(t, nats.UserInfo("full", "x"))
	full := ensureShop(t, js, shopConfig())
	const n = 5000
	if _, err := full.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for id := range uint64(n) {
			if !yield(orderKey{"a", id}, order{Note: strings.Repeat("x", 1000)}) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	w := watchPlainly(t, s)
	for stalled := false; !stalled && got < n; {
		select {
		case <-w.Updates():
			got++
		case <-time.After(time.Second):
			stalled = true
		}
	}
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	for info := range stream.ListConsumers(ctx).Info() {
		if info.NumPending == 0 {
			t.Errorf("plain nats.go no longer has the fault: all %d have been sent", got)
		}
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	for range w.Updates() {
	}
}
