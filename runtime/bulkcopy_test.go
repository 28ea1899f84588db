package kvrt_test

import (
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// Most of a large copy is asked for without heartbeats. That nothing more comes, since what was to come
// was removed meanwhile, is noticed long before the consumer would count as lost.
func TestALargeCopyWhoseRestVanishes(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	const kept = kvrt.CopyBatch // what is asked for at first
	for _, entries := range []iter.Seq2[orderKey, order]{orders("a", kept), orders("b", 2*kept)} {
		if _, err := s.order.PutMany(ctx, entries); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	var vanished time.Time
	got := 0
	for key, err := range s.order.Keys(ctx, orderFilter{}.selection()) {
		if err != nil {
			t.Fatal(err)
		}
		if key.Tenant != "a" {
			continue // on a slow machine, more is asked for at first
		}
		if got++; got > 1 {
			continue
		}
		delivered(t, stream, kept)
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject("$KV.SHOP.order.b.>")); err != nil {
			t.Fatal(err)
		}
		vanished = time.Now()
	}
	if got != kept {
		t.Errorf("%d keys", got)
	}
	if took := time.Since(vanished); took > 2*time.Second {
		t.Errorf("it took %v to notice", took)
	}
}

// delivered waits until the only consumer of a stream has sent n messages.
func delivered(t *testing.T, stream jetstream.Stream, n uint64) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	for {
		consumers := stream.ListConsumers(ctx)
		for info := range consumers.Info() {
			if info.Delivered.Consumer >= n {
				return
			}
		}
		if err := errors.Join(consumers.Err(), ctx.Err()); err != nil {
			t.Fatal(err)
		}
	}
}

// Keys that belong to small values are listed with them, since that is faster. When the values turn out to
// be large, they are left out.
func TestKeysDoNotFetchLargeValues(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(100) {
		put(t, s, "small", id, 1)
	}
	count := func(want int) (received uint64) {
		t.Helper()
		before := js.Conn().Stats().InBytes
		if n, err := s.order.Count(ctx, orderFilter{}.selection()); err != nil || n != want {
			t.Fatal(n, err)
		}
		return js.Conn().Stats().InBytes - before
	}
	without := count(100)                                  // learns that they are small
	if with := count(100); with < without/2 || with == 0 { // with them
		t.Errorf("%d bytes, and %d before", with, without)
	}
	const n, size = 1000, 64 << 10
	there := ensureShop(t, js, shopConfig())
	for id := range uint64(n) {
		if _, err := there.order.Put(ctx, orderKey{"large", id}, order{Note: strings.Repeat("x", size)}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[orderKey]bool{}
	before := js.Conn().Stats().InBytes
	for key, err := range s.order.Keys(ctx, orderFilter{Tenant: new("large")}.selection()) {
		if err != nil || seen[key] {
			t.Fatal(key, err)
		}
		seen[key] = true
	}
	if len(seen) != n {
		t.Errorf("%d keys", len(seen))
	}
	if received := js.Conn().Stats().InBytes - before; received > n*size/4 {
		t.Errorf("%d MB were received, the values have %d MB", received>>20, n*size>>20)
	}
}
