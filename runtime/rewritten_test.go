package kvrt_test

// Keys that are written again while they are listed: the old message of a key goes before it was read,
// and the new one comes at the end.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// rewriting has writers write all keys again and again, one by one or many at a time, until it is stopped.
func rewriting(t *testing.T, s *shop, keys, writers int, many bool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; ctx.Err() == nil; i += writers {
				if many {
					_, _ = s.order.PutMany(ctx, orders("a", uint64(keys)))
				} else {
					_, _ = s.order.Put(ctx, orderKey{"a", uint64(i % keys)}, order{Total: int64(i)})
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func TestNoKeyIsMissingThatIsWrittenAgainMeanwhile(t *testing.T) {
	type load struct {
		replicas, history, keys, writers int
		many                             bool
	}
	for _, l := range []load{
		{1, 1, 2000, 1, false}, {1, 1, 2000, 8, false}, {1, 1, 1000, 1, true}, {1, 1, 100, 1, true}, {1, 1, 1, 1, true},
		{1, 5, 300, 1, true}, {3, 1, 1000, 4, false}, {3, 1, 500, 1, true},
	} {
		t.Run(fmt.Sprintf("R%d history %d, %d keys, %d writers, many %v", l.replicas, l.history, l.keys, l.writers, l.many), func(t *testing.T) {
			js := kvtest.StartCluster(t, l.replicas)
			cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: l.replicas, History: l.history}
			writer, s := ensureShop(t, js, cfg), ensureShop(t, js, cfg)
			ctx := within(t, time.Minute)
			if _, err := writer.order.PutMany(ctx, orders("a", uint64(l.keys))); err != nil {
				t.Fatal(err)
			}
			stop := rewriting(t, writer, l.keys, l.writers, l.many)
			defer stop()
			all := orderFilter{}.selection()
			check := func(what string, n int, err error) {
				t.Helper()
				if err != nil || n != l.keys {
					t.Errorf("%s: %d of %d, %v", what, n, l.keys, err)
				}
			}
			for range 4 {
				n, err := s.order.Count(ctx, all)
				check("Count", n, err)
				n, err = length(s.order.List(ctx, all))
				check("List", n, err)
				w, err := s.order.Watch(ctx, all)
				if err != nil {
					t.Fatal(err)
				}
				seen := map[orderKey]bool{}
				for ev := range w.Updates() {
					if ev.Op == kvrt.Synced {
						break
					}
					seen[ev.Key] = true
				}
				w.Stop()
				check("Watch", len(seen), w.Err())
				c, err := s.order.Cache(ctx, all)
				if err != nil {
					t.Fatal(err)
				}
				check("Cache", c.Len(), nil)
				c.Close()
			}
		})
	}
}

func length[T any](list iter.Seq2[T, error]) (n int, err error) {
	for _, e := range list {
		if e != nil {
			return n, e
		}
		n++
	}
	return n, nil
}

// A client that may not ask the leader, nor read several messages at once, has the heartbeats to go by.
func TestNoKeyIsMissingWithGrantsForAConsumerOnly(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.CONSUMER.>")
	writer := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), kvrt.BucketConfig{Name: "SHOP"})
	const keys = 2000
	if _, err := writer.order.PutMany(ctx, orders("a", uint64(keys))); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo("one", "x"), quiet), kvrt.BucketConfig{Name: "SHOP"}, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	defer rewriting(t, writer, keys, 1, false)()
	for range 10 {
		if n, err := s.order.Count(ctx, orderFilter{}.selection()); n != keys || err != nil {
			t.Fatal(n, err)
		}
	}
}

// The fault: plain nats.go goes by what a message says is still to come.
func TestPlainListingsLackKeysThatAreWrittenAgainMeanwhile(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	writer := ensureShop(t, js, shopConfig())
	const keys = 3000
	if _, err := writer.order.PutMany(ctx, orders("a", uint64(keys))); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(ctx, "SHOP")
	if err != nil {
		t.Fatal(err)
	}
	defer rewriting(t, writer, keys, 1, true)()
	for range 100 {
		lister, err := kv.ListKeys(ctx, jetstream.IgnoreDeletes())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for key := range lister.Keys() {
			seen[key] = true
		}
		if len(seen) < keys {
			return
		}
	}
	t.Error("plain nats.go no longer has the fault")
}

// What the server says is to come, when it makes a consumer, is too little too in a key that is written at
// that moment: none is no sign of an end.
func TestAKeyThatIsWrittenAllTheTimeIsAlwaysThere(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			ctx := within(t, time.Minute)
			js := kvtest.StartCluster(t, replicas)
			cfg := shopConfig()
			cfg.Replicas = replicas
			s := ensureShop(t, js, cfg)
			for i := range 300 {
				put(t, s, "a", 1, 1)
				if events, err := s.order.History(ctx, orderKey{"a", 1}); len(events) == 0 || err != nil {
					t.Fatalf("History after write %d: %d events, %v", i, len(events), err)
				}
			}
			writers, stop := context.WithCancel(ctx)
			var wg sync.WaitGroup
			for range 4 {
				there := ensureShop(t, js, cfg)
				wg.Go(func() {
					for writers.Err() == nil {
						if _, err := there.order.Put(ctx, orderKey{"a", 1}, order{}); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for i := range 600 {
				if events, err := s.order.History(ctx, orderKey{"a", 1}); len(events) == 0 || err != nil {
					t.Fatalf("History %d: %d events, %v", i, len(events), err)
				}
			}
			for i := range 100 { // a handle that has not learned that there are few
				fresh, err := kvrt.Open(ctx, js, cfg, bindShop)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := fresh.order.Count(ctx, orderFilter{}.selection()); n != 1 || err != nil {
					t.Fatalf("Count %d: %d, %v", i, n, err)
				}
				c, err := fresh.order.Cache(ctx, orderFilter{}.selection())
				if err != nil {
					t.Fatal(err)
				}
				if c.Len() != 1 {
					t.Fatalf("cache %d is empty", i)
				}
				c.Close()
			}
			stop()
			wg.Wait()
		})
	}
}

func TestPlainHistoriesOfAKeyThatIsWrittenAllTheTime(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	kv := plain(t, s)
	writers, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 4 {
		there := ensureShop(t, js, shopConfig())
		wg.Go(func() {
			for writers.Err() == nil {
				if _, err := there.order.Put(ctx, orderKey{"a", 1}, order{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer stop()
	for range 20_000 {
		if _, err := kv.History(ctx, "order.a.1"); errors.Is(err, jetstream.ErrKeyNotFound) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("plain nats.go no longer has the fault: the key is always there")
}
