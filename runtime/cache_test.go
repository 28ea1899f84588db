package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

type orderCache = kvrt.Cache[orderKey, order]

func cache(t testing.TB, s *shop, f orderFilter, opts ...kvrt.CacheOption) *orderCache {
	t.Helper()
	c, err := s.order.Cache(t.Context(), f.selection(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// waitFor waits until a cache has reached a revision.
func waitFor(t testing.TB, c interface {
	WaitFor(context.Context, uint64) error
}, revision uint64) {
	t.Helper()
	if err := c.WaitFor(within(t, 30*time.Second), revision); err != nil {
		t.Fatal(err)
	}
}

// content returns what a cache holds.
func content(c *orderCache) map[orderKey]kvrt.Entry[orderKey, order] { return maps.Collect(c.All()) }

// changes pulls the changes of a cache one by one, as expect shows them.
func changes(t testing.TB, all iter.Seq[orderEvent]) (expect func(want ...string), stop func()) {
	t.Helper()
	next, stop := iter.Pull(all)
	t.Cleanup(stop)
	return func(want ...string) {
		t.Helper()
		for i, want := range want {
			ev, ok := next()
			if !ok {
				t.Fatalf("no event where %q is due", want)
			}
			got := ev.Op.String()
			if ev.Op < kvrt.Synced {
				got += fmt.Sprintf(" %s/%d", ev.Key.Tenant, ev.Key.ID)
			}
			if ev.Op == kvrt.Put {
				got += fmt.Sprintf(" %d", ev.Value.Total)
			}
			if got != want {
				t.Fatalf("event %d is %q, want %q", i, got, want)
			}
			if age := time.Since(ev.Created); !ev.Created.IsZero() && age.Abs() > time.Hour {
				t.Fatalf("%s happened at %v", got, ev.Created)
			}
		}
	}, stop
}

func TestACacheHoldsWhatItsFilterSelects(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	empty := cache(t, s, orderFilter{})
	if _, ok := empty.Get(orderKey{"acme", 1}); ok || empty.Len() != 0 {
		t.Fatal("an empty bucket")
	}
	put(t, s, "acme", 1, 10)
	put(t, s, "acme", 2, 20)
	put(t, s, "other", 1, 30)
	remove(t, s, "acme", 2)
	c := cache(t, s, orderFilter{Tenant: new("acme")})
	e, ok := c.Get(orderKey{"acme", 1})
	stored, err := s.order.Get(ctx, orderKey{"acme", 1})
	if err != nil || !ok || e != stored || e.Err() != nil {
		t.Fatalf("%+v, want %+v, %v", e, stored, err)
	}
	for _, key := range []orderKey{{"acme", 2}, {"other", 1}, {}} {
		if e, ok := c.Get(key); ok || e.Exists() {
			t.Errorf("%v: %+v", key, e)
		}
	}
	if all := content(c); c.Len() != 1 || len(all) != 1 || all[orderKey{"acme", 1}] != e {
		t.Fatalf("%d, %v", c.Len(), all)
	}

	// What was written is there as soon as it has been waited for.
	for total := range int64(100) {
		waitFor(t, c, put(t, s, "acme", 1, total))
		if e, _ := c.Get(orderKey{"acme", 1}); e.Value.Total != total {
			t.Fatalf("%+v, want %d", e, total)
		}
	}
	waitFor(t, c, remove(t, s, "acme", 1))
	if _, ok := c.Get(orderKey{"acme", 1}); ok || c.Len() != 0 {
		t.Fatal("a key that was deleted")
	}
	// Other keys move the cache on as well.
	last := put(t, s, "other", 1, 31)
	waitFor(t, c, last)
	waitFor(t, empty, last)
	if empty.Position() != c.Position() {
		t.Errorf("%v and %v", empty.Position(), c.Position())
	}
	for range 2 {
		c.Close()
		empty.Close()
	}
	if err := c.WaitFor(ctx, last+1); !errors.Is(err, kvrt.ErrCacheEnded) || c.Err() != nil {
		t.Errorf("after Close: %v, %v", err, c.Err())
	}
	if _, ok := empty.Get(orderKey{"other", 1}); !ok {
		t.Error("after Close nothing can be read")
	}
	expectNoConsumers(t, js)
}

func TestACacheOfOneKey(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	c, err := kvrt.CacheKey(ctx, s.counter, counterKey{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := c.Get(); ok {
		t.Fatal("nothing was written")
	}
	put(t, s, "a", 1, 1)
	rev, err := s.counter.Put(ctx, counterKey{}, 7)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, rev)
	if e, ok := c.Get(); !ok || e.Value != 7 || e.Revision != rev {
		t.Fatalf("%+v, %v", e, ok)
	}
	for ev := range c.Changes(ctx) {
		if ev.Op == kvrt.Put && ev.Value == 7 {
			break
		}
		t.Fatalf("%+v", ev)
	}
}

func TestAValueThatCannotBeDecodedIsInTheCache(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	if _, err := plain(t, s).PutString(ctx, "order.a.2", "{"); err != nil {
		t.Fatal(err)
	}
	c := cache(t, s, orderFilter{})
	rev, err := plain(t, s).PutString(ctx, "order.a.1", "nonsense")
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, rev)
	if c.Len() != 2 {
		t.Fatal(c.Len())
	}
	for key, e := range c.All() {
		var bad *kvrt.DecodeError
		if !errors.Is(e.Err(), kvrt.ErrDecode) || !errors.As(e.Err(), &bad) || bad.Revision != e.Revision || e.Value != (order{}) {
			t.Errorf("%v: %+v, %v", key, e, e.Err())
		}
	}
	for ev := range c.Changes(ctx) {
		if ev.Op == kvrt.Synced {
			break
		}
		if !errors.Is(ev.Err, kvrt.ErrDecode) {
			t.Errorf("%+v", ev)
		}
	}
	waitFor(t, c, put(t, s, "a", 1, 5))
	if e, ok := c.Get(orderKey{"a", 1}); !ok || e.Err() != nil || e.Value.Total != 5 {
		t.Errorf("%+v, %v", e, e.Err())
	}
}

func TestACacheThatWouldBeTooLargeSaysSo(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(10) {
		put(t, s, "a", id, 1)
	}
	if _, err := s.order.Cache(ctx, orderFilter{}.selection(), kvrt.MaxEntries(9)); !errors.Is(err, kvrt.ErrCacheFull) || kvrt.Retryable(err) {
		t.Fatal(err)
	}
	if _, err := s.order.Cache(ctx, orderFilter{}.selection(), kvrt.MaxEntries(0)); !errors.Is(err, kvrt.ErrInvalidOption) {
		t.Fatal(err)
	}
	c := cache(t, s, orderFilter{}, kvrt.MaxEntries(10))
	put(t, s, "a", 9, 2)
	remove(t, s, "a", 8)
	waitFor(t, c, put(t, s, "a", 10, 1)) // in its place
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	rev := put(t, s, "a", 11, 1)
	if err := c.WaitFor(within(t, 30*time.Second), rev); !errors.Is(err, kvrt.ErrCacheFull) {
		t.Fatal(err)
	}
	if !errors.Is(c.Err(), kvrt.ErrCacheFull) || c.Len() != 10 {
		t.Fatalf("%v, %d entries", c.Err(), c.Len())
	}
	if _, ok := c.Get(orderKey{"a", 9}); !ok {
		t.Error("the cache has dropped what it had")
	}
	expectNoConsumers(t, js)
}

func TestChangesBeginWithWhatTheCacheHolds(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 2, 20)
	put(t, s, "a", 1, 10)
	c := cache(t, s, orderFilter{})
	expect, stop := changes(t, c.Changes(t.Context()))
	expect("Put a/2 20", "Put a/1 10", "Synced")
	put(t, s, "a", 3, 30)
	expect("Put a/3 30")
	remove(t, s, "a", 1)
	expect("Delete a/1")
	if _, err := s.order.Purge(t.Context(), orderKey{"a", 2}); err != nil {
		t.Fatal(err)
	}
	expect("Purge a/2")
	stop()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for ev := range c.Changes(ctx) {
		if ev.Op == kvrt.Synced {
			cancel()
		}
	}
	for range c.Changes(t.Context()) {
		c.Close() // ends the loop, when it has told what there was
	}
}

func TestASubscriberWhoIsSlowIsToldTheLatest(t *testing.T) {
	// With a history, the server skips nothing.
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: 8})
	put(t, s, "a", 1, 1)
	put(t, s, "a", 2, 2)
	c := cache(t, s, orderFilter{})
	slow, _ := changes(t, c.Changes(t.Context()))
	quick, _ := changes(t, c.Changes(t.Context()))
	slow("Put a/1 1", "Put a/2 2", "Synced")
	quick("Put a/1 1", "Put a/2 2", "Synced")
	for total := range int64(100) {
		put(t, s, "a", 1, 100+total)
	}
	put(t, s, "a", 3, 3)
	put(t, s, "a", 4, 4)
	remove(t, s, "a", 4) // came and went
	remove(t, s, "a", 2)
	remove(t, s, "a", 3)
	last := put(t, s, "a", 3, 33)
	waitFor(t, c, last)
	slow("Put a/1 199", "Delete a/2", "Put a/3 33")
	// Everybody else goes on meanwhile.
	quick("Put a/1 199")
	// Keys that come and go leave nothing behind.
	for id := range uint64(1000) {
		put(t, s, "b", id, 1)
		remove(t, s, "b", id)
	}
	put(t, s, "a", 1, 7)
	remove(t, s, "a", 1)
	last = put(t, s, "a", 1, 8)
	waitFor(t, c, last)
	slow("Put a/1 8")
	if n := c.Pending(); n > 100 {
		t.Errorf("%d changes are kept of 3 keys", n)
	}
}

