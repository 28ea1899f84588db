package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// orders is a sequence of n orders of a tenant, whose totals are their ids.
func orders(tenant string, n uint64) iter.Seq2[orderKey, order] {
	return func(yield func(orderKey, order) bool) {
		for id := range n {
			if !yield(orderKey{tenant, id}, order{Total: int64(id)}) {
				return
			}
		}
	}
}

func keysOf(tenant string, n uint64) []orderKey {
	var keys []orderKey
	for key := range orders(tenant, n) {
		keys = append(keys, key)
	}
	return keys
}

func bulkError(t *testing.T, err error) *kvrt.BulkError[orderKey] {
	t.Helper()
	bulk, ok := errors.AsType[*kvrt.BulkError[orderKey]](err)
	if !ok {
		t.Fatalf("not a BulkError: %v", err)
	}
	return bulk
}

func TestManyAreWrittenAndRead(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			js := kvtest.StartCluster(t, replicas)
			s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas, Linearizable: true})
			const n = 3000 // more than two requests bring, and more than are on their way
			var last int
			written, err := s.order.PutMany(ctx, orders("a", n), kvrt.OnProgress(func(done, total int) {
				if done != last+1 || total != 0 {
					t.Fatalf("%d of %d after %d", done, total, last)
				}
				last = done
			}))
			if err != nil || written != n || last != n {
				t.Fatalf("%d written, %d told, %v", written, last, err)
			}
			keys := append(keysOf("a", n), keysOf("absent", 5)...)
			keys = append(keys, keys[7], keys[8])
			slices.Reverse(keys)
			for name, opts := range map[string][]kvrt.StrongReadOption{
				"plain": nil, "at least": {kvrt.AtLeast(n)}, "linearizable": {kvrt.Linearizable()},
			} {
				var done, total int
				progress := kvrt.OnProgress(func(d, n int) { done, total = d, n })
				entries, err := kvrt.GetManyStrong(ctx, s.order, keys, append(opts, progress)...)
				if err != nil || len(entries) != n || done != n+5 || total != n+5 {
					t.Fatalf("%s: %d entries, %d of %d told, %v", name, len(entries), done, total, err)
				}
				for key, e := range entries {
					if e.Key != key || e.Value.Total != int64(key.ID) || e.Revision == 0 || e.Created.IsZero() {
						t.Fatalf("%s: %v: %+v", name, key, e)
					}
				}
			}
			for _, prefix := range []string{"a", "absent"} { // as many as a request can ask for
				entries, err := kvrt.GetManyStrong(ctx, s.order, keysOf(prefix, 1024), kvrt.Linearizable())
				if want := map[string]int{"a": 1024}[prefix]; err != nil || len(entries) != want {
					t.Fatalf("%s: %d entries, %v", prefix, len(entries), err)
				}
			}
			if deleted, err := s.order.DeleteMany(ctx, slices.Values(keysOf("a", 1000))); deleted != 1000 || err != nil {
				t.Fatal(deleted, err)
			}
			if purged, err := s.order.PurgeMany(ctx, slices.Values(keysOf("a", 2000))); purged != 2000 || err != nil {
				t.Fatal(purged, err)
			}
			entries, err := kvrt.GetManyStrong(ctx, s.order, keys, kvrt.Linearizable())
			if err != nil || len(entries) != 1000 {
				t.Fatal(len(entries), err)
			}
			if count, err := s.order.Count(ctx, orderFilter{}.selection()); count != 1000 || err != nil {
				t.Fatal(count, err)
			}
		})
	}
}

func TestNothingToDo(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	if entries, err := s.order.GetMany(ctx, nil); len(entries) != 0 || err != nil {
		t.Error(entries, err)
	}
	if n, err := s.order.PutMany(ctx, orders("a", 0)); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := s.order.DeleteMany(ctx, slices.Values(keysOf("a", 0))); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// Of several entries with one key the last one stays, and they are stored in order.
func TestManyWritesToOneKeyKeepTheirOrder(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: 64})
	const n = 60 * 5
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for i := range n {
			if !yield(orderKey{"a", uint64(i % 5)}, order{Total: int64(i)}) {
				return
			}
		}
	})
	if written != n || err != nil {
		t.Fatal(written, err)
	}
	for id := range uint64(5) {
		events, err := s.order.History(ctx, orderKey{"a", id})
		if err != nil || len(events) != n/5 {
			t.Fatal(len(events), err)
		}
		for i, ev := range events {
			if want := int64(i*5) + int64(id); ev.Value.Total != want {
				t.Fatalf("%d, want %d", ev.Value.Total, want)
			}
		}
	}
}

