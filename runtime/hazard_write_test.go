package kvrt_test

// What becomes of writes with plain nats.go and with this package, where they differ: outcomes that
// are not known, writes that come too late, conflicts called by another name. Each test shows both.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// What this package does instead is TestAWriteWhoseAnswerGotLost.
func TestPlainUpdatesWhoseAnswerGotLost(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			ctx := within(t, time.Minute)
			cluster := kvtest.StartServers(t, replicas)
			there := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
			p := startProxy(t, cluster.Servers[0])
			js := p.connect(t)
			kv, err := js.KeyValue(ctx, "SHOP")
			if err != nil {
				t.Fatal(err)
			}
			rev, err := there.counter.Put(ctx, counterKey{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			loseAnswer(t, p, there, rev+1, func(deafen func()) {
				short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
				deafen()
				_, err = kv.Update(short, "counter", []byte("2"), rev)
			}, func() {})
			if err == nil {
				t.Fatal("plain nats.go no longer has the fault: it knows what became of the write")
			}
			if err := js.Conn().FlushWithContext(ctx); err != nil {
				t.Fatal(err)
			}
			// Whoever tries again is told of a conflict, with a write of their own.
			if _, err := kv.Update(ctx, "counter", []byte("2"), rev); !errors.Is(err, jetstream.ErrKeyExists) && !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
				t.Errorf("again: %v", err)
			}
			// An id for the server's own deduplication helps where there are replicas only.
			send := func() (*jetstream.PubAck, error) {
				return js.Publish(ctx, "$KV.SHOP.counter", []byte("3"), jetstream.WithMsgID("3"), jetstream.WithExpectLastSequencePerSubject(rev+1))
			}
			if _, err := send(); err != nil {
				t.Fatal(err)
			}
			ack, err := send()
			var api *jetstream.APIError
			if replicas == 1 && (!errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence) ||
				replicas == 3 && (err != nil || !ack.Duplicate) {
				t.Errorf("again, with an id: %+v, %v", ack, err)
			}
		})
	}
}

// raceToCreate has several handles create each of some keys, and returns the errors of those who lost.
func raceToCreate(t *testing.T, keys uint64, handles int, create func(handle int, key orderKey) error) (lost []error) {
	t.Helper()
	var mu sync.Mutex
	for id := range keys {
		var wg sync.WaitGroup
		var won atomic.Int64
		for handle := range handles {
			wg.Go(func() {
				err := create(handle, orderKey{"race", id})
				if err == nil {
					won.Add(1)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				lost = append(lost, err)
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d have created key %d", won.Load(), id)
		}
	}
	return lost
}

func TestWhoLosesARaceToCreateIsToldThatTheKeyExists(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	const handles = 8
	for _, replicas := range []int{1, 3} {
		for _, over := range []string{"nothing", "a marker"} {
			t.Run(fmt.Sprintf("R%d over %s", replicas, over), func(t *testing.T) {
				cluster := kvtest.StartServers(t, replicas)
				cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: replicas}
				var shops []*shop
				var plains []jetstream.KeyValue
				for range handles {
					shops = append(shops, ensureShop(t, cluster.Connect(t), cfg))
					plains = append(plains, plain(t, shops[len(shops)-1]))
				}
				prepare := func(keys uint64) {
					for id := range keys {
						if over == "nothing" {
							if _, err := shops[0].order.Purge(ctx, orderKey{"race", id}); err != nil {
								t.Fatal(err)
							}
						} else {
							remove(t, shops[0], "race", id)
						}
					}
					if over == "nothing" {
						if err := shops[0].b.Compact(ctx); err != nil {
							t.Fatal(err)
						}
					}
				}
				const keys = 40
				prepare(keys)
				for _, err := range raceToCreate(t, keys, handles, func(handle int, key orderKey) error {
					_, err := shops[handle].order.Create(ctx, key, order{})
					return err
				}) {
					if !errors.Is(err, kvrt.ErrExists) || errors.Is(err, kvrt.ErrConflict) {
						t.Errorf("%v", err)
					}
				}
				if replicas == 1 || over == "nothing" {
					return
				}
				for round := 0; round < 25; round++ {
					prepare(keys)
					for _, err := range raceToCreate(t, keys, handles, func(handle int, key orderKey) error {
						name, err := key.Encode()
						if err != nil {
							return err
						}
						_, err = plains[handle].Create(ctx, name, nil)
						return err
					}) {
						if !errors.Is(err, jetstream.ErrKeyExists) && !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
							return
						}
					}
				}
				t.Error("plain nats.go no longer has the fault: all conflicts have a name")
			})
		}
	}
}

func TestCreateAfterDeleteFindsTheMarker(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	cluster := kvtest.StartServers(t, 3)
	cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: 3}
	ensureShop(t, cluster.Connect(t), cfg)
	// Connections to each of the servers: some of them answer direct gets with a replica that is behind.
	var shops []*shop
	var plains []jetstream.KeyValue
	for i := range 8 {
		shops = append(shops, ensureShop(t, cluster.Servers[i%3].Connect(t), cfg))
		plains = append(plains, plain(t, shops[i]))
	}
	refused := func(enough int64, round func(handle int, key orderKey) error) (refused int64) {
		var wg sync.WaitGroup
		var done, exists atomic.Int64
		for handle := range shops {
			key := orderKey{"again", uint64(handle)}
			if _, err := shops[handle].order.Put(ctx, key, order{}); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for done.Add(1) <= enough && exists.Load() == 0 {
					err := round(handle, key)
					if errors.Is(err, kvrt.ErrExists) || errors.Is(err, jetstream.ErrKeyExists) {
						exists.Add(1)
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return exists.Load()
	}
	if refused(1500, func(handle int, key orderKey) error {
		if _, err := shops[handle].order.Delete(ctx, key); err != nil {
			return err
		}
		_, err := shops[handle].order.Create(ctx, key, order{})
		return err
	}) > 0 {
		t.Error("a key that was deleted exists")
	}
	if refused(100_000, func(handle int, key orderKey) error {
		name, err := key.Encode()
		if err != nil {
			return err
		}
		if err := plains[handle].Delete(ctx, name); err != nil {
			return err
		}
		_, err = plains[handle].Create(ctx, name, nil)
		return err
	}) == 0 {
		t.Error("plain nats.go no longer has the fault")
	}
}

func TestAWriteThatIsDeniedIsNotCalledATimeout(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP")
	ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	s, err := kvrt.Open(ctx, srv.Connect(t, quiet, nats.UserInfo("one", "x")), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	kv := plain(t, s)
	if _, err := s.order.Put(ctx, orderKey{"a", 1}, order{}); !errors.Is(err, kvrt.ErrPermission) || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := kv.Put(short, "order.a.1", nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("plain nats.go no longer has the fault: %v", err)
	}
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
