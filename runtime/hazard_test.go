package kvrt_test

// What plain nats.go does and this package does not: each test shows both. See compact_test.go,
// stale_test.go and hazard_cluster_test.go for more.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func plain(t testing.TB, s *shop) jetstream.KeyValue {
	t.Helper()
	kv, err := s.b.KeyValue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestAnAbandonedUpdateDoesNotLandLater(t *testing.T) {
	server := kvtest.StartServer(t)
	js := server.Connect(t)
	s := ensureShop(t, js, shopConfig())
	kv := plain(t, s)
	ctx := within(t, time.Minute)
	first, err := s.counter.Put(ctx, counterKey{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	abandon := func(update func(ctx context.Context) error) (latest int64) {
		server.Stop()
		for js.Conn().IsConnected() {
			time.Sleep(time.Millisecond)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := update(short); err == nil {
			t.Fatal("a write without a server")
		}
		server.Start(t)
		if err := js.Conn().FlushWithContext(ctx); err != nil {
			t.Fatal(err)
		}
		// What was in the connection's buffer comes before this write.
		if _, err := s.order.Put(ctx, orderKey{"a", 1}, order{}); err != nil {
			t.Fatal(err)
		}
		e, err := s.counter.Get(ctx, counterKey{})
		if err != nil {
			t.Fatal(err)
		}
		return e.Value
	}
	if got := abandon(func(ctx context.Context) error {
		_, err := s.counter.Update(ctx, counterKey{}, 2, first)
		return err
	}); got != 1 {
		t.Errorf("an update that was given up landed: %d", got)
	}
	if got := abandon(func(ctx context.Context) error {
		_, err := kv.Update(ctx, "counter", []byte("3"), first)
		return err
	}); got != 3 {
		t.Errorf("plain nats.go no longer has the fault: %d", got)
	}
}

func TestAConflictIsNotCalledExists(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	put(t, s, "a", 1, 2)
	_, err := s.order.Update(ctx, orderKey{"a", 1}, order{}, 1)
	if !errors.Is(err, kvrt.ErrConflict) || errors.Is(err, kvrt.ErrExists) || errors.Is(err, jetstream.ErrKeyExists) {
		t.Error(err)
	}
	if _, err := plain(t, s).Update(ctx, "order.a.1", nil, 1); !errors.Is(err, jetstream.ErrKeyExists) {
		t.Errorf("plain nats.go no longer has the fault: %v", err)
	}
}

func TestADeleteAtRevisionZeroIsRefused(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	for name, f := range map[string]func(context.Context, orderKey, ...kvrt.DeleteOption) (uint64, error){
		"Delete": s.order.Delete, "Purge": s.order.Purge,
	} {
		if _, err := f(ctx, orderKey{"a", 1}, kvrt.IfRevision(0)); !errors.Is(err, kvrt.ErrInvalidRevision) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.order.Get(ctx, orderKey{"a", 1}); err != nil {
		t.Error(err)
	}
	if err := plain(t, s).Delete(ctx, "order.a.1", jetstream.LastRevision(0)); err != nil {
		t.Errorf("plain nats.go no longer has the fault: %v", err)
	}
}

func TestAnUpdateKeepsTheTTL(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", LimitMarkerTTL: time.Minute, KeyTTL: true})
	session := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, order]{
		Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.JSON[order](), TTL: time.Hour,
	})
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	ttl := func(key string) string {
		msg, err := stream.GetLastMsgForSubject(ctx, "$KV.SHOP."+key)
		if err != nil {
			t.Fatal(err)
		}
		return msg.Header.Get("Nats-TTL")
	}
	key := orderKey{"a", 1}
	rev, err := session.Create(ctx, key, order{})
	if err != nil || ttl("order.a.1") != "1h0m0s" {
		t.Fatalf("Create: %s, %v", ttl("order.a.1"), err)
	}
	if _, err := session.Update(ctx, key, order{Total: 1}, rev); err != nil || ttl("order.a.1") != "1h0m0s" {
		t.Errorf("Update: %q, %v", ttl("order.a.1"), err)
	}
	if _, err := session.Update(ctx, key, order{Total: 2}, rev+1, kvrt.TTL(time.Minute)); err != nil || ttl("order.a.1") != "1m0s" {
		t.Errorf("Update with another one: %q, %v", ttl("order.a.1"), err)
	}
	if _, err := session.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil }); err != nil || ttl("order.a.1") != "1h0m0s" {
		t.Errorf("Modify: %q, %v", ttl("order.a.1"), err)
	}
	if _, _, err := session.GetOrCreate(ctx, orderKey{"a", 2}, func() (order, error) { return order{}, nil }); err != nil || ttl("order.a.2") != "1h0m0s" {
		t.Errorf("GetOrCreate: %q, %v", ttl("order.a.2"), err)
	}
	kv := plain(t, s)
	rev, err = kv.Create(ctx, "plain", nil, jetstream.KeyTTL(time.Hour))
	if err != nil || ttl("plain") == "" {
		t.Fatalf("%q, %v", ttl("plain"), err)
	}
	if _, err := kv.Update(ctx, "plain", nil, rev); err != nil || ttl("plain") != "" {
		t.Errorf("plain nats.go no longer has the fault: %q, %v", ttl("plain"), err)
	}
}