func TestWhatCannotBeDoneIsListedAndTheRestIsDone(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", MaxValueSize: 100})
	long, broken, big := orderKey{strings.Repeat("x", 2000), 1}, orderKey{strings.Repeat("y", 2000), 2}, orderKey{"big", 3}
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		_ = yield(long, order{}) && yield(orderKey{"a", 1}, order{Total: 1}) && yield(broken, order{}) &&
			yield(big, order{Note: strings.Repeat("x", 200)}) && yield(orderKey{"a", 2}, order{Total: 2})
	})
	bulk := bulkError(t, err)
	if written != 2 || !slices.Equal(bulk.Invalid, []orderKey{long, broken, big}) || len(bulk.NotWritten)+len(bulk.Unknown) > 0 || bulk.Cause != nil {
		t.Fatalf("%d written, %+v", written, bulk)
	}
	for key, want := range map[orderKey]error{long: kvrt.ErrInvalidKey, broken: kvrt.ErrInvalidKey, big: kvrt.ErrTooLarge, {"a", 1}: nil} {
		if got := bulk.ErrorOf(key); !errors.Is(got, want) || want != nil && !errors.Is(err, want) {
			t.Errorf("%v: %v", key, got)
		}
	}
	if text := err.Error(); !strings.HasPrefix(text, "kv put many SHOP: 3 invalid: invalid key: 2008 bytes, more than 1024") || !strings.HasSuffix(text, "(and 2 more)") {
		t.Error(text)
	}

	kv, err := js.KeyValue(ctx, "SHOP")
	if err != nil {
		t.Fatal(err)
	}
	bad := orderKey{"bad", 1}
	if _, err := kv.PutString(ctx, "order.bad.1", "{"); err != nil {
		t.Fatal(err)
	}
	entries, err := s.order.GetMany(ctx, []orderKey{long, {"a", 1}, bad, {"a", 3}, {"a", 2}})
	bulk = bulkError(t, err)
	if len(entries) != 2 || entries[orderKey{"a", 2}].Value.Total != 2 || !slices.Equal(bulk.Invalid, []orderKey{long}) || !slices.Equal(bulk.Undecodable, []orderKey{bad}) {
		t.Fatalf("%v, %+v", entries, bulk)
	}
	decode, ok := errors.AsType[*kvrt.DecodeError](err)
	if !ok || decode.Key != "order.bad.1" || string(decode.Data) != "{" || !errors.Is(err, kvrt.ErrDecode) {
		t.Fatal(err)
	}
	if n, err := s.order.DeleteMany(ctx, slices.Values([]orderKey{long, {"a", 1}})); n != 1 || !slices.Equal(bulkError(t, err).Invalid, []orderKey{long}) {
		t.Fatal(n, err)
	}
}

