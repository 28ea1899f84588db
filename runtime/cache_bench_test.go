package kvrt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// fillCache writes n entries of 100 tenants, and returns the revision of the last one.
func fillCache(tb testing.TB, js jetstream.JetStream, n int) (last uint64) {
	tb.Helper()
	var acks []jetstream.PubAckFuture
	for id := range n {
		data := fmt.Appendf(nil, `{"note":"the order of customer %d","total":%d}`, id, id)
		ack, err := js.PublishAsync(fmt.Sprintf("$KV.SHOP.order.%s.%d", tenants[id%100], id), data)
		if err != nil {
			tb.Fatal(err)
		}
		if acks = append(acks, ack); len(acks) < 1000 && id+1 < n {
			continue
		}
		for _, ack := range acks {
			select {
			case a := <-ack.Ok():
				last = a.Sequence
			case err := <-ack.Err():
				tb.Fatal(err)
			}
		}
		acks = acks[:0]
	}
	return last
}

const cacheEntries = 100_000

func benchKey(i int) orderKey { return orderKey{tenants[i%100], uint64(i)} }

var tenants = func() (names [100]string) {
	for i := range names {
		names[i] = fmt.Sprint("tenant", i)
	}
	return names
}()

// BenchmarkCacheGet reads 100,000 entries in an order that no processor foresees, from as many
// goroutines as there are processors: alone, by turns with the same entries in a map behind a
// sync.RWMutex, and while 8 writers change them. Reported beside the time of a read is the memory of an
// entry, with its key, its value (a string of 32 bytes and a number) and its share of the table, and how
// much the writers write in a second. Allocations beside writers are those of the writers and the
// server: TestReadingACacheAllocatesNothing.
//
//	go test ./runtime -run '^$' -bench CacheGet/quiet -benchtime 50x
//	go test ./runtime -run '^$' -bench CacheGet/8 -benchtime 5000000x
func BenchmarkCacheGet(b *testing.B) {
	js := kvtest.Start(b)
	s := ensureShop(b, js, shopConfig())
	last := fillCache(b, js, cacheEntries)
	before := heap()
	c := cache(b, s, orderFilter{})
	if err := c.WaitFor(b.Context(), last); err != nil || c.Len() != cacheEntries {
		b.Fatal(c.Len(), err)
	}
	memory := float64(heap()-before) / cacheEntries
	b.Run("quiet", func(b *testing.B) {
		var mu sync.RWMutex
		entries := maps.Collect(c.All())
		reads := func(name string, get func(orderKey) (kvrt.Entry[orderKey, order], bool)) contender {
			readers := runtime.GOMAXPROCS(0)
			return contender{name, readers * cacheEntries, func() error {
				var missing atomic.Int64
				var running sync.WaitGroup
				for r := range readers {
					running.Go(func() {
						for i := range cacheEntries {
							if _, ok := get(benchKey((r*31_337 + i*7919) % cacheEntries)); !ok {
								missing.Add(1)
							}
						}
					})
				}
				running.Wait()
				return counted(int(missing.Load()), 0)
			}}
		}
		compare(b, reads("kvgen", c.Get), reads("map", func(key orderKey) (kvrt.Entry[orderKey, order], bool) {
			mu.RLock()
			defer mu.RUnlock()
			e, ok := entries[key]
			return e, ok
		}))
		b.ReportMetric(memory, "bytes/entry")
	})
	b.Run("8 writers", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		var writers sync.WaitGroup
		var writes atomic.Int64
		for w := range 8 {
			writers.Go(func() {
				for i := w; ctx.Err() == nil; i += 7919 {
					if _, err := s.order.Put(ctx, benchKey(i%cacheEntries), order{Total: int64(i)}); err == nil {
						writes.Add(1)
					}
				}
			})
		}
		for writes.Load() < 100 {
			time.Sleep(time.Millisecond)
		}
		b.ResetTimer()
		before := writes.Load()
		var reader atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := int(reader.Add(31_337)); pb.Next(); i += 7919 {
				if _, ok := c.Get(benchKey(i % cacheEntries)); !ok {
					b.Error("not there")
				}
			}
		})
		b.ReportMetric(float64(writes.Load()-before)/b.Elapsed().Seconds(), "writes/s")
		b.StopTimer()
		cancel()
		writers.Wait()
	})
}

