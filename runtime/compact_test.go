package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func remove(t testing.TB, s *shop, tenant string, id uint64) uint64 {
	t.Helper()
	rev, err := s.order.Delete(t.Context(), orderKey{tenant, id})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func entries(t testing.TB, s *shop) uint64 {
	t.Helper()
	status, err := s.b.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Entries
}

func TestCompactRemovesMarkersAndNothingElse(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: 5, Linearizable: true})
	if err := s.b.Compact(ctx); err != nil {
		t.Fatalf("an empty bucket: %v", err)
	}
	put(t, s, "live", 1, 1)
	put(t, s, "live", 1, 2)
	remove(t, s, "live", 1)
	put(t, s, "live", 1, 3)
	for id := range uint64(600) { // more than two chunks
		put(t, s, "dead", id, 1)
		if id%2 == 0 {
			remove(t, s, "dead", id)
		} else if _, err := s.order.Purge(ctx, orderKey{"dead", id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kvrt.GetStrong(ctx, s.counter, counterKey{}, kvrt.Linearizable()); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatal(err)
	}
	before := entries(t, s)
	if err := s.b.Compact(ctx, kvrt.KeepMarkers(time.Hour)); err != nil || entries(t, s) != before {
		t.Fatalf("markers younger than an hour: %d entries, then %d: %v", before, entries(t, s), err)
	}
	defer kvrt.CompactPass(250)() // two passes and a part
	if err := s.b.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	// Four revisions of the live key stay, and the marker of the reserved key.
	if got := entries(t, s); got != 5 {
		t.Fatalf("%d entries are left", got)
	}
	if events, err := s.order.History(ctx, orderKey{"live", 1}); err != nil || len(events) != 4 {
		t.Fatalf("%v, %v", events, err)
	}
	if _, err := s.order.Create(ctx, orderKey{"dead", 1}, order{}); err != nil {
		t.Fatal(err)
	}
}

// createWhilePurging deletes keys, runs compact, and from its first purge on creates the keys again,
// last first. It returns how many of the acknowledged values are gone afterwards.
func createWhilePurging(t *testing.T, replicas int, compact func(context.Context, *shop) error) (lost int) {
	t.Helper()
	const keys = 400
	ctx := within(t, time.Minute)
	servers := kvtest.StartServers(t, replicas)
	s := ensureShop(t, servers.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
	for id := range uint64(keys) {
		put(t, s, "a", id, 1)
		remove(t, s, "a", id)
	}
	purging := make(chan *nats.Msg, keys+1)
	observer := servers.Connect(t).Conn()
	if _, err := observer.ChanSubscribe("$JS.API.STREAM.PURGE.KV_SHOP", purging); err != nil {
		t.Fatal(err)
	}
	if err := observer.Flush(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- compact(ctx, s) }()
	<-purging
	for id := keys; id > 0; id-- {
		if _, err := s.order.Create(ctx, orderKey{"a", uint64(id - 1)}, order{Total: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for id := range uint64(keys) {
		if _, err := s.order.Get(ctx, orderKey{"a", id}, kvrt.AtLeast(3*keys)); errors.Is(err, kvrt.ErrNotFound) {
			lost++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return lost
}

func TestCompactNeverDestroysAValueWrittenMeanwhile(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			lost := createWhilePurging(t, replicas, func(ctx context.Context, s *shop) error { return s.b.Compact(ctx) })
			if lost > 0 {
				t.Fatalf("%d acknowledged values are gone", lost)
			}
		})
	}
	t.Run("plain nats.go does", func(t *testing.T) {
		lost := createWhilePurging(t, 1, func(ctx context.Context, s *shop) error {
			kv, err := s.b.KeyValue(ctx)
			if err != nil {
				return err
			}
			return kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1))
		})
		if lost == 0 {
			t.Fatal("no value was destroyed: the test shows nothing")
		}
	})
}

// The revisions of markers mean nothing in a bucket that was created in the place of theirs.
func TestCompactOfABucketThatIsCreatedAgainMeanwhile(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	there := ensureShop(t, js, shopConfig())
	for i := range int64(5) {
		put(t, there, "a", 1, i)
	}
	remove(t, there, "a", 1)
	infos := 0
	here := ensureShop(t, traced(t, js, "STREAM.INFO", func() {
		if infos++; infos != 4 { // Ensure's, Compact's, the consumer's, and the one before the purge
			return
		}
		if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
			t.Error(err)
		}
		put(t, ensureShop(t, js, shopConfig()), "a", 1, 100)
	}), shopConfig())
	if err := here.b.Compact(ctx); !errors.Is(err, kvrt.ErrIncomplete) || infos != 4 {
		t.Errorf("%v, %d times", err, infos)
	}
	if e, err := ensureShop(t, js, shopConfig()).order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value.Total != 100 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestCompactThatCannotBeCompleted(t *testing.T) {
	ctx := within(t, time.Minute)
	full := &server.User{Username: "full", Password: "x"}
	reader := &server.User{Username: "reader", Password: "x", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{">"}, Deny: []string{"$JS.API.STREAM.PURGE.>"}},
	}}
	srv := kvtest.StartServer(t, func(o *server.Options) { o.Users = []*server.User{full, reader} })
	js := srv.Connect(t, nats.UserInfo("full", "x"))
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	remove(t, s, "a", 1)
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	refused, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo("reader", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.b.Compact(ctx); !errors.Is(err, kvrt.ErrIncomplete) || !errors.Is(err, kvrt.ErrPermission) || kvrt.Retryable(err) {
		t.Fatalf("without a grant: %v", err)
	}
	if got := entries(t, s); got != 1 {
		t.Fatalf("%d entries", got)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.b.Compact(canceled); !errors.Is(err, context.Canceled) {
		t.Fatalf("with a context that ended: %v", err)
	}
	copied := ensureShop(t, js, kvrt.BucketConfig{Name: "COPY", Mirror: &kvrt.Mirror{Bucket: "SHOP"}})
	if err := copied.b.Compact(ctx); !errors.Is(err, kvrt.ErrInvalidOption) {
		t.Fatalf("of a mirror: %v", err)
	}
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	if err := s.b.Compact(ctx); !errors.Is(err, kvrt.ErrBucketNotFound) {
		t.Fatalf("of a bucket that is gone: %v", err)
	}
}
