package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// Each of a thousand callers gets the answers to its own requests, whatever becomes of those of others.
func TestAnswersReachWhoAsked(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	ctx := within(t, 2*time.Minute)
	const callers, turns = 1000, 10
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			key := orderKey{"a", uint64(i)}
			for turn := range int64(turns) {
				if i%10 == 0 { // leaves before the answer comes
					brief, cancel := context.WithTimeout(ctx, time.Duration(turn)*100*time.Microsecond)
					_, err := s.order.Get(brief, key)
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, kvrt.ErrNotFound) {
						t.Errorf("caller %d: %v", i, err)
					}
					continue
				}
				revision, err := s.order.Put(ctx, key, order{Total: int64(i)*turns + turn})
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				e, err := s.order.Get(ctx, key)
				if err != nil || e.Revision != revision || e.Value.Total != int64(i)*turns+turn {
					t.Errorf("caller %d wrote revision %d and read %+v, %v", i, revision, e, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Answers that come when nobody waits for them any more are no reason for the connection to complain,
// and do not stand in the way of others.
func TestLateAnswersDoNoHarm(t *testing.T) {
	p := startProxy(t, kvtest.StartServer(t))
	var complaints atomic.Pointer[error]
	js := p.connect(t, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { complaints.Store(&err) }))
	s := ensureShop(t, js, shopConfig())
	ctx, key := within(t, 2*time.Minute), orderKey{"a", 1}
	if _, err := s.order.Put(ctx, key, order{Total: 7}); err != nil {
		t.Fatal(err)
	}
	subscriptions := js.Conn().NumSubscriptions()
	for range 2 {
		p.setLate(true)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range 30 {
					brief, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
					_, err := s.order.Get(brief, key)
					cancel()
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("without an answer: %v", err)
					}
				}
			})
		}
		wg.Wait()
		p.setLate(false)
		if err := js.Conn().FlushWithContext(ctx); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if e, err := s.order.Get(ctx, key); err != nil || e.Value.Total != 7 {
				t.Fatal(e, err)
			}
		}
	}
	if err := complaints.Load(); err != nil {
		t.Errorf("the connection complained: %v", *err)
	}
	if n := js.Conn().NumSubscriptions(); n > subscriptions+1 { // the connection's own for answers
		t.Errorf("%d subscriptions, %d before", n, subscriptions)
	}
}

// A handle needs no closing: what it has on the connection goes with it.
func TestAHandleLeavesNothingOnTheConnection(t *testing.T) {
	js := kvtest.Start(t)
	ensureShop(t, js, shopConfig())
	ctx := within(t, time.Minute)
	use := func(js jetstream.JetStream) {
		b, err := kvrt.Open(ctx, js, shopConfig(), bindShop)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.order.Put(ctx, orderKey{"a", 1}, order{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		use(js)
	}
	for js.Conn().NumSubscriptions() > 2 {
		runtime.GC()
		if err := ctx.Err(); err != nil {
			t.Fatal(fmt.Errorf("%d subscriptions are left: %w", js.Conn().NumSubscriptions(), err))
		}
	}
}

// A write that is on its way when the application drains the connection is answered.
func TestWritesOnTheirWayWhenTheConnectionIsDrained(t *testing.T) {
	srv := kvtest.StartServer(t)
	for range 5 {
		nc := srv.Connect(t).Conn()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		s := ensureShop(t, js, shopConfig())
		ctx := within(t, time.Minute)
		// The drain waits for a handler of the application that takes its time.
		handling, goOn := make(chan struct{}), make(chan struct{})
		if _, err := nc.Subscribe("work", func(*nats.Msg) { close(handling); <-goOn }); err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish("work", nil); err != nil {
			t.Fatal(err)
		}
		<-handling
		var writing, done sync.WaitGroup
		for id := range uint64(20) {
			writing.Add(1)
			done.Go(func() {
				begun := sync.OnceFunc(writing.Done)
				defer begun()
				for n := 0; ; n++ {
					if n == 5 {
						begun()
					}
					_, err := s.order.Put(ctx, orderKey{"a", id}, order{})
					if err == nil {
						continue
					}
					if !errors.Is(err, kvrt.ErrUnavailable) || errors.Is(err, kvrt.ErrUnknownOutcome) {
						t.Errorf("Put: %v", err)
					}
					return
				}
			})
		}
		writing.Wait()
		if err := nc.Drain(); err != nil {
			t.Fatal(err)
		}
		done.Wait()
		close(goOn)
	}
}

// A handle that the handlers of a connection know does not keep the connection after its end.
func TestAClosedConnectionIsForgotten(t *testing.T) {
	srv := kvtest.StartServer(t)
	ctx := within(t, time.Minute)
	const n = 10
	gone := make(chan struct{}, n)
	for range n {
		type app struct{ shop *shop }
		a := &app{}
		runtime.AddCleanup(a, func(struct{}) { gone <- struct{}{} }, struct{}{})
		nc, err := nats.Connect(srv.URL(), nats.ReconnectHandler(func(*nats.Conn) { _ = a.shop }))
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		a.shop = ensureShop(t, js, shopConfig())
		put(t, a.shop, "a", 1, 1)
		if _, err := a.shop.order.Get(ctx, orderKey{"a", 1}); err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	for range n - 1 { // the last one may still be on the stack
		for len(gone) == 0 {
			runtime.GC()
			if err := ctx.Err(); err != nil {
				t.Fatal(err)
			}
		}
		<-gone
	}
}