func TestACacheKeepsItsCopyUntilANewBucketIsCopied(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(10) {
		put(t, s, "a", id, 1)
	}
	c := cache(t, s, orderFilter{})
	expect, _ := changes(t, c.Changes(ctx))
	for id := range 10 {
		expect(fmt.Sprintf("Put a/%d 1", id))
	}
	expect("Synced")
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	if c.Len() != 10 {
		t.Fatalf("%d entries while there is no bucket", c.Len())
	}
	s = ensureShop(t, js, shopConfig())
	put(t, s, "a", 5, 55)
	put(t, s, "b", 1, 2)
	expect("Reset")
	for _, ok := c.Get(orderKey{"b", 1}); !ok; _, ok = c.Get(orderKey{"b", 1}) {
		time.Sleep(time.Millisecond)
	}
	if all := content(c); len(all) != 2 || all[orderKey{"a", 5}].Value.Total != 55 {
		t.Fatalf("%v", all)
	}
	waitFor(t, c, put(t, s, "b", 2, 3))
	expect("Put a/5 55", "Put b/1 2")
}

func TestACacheNoticesWhatVanishedWhileItWasAway(t *testing.T) {
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
			c := cache(t, here, orderFilter{})
			expect, _ := changes(t, c.Changes(ctx))
			for id := range 6 {
				expect(fmt.Sprintf("Put a/%d 1", id))
			}
			expect("Synced")
			var last uint64
			away(t, p, js.Conn().IsConnected, func() {
				remove(t, there, "a", 1)
				remove(t, there, "a", 2)
				put(t, there, "a", 9, 9) // came and went
				remove(t, there, "a", 9)
				if err := there.b.Compact(ctx); err != nil {
					t.Fatal(err)
				}
				put(t, there, "a", 2, 22) // is back
				last = remove(t, there, "a", 5)
			})
			waitFor(t, c, last)
			all := content(c)
			for _, id := range []uint64{1, 5, 9} {
				if e, ok := all[orderKey{"a", id}]; ok {
					t.Errorf("a phantom: %+v", e)
				}
			}
			if len(all) != 4 || all[orderKey{"a", 2}].Value.Total != 22 {
				t.Errorf("%v", all)
			}
			expect("Put a/2 22", "Delete a/5", "Delete a/1")
		})
	}
}

