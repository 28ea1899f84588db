package kvrt_test

// What plain nats.go does and this package does not: each test shows both. This file has what concerns
// buckets, keys and values; hazard_write_test.go, hazard_watch_test.go, hazard_list_test.go and
// hazard_cluster_test.go have the rest, and CONTRIBUTING.md lists all of them by hazard.

import (
	"context"
	"errors"
	"fmt"
	"reflect"
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
	_, errWatch := kvrt.WatchKey(ctx, s.order, orderKey{long, 1})
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

func TestEnsureBesideWhatPlainUpdatesReset(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	ensureShop(t, js, fullConfig())
	live := func() jetstream.StreamConfig {
		t.Helper()
		stream, err := js.Stream(ctx, "KV_SHOP")
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().Config
	}
	before := live()
	// One setting is named: of the others none changes.
	ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Description: "ours"})
	after := live()
	after.Description = before.Description
	if !reflect.DeepEqual(after, before) {
		t.Errorf("Ensure of a description:\n%+v\nbefore:\n%+v", after, before)
	}
	// Plain nats.go cannot say that transactions are allowed, and so it forbids them.
	if _, err := js.UpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: "SHOP", Description: "theirs", History: 10, TTL: before.MaxAge, MaxBytes: before.MaxBytes, LimitMarkerTTL: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	if c := live(); c.AllowAtomicPublish || c.MaxMsgSize == before.MaxMsgSize {
		t.Errorf("plain nats.go no longer has the fault: %+v", c)
	}
	if _, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP", Description: "theirs", LimitMarkerTTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if c := live(); c.MaxMsgsPerSubject != 1 || c.MaxAge != 0 || c.Metadata["team"] != "" {
		t.Errorf("plain nats.go no longer has the fault: %+v", c)
	}
	if _, err := kvrt.Open(ctx, js, fullConfig(), bindShop); !errors.Is(err, kvrt.ErrDrift) {
		t.Errorf("Open of what is left: %v", err)
	}
	// Ensure repairs it.
	s := ensureShop(t, js, fullConfig(), kvrt.AllowDataLoss())
	if got := drift(t, s.b); got != "[]" {
		t.Error(got)
	}
}

func TestABucketIsEnsuredAgainRightAfterItsDeletion(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			js := kvtest.StartServers(t, replicas).Connect(t)
			for range 20 {
				s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
				put(t, s, "a", 1, 1)
				if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestAMirrorInTheSameAccountIsReadUnderItsOwnName(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	origin := ensureShop(t, js, shopConfig())
	first := put(t, origin, "a", 1, 1)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "COPY", Mirror: &kvrt.Mirror{Bucket: "SHOP"}})
	w := watch(t, s, orderFilter{})
	for next(t, w).Op != kvrt.Put {
	}
	if e, err := s.order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value.Total != 1 || e.Revision != first {
		t.Errorf("%+v, %v", e, err)
	}
	for key, err := range s.order.Keys(ctx, orderFilter{}.selection()) {
		if err != nil || key.ID != 1 {
			t.Errorf("%v, %v", key, err)
		}
	}
	if got, err := s.order.GetMany(ctx, []orderKey{{"a", 1}}); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	kv, err := js.KeyValue(ctx, "COPY")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(ctx, "order.a.1"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("plain nats.go no longer has the fault: Get: %v, %v", e, err)
	}
	if keys, err := kv.Keys(ctx); !errors.Is(err, jetstream.ErrNoKeysFound) {
		t.Errorf("plain nats.go no longer has the fault: Keys: %v, %v", keys, err)
	}
	if _, err := kv.Update(ctx, "order.a.1", []byte(`{"total":2}`), first); err != nil {
		t.Errorf("plain nats.go no longer has the fault: Update: %v", err)
	}
	if e, err := origin.order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value.Total != 2 {
		t.Errorf("the origin: %+v, %v", e, err)
	}
	// Generated code of a mirror has no writers; a handle that has one is refused by Open.
	if _, err := kvrt.Open(ctx, js, kvrt.BucketConfig{Name: "COPY"}, bindShop); !errors.Is(err, kvrt.ErrDrift) {
		t.Error(err)
	}
}

// A newer value that ends would bring an older one back, so the checker of schemas refuses `ttl:` on
// keys with a history, and the runtime a MarkerTTL on a Delete there.
func TestAnEndOfLifeDoesNotBringAnOlderValueBack(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", History: 2, LimitMarkerTTL: time.Second})
	put(t, s, "a", 1, 1)
	if _, err := s.order.Delete(ctx, orderKey{"a", 1}, kvrt.MarkerTTL(time.Second)); !errors.Is(err, kvrt.ErrInvalidOption) {
		t.Error(err)
	}
	kv := plain(t, s)
	if _, err := js.Publish(ctx, "$KV.SHOP.order.a.1", []byte("new"), jetstream.WithMsgTTL(time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		e, err := kv.Get(ctx, "order.a.1")
		if err != nil {
			t.Fatalf("plain nats.go no longer has the fault: %v", err)
		}
		if string(e.Value()) != "new" { // an older value, after the newer one
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestASnapshotOfManyKeysHasALimit(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	const n = 1025
	if _, err := s.order.PutMany(ctx, orders("a", n)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.order.GetMany(ctx, keysOf("a", n)); err != nil || len(got) != n {
		t.Errorf("%d, %v", len(got), err)
	}
	answer, err := js.Conn().RequestWithContext(ctx, "$JS.API.DIRECT.GET.KV_SHOP", []byte(`{"multi_last":["$KV.SHOP.order.a.*"]}`))
	if err != nil || answer.Header.Get("Status") != "413" {
		t.Errorf("the server no longer has the limit: %+v, %v", answer, err)
	}
}