// A reader that took two values from different moments would see the second ahead of the first.
func TestManyReadTogetherAreAsOfOneMoment(t *testing.T) {
	ctx := within(t, time.Minute)
	for _, replicas := range []int{1, 3} {
		js := kvtest.StartCluster(t, replicas)
		s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas, Linearizable: true})
		writer := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
		first, second := orderKey{"a", 1}, orderKey{"a", 2}
		keys := append([]orderKey{first}, keysOf("between", 1022)...)
		keys = append(keys, second)
		put(t, writer, "a", 1, 0)
		put(t, writer, "a", 2, 0)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for i := int64(1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				for _, key := range []orderKey{second, first} {
					if _, err := writer.order.Put(ctx, key, order{Total: i}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
		for i := range 100 {
			opts := []kvrt.StrongReadOption{kvrt.Linearizable()}[:i%2]
			entries, err := kvrt.GetManyStrong(ctx, s.order, keys, opts...)
			if err != nil {
				t.Fatal(err)
			}
			a, b := entries[first].Value.Total, entries[second].Value.Total
			if b != a && b != a+1 {
				t.Fatalf("R%d: %d and %d were never there together", replicas, a, b)
			}
		}
		close(stop)
		<-stopped
	}
}

func TestManyAreReadOneByOneWhereTheServerDoesNotLetThemBeReadTogether(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.order.a.*", "$KV.SHOP.order.a.*")
	full := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	if _, err := full.order.PutMany(ctx, orders("a", 500)); err != nil {
		t.Fatal(err)
	}
	put(t, full, "b", 1, 1)
	var refused atomic.Int64
	count := nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if strings.Contains(err.Error(), `"$JS.API.DIRECT.GET.KV_SHOP"`) {
			refused.Add(1)
		}
	})
	s, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo("one", "x"), count), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // after the first time it is known
		entries, err := s.order.GetMany(ctx, append(keysOf("a", 500), keysOf("a", 510)...))
		if err != nil || len(entries) != 500 {
			t.Fatal(len(entries), err)
		}
	}
	if n := refused.Load(); n != 1 {
		t.Errorf("reading them together was tried %d times", n)
	}
	if _, err := s.order.GetMany(ctx, []orderKey{{"a", 1}, {"b", 1}}); !errors.Is(err, kvrt.ErrPermission) {
		t.Fatal(err)
	}
	if n, err := s.order.PutMany(ctx, orders("a", 500)); n != 500 || err != nil {
		t.Fatal(n, err)
	}
	// One that is refused ends it; the answer of those that were on their way counts.
	n, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for id := uint64(0); ; id++ {
			key := orderKey{"a", id}
			if id == 300 {
				key.Tenant = "b"
			}
			if !yield(key, order{}) {
				return
			}
		}
	})
	bulk := bulkError(t, err)
	if bulk.NotWritten[0] != (orderKey{"b", 300}) || len(bulk.NotWritten) > 2 /* that at which the sequence was left */ || len(bulk.Unknown) > 0 || !errors.Is(bulk.Cause, kvrt.ErrPermission) || n < 300 {
		t.Fatalf("%d written, %v", n, err)
	}

	js := kvtest.Start(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgsPerSubject: 1, AllowRollup: true}); err != nil {
		t.Fatal(err)
	}
	s, err = kvrt.Open(ctx, js, shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.order.PutMany(ctx, orders("a", 200)); n != 200 || err != nil {
		t.Fatal(n, err)
	}
	if entries, err := s.order.GetMany(ctx, keysOf("a", 300)); len(entries) != 200 || err != nil {
		t.Fatalf("without direct gets: %d entries, %v", len(entries), err)
	}
}

// The keys of a request are no longer than a message may be.
func TestManyLongKeysAreReadTogether(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	long := strings.Repeat("x", 1010)
	const n = 1024
	if written, err := s.order.PutMany(t.Context(), orders(long, n)); written != n || err != nil {
		t.Fatal(written, err)
	}
	entries, err := s.order.GetMany(within(t, 10*time.Second), keysOf(long, n))
	if len(entries) != n || err != nil {
		t.Fatal(len(entries), err)
	}
}

func TestAFullBucketEndsPutMany(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", MaxBytes: 64 << 10})
	read := 0
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for key, value := range orders("a", 1e6) {
			read++
			value.Note = strings.Repeat("x", 100)
			if !yield(key, value) {
				return
			}
		}
	})
	bulk := bulkError(t, err)
	if !errors.Is(bulk.Cause, kvrt.ErrBucketFull) || written == 0 || len(bulk.NotWritten) == 0 || len(bulk.Unknown) > 0 {
		t.Fatalf("%d written, %v", written, err)
	}
	if all := written + len(bulk.NotWritten); all > read || all < read-1 || read > written+600 {
		t.Fatalf("%d read, %d written, %d not", read, written, len(bulk.NotWritten))
	}
	if count, err := s.order.Count(ctx, orderFilter{}.selection()); count != written || err != nil {
		t.Fatalf("%d are there, %d were told, %v", count, written, err)
	}
}

// TestManyWritesThroughALostConnection: what was on its way is unknown, nothing else is lost, and
// nothing is stored twice.
func TestManyWritesThroughALostConnection(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	there := ensureShop(t, server.Connect(t), shopConfig())
	p := startProxy(t, server)
	s, err := kvrt.Open(ctx, p.connect(t), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for key, value := range orders("a", n) {
			if key.ID == 2000 || key.ID == 4000 {
				p.cut()
			}
			if !yield(key, value) {
				return
			}
		}
	})
	var bulk kvrt.BulkError[orderKey]
	if err != nil {
		bulk = *bulkError(t, err)
	}
	if bulk.Cause != nil || written+len(bulk.Unknown)+len(bulk.NotWritten) != n || len(bulk.Unknown) > 600 || len(bulk.NotWritten) > 2 {
		t.Fatalf("%d written, %d unknown, %d not written, %v", written, len(bulk.Unknown), len(bulk.NotWritten), err)
	}
	checkBulk(t, there, n, &bulk)
}