// What vanished while the cache was away makes room for what came instead.
func TestALimitedCacheThatWasAway(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	there := ensureShop(t, server.Connect(t), shopConfig())
	p := startProxy(t, server)
	js := p.connect(t)
	for id := range uint64(6) {
		put(t, there, "a", id, 1)
	}
	c := cache(t, ensureShop(t, js, shopConfig()), orderFilter{}, kvrt.MaxEntries(6))
	expect, _ := changes(t, c.Changes(ctx))
	for id := range 6 {
		expect(fmt.Sprintf("Put a/%d 1", id))
	}
	expect("Synced")
	var last uint64
	away(t, p, js.Conn().IsConnected, func() {
		remove(t, there, "a", 1)
		remove(t, there, "a", 2)
		if err := there.b.Compact(ctx); err != nil {
			t.Fatal(err)
		}
		put(t, there, "a", 7, 7)
		last = put(t, there, "a", 8, 8)
	})
	waitFor(t, c, last)
	if c.Err() != nil || c.Len() != 6 {
		t.Fatal(c.Len(), c.Err())
	}
	expect("Delete a/1", "Delete a/2", "Put a/7 7", "Put a/8 8")
	rev := put(t, there, "a", 9, 9)
	if err := c.WaitFor(ctx, rev); !errors.Is(err, kvrt.ErrCacheFull) {
		t.Fatal(err)
	}
}

