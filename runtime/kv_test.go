package kvrt_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func TestSingleKeyOperations(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	key := orderKey{"acme", 7}

	if _, err := s.order.Get(ctx, key); !errors.Is(err, kvrt.ErrNotFound) || !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Fatalf("Get of an absent key: %v", err)
	}
	rev, err := s.order.Put(ctx, key, order{"a", 1})
	if err != nil || rev != 1 {
		t.Fatalf("Put: %d, %v", rev, err)
	}
	entry, err := s.order.Get(ctx, key)
	if err != nil || entry.Key != key || entry.Value != (order{"a", 1}) || entry.Revision != rev || entry.Created.IsZero() {
		t.Fatalf("Get: %+v, %v", entry, err)
	}
	if _, err := s.order.Create(ctx, key, order{}); !errors.Is(err, kvrt.ErrExists) || errors.Is(err, kvrt.ErrConflict) || !errors.Is(err, jetstream.ErrKeyExists) {
		t.Fatalf("Create of a live key: %v", err)
	}
	var exists *kvrt.Error
	if _, err := s.order.Create(ctx, key, order{}); !errors.As(err, &exists) || exists.Revision != rev {
		t.Fatalf("its error: %+v", exists)
	}
	rev2, err := s.order.Update(ctx, key, order{"b", 2}, rev)
	if err != nil || rev2 != 2 {
		t.Fatalf("Update: %d, %v", rev2, err)
	}
	_, err = s.order.Update(ctx, key, order{"c", 3}, rev)
	if !errors.Is(err, kvrt.ErrConflict) || errors.Is(err, kvrt.ErrExists) || errors.Is(err, jetstream.ErrKeyExists) || !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		t.Fatalf("Update of an old revision: %v", err)
	}
	var e *kvrt.Error
	if !errors.As(err, &e) || e.Op != "update" || e.Bucket != "SHOP" || e.Key != "order.acme.7" || e.Revision != rev2 {
		t.Fatalf("its error: %+v", e)
	}
	if _, err := s.order.Update(ctx, orderKey{"acme", 8}, order{}, 1); !errors.Is(err, kvrt.ErrConflict) {
		t.Fatalf("Update of an absent key: %v", err)
	}
	if _, err := s.order.Update(ctx, key, order{}, 0); !errors.Is(err, kvrt.ErrInvalidRevision) {
		t.Fatalf("Update with revision 0: %v", err)
	}
	if _, err := s.order.Delete(ctx, key, kvrt.IfRevision(rev)); !errors.Is(err, kvrt.ErrConflict) {
		t.Fatalf("Delete of an old revision: %v", err)
	}
	if _, err := s.order.Delete(ctx, key, kvrt.IfRevision(0)); !errors.Is(err, kvrt.ErrInvalidRevision) {
		t.Fatalf("Delete with revision 0: %v", err)
	}
	if _, err := s.order.Delete(ctx, key, kvrt.IfRevision(rev2)); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if _, err := s.order.Get(ctx, key); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatalf("Get of a deleted key: %v", err)
	}
	rev4, err := s.order.Create(ctx, key, order{"d", 4})
	if err != nil {
		t.Fatalf("Create over a marker: %v", err)
	}
	if _, err := s.order.Purge(ctx, key, kvrt.IfRevision(rev4)); err != nil {
		t.Fatalf("Purge: %v", err)
	}
	if _, err := s.order.Get(ctx, key); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatalf("Get of a purged key: %v", err)
	}
	status, err := s.b.Status(ctx)
	if err != nil || status.Bucket != "SHOP" || status.Entries != 1 || status.History != 1 || status.LastRevision != rev4+1 {
		t.Fatalf("Status: %+v, %v", status, err)
	}
}

func TestInvalidInputIsRefusedBeforeSending(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", MaxValueSize: 64})
	long := make([]byte, 2000)
	if _, err := s.order.Put(ctx, orderKey{string(long), 1}, order{}); !errors.Is(err, kvrt.ErrInvalidKey) || !errors.Is(err, jetstream.ErrInvalidKey) {
		t.Fatalf("a key of %d bytes: %v", len(long), err)
	}
	if _, err := s.order.Put(ctx, orderKey{"a", 1}, order{Note: string(long)}); !errors.Is(err, kvrt.ErrTooLarge) {
		t.Fatalf("a value over the bucket's limit: %v", err)
	}
	if status, err := s.b.Status(ctx); err != nil || status.LastRevision != 0 {
		t.Fatalf("something was stored: %+v, %v", status, err)
	}
}