// checkBulk compares what is there with what was told of n orders.
func checkBulk(t *testing.T, s *shop, n uint64, bulk *kvrt.BulkError[orderKey]) {
	t.Helper()
	ctx := within(t, time.Minute)
	entries, err := s.order.GetMany(ctx, keysOf("a", n), kvrt.AtLeast(lastRevision(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[orderKey]bool{}
	for _, key := range bulk.Unknown {
		listed[key] = true
		if !errors.Is(bulk.ErrorOf(key), kvrt.ErrUnknownOutcome) {
			t.Errorf("%v: %v", key, bulk.ErrorOf(key))
		}
	}
	for _, key := range bulk.NotWritten {
		listed[key] = true
		if _, ok := entries[key]; ok {
			t.Errorf("%v was written", key)
		}
	}
	for key, value := range orders("a", n) {
		if e, ok := entries[key]; !ok && !listed[key] || ok && e.Value != value {
			t.Fatalf("%v: %+v, %v", key, e, ok)
		}
	}
	status, err := s.b.Status(ctx)
	if err != nil || status.LastRevision != uint64(len(entries)) {
		t.Fatalf("%d keys took %d writes, %v", len(entries), status.LastRevision, err)
	}
}

func TestManyWritesAndReadsWhileTheLeaderChanges(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	cluster := kvtest.StartServers(t, 3)
	s := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 3})
	const n = 6000
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for key, value := range orders("a", n) {
			switch key.ID {
			case 1500: // the leader hands over
				leader := streamLeader(t, cluster)
				if err := leader.NATS().JetStreamStepdownStream("$G", "KV_SHOP"); err != nil {
					t.Error(err)
				}
			case 3000: // a server stops
				streamLeader(t, cluster).Stop()
			}
			if !yield(key, value) {
				return
			}
		}
	})
	var bulk kvrt.BulkError[orderKey]
	if err != nil {
		bulk = *bulkError(t, err)
	}
	if bulk.Cause != nil || written+len(bulk.Unknown)+len(bulk.NotWritten) != n {
		t.Fatalf("%d written, %d unknown, %d not written: %v", written, len(bulk.Unknown), len(bulk.NotWritten), err)
	}
	for _, key := range bulk.NotWritten {
		t.Errorf("%v: %v", key, bulk.ErrorOf(key))
	}
	checkEntries := func() {
		t.Helper()
		entries, err := s.order.GetMany(ctx, keysOf("a", n), kvrt.AtLeast(lastRevision(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range orders("a", n) {
			if e, ok := entries[key]; ok && e.Value != value || !ok && !slices.Contains(bulk.Unknown, key) {
				t.Fatalf("%v: %+v, %v", key, e, ok)
			}
		}
	}
	checkEntries()
	for _, server := range cluster.Servers {
		if server.NATS() == nil {
			server.Start(t)
		}
	}
	if err := streamLeader(t, cluster).NATS().JetStreamStepdownStream("$G", "KV_SHOP"); err != nil {
		t.Fatal(err)
	}
	checkEntries()
}

func TestTheEndOfItsContextEndsPutMany(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	read := 0
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for key, value := range orders("a", 1e6) {
			read++
			if key.ID == 1000 {
				cancel()
			}
			if key.ID > 1001 {
				t.Error("the sequence is read on")
			}
			if !yield(key, value) {
				return
			}
		}
	})
	bulk := bulkError(t, err)
	if !errors.Is(bulk.Cause, context.Canceled) || written+len(bulk.Unknown)+len(bulk.NotWritten) != read || written < 1000-512 {
		t.Fatalf("%d read, %d written, %v", read, written, err)
	}
	if _, err := s.order.GetMany(ctx, keysOf("a", 10)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// The answer is there long before ctx ends, while the sequence is busy.
func TestAnAnswerThatCameWhileTheSequenceWasBusyCounts(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	for range 10 {
		ctx, cancel := context.WithCancel(within(t, time.Minute))
		written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
			if yield(orderKey{"a", 1}, order{}) {
				time.Sleep(30 * time.Millisecond)
				cancel()
			}
		})
		if written != 1 || err != nil && len(bulkError(t, err).Unknown) > 0 {
			t.Fatalf("%d written, %v", written, err)
		}
	}
}

