package kvrt_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// restricted starts a server with a user "full" and a user "one" who may publish to what is given.
func restricted(t *testing.T, allow ...string) *kvtest.Server {
	t.Helper()
	return kvtest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "full", Password: "x"},
			{Username: "one", Password: "x", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: allow},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}},
		}
	})
}

func TestErrorHandlerTellsManyDenialsApart(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$KV.SHOP.order.allowed.*")
	ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	var told atomic.Int64
	handler := kvrt.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("the user's handler was told: %v", err)
		}
		told.Add(1)
	})
	s, err := kvrt.Open(t.Context(), srv.Connect(t, nats.UserInfo("one", "x"), nats.ErrorHandler(handler)), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	const each = 40
	var wg sync.WaitGroup
	start := time.Now()
	for id := range uint64(each) {
		wg.Go(func() {
			key := orderKey{"denied", id}
			name, err := key.Encode()
			if err != nil {
				t.Error(err)
			}
			_, errPut := s.order.Put(within(t, time.Minute), key, order{})
			_, errGet := s.order.Get(within(t, time.Minute), key)
			for _, err := range []error{errPut, errGet} {
				if !errors.Is(err, kvrt.ErrPermission) || !strings.HasSuffix(err.Error(), "$KV.SHOP."+name) {
					t.Error(err)
				}
			}
			if _, err := s.order.Put(within(t, time.Minute), orderKey{"allowed", id}, order{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if told.Load() < 2*each {
		t.Errorf("the user's handler was told of %d denials, there were %d", told.Load(), 2*each)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("a refusal took as long as a deadline: %v", took)
	}
}

func TestErrorHandlerEndsAWatchThatMayNotPull(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.CONSUMER.CREATE.KV_SHOP.>")
	full := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	put(t, full, "a", 1, 1)
	for name, handler := range map[string]nats.ErrHandler{
		"with it":    kvrt.ErrorHandler(nil),
		"without it": func(*nats.Conn, *nats.Subscription, error) {},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := kvrt.Open(t.Context(), srv.Connect(t, nats.UserInfo("one", "x"), nats.ErrorHandler(handler)), shopConfig(), bindShop)
			if err != nil {
				t.Fatal(err)
			}
			w := watch(t, s, orderFilter{})
			for range w.Updates() {
			}
			if !errors.Is(w.Err(), kvrt.ErrPermission) || !strings.Contains(w.Err().Error(), "$JS.API.CONSUMER.MSG.NEXT.KV_SHOP.") {
				t.Error(w.Err())
			}
			if _, err := s.order.Count(within(t, time.Minute), orderFilter{}.selection()); !errors.Is(err, kvrt.ErrPermission) {
				t.Error(err)
			}
		})
	}
}

func TestErrorHandlerOfTwoConnections(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP")
	handler := nats.ErrorHandler(kvrt.ErrorHandler(nil))
	full := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x"), handler), shopConfig())
	one, err := kvrt.Open(t.Context(), srv.Connect(t, nats.UserInfo("one", "x"), handler), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := one.counter.Put(within(t, time.Minute), counterKey{}, 1); !errors.Is(err, kvrt.ErrPermission) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := full.counter.Put(within(t, time.Minute), counterKey{}, 1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Without ErrorHandler, the connection's last error is all there is: it counts for the request that was
// refused, and for no other one that happens to wait for its answer.
func TestARefusalIsOfItsOwnRequestOnly(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.STREAM.MSG.GET.KV_SHOP", "$KV.SHOP.counter")
	ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	p := startProxy(t, srv)
	s, err := kvrt.Open(t.Context(), p.connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	rev, err := losing(t, p, p.setDeaf, func(ctx context.Context) (uint64, error) {
		return s.counter.Create(ctx, counterKey{}, 1)
	}, func() {
		p.setDeaf(false)
		if _, err := s.order.Put(within(t, time.Minute), orderKey{"a", 1}, order{}); !errors.Is(err, kvrt.ErrPermission) {
			t.Error(err)
		}
	})
	if rev != 1 || err != nil {
		t.Errorf("while another one was refused: %d, %v", rev, err)
	}
}

func TestAWatchThatMayNotAttachAgainEnds(t *testing.T) {
	first, second := restricted(t, ">"), restricted(t, "$JS.API.STREAM.INFO.KV_SHOP")
	for _, srv := range []*kvtest.Server{first, second} {
		ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	}
	p := startProxy(t, first)
	s, err := kvrt.Open(t.Context(), p.connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, s, orderFilter{})
	expect(t, w, "Synced")
	p.redirect(second)
	select {
	case _, open := <-w.Updates():
		if open {
			t.Error("an event")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if !errors.Is(w.Err(), kvrt.ErrPermission) {
		t.Error(w.Err())
	}
}
