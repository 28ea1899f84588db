package kvrt_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

var cacheRounds = flag.Int("cache-rounds", 1, "how often the test of a cache beside writers goes through all faults, for each kind of bucket")

// cacheScene is a cache beside writers, and those who look at it.
type cacheScene struct {
	cluster *kvtest.Cluster
	cfg     kvrt.BucketConfig
	js      jetstream.JetStream // of the writers
	writers *shop
	proxy   *proxy
	cacheJS jetstream.JetStream // by way of the proxy
	cache   *orderCache

	// writing is held by each write, and as a whole by who wants none. Entries name the life of the
	// bucket that they were written in.
	writing sync.RWMutex
	life    atomic.Int64
	writes  atomic.Int64
}

const faultKeys = 300

func faultKey(i int) orderKey { return orderKey{tenants[i%3], uint64(i)} }

// write writes until ctx ends: values, deletions, purges, and now and then a guarded write.
func (s *cacheScene) write(ctx context.Context, t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		key := faultKey(random.IntN(faultKeys))
		s.writing.RLock()
		value := order{Note: fmt.Sprint("life ", s.life.Load()), Total: s.life.Load()}
		callCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
		var err error
		switch random.IntN(10) {
		case 0, 1:
			_, err = s.writers.order.Delete(callCtx, key)
		case 2:
			_, err = s.writers.order.Purge(callCtx, key)
		case 3:
			_, err = s.writers.order.Modify(callCtx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value = value; return nil })
		default:
			_, err = s.writers.order.Put(callCtx, key, value)
		}
		cancel()
		s.writing.RUnlock()
		switch {
		case err == nil:
			s.writes.Add(1)
		case errors.Is(err, kvrt.ErrUnavailable), errors.Is(err, kvrt.ErrUnknownOutcome), errors.Is(err, context.Canceled),
			errors.Is(err, kvrt.ErrContention):
		default:
			t.Errorf("write of %v: %v", key, err)
		}
	}
}

// sight is what someone has seen of a key.
type sight struct {
	life     int64
	revision uint64
}

// sightings finds steps backwards.
type sightings map[orderKey]sight

func (s sightings) see(t *testing.T, who string, key orderKey, e order, revision uint64) {
	before, now := s[key], sight{e.Total, revision}
	if now.life < before.life || now.life == before.life && now.revision < before.revision {
		t.Errorf("%s: %v is %+v after %+v", who, key, now, before)
	}
	s[key] = now
}

// read looks at the cache until ctx ends.
func (s *cacheScene) read(ctx context.Context, t *testing.T, seed uint64) {
	random, seen := rand.New(rand.NewPCG(seed, 2)), sightings{}
	for n := 0; ctx.Err() == nil; n++ {
		if n%1000 == 0 {
			for key, e := range s.cache.All() {
				seen.see(t, "All", key, e.Value, e.Revision)
			}
			time.Sleep(time.Millisecond) // leaves the processors to the others
		}
		key := faultKey(random.IntN(faultKeys))
		if e, ok := s.cache.Get(key); ok {
			if e.Key != key || e.Err() != nil {
				t.Errorf("%v: %+v, %v", key, e, e.Err())
			}
			seen.see(t, "Get", key, e.Value, e.Revision)
		}
	}
}

// subscription builds a copy of its own out of the changes of the cache.
type subscription struct {
	name string
	slow bool
	mu   sync.Mutex
	copy map[orderKey]uint64
}