func TestHeadersCountForTheLimitsOfAMessage(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP", MaxValueSize: 100}); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, js, shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := js.Conn().SubscribeSync("$KV.SHOP.>")
	if err != nil {
		t.Fatal(err)
	}
	small := order{Note: strings.Repeat("x", 60)}
	rev, err := s.order.Put(ctx, orderKey{"a", 1}, small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sent.NextMsgWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	payload := order{Note: strings.Repeat("x", int(js.Conn().MaxPayload())-60)}
	_, errUpdate := s.order.Update(ctx, orderKey{"a", 1}, small, rev)
	_, errPut := s.order.Put(ctx, orderKey{"a", 1}, payload)
	for name, err := range map[string]error{"Update": errUpdate, "Put": errPut} {
		if !errors.Is(err, kvrt.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := js.Conn().FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	if n, _, err := sent.Pending(); n != 0 || err != nil {
		t.Errorf("%d were sent, %v", n, err)
	}
	// The limit is the one of now, not of when the bucket was bound.
	if _, err := js.UpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP", MaxValueSize: 1000}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.order.Update(ctx, orderKey{"a", 1}, small, rev); err != nil {
		t.Error(err)
	}
}

func TestModifyLosesNoUpdate(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run("R"+string(rune('0'+replicas)), func(t *testing.T) {
			js := kvtest.StartCluster(t, 3)
			s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
			const writers, each = 8, 25
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for range each {
						_, err := s.counter.Modify(within(t, 60e9), counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error {
							e.Value++
							return nil
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			entry, err := s.counter.Get(t.Context(), counterKey{}, kvrt.AtLeast(writers*each))
			if err != nil || entry.Value != writers*each || entry.Revision != writers*each {
				t.Fatalf("%+v, %v", entry, err)
			}
		})
	}
}

func TestModifyEndsWithoutAWrite(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	type entry = kvrt.Entry[counterKey, int64]
	mine := errors.New("mine")

	if e, err := s.counter.Modify(ctx, counterKey{}, func(e *entry) error { return kvrt.Skip }); err != nil || e.Exists() {
		t.Fatalf("Skip on an absent key: %+v, %v", e, err)
	}
	if e, err := s.counter.Modify(ctx, counterKey{}, func(e *entry) error { return kvrt.Remove }); err != nil || e.Exists() {
		t.Fatalf("Remove on an absent key: %+v, %v", e, err)
	}
	if _, err := s.counter.Modify(ctx, counterKey{}, func(e *entry) error { return mine }); err != mine {
		t.Fatalf("an error of fn: %v", err)
	}
	if e, err := s.counter.Modify(ctx, counterKey{}, func(e *entry) error {
		if e.Exists() {
			t.Error("an absent key exists")
		}
		e.Value = 5
		return nil
	}); err != nil || e.Revision != 1 || e.Value != 5 {
		t.Fatalf("the first value: %+v, %v", e, err)
	}
	if e, err := s.counter.Modify(ctx, counterKey{}, func(e *entry) error { return nil }); err != nil || e.Revision != 1 {
		t.Fatalf("an unchanged value: %+v, %v", e, err)
	}
	if e, err := s.counter.Modify(ctx, counterKey{}, func(e *entry) error { return kvrt.Remove }); err != nil || e.Exists() {
		t.Fatalf("Remove: %+v, %v", e, err)
	}
	status, err := s.b.Status(ctx)
	if err != nil || status.LastRevision != 2 {
		t.Fatalf("%+v, %v", status, err)
	}
	runs := 0
	_, err = s.counter.Modify(ctx, counterKey{}, func(e *entry) error {
		runs++
		if _, err := s.counter.Put(ctx, counterKey{}, e.Value+1); err != nil {
			t.Error(err)
		}
		e.Value = 100
		return nil
	}, kvrt.MaxAttempts(3))
	if !errors.Is(err, kvrt.ErrContention) || !kvrt.Retryable(err) || runs != 3 {
		t.Fatalf("contention without end: %v after %d runs", err, runs)
	}
}

// An absent key has no value, which is something else than an empty one.
func TestModifyWritesAnEmptyValue(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	text := kvrt.NewKV(s.b, kvrt.KeySpec[counterKey, string]{Encode: counterKey.Encode, Parse: parseCounterKey, Codec: kvrt.Raw[string]()})
	for range 2 { // the second one leaves it as it is
		if e, err := text.Modify(t.Context(), counterKey{}, func(*kvrt.Entry[counterKey, string]) error { return nil }); err != nil || e.Revision != 1 {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	if _, err := text.Delete(t.Context(), counterKey{}); err != nil {
		t.Fatal(err)
	}
	if e, err := text.Modify(t.Context(), counterKey{}, func(*kvrt.Entry[counterKey, string]) error { return nil }); err != nil || e.Revision != 3 {
		t.Fatalf("over a marker: %+v, %v", e, err)
	}
}

func TestGetOrCreate(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	mine := errors.New("mine")
	if _, _, err := s.counter.GetOrCreate(ctx, counterKey{}, func() (int64, error) { return 0, mine }); err != mine {
		t.Fatal(err)
	}
	for i, created := range []bool{true, false} {
		e, c, err := s.counter.GetOrCreate(ctx, counterKey{}, func() (int64, error) { return int64(7 + i), nil })
		if err != nil || c != created || e.Value != 7 || e.Revision != 1 {
			t.Fatalf("call %d: %+v, %v, %v", i, e, c, err)
		}
	}
	if _, err := s.counter.Delete(ctx, counterKey{}); err != nil {
		t.Fatal(err)
	}
	if e, c, err := s.counter.GetOrCreate(ctx, counterKey{}, func() (int64, error) { return 9, nil }); err != nil || !c || e.Value != 9 {
		t.Fatalf("over a marker: %+v, %v, %v", e, c, err)
	}
}

func TestGetOrCreateOfManyAtOnce(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(10) {
		key := orderKey{"race", id}
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[int64]bool{}
		for caller := range int64(8) {
			wg.Go(func() {
				runs := 0
				e, created, err := s.order.GetOrCreate(t.Context(), key, func() (order, error) {
					if runs++; caller == 0 { // who loses, in any case
						if _, err := s.order.Create(t.Context(), key, order{Total: 99}); err != nil && !errors.Is(err, kvrt.ErrExists) {
							return order{}, err
						}
					}
					return order{Total: caller}, nil
				})
				mu.Lock()
				defer mu.Unlock()
				if got[e.Value.Total] = true; err != nil || runs > 1 || created && e.Value.Total != caller {
					t.Errorf("%+v, %v, %v, after %d runs", e, created, err, runs)
				}
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Errorf("they got %v", got)
		}
	}
	// A marker that is written in between costs another attempt, and not another run.
	runs := 0
	e, created, err := s.counter.GetOrCreate(t.Context(), counterKey{}, func() (int64, error) {
		runs++
		_, err := s.counter.Delete(t.Context(), counterKey{})
		return 5, err
	})
	if err != nil || !created || e.Value != 5 || runs != 1 {
		t.Errorf("%+v, %v, %v, after %d runs", e, created, err, runs)
	}
}

func TestHistoryAndRevisions(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: 5})
	key := orderKey{"acme", 1}
	if events, err := s.order.History(ctx, key); err != nil || len(events) != 0 {
		t.Fatalf("of an absent key: %v, %v", events, err)
	}
	for i := range int64(3) {
		if _, err := s.order.Put(ctx, key, order{Total: i}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.order.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	if _, err := s.order.Put(ctx, orderKey{"acme", 2}, order{}); err != nil {
		t.Fatal(err)
	}
	events, err := s.order.History(ctx, key)
	var got []kvrt.Op
	for _, ev := range events {
		got = append(got, ev.Op)
	}
	if err != nil || !slices.Equal(got, []kvrt.Op{kvrt.Put, kvrt.Put, kvrt.Put, kvrt.Delete}) || events[1].Value.Total != 1 {
		t.Fatalf("%+v, %v", events, err)
	}
	if ev, err := s.order.GetRevision(ctx, key, 2); err != nil || ev.Value.Total != 1 || ev.Op != kvrt.Put {
		t.Fatalf("revision 2: %+v, %v", ev, err)
	}
	if ev, err := s.order.GetRevision(ctx, key, 4); err != nil || ev.Op != kvrt.Delete {
		t.Fatalf("revision 4: %+v, %v", ev, err)
	}
	for _, revision := range []uint64{5, 6} {
		if _, err := s.order.GetRevision(ctx, key, revision); !errors.Is(err, kvrt.ErrNotFound) {
			t.Fatalf("revision %d: %v", revision, err)
		}
	}
}

func TestListings(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for range s.order.Keys(ctx, orderFilter{}.selection()) {
		t.Fatal("a key in an empty bucket")
	}
	want := map[orderKey]order{}
	for i := range uint64(1000) {
		key := orderKey{[]string{"acme", "a.b@x", ""}[i%3], i}
		want[key] = order{Total: int64(i)}
		if _, err := s.order.Put(ctx, key, want[key]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(100) {
		key := orderKey{[]string{"acme", "a.b@x", ""}[i%3], i}
		if _, err := s.order.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		delete(want, key)
	}
	if _, err := s.counter.Put(ctx, counterKey{}, 1); err != nil {
		t.Fatal(err)
	}
	got := map[orderKey]order{}
	for entry, err := range s.order.List(ctx, orderFilter{}.selection()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[entry.Key]; twice {
			t.Fatalf("%v twice", entry.Key)
		}
		got[entry.Key] = entry.Value
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for key, value := range want {
		if got[key] != value {
			t.Fatalf("%v: %+v, want %+v", key, got[key], value)
		}
	}
	if n, err := s.order.Count(ctx, orderFilter{Tenant: new("a.b@x")}.selection()); err != nil || n != 300 {
		t.Fatalf("Count: %d, %v", n, err)
	}
	n := 0
	for key, err := range s.order.Keys(ctx, orderFilter{ID: new(uint64(500))}.selection()) {
		if err != nil || key.ID != 500 {
			t.Fatalf("%v, %v", key, err)
		}
		n++
	}
	if n != 1 {
		t.Fatalf("%d keys", n)
	}
	for range s.order.Keys(ctx, orderFilter{}.selection()) {
		break
	}
	expectNoConsumers(t, js)
}

func TestListingGoesOnAfterAValueThatCannotBeDecoded(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	kv, err := s.b.KeyValue(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"order.a.1", "order.a.2", "order.a.x"} {
		value := "{}"
		if k == "order.a.1" {
			value = "not json"
		}
		if _, err := kv.PutString(ctx, k, value); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint64
	var decode *kvrt.DecodeError
	for entry, err := range s.order.List(ctx, orderFilter{}.selection()) {
		if err != nil && !errors.As(err, &decode) {
			t.Fatal(err)
		}
		ids = append(ids, entry.Key.ID)
	}
	if !slices.Equal(ids, []uint64{1, 2}) || decode == nil || string(decode.Data) != "not json" || decode.Revision != 1 {
		t.Fatalf("%v, %+v", ids, decode)
	}
	if _, err := s.order.Get(ctx, orderKey{"a", 1}); !errors.Is(err, kvrt.ErrDecode) || !errors.As(err, &decode) {
		t.Fatalf("Get: %v", err)
	}
}

// A context without a deadline does not end: neither the time that the caller's function takes nor other
// attempts count for the default timeout, which is that of each request.
func TestWithoutADeadlineOnlyRequestsAreLimited(t *testing.T) {
	const limit = 200 * time.Millisecond
	plain := kvtest.Start(t)
	js, err := jetstream.New(plain.Conn(), jetstream.WithDefaultTimeout(limit))
	if err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Transactions: true})
	ctx := context.Background()
	slow := func() { time.Sleep(limit + limit/2) }
	if _, err := s.counter.Modify(ctx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error { slow(); e.Value++; return nil }); err != nil {
		t.Error(err)
	}
	if _, _, err := s.order.GetOrCreate(ctx, orderKey{"a", 1}, func() (order, error) { slow(); return order{}, nil }); err != nil {
		t.Error(err)
	}
	// Others write in between each time, for longer than the timeout.
	attempts, began := 0, time.Now()
	if _, err := s.counter.Modify(ctx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error {
		if attempts++; time.Since(began) < 2*limit {
			if _, err := s.counter.Put(ctx, counterKey{}, e.Value+1); err != nil {
				return err
			}
		}
		e.Value += 100
		return nil
	}); err != nil || attempts < 3 {
		t.Error(attempts, err)
	}
	attempts, began = 0, time.Now()
	if _, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
		counter, orders := kvrt.NewTxnKV(tx, s.counter), kvrt.NewTxnKV(tx, s.order)
		e, err := counter.Get(counterKey{})
		if err != nil {
			return err
		}
		if attempts++; time.Since(began) < 2*limit {
			if _, err := s.counter.Put(ctx, counterKey{}, e.Value+1); err != nil {
				return err
			}
		}
		slow()
		if err := counter.Put(counterKey{}, e.Value+100); err != nil {
			return err
		}
		return orders.Put(orderKey{"a", 2}, order{})
	}); err != nil || attempts < 2 {
		t.Error(attempts, err)
	}
	if e, err := s.counter.Get(ctx, counterKey{}); err != nil || e.Value < 200 {
		t.Error(e, err)
	}
}