func TestACacheTellsHowStaleItIs(t *testing.T) {
	server := kvtest.StartServer(t)
	there := ensureShop(t, server.Connect(t), shopConfig())
	p := startProxy(t, server)
	js := p.connect(t)
	before := time.Now()
	c := cache(t, ensureShop(t, js, shopConfig()), orderFilter{})
	if c.LastContact().Before(before) {
		t.Fatal(c.LastContact(), before)
	}
	// Heartbeats of a bucket in which nothing happens.
	for ctx, before := within(t, 30*time.Second), time.Now(); !c.LastContact().After(before); {
		if ctx.Err() != nil {
			t.Fatal("no heartbeat")
		}
		time.Sleep(time.Millisecond)
	}
	var cut, rev = time.Time{}, uint64(0)
	away(t, p, js.Conn().IsConnected, func() {
		cut = c.LastContact()
		rev = put(t, there, "a", 1, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := c.WaitFor(ctx, rev); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while it is cut off: %v", err)
		}
		if got := c.LastContact(); got.After(cut) {
			t.Errorf("contact at %v, after it was cut off at %v", got, cut)
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
	waitFor(t, c, rev)
	if e, ok := c.Get(orderKey{"a", 1}); !ok || e.Revision != rev {
		t.Fatalf("%+v, %v", e, ok)
	}
}

func TestACacheThatIsCutOffDoesNotSayThatItHasARevision(t *testing.T) {
	server := kvtest.StartServer(t)
	there := ensureShop(t, server.Connect(t), shopConfig())
	p := startProxy(t, server)
	js := p.connect(t)
	c := cache(t, ensureShop(t, js, shopConfig()), orderFilter{})
	rev := put(t, there, "a", 1, 1)
	waitFor(t, c, rev)
	p.setDown(true)
	for deadline := time.Now().Add(20 * time.Second); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		err := c.WaitFor(ctx, rev)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%v: what is there now may be another bucket", err)
		}
	}
	p.setDown(false)
	waitFor(t, c, rev)
}

// decoding calls f before each value is decoded.
type decoding struct {
	kvrt.Codec[order]
	f func()
}

func (d decoding) Decode(data []byte) (order, error) {
	d.f()
	return d.Codec.Decode(data)
}

// A copy that is not complete is not told of.
func TestChangesTellNothingOfACopyThatIsNotComplete(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	var decoded atomic.Int64
	waits, goOn := make(chan struct{}), make(chan struct{})
	slow := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, order]{Encode: orderKey.Encode, Parse: parseOrderKey,
		Codec: decoding{kvrt.JSON[order](), func() {
			if decoded.Add(1) == 4 { // the last one of the new bucket
				close(waits)
				<-goOn
			}
		}}})
	c, err := slow.Cache(t.Context(), orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	told := make(chan string, 20)
	ctx, cancel := context.WithCancel(t.Context())
	var listener sync.WaitGroup
	listener.Go(func() {
		for ev := range c.Changes(ctx) {
			told <- fmt.Sprint(ev.Op, " ", ev.Key.ID)
		}
	})
	defer listener.Wait()
	defer cancel()
	expect := func(want ...string) {
		t.Helper()
		for _, want := range want {
			select {
			case got := <-told:
				if got != want {
					t.Fatalf("%q, want %q", got, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%q does not come", want)
			}
		}
	}
	expect("Put 1", "Synced 0")
	if err := js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
		t.Fatal(err)
	}
	there := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Description: "another"})
	for id := range uint64(3) {
		put(t, there, "b", 11+id, 1)
	}
	<-waits
	time.Sleep(50 * time.Millisecond)
	if len(told) > 0 || c.Len() != 1 {
		t.Errorf("%q is told of a copy that is not complete, the cache has %d", <-told, c.Len())
	}
	close(goOn)
	expect("Reset 0", "Put 11", "Put 12", "Put 13", "Synced 0")
}