func (s *subscription) follow(ctx context.Context, t *testing.T, c *orderCache) {
	seen := sightings{}
	for ev := range c.Changes(ctx) {
		s.mu.Lock()
		switch ev.Op {
		case kvrt.Put:
			s.copy[ev.Key] = ev.Revision
			seen.see(t, s.name, ev.Key, ev.Value, ev.Revision)
		case kvrt.Reset:
			clear(s.copy)
		case kvrt.Synced:
		default:
			if _, ok := s.copy[ev.Key]; !ok {
				t.Errorf("%s: %v of %v, which is not there", s.name, ev.Op, ev.Key)
			}
			delete(s.copy, ev.Key)
		}
		s.mu.Unlock()
		if s.slow {
			_ = pause(ctx, time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// more waits until some more writes have landed.
func (s *cacheScene) more(ctx context.Context, t *testing.T) {
	t.Helper()
	for before := s.writes.Load(); s.writes.Load() < before+100; {
		if ctx.Err() != nil {
			t.Fatal("the writers are stuck")
		}
		time.Sleep(time.Millisecond)
	}
}

// stored is what the leader has.
func (s *cacheScene) stored(ctx context.Context, t *testing.T) map[orderKey]kvrt.Entry[orderKey, order] {
	t.Helper()
	all := map[orderKey]kvrt.Entry[orderKey, order]{}
	for e, err := range s.writers.order.List(ctx, orderFilter{}.selection()) {
		if err != nil {
			t.Fatal(err)
		}
		all[e.Key] = e
	}
	return all
}

// compare stops the writers, and compares the cache and what the subscribers made of its changes with
// what is stored.
func (s *cacheScene) compare(ctx context.Context, t *testing.T, fault string, subscriptions []*subscription) {
	t.Helper()
	s.writing.Lock()
	defer s.writing.Unlock()
	// This write lands after all others, those of unknown outcome included.
	marker := orderKey{"marker", 0}
	e, err := s.writers.order.Modify(ctx, marker, func(e *kvrt.Entry[orderKey, order]) error {
		e.Value = order{Note: fault, Total: s.life.Load()}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", fault, err)
	}
	// The cache may not have noticed yet that its bucket is gone, whose revisions were higher.
	for got, ok := s.cache.Get(marker); !ok || got.Value.Total != s.life.Load(); got, ok = s.cache.Get(marker) {
		if !pause(ctx, time.Millisecond) {
			t.Fatalf("%s: the cache does not come back: %v", fault, s.cache.Err())
		}
	}
	if err := s.cache.WaitFor(ctx, e.Revision); err != nil {
		t.Fatalf("%s: %v", fault, err)
	}
	got, want := content(s.cache), s.stored(ctx, t)
	for key, e := range want {
		if got[key] != e {
			t.Errorf("%s: %v is %+v in the cache, stored is %+v", fault, key, got[key], e)
		}
	}
	for key, e := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: a phantom: %+v", fault, e)
		}
	}
	if s.cache.Len() != len(want) {
		t.Errorf("%s: %d entries, %d are stored", fault, s.cache.Len(), len(want))
	}
	revisions := map[orderKey]uint64{}
	for key, e := range want {
		revisions[key] = e.Revision
	}
	for _, sub := range subscriptions {
		for same := false; !same; {
			sub.mu.Lock()
			same = maps.Equal(sub.copy, revisions)
			sub.mu.Unlock()
			if !same && !pause(ctx, time.Millisecond) {
				t.Fatalf("%s: what the %s subscriber was told does not become what is stored", fault, sub.name)
			}
		}
	}
}

// A cache beside eight writers equals the bucket after every fault; none of its readers and
// subscribers sees a step backwards, and nothing stays that is gone.
func TestACacheBesideWritersThroughEveryFault(t *testing.T) {
	for _, c := range []struct{ replicas, history int }{{1, 1}, {1, 5}, {3, 1}} {
		t.Run(fmt.Sprintf("R%d history %d", c.replicas, c.history), func(t *testing.T) {
			ctx := within(t, time.Duration(*cacheRounds)*3*time.Minute)
			s := &cacheScene{cluster: kvtest.StartServers(t, c.replicas), cfg: kvrt.BucketConfig{Name: "SHOP", Replicas: c.replicas, History: c.history}}
			s.js = s.cluster.Connect(t)
			s.writers = ensureShop(t, s.js, s.cfg)
			s.proxy = startProxy(t, s.cluster.Servers[0])
			s.cacheJS = s.proxy.connect(t)
			s.cache = cache(t, ensureShop(t, s.cacheJS, s.cfg), orderFilter{})

			working, stop := context.WithCancel(ctx)
			var wg sync.WaitGroup
			defer wg.Wait()
			defer stop()
			for i := range uint64(8) {
				wg.Go(func() { s.write(working, t, i) })
			}
			for i := range uint64(2) {
				wg.Go(func() { s.read(working, t, i) })
			}
			subscriptions := []*subscription{{name: "quick", copy: map[orderKey]uint64{}}, {name: "slow", slow: true, copy: map[orderKey]uint64{}}}
			for _, sub := range subscriptions {
				wg.Go(func() { sub.follow(working, t, s.cache) })
			}
			for range *cacheRounds {
				for _, fault := range cacheFaults {
					s.more(ctx, t)
					fault.strike(ctx, t, s)
					s.more(ctx, t)
					s.compare(ctx, t, fault.name, subscriptions)
					if t.Failed() {
						return
					}
				}
			}
			t.Logf("%d writes", s.writes.Load())
		})
	}
}

var cacheFaults = []struct {
	name   string
	strike func(ctx context.Context, t *testing.T, s *cacheScene)
}{
	{"nothing", func(context.Context, *testing.T, *cacheScene) {}},
	{"the leader stops and starts", func(_ context.Context, t *testing.T, s *cacheScene) {
		if len(s.cluster.Servers) == 1 {
			return // the next fault stops the only server
		}
		leader := streamLeader(t, s.cluster)
		leader.Stop()
		streamLeader(t, s.cluster)
		leader.Start(t)
		s.cluster.WaitReady(t)
	}},
	{"the server of the cache stops and starts", func(_ context.Context, t *testing.T, s *cacheScene) {
		s.cluster.Servers[0].Stop()
		s.cluster.Servers[0].Start(t)
		s.cluster.WaitReady(t)
	}},
	{"the consumer is lost", func(ctx context.Context, t *testing.T, s *cacheScene) {
		stream, err := s.js.Stream(ctx, "KV_SHOP")
		if err != nil {
			t.Fatal(err)
		}
		for name := range stream.ConsumerNames(ctx).Name() {
			if err := stream.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Fatal(err)
			}
		}
	}},
	{"the connection is cut, again and again", func(ctx context.Context, t *testing.T, s *cacheScene) {
		for range 5 {
			s.proxy.cut()
			s.more(ctx, t)
		}
	}},
	{"markers are removed while the cache is away", func(ctx context.Context, t *testing.T, s *cacheScene) {
		away(t, s.proxy, s.cacheJS.Conn().IsConnected, func() {
			s.more(ctx, t)
			if err := s.writers.b.Compact(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}},
	{"markers are removed that are older than a second", func(ctx context.Context, t *testing.T, s *cacheScene) {
		if err := s.writers.b.Compact(ctx, kvrt.KeepMarkers(time.Second)); err != nil {
			t.Fatal(err)
		}
	}},
	{"the bucket is created again", func(ctx context.Context, t *testing.T, s *cacheScene) {
		s.writing.Lock()
		defer s.writing.Unlock()
		if err := s.js.DeleteKeyValue(ctx, "SHOP"); err != nil {
			t.Fatal(err)
		}
		s.life.Add(1)
		s.writers = ensureShop(t, s.js, s.cfg)
	}},
	{"the bucket is created again while the cache is away", func(ctx context.Context, t *testing.T, s *cacheScene) {
		away(t, s.proxy, s.cacheJS.Conn().IsConnected, func() {
			s.writing.Lock()
			defer s.writing.Unlock()
			if err := s.js.DeleteKeyValue(ctx, "SHOP"); err != nil {
				t.Fatal(err)
			}
			s.life.Add(1)
			s.writers = ensureShop(t, s.js, s.cfg)
		})
	}},
}