func TestAValueOfTheDeclaredSizeFitsEveryWrite(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	const limit = 64
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", MaxValueSize: limit, LimitMarkerTTL: time.Minute, KeyTTL: true})
	blob := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, []byte]{
		Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[[]byte](), TTL: time.Hour,
	})
	full, key := []byte(strings.Repeat("x", limit)), orderKey{"a", 1}
	rev, err := blob.Create(ctx, key, full)
	if err != nil {
		t.Errorf("Create: %v", err)
	}
	if _, err := blob.Update(ctx, key, full, rev); err != nil {
		t.Errorf("Update: %v", err)
	}
	if _, err := blob.Put(ctx, key, full); err != nil {
		t.Errorf("Put: %v", err)
	}
	if _, err := blob.Put(ctx, key, append(full, 'x')); !errors.Is(err, kvrt.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "PLAIN", MaxValueSize: limit})
	if err != nil {
		t.Fatal(err)
	}
	rev, err = kv.Put(ctx, "a", full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Update(ctx, "a", full, rev); err == nil {
		t.Error("plain nats.go no longer has the fault")
	}
}

func TestALongKeyDoesNotCloseTheConnection(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	lost := make(chan error, 10)
	js := server.Connect(t, nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	s := ensureShop(t, js, shopConfig())
	kv := plain(t, s)
	long := strings.Repeat("x", 5000)
	_, errPut := s.order.Put(ctx, orderKey{long, 1}, order{})
	_, errGet := s.order.Get(ctx, orderKey{long, 1})
	_, errCount := s.order.Count(ctx, orderFilter{Tenant: &long}.selection())
	_, errWatch := s.order.WatchKey(ctx, orderKey{long, 1})
	for i, err := range []error{errPut, errGet, errCount, errWatch} {
		if !errors.Is(err, kvrt.ErrInvalidKey) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if err := js.Conn().FlushWithContext(ctx); err != nil || len(lost) > 0 {
		t.Fatalf("the connection was lost: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if _, err := kv.Put(short, long, nil); err == nil {
		t.Error("plain nats.go: no error")
	}
	select {
	case <-lost:
	case <-ctx.Done():
		t.Error("plain nats.go no longer has the fault")
	}
}

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
			const keys, gone = 1200, 400 // those that go are more than a watcher asks for ahead
			for id := range uint64(keys) {
				put(t, s, "a", id, 1)
			}
			w := watch(t, s, orderFilter{})
			next(t, w)
			for id := range uint64(gone) {
				remove(t, s, "a", keys-1-id)
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

func TestAListingThatIsCutIsNotCalledComplete(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	const keys = 2000
	for id := range uint64(keys) {
		put(t, s, "a", id, 1)
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
	if !errors.Is(last, kvrt.ErrIncomplete) || !errors.Is(last, context.Canceled) || got == keys {
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

func TestALargeWatchNeedsNoFlowControlGrant(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.CONSUMER.CREATE.KV_SHOP.>",
		"$JS.API.CONSUMER.MSG.NEXT.KV_SHOP.>", "$JS.API.CONSUMER.DELETE.KV_SHOP.>")
	full := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	const keys = 3000
	for id := range uint64(keys) {
		put(t, full, "a", id, 1)
	}
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	s, err := kvrt.Open(t.Context(), srv.Connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, s, orderFilter{})
	for id := range keys {
		if ev := next(t, w); ev.Key.ID != uint64(id) {
			t.Fatalf("event %d: %+v", id, ev)
		}
	}
	expect(t, w, "Synced")
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
