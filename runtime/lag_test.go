package kvrt_test

// A replica that is behind, for as long as a test wants: a mirror that answers direct gets in place
// of the bucket, and is full.

import (
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

// lagging lets a replica of the bucket stay where it is now. Of several replicas, any answers.
func lagging(t *testing.T, js jetstream.JetStream, s *shop) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	status, err := s.b.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "BEHIND", Mirror: &jetstream.StreamSource{Name: "KV_SHOP"}, MirrorDirect: true, AllowDirect: true,
		MaxMsgs: int64(status.Entries), Discard: jetstream.DiscardNew,
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		info, err := mirror.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs == status.Entries {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// often is how many times a read is made that one of two replicas answers, each as likely.
const often = 16

// behind is a bucket of which one replica has not more than order a/1 of total 1, and a handle that
// did not write.
func behind(t *testing.T, cfg kvrt.BucketConfig) (there, here *shop) {
	t.Helper()
	js := kvtest.Start(t)
	cfg.Name = "SHOP"
	there = ensureShop(t, js, cfg)
	put(t, there, "a", 1, 1)
	lagging(t, js, there)
	return there, ensureShop(t, js, cfg)
}

func TestAReplicaThatIsBehindIsToldByPlainReads(t *testing.T) {
	there, here := behind(t, kvrt.BucketConfig{})
	put(t, there, "a", 1, 2)
	for range 1000 {
		if e, err := here.order.Get(t.Context(), orderKey{"a", 1}); err != nil {
			t.Fatal(err)
		} else if e.Value.Total == 1 {
			return
		}
	}
	t.Fatal("no read was behind: the tests below show nothing")
}

func TestCreateIsNotDecidedByAReplicaThatIsBehind(t *testing.T) {
	there, here := behind(t, kvrt.BucketConfig{})
	for range often {
		remove(t, there, "a", 1)
		if _, err := here.order.Create(t.Context(), orderKey{"a", 1}, order{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGetOrCreateIsNotDecidedByAReplicaThatIsBehind(t *testing.T) {
	there, here := behind(t, kvrt.BucketConfig{})
	for i := range int64(often) {
		remove(t, there, "a", 1)
		for _, created := range []bool{true, false} {
			e, c, err := here.order.GetOrCreate(t.Context(), orderKey{"a", 1}, func() (order, error) { return order{Total: 100 + i}, nil })
			if err != nil || c != created || e.Value.Total != 100+i {
				t.Fatalf("%+v, %v, %v", e, c, err)
			}
			put(t, there, "a", 1, 100+i)
		}
	}
}

func TestModifyIsNotDecidedByAReplicaThatIsBehind(t *testing.T) {
	there, here := behind(t, kvrt.BucketConfig{})
	put(t, there, "a", 1, 2)
	mine := errors.New("mine")
	for name, result := range map[string]error{"Skip": kvrt.Skip, "an error": mine, "the same value": nil} {
		for range often {
			var seen int64
			if _, err := here.order.Modify(t.Context(), orderKey{"a", 1}, func(e *kvrt.Entry[orderKey, order]) error {
				seen = e.Value.Total
				return result
			}); seen != 2 || err != nil && err != mine {
				t.Fatalf("%s was decided on %d: %v", name, seen, err)
			}
		}
	}
	remove(t, there, "a", 1)
	for range often {
		seen := true
		if _, err := here.order.Modify(t.Context(), orderKey{"a", 1}, func(e *kvrt.Entry[orderKey, order]) error {
			seen = e.Exists()
			return kvrt.Skip
		}); seen || err != nil {
			t.Fatalf("Skip was decided on a value that is gone: %v", err)
		}
	}
}

func TestReadsAreNotOlderThanAskedForWhereAReplicaIsBehind(t *testing.T) {
	ctx := t.Context()
	there, here := behind(t, kvrt.BucketConfig{Linearizable: true})
	revision := put(t, there, "a", 1, 2)
	second := put(t, there, "a", 2, 2) // which the replica does not have at all
	keys := []orderKey{{"a", 1}, {"a", 2}}
	for range often {
		for _, opt := range []kvrt.StrongReadOption{kvrt.AtLeast(second), kvrt.AtLeast(revision), kvrt.Linearizable()} {
			if e, err := kvrt.GetStrong(ctx, here.order, keys[0], opt); err != nil || e.Value.Total != 2 {
				t.Fatalf("%T: %+v, %v", opt, e, err)
			}
			if opt == kvrt.AtLeast(revision) {
				continue
			}
			if e, err := kvrt.GetStrong(ctx, here.order, keys[1], opt); err != nil || e.Value.Total != 2 {
				t.Fatalf("%T: %+v, %v", opt, e, err)
			}
			for _, keys := range [][]orderKey{keys, keys[1:]} {
				many, err := kvrt.GetManyStrong(ctx, here.order, keys, opt)
				if err != nil || len(many) != len(keys) {
					t.Fatalf("%T, GetMany: %+v, %v", opt, many, err)
				}
				for _, e := range many {
					if e.Value.Total != 2 {
						t.Fatalf("%T, GetMany: %+v", opt, e)
					}
				}
			}
		}
		// Who wrote it needs no option.
		for _, key := range keys {
			if e, err := there.order.Get(ctx, key); err != nil || e.Value.Total != 2 {
				t.Fatalf("%+v, %v", e, err)
			}
		}
		for _, keys := range [][]orderKey{keys, keys[1:]} {
			many, err := there.order.GetMany(ctx, keys)
			if err != nil || len(many) != len(keys) || many[keys[0]].Value.Total != 2 {
				t.Fatalf("GetMany: %+v, %v", many, err)
			}
		}
	}
	remove(t, there, "a", 1)
	for range often {
		if e, err := there.order.Get(ctx, keys[0]); !errors.Is(err, kvrt.ErrNotFound) {
			t.Fatalf("deleted here: %+v, %v", e, err)
		}
	}
}

// A handle that wrote more than it remembers reads what the leader has.
func TestReadsAfterMoreWritesThanAreRememberedAreNotOlder(t *testing.T) {
	there, _ := behind(t, kvrt.BucketConfig{})
	there.b.RemembersWrites(2)
	put(t, there, "a", 1, 2)
	for id := range uint64(8) {
		put(t, there, "b", id, 2)
	}
	key := orderKey{"a", 1}
	for range often {
		if e, err := there.order.Get(t.Context(), key); err != nil || e.Value.Total != 2 {
			t.Fatalf("%+v, %v", e, err)
		}
		if many, err := there.order.GetMany(t.Context(), []orderKey{key}); err != nil || many[key].Value.Total != 2 {
			t.Fatalf("%+v, %v", many, err)
		}
	}
}

// An answer for many large values comes in parts, from one replica or another.
func TestPartsOfALargeAnswerAreNotOlderThanAskedFor(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	js := kvtest.Start(t)
	cfg := kvrt.BucketConfig{Name: "SHOP", Linearizable: true}
	s := ensureShop(t, js, cfg)
	there, here := largeKV(s), largeKV(ensureShop(t, js, cfg))
	keys := keysOf("a", 12)
	write := func(version byte) (last uint64) {
		for i, key := range keys {
			if version == 1 && i == len(keys)-1 {
				continue // which the replica does not have at all
			}
			var err error
			if last, err = there.Put(ctx, key, large(version)); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	write(1)
	lagging(t, js, s)
	last := write(2)
	for range often / 4 { // each as likely as not in parts of which one is older
		for name, read := range map[string]func() (map[orderKey]kvrt.Entry[orderKey, []byte], error){
			"who wrote it": func() (map[orderKey]kvrt.Entry[orderKey, []byte], error) { return there.GetMany(ctx, keys) },
			"AtLeast": func() (map[orderKey]kvrt.Entry[orderKey, []byte], error) {
				return here.GetMany(ctx, keys, kvrt.AtLeast(last))
			},
			"Linearizable": func() (map[orderKey]kvrt.Entry[orderKey, []byte], error) {
				return kvrt.GetManyStrong(ctx, here, keys, kvrt.Linearizable())
			},
		} {
			many, err := read()
			if err != nil || len(many) != len(keys) {
				t.Fatalf("%s: %d of %d, %v", name, len(many), len(keys), err)
			}
			for key, e := range many {
				if e.Value[0] != 2 {
					t.Fatalf("%s: %v is %d", name, key, e.Value[0])
				}
			}
		}
	}
}

func TestListingsAreCompleteWhereAReplicaIsBehind(t *testing.T) {
	there, here := behind(t, kvrt.BucketConfig{})
	all := orderFilter{}.selection()
	put(t, there, "a", 2, 2)
	for i := range often {
		if n, err := here.order.Count(t.Context(), all); err != nil || n != 2+i {
			t.Fatalf("%d, %v, want %d", n, err, 2+i)
		}
		if !here.b.ListsSmall(all) {
			t.Fatal("the listing is not a small one: the test shows nothing")
		}
		put(t, there, "a", 3+uint64(i), 3)
	}
}

func TestTransactionsAreNotDecidedByAReplicaThatIsBehind(t *testing.T) {
	ctx := t.Context()
	there, here := behind(t, kvrt.BucketConfig{Transactions: true})
	put(t, there, "a", 1, 2)
	put(t, there, "a", 2, 2)
	mine := errors.New("mine")
	keys := []orderKey{{"a", 1}, {"a", 2}}
	for _, c := range []struct {
		name string
		read func(tx *kvrt.Txn) (sum int64, err error)
		want int64
	}{
		{"Get", func(tx *kvrt.Txn) (int64, error) {
			e, err := kvrt.NewTxnKV(tx, here.order).Get(keys[0])
			return e.Value.Total, err
		}, 2},
		{"GetMany", func(tx *kvrt.Txn) (int64, error) {
			many, err := kvrt.NewTxnKV(tx, here.order).GetMany(keys)
			return many[keys[0]].Value.Total + many[keys[1]].Value.Total, err
		}, 4},
	} {
		for _, result := range []error{nil, mine} {
			for range often {
				var sum int64
				_, err := kvrt.RunTxn(ctx, here.b, func(tx *kvrt.Txn) (err error) {
					if sum, err = c.read(tx); err != nil {
						return err
					}
					return result
				})
				if sum != c.want || !errors.Is(err, result) {
					t.Fatalf("%s: %d, %v", c.name, sum, err)
				}
			}
		}
	}
	// A guard rides beside the write.
	for range often {
		rev, err := kvrt.RunTxn(ctx, here.b, func(tx *kvrt.Txn) error {
			a := kvrt.NewTxnKV(tx, here.order)
			e, err := a.Get(keys[0])
			if err != nil {
				return err
			}
			return a.Put(keys[1], order{Total: e.Value.Total})
		})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := there.order.Get(ctx, keys[1], kvrt.AtLeast(rev)); rev > 0 && (err != nil || e.Value.Total != 2) {
			t.Fatalf("%+v, %v", e, err)
		}
		// Who wrote it needs no option.
		if e, err := here.order.Get(ctx, keys[1]); rev > 0 && (err != nil || e.Value.Total != 2) {
			t.Fatalf("read back: %+v, %v", e, err)
		}
		put(t, there, "a", 2, 7)
	}
}

// Without permission for reads of the leader, what the server says of a conflict tells a replica that
// is behind.
func TestGrantsForSingleKeysWhereAReplicaIsBehind(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "full", Password: "x"}, {Username: "one", Password: "x", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$KV.SHOP.order.a.1", "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.order.a.1",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	js := srv.Connect(t, nats.UserInfo("full", "x"))
	there := ensureShop(t, js, shopConfig())
	put(t, there, "a", 1, 1)
	lagging(t, js, there)
	here, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	key := orderKey{"a", 1}
	for i := range int64(often) {
		remove(t, there, "a", 1)
		if _, err := here.order.Create(ctx, key, order{Total: i}); err != nil {
			t.Fatalf("Create over a marker: %v", err)
		}
		if _, err := here.order.Create(ctx, key, order{}); !errors.Is(err, kvrt.ErrExists) {
			t.Fatal(err)
		}
		put(t, there, "a", 1, 10)
		e, err := here.order.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil }, kvrt.MaxAttempts(2))
		if err != nil || e.Value.Total != 11 {
			t.Fatalf("Modify: %+v, %v", e, err)
		}
		// What this handle wrote itself is the least that it reads.
		if _, err := here.order.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		if e, created, err := here.order.GetOrCreate(ctx, key, func() (order, error) { return order{Total: 20}, nil }); err != nil || !created || e.Value.Total != 20 {
			t.Fatalf("GetOrCreate over a marker: %s, %v, %v", fmt.Sprint(e), created, err)
		}
	}
}