// heap is what is in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCacheStart fills a cache of 100,000 entries, by turns with one watch of nats.go until its nil
// marker that keeps nothing, and with one whose values are decoded and put into a map.
//
//	go test ./runtime -run '^$' -bench CacheStart -benchtime 20x
func BenchmarkCacheStart(b *testing.B) {
	onEach(b, func(b *testing.B, st *stage) {
		fillCache(b, st.js, cacheEntries)
		b.ResetTimer()
		compare(b, contender{"kvgen", 1, func() error {
			c, err := st.shop.order.Cache(b.Context(), orderFilter{}.selection())
			if err != nil {
				return err
			}
			c.Close()
			return counted(c.Len(), cacheEntries)
		}}, contender{"watch", 1, func() error {
			w, n := plainWatch(b, st.kv, ">", func(jetstream.KeyValueEntry) {})
			return errors.Join(counted(n, cacheEntries), w.Stop())
		}}, contender{"by-hand", 1, func() error {
			copied := map[string]order{}
			var failed error
			w, _ := plainWatch(b, st.kv, ">", func(e jetstream.KeyValueEntry) {
				var value order
				failed = errors.Join(failed, json.Unmarshal(e.Value(), &value))
				copied[e.Key()] = value
			})
			return errors.Join(failed, counted(len(copied), cacheEntries), w.Stop())
		}})
	})
}

// plainWatch starts a watch of nats.go, and takes what comes until the nil marker.
func plainWatch(b *testing.B, kv jetstream.KeyValue, filter string, each func(jetstream.KeyValueEntry)) (w jetstream.KeyWatcher, entries int) {
	b.Helper()
	w, err := kv.Watch(b.Context(), filter)
	if err != nil {
		b.Fatal(err)
	}
	for e := range w.Updates() {
		if e == nil {
			break
		}
		each(e)
		entries++
	}
	return w, entries
}

// BenchmarkManyCaches makes a thousand caches of ten entries each on one connection, and as many
// watches of nats.go, which keep nothing; it reports what one of them costs while it is idle. The
// server runs in this process: its memory for a consumer is in the bytes, its goroutines are left out.
//
//	go test ./runtime -run '^$' -bench ManyCaches -benchtime 1x
func BenchmarkManyCaches(b *testing.B) {
	js := kvtest.Start(b)
	s := ensureShop(b, js, shopConfig())
	fillCache(b, js, 1000)
	kv := plain(b, s)
	b.Run("kvgen", func(b *testing.B) {
		costOfMany(b, func(i int) (stop func()) {
			c, err := s.order.Cache(b.Context(), orderFilter{Tenant: &tenants[i%100]}.selection())
			if err != nil || c.Len() != 10 {
				b.Fatal(c.Len(), err)
			}
			return c.Close
		})
	})
	b.Run("nats.go Watch", func(b *testing.B) {
		costOfMany(b, func(i int) (stop func()) {
			w, n := plainWatch(b, kv, fmt.Sprintf("order.%s.*", tenants[i%100]), func(jetstream.KeyValueEntry) {})
			if n != 10 {
				b.Fatal(n)
			}
			return func() {
				if err := w.Stop(); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// costOfMany reports the memory and the goroutines of one in a thousand.
func costOfMany(b *testing.B, start func(i int) (stop func())) {
	const many = 1000
	for b.Loop() {
		memory, goroutines := heap(), clientGoroutines()
		stops := make([]func(), many)
		for i := range stops {
			stops[i] = start(i)
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-memory)/many, "bytes/each")
		b.ReportMetric(float64(clientGoroutines()-goroutines)/many, "goroutines/each")
		for _, stop := range stops {
			stop()
		}
		b.StartTimer()
	}
}

// clientGoroutines counts the goroutines that the server did not start.
func clientGoroutines() (n int) {
	stacks := make([]byte, 1<<20)
	for {
		if size := runtime.Stack(stacks, true); size < len(stacks) {
			stacks = stacks[:size]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if !bytes.Contains(stack, []byte("/nats-server/")) {
			n++
		}
	}
	return n
}