func TestPutManyWithoutAConnection(t *testing.T) {
	srv := kvtest.StartServer(t)
	js, err := jetstream.New(srv.Connect(t).Conn(), jetstream.WithDefaultTimeout(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, shopConfig())
	srv.Stop()
	for js.Conn().IsConnected() {
		time.Sleep(time.Millisecond)
	}
	if written, err := s.order.PutMany(context.Background(), orders("a", 10)); written != 0 || !errors.Is(err, kvrt.ErrUnavailable) {
		t.Fatal(written, err)
	}
}

// A server that says nothing lets a window of writes go out, and no more.
func TestPutManyReadsItsSequenceNoFasterThanItIsAnswered(t *testing.T) {
	server := kvtest.StartServer(t)
	ensureShop(t, server.Connect(t), shopConfig())
	p := startProxy(t, server)
	s, err := kvrt.Open(t.Context(), p.connect(t), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	p.setDeaf(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	read := 0
	written, err := s.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		for key, value := range orders("a", 1e6) {
			read++
			if !yield(key, value) {
				return
			}
		}
	})
	bulk := bulkError(t, err)
	if read < 200 || read > 300 || written != 0 || !errors.Is(bulk.Cause, context.DeadlineExceeded) || len(bulk.Unknown) < read-1 {
		t.Fatalf("%d read, %d written, %d unknown, %v", read, written, len(bulk.Unknown), err)
	}
}

func TestPutManyWithATimeToLive(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", LimitMarkerTTL: time.Minute, KeyTTL: true})
	session := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, order]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.JSON[order](), TTL: time.Hour})
	w := watch(t, s, orderFilter{}, kvrt.UpdatesOnly())
	expect(t, w, "Synced")
	if n, err := kvrt.PutManyTTL(ctx, session, orders("a", 2), kvrt.TTL(time.Second)); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	expect(t, w, "Put a/0 0", "Put a/1 1", "Expire a/0", "Expire a/1")
	n, err := kvrt.PutManyTTL(ctx, session, orders("a", 5), kvrt.TTL(time.Millisecond))
	if bulk := bulkError(t, err); n != 0 || !errors.Is(bulk.Cause, kvrt.ErrInvalidOption) {
		t.Fatal(n, err)
	}
}

func TestPutManyGoesOnAfterAMessageThatIsTooLargeWithItsHeaders(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", LimitMarkerTTL: time.Minute, KeyTTL: true})
	text := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, string]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[string]()})
	payload := strings.Repeat("x", int(js.Conn().MaxPayload()))
	n, err := kvrt.PutManyTTL(ctx, text, func(yield func(orderKey, string) bool) {
		_ = yield(orderKey{"a", 1}, payload[10:]) && yield(orderKey{"a", 2}, payload[100:]) && yield(orderKey{"a", 3}, payload) && yield(orderKey{"a", 4}, "x")
	}, kvrt.TTL(time.Hour))
	if bulk := bulkError(t, err); n != 2 || !slices.Equal(bulk.Invalid, []orderKey{{"a", 1}, {"a", 3}}) || bulk.Cause != nil || !errors.Is(err, kvrt.ErrTooLarge) {
		t.Fatal(n, err)
	}
}

func TestABulkErrorIsOfAllItsKeys(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	n, err := s.order.PutMany(ctx, maps.All(map[orderKey]order{{"a", 1}: {}, {"a", 2}: {}}))
	bulk := bulkError(t, err)
	if n != 0 || len(bulk.NotWritten) != 2 || !errors.Is(bulk.Cause, kvrt.ErrBucketNotFound) || kvrt.Retryable(err) {
		t.Fatalf("%d, %v", n, err)
	}
	for _, key := range bulk.NotWritten {
		e, ok := errors.AsType[*kvrt.Error](bulk.ErrorOf(key))
		if name, _ := key.Encode(); !ok || e.Op != "put many" || e.Bucket != "SHOP" || e.Key != name {
			t.Errorf("%+v", e)
		}
	}
	if _, err := s.order.GetMany(ctx, keysOf("a", 3)); !errors.Is(err, kvrt.ErrBucketNotFound) {
		t.Fatal(err)
	}
}