func TestACacheThatIsBehindHasNoContact(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	var c *kvrt.Cache[orderKey, order]
	written := make(chan struct{})
	contacts := make(chan time.Time, 3)
	slow := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, order]{Encode: orderKey.Encode, Parse: parseOrderKey,
		Codec: decoding{kvrt.JSON[order](), func() {
			<-written
			contacts <- c.LastContact()
		}}})
	c, err := slow.Cache(t.Context(), orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for id := range uint64(2) {
		put(t, s, "a", id, 1)
	}
	last := put(t, s, "a", 2, 1)
	time.Sleep(fullBuffers) // while the cache is busy with the first one
	close(written)
	if err := c.WaitFor(within(t, 30*time.Second), last); err != nil {
		t.Fatal(err)
	}
	first, second, third := <-contacts, <-contacts, <-contacts
	if !second.Equal(first) || !third.Equal(first) {
		t.Fatalf("contact at %v, %v, %v, with others waiting", first, second, third)
	}
	for deadline := time.Now().Add(20 * time.Second); !c.LastContact().After(first); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no contact in the end")
		}
	}
}

func TestACacheEndsWithAReason(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	ended := func(c *orderCache) error {
		t.Helper()
		for range c.Changes(within(t, 30*time.Second)) {
		}
		if err := c.WaitFor(t.Context(), 1); !errors.Is(err, c.Err()) || err == nil {
			t.Errorf("WaitFor: %v, Err: %v", err, c.Err())
		}
		if c.Len() != 1 {
			t.Errorf("%d entries", c.Len())
		}
		return c.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := s.order.Cache(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := ended(c); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
	if _, err := s.order.Cache(ctx, orderFilter{}.selection()); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}

	c = cache(t, s, orderFilter{})
	if err := js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
		t.Fatal(err)
	}
	var e *kvrt.Error
	if err := ended(c); !errors.Is(err, kvrt.ErrBucketNotFound) || !errors.As(err, &e) || e.Op != "cache" {
		t.Errorf("after the bucket: %v", err)
	}
	if _, err := s.order.Cache(t.Context(), orderFilter{}.selection()); !errors.Is(err, kvrt.ErrBucketNotFound) {
		t.Errorf("of a bucket that is gone: %v", err)
	}
	s = ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	c = cache(t, s, orderFilter{})
	js.Conn().Close()
	if err := ended(c); !errors.Is(err, kvrt.ErrUnavailable) || !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("after the connection: %v", err)
	}
}

func TestAFirstCopyThatIsCutIsNotCalledComplete(t *testing.T) {
	server := kvtest.StartServer(t)
	there := ensureShop(t, server.Connect(t), shopConfig())
	putBeyond(t, there)
	p := startProxy(t, server)
	js := p.connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	here := ensureShop(t, js, shopConfig())
	slow := kvrt.NewKV(here.b, kvrt.KeySpec[orderKey, order]{
		Encode: orderKey.Encode, Codec: kvrt.JSON[order](),
		Parse: func(key string) (orderKey, error) {
			if seen++; seen == 100 {
				cancel()
			}
			return parseOrderKey(key)
		},
	})
	if _, err := slow.Cache(ctx, orderFilter{}.selection()); !errors.Is(err, kvrt.ErrIncomplete) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// A copy that is interrupted goes on.
	seen = 0
	slow = kvrt.NewKV(here.b, kvrt.KeySpec[orderKey, order]{
		Encode: orderKey.Encode, Codec: kvrt.JSON[order](),
		Parse: func(key string) (orderKey, error) {
			if seen++; seen == 100 {
				p.cut()
			}
			return parseOrderKey(key)
		},
	})
	c, err := slow.Cache(t.Context(), orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Len() != beyondAhead {
		t.Fatalf("%d of %d keys", c.Len(), beyondAhead)
	}
}

func TestCachesPassTheInterceptor(t *testing.T) {
	var calls []kvrt.Call
	s := ensureShop(t, kvtest.Start(t), shopConfig(), kvrt.WithInterceptor(
		func(ctx context.Context, call kvrt.Call, next func(context.Context) error) error {
			calls = append(calls, call)
			// What the interceptor makes of the context ends with the call, and not the cache.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return next(ctx)
		}))
	calls = nil
	c := cache(t, s, orderFilter{Tenant: new("acme")})
	if want := (kvrt.Call{Op: "cache", Bucket: "SHOP", Key: "order.acme.*"}); len(calls) != 1 || calls[0] != want {
		t.Fatalf("%+v", calls)
	}
	waitFor(t, c, put(t, s, "acme", 1, 1))
}

func TestReadingACacheAllocatesNothing(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	for id := range uint64(100) {
		put(t, s, "a", id, 1)
	}
	c := cache(t, s, orderFilter{})
	id := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := c.Get(orderKey{"a", id % 100}); !ok {
			t.Error(id)
		}
		id++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Keys whose texts are equal share them, from the first copy on and after: what a cache holds of a
// tenant's thousand orders has the tenant's name a few times at most.
func TestKeysInACacheShareTheirTexts(t *testing.T) {
	const keys = 300
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	texts := func(c *orderCache) int {
		distinct := map[*byte]struct{}{}
		for key := range c.All() {
			distinct[unsafe.StringData(key.Tenant)] = struct{}{}
		}
		return len(distinct)
	}
	for id := range uint64(keys) {
		put(t, s, []string{"acme", "globex"}[id%2], id, 1)
	}
	c := cache(t, s, orderFilter{})
	if n := texts(c); c.Len() != keys || n > 30 {
		t.Errorf("first copy: %d texts in %d keys of 2 tenants", n, c.Len())
	}
	var last uint64
	for id := range uint64(2 * keys) { // half of them anew
		last = put(t, s, []string{"acme", "globex"}[id%2], id, 2)
	}
	waitFor(t, c, last)
	if n := texts(c); c.Len() != 2*keys || n > 60 {
		t.Errorf("after updates: %d texts in %d keys of 2 tenants", n, c.Len())
	}
	for id := range uint64(2 * keys) {
		if e, ok := c.Get(orderKey{[]string{"acme", "globex"}[id%2], id}); !ok || e.Value.Total != 2 {
			t.Fatal(id, e, ok)
		}
	}
}

// A cache tells how old it may be from the moment when it is there.
func TestANewCacheHasHadContact(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	for id := range uint64(100) {
		put(t, s, "a", id, 1)
	}
	for range 50 {
		before := time.Now()
		c := cache(t, s, orderFilter{})
		if contact := c.LastContact(); contact.Before(before) {
			t.Fatalf("contact at %v, of a cache that was begun at %v", contact, before)
		}
		c.Close()
	}
}
