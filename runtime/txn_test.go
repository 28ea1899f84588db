package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// shopTxn is what generated code for a bucket with transactions looks like.
type shopTxn struct {
	order   kvrt.TxnKV[orderKey, order]
	counter kvrt.TxnKV[counterKey, int64]
}

func (s *shop) txn(ctx context.Context, fn func(tx *shopTxn) error, opts ...kvrt.TxnOption) (uint64, error) {
	return kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
		return fn(&shopTxn{kvrt.NewTxnKV(tx, s.order), kvrt.NewTxnKV(tx, s.counter)})
	}, opts...)
}

func txnConfig(replicas int) kvrt.BucketConfig {
	return kvrt.BucketConfig{Name: "SHOP", Replicas: replicas, Transactions: true}
}

// lastRevision is what the stream has got to: a call that sends nothing leaves it.
func lastRevision(t testing.TB, s *shop) uint64 {
	t.Helper()
	status, err := s.b.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.LastRevision
}

func TestATransactionChangesSeveralKeysTogether(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		for _, history := range []int{1, 5} {
			t.Run(fmt.Sprintf("R%d history %d", replicas, history), func(t *testing.T) {
				ctx := within(t, time.Minute)
				cfg := txnConfig(replicas)
				cfg.History = history
				s := ensureShop(t, kvtest.StartServers(t, replicas).Connect(t), cfg)
				put(t, s, "a", 1, 10)
				put(t, s, "a", 2, 20)
				put(t, s, "a", 3, 30)
				put(t, s, "a", 4, 40)
				rev, err := s.txn(ctx, func(tx *shopTxn) error {
					first, err := tx.order.Get(orderKey{"a", 1})
					if err != nil {
						return err
					}
					second, err := tx.order.Get(orderKey{"a", 2})
					if err != nil {
						return err
					}
					if _, err := tx.order.Get(orderKey{"a", 9}); !errors.Is(err, kvrt.ErrNotFound) {
						return fmt.Errorf("an absent key: %w", err)
					}
					if err := tx.order.Put(orderKey{"a", 1}, order{Total: first.Value.Total - second.Value.Total}); err != nil {
						return err
					}
					if err := tx.order.Update(orderKey{"a", 3}, order{Total: 31}, 3); err != nil {
						return err
					}
					if err := tx.order.Delete(orderKey{"a", 4}); err != nil {
						return err
					}
					return tx.order.Create(orderKey{"a", 5}, order{Total: 50})
				})
				// Guards of the two keys that were only read, and four writes.
				if err != nil || rev != 4+2+4 {
					t.Fatalf("%d, %v", rev, err)
				}
				// Reads of one's own writes, which a replica may not have yet.
				for id, want := range map[uint64]int64{1: -10, 2: 20, 3: 31, 5: 50} {
					if e, err := s.order.Get(ctx, orderKey{"a", id}); err != nil || e.Value.Total != want {
						t.Errorf("%+v, %v, want %d", e, err, want)
					}
				}
				if _, err := s.order.Get(ctx, orderKey{"a", 4}); !errors.Is(err, kvrt.ErrNotFound) {
					t.Error(err)
				}
				if e, err := s.order.Get(ctx, orderKey{"a", 5}); err != nil || e.Revision != rev {
					t.Errorf("%+v, %v", e, err)
				}
				status, err := s.b.Status(ctx)
				reserved := min(2, history)
				if history > 1 { // each key keeps its first revision
					reserved += 3
				}
				if err != nil || status.Entries != uint64(5+reserved) {
					t.Errorf("%+v, %v: carriers of guards stayed", status, err)
				}
				if _, err := s.txn(ctx, func(tx *shopTxn) error {
					_, err := tx.order.Get(orderKey{"a", 2})
					return errors.Join(err, tx.counter.Put(counterKey{}, 1))
				}); err != nil {
					t.Fatal(err)
				}
				after, err := s.b.Status(ctx)
				if wantEntries := status.Entries + 1 - uint64(min(2, history)) + 1; err != nil || after.Entries != wantEntries {
					t.Errorf("%+v, %v, want %d entries: carriers of earlier transactions stayed", after, err, wantEntries)
				}
			})
		}
	}
}

func TestATransactionSeesItsOwnWrites(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	there := put(t, s, "a", 1, 1)
	key, other := orderKey{"a", 1}, orderKey{"a", 2}
	check := func(step string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", step, err, want)
		}
	}
	rev, err := s.txn(ctx, func(tx *shopTxn) error {
		// Created, changed, deleted and created again: all before anything is stored.
		check("create", tx.order.Create(other, order{Total: 1}), nil)
		e, err := tx.order.Get(other)
		if err != nil || e.Value.Total != 1 || e.Revision != kvrt.Uncommitted || !e.Exists() {
			t.Errorf("%+v, %v", e, err)
		}
		check("create of what was created", tx.order.Create(other, order{}), kvrt.ErrExists)
		check("update of what was created", tx.order.Update(other, order{Total: 2}, e.Revision), nil)
		check("delete", tx.order.Delete(other), nil)
		_, err = tx.order.Get(other)
		check("get of what was deleted", err, kvrt.ErrNotFound)
		check("update of what was deleted", tx.order.Update(other, order{}, e.Revision), kvrt.ErrConflict)
		check("create of what was deleted", tx.order.Create(other, order{Total: 3}), nil)

		e, err = tx.order.Get(key)
		if err != nil || e.Revision != there {
			t.Errorf("%+v, %v", e, err)
		}
		check("create of a live key", tx.order.Create(key, order{}), kvrt.ErrExists)
		check("update of another revision", tx.order.Update(key, order{}, there+1), kvrt.ErrConflict)
		check("update of revision 0", tx.order.Update(key, order{}, 0), kvrt.ErrInvalidRevision)
		check("update of a key that is not there", tx.order.Update(orderKey{"a", 3}, order{}, 1), kvrt.ErrConflict)
		check("update", tx.order.Update(key, order{Total: 4}, e.Revision), nil)
		check("update of what it replaced", tx.order.Update(key, order{}, e.Revision), kvrt.ErrConflict)

		many, err := tx.order.GetMany([]orderKey{key, other, key, {"a", 3}})
		if err != nil || len(many) != 2 || many[key].Value.Total != 4 || many[other].Value.Total != 3 || many[other].Revision != kvrt.Uncommitted {
			t.Errorf("%+v, %v", many, err)
		}
		return nil
	})
	// a.3 was read, a.1 and a.2 written.
	if err != nil || rev != there+3 {
		t.Fatalf("%d, %v", rev, err)
	}
	if e, err := s.order.Get(ctx, other); err != nil || e.Value.Total != 3 || e.Revision != rev-1 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestGuardsOfATransactionAreNotSeen(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	w, err := kvrt.WatchBucket[kvrt.BucketEvent](ctx, s.b, nil, s.order, s.counter)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if ev := next(t, w); ev != (kvrt.ControlEvent{Op: kvrt.Synced}) {
		t.Fatalf("%+v", ev)
	}
	for i := range int64(3) {
		if _, err := s.txn(ctx, func(tx *shopTxn) error {
			_, err := tx.order.GetMany([]orderKey{{"a", 1}, {"a", 2}})
			return errors.Join(err, tx.counter.Put(counterKey{}, i))
		}); err != nil {
			t.Fatal(err)
		}
		if ev, ok := next(t, w).(kvrt.Event[counterKey, int64]); !ok || ev.Value != i {
			t.Fatalf("%+v", ev)
		}
	}
	if err := s.b.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	kv, err := s.b.KeyValue(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// Plain clients see a marker, which they leave out of their listings.
	if keys, err := kv.Keys(ctx); err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
}

func TestReadsOfATransactionAgree(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	put(t, s, "a", 1, 1)
	runs := 0
	_, err := s.txn(ctx, func(tx *shopTxn) error {
		runs++
		first, err := tx.order.Get(orderKey{"a", 1})
		if err != nil {
			return err
		}
		if runs == 1 {
			put(t, s, "a", 1, 2)
		}
		again, err := tx.order.Get(orderKey{"a", 1})
		if err != nil || again != first {
			t.Errorf("%+v, then %+v, %v", first, again, err)
		}
		return tx.counter.Put(counterKey{}, first.Value.Total)
	})
	if e, gerr := s.counter.Get(ctx, counterKey{}); err != nil || gerr != nil || e.Value != 2 || runs != 2 {
		t.Fatalf("%+v after %d runs: %v, %v", e, runs, err, gerr)
	}
}

func TestATransactionThatChangesNothingSendsNothing(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	before := put(t, s, "a", 1, 1)
	mine := errors.New("mine")
	for name, c := range map[string]struct {
		fn   func(tx *shopTxn) error
		want error
	}{
		"nothing":   {func(*shopTxn) error { return nil }, nil},
		"reads":     {func(tx *shopTxn) error { _, err := tx.order.GetMany([]orderKey{{"a", 1}, {"a", 2}}); return err }, nil},
		"its error": {func(tx *shopTxn) error { return errors.Join(tx.order.Put(orderKey{"a", 1}, order{}), mine) }, mine},
		"the same": {func(tx *shopTxn) error {
			_, _ = tx.order.Get(orderKey{"a", 1})
			return tx.order.Put(orderKey{"a", 1}, order{Total: 1})
		}, nil},
		"no deletion": {func(tx *shopTxn) error {
			_, _ = tx.order.Get(orderKey{"a", 2})
			return tx.order.Delete(orderKey{"a", 2})
		}, nil},
		"an own error": {func(tx *shopTxn) error { _, err := tx.order.Get(orderKey{"a", 2}); return err }, kvrt.ErrNotFound},
	} {
		if rev, err := s.txn(ctx, c.fn); rev != 0 || !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %d, %v", name, rev, err)
		}
	}
	if _, err := s.txn(ctx, func(*shopTxn) error { return mine }); err != mine {
		t.Errorf("an error of fn, as it is: %v", err)
	}
	if after := lastRevision(t, s); after != before {
		t.Fatalf("%d, then %d", before, after)
	}
}

func TestAnErrorOfTheFunctionCountsOnlyOfAStateThatWas(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	put(t, s, "a", 1, 50)
	put(t, s, "a", 2, 50)
	runs := 0
	_, err := s.txn(ctx, func(tx *shopTxn) error {
		runs++
		first, err := tx.order.Get(orderKey{"a", 1})
		if err != nil {
			return err
		}
		if runs == 1 { // someone moves 20 in between
			if _, err := s.txn(ctx, func(tx *shopTxn) error {
				return errors.Join(tx.order.Put(orderKey{"a", 1}, order{Total: 30}), tx.order.Put(orderKey{"a", 2}, order{Total: 70}))
			}); err != nil {
				return err
			}
		}
		second, err := tx.order.Get(orderKey{"a", 2})
		if err != nil {
			return err
		}
		if sum := first.Value.Total + second.Value.Total; sum != 100 {
			return fmt.Errorf("the sum is %d", sum)
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Fatalf("%v after %d runs", err, runs)
	}
}

// Two reads, each of one moment, are not of the same one.
func TestAnErrorAfterReadsOfTwoMoments(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	for id, total := range map[uint64]int64{1: 50, 2: 50, 3: 0} {
		put(t, s, "a", id, total)
	}
	move := func() error {
		_, err := s.txn(ctx, func(tx *shopTxn) error {
			return errors.Join(tx.order.Put(orderKey{"a", 1}, order{Total: 30}), tx.order.Put(orderKey{"a", 2}, order{Total: 70}))
		})
		return err
	}
	runs := 0
	_, err := s.txn(ctx, func(tx *shopTxn) error {
		runs++
		first, err := tx.order.Get(orderKey{"a", 1})
		if err != nil {
			return err
		}
		switch runs {
		case 1: // a conflict: what follows is read by the leader's word
			put(t, s, "a", 1, 50)
			return tx.counter.Put(counterKey{}, 1)
		case 2:
			if err := move(); err != nil {
				return err
			}
		}
		others, err := tx.order.GetMany([]orderKey{{"a", 2}, {"a", 3}})
		if err != nil {
			return err
		}
		if sum := first.Value.Total + others[orderKey{"a", 2}].Value.Total + others[orderKey{"a", 3}].Value.Total; sum != 100 {
			return fmt.Errorf("the sum is %d", sum)
		}
		return nil
	})
	if err != nil || runs != 3 {
		t.Fatalf("%v after %d runs", err, runs)
	}
}

// Values may share memory with what they were decoded from, or are encoded to.
func TestATransactionKeepsItsBytesToItself(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	raw := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, []byte]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[[]byte]()})
	one, two := orderKey{"a", 1}, orderKey{"a", 2}
	for _, key := range []orderKey{one, two} {
		if _, err := raw.Put(ctx, key, []byte("abc")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
		a := kvrt.NewTxnKV(tx, raw)
		e, err := a.Get(one)
		if err != nil {
			return err
		}
		e.Value[0] = 'x'
		if again, err := a.Get(one); err != nil || string(again.Value) != "abc" {
			t.Errorf("read again: %s, %v", again.Value, err)
		}
		many, err := a.GetMany([]orderKey{two, {"a", 3}})
		if err != nil {
			return err
		}
		many[two].Value[0] = 'y'
		if err := errors.Join(a.Put(one, e.Value), a.Put(two, many[two].Value)); err != nil {
			return err
		}
		e.Value[1] = '!' // which is too late
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[orderKey]string{one: "xbc", two: "ybc"} {
		if e, err := raw.Get(ctx, key); err != nil || string(e.Value) != want {
			t.Errorf("%v: %s, %v, want %s", key, e.Value, err, want)
		}
	}
}

// A function may overlook that a read failed; the transaction does not.
func TestAReadThatFailedEndsATransaction(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.counter", "$KV.SHOP.>")
	full := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), txnConfig(1))
	s, err := kvrt.Open(t.Context(), srv.Connect(t, nats.UserInfo("one", "x"), quiet), txnConfig(1), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	for name, read := range map[string]func(tx *shopTxn){
		"Get":     func(tx *shopTxn) { _, _ = tx.order.Get(orderKey{"a", 1}) },
		"GetMany": func(tx *shopTxn) { _, _ = tx.order.GetMany([]orderKey{{"a", 1}, {"a", 2}}) },
		"Create":  func(tx *shopTxn) { _ = tx.order.Create(orderKey{"a", 1}, order{}) },
	} {
		for _, result := range []error{nil, mine} {
			_, err := s.txn(within(t, time.Minute), func(tx *shopTxn) error {
				read(tx)
				if err := tx.counter.Put(counterKey{}, 1); !errors.Is(err, kvrt.ErrPermission) {
					t.Errorf("%s, and then: %v", name, err)
				}
				return result
			})
			if result == nil && !errors.Is(err, kvrt.ErrPermission) || result != nil && err != result {
				t.Errorf("%s, %v: %v", name, result, err)
			}
		}
	}
	if last := lastRevision(t, full); last != 0 {
		t.Errorf("something was stored: %d", last)
	}
}

func TestATransactionAfterItsFunction(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	var kept *shopTxn
	if _, err := s.txn(ctx, func(tx *shopTxn) error {
		kept = tx
		var wg sync.WaitGroup
		for i := range uint64(8) { // within it, goroutines take turns
			wg.Go(func() {
				if err := tx.order.Create(orderKey{"a", i}, order{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	before := lastRevision(t, s)
	_, errGet := kept.order.Get(orderKey{"a", 1})
	_, errMany := kept.order.GetMany([]orderKey{{"a", 1}})
	for i, err := range []error{errGet, errMany, kept.order.Put(orderKey{"a", 1}, order{}), kept.order.Create(orderKey{"a", 9}, order{}),
		kept.order.Update(orderKey{"a", 1}, order{}, 1), kept.order.Delete(orderKey{"a", 1})} {
		if !errors.Is(err, kvrt.ErrTxnEnded) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n, err := s.order.Count(ctx, orderFilter{}.selection()); err != nil || n != 8 || lastRevision(t, s) != before {
		t.Fatal(n, err)
	}
}

func TestContentionEndsATransaction(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	runs := 0
	always := func(tx *shopTxn) error {
		runs++
		if _, err := tx.order.Get(orderKey{"a", 1}); err != nil && !errors.Is(err, kvrt.ErrNotFound) {
			return err
		}
		put(t, s, "a", 1, int64(runs))
		return tx.order.Put(orderKey{"a", 2}, order{})
	}
	_, err := s.txn(t.Context(), always, kvrt.MaxAttempts(3))
	var e *kvrt.Error
	if !errors.Is(err, kvrt.ErrContention) || !kvrt.Retryable(err) || !errors.As(err, &e) || e.Op != "txn" || e.Bucket != "SHOP" ||
		runs != 3 || !strings.Contains(err.Error(), "3 attempts") {
		t.Fatalf("%v after %d runs", err, runs)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.txn(ctx, always); !errors.Is(err, kvrt.ErrContention) && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := s.order.Get(t.Context(), orderKey{"a", 2}); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestLimitsOfATransaction(t *testing.T) {
	ctx := within(t, time.Minute)
	cfg := txnConfig(1)
	cfg.MaxValueSize = 1000
	s := ensureShop(t, kvtest.Start(t), cfg)
	fill := func(n uint64) func(tx *shopTxn) error {
		return func(tx *shopTxn) error {
			for id := range n {
				var err error
				if id%2 == 0 {
					_, err = tx.order.GetMany([]orderKey{{"a", id}})
				} else {
					err = tx.order.Put(orderKey{"a", id}, order{})
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	if rev, err := s.txn(ctx, fill(1000)); err != nil || rev != 1000 {
		t.Fatalf("a thousand keys: %d, %v", rev, err)
	}
	before := lastRevision(t, s)
	if _, err := s.txn(ctx, fill(1001)); !errors.Is(err, kvrt.ErrTooLarge) {
		t.Fatalf("a thousand and one: %v", err)
	}
	if _, err := s.txn(ctx, func(tx *shopTxn) error {
		return errors.Join(tx.counter.Put(counterKey{}, 1), tx.order.Put(orderKey{"a", 1}, order{Note: strings.Repeat("x", 1001)}))
	}); !errors.Is(err, kvrt.ErrTooLarge) {
		t.Fatalf("a value over the bucket's limit: %v", err)
	}
	if after := lastRevision(t, s); after != before {
		t.Fatalf("something was stored: %d, then %d", before, after)
	}
}

func TestATransactionReadsMoreThanOneAnswerHolds(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	var keys []orderKey
	for id := range uint64(11) { // of 900 KB each; an answer has 8 MiB
		keys = append(keys, orderKey{"a", id})
		if _, err := s.order.Put(ctx, keys[id], order{Note: strings.Repeat("x", 900_000), Total: int64(id)}); err != nil {
			t.Fatal(err)
		}
	}
	keys = append(keys, orderKey{"a", 11})
	runs := 0
	rev, err := s.txn(ctx, func(tx *shopTxn) error {
		if runs++; runs == 2 {
			put(t, s, "b", 1, 1)
		}
		all, err := tx.order.GetMany(keys)
		if err != nil {
			return err
		}
		for _, key := range keys[:11] {
			if e := all[key]; e.Value.Total != int64(key.ID) || len(e.Value.Note) != 900_000 {
				return fmt.Errorf("%v: %d, %d bytes", key, e.Value.Total, len(e.Value.Note))
			}
		}
		if len(all) != 11 {
			return fmt.Errorf("%d entries", len(all))
		}
		if runs == 1 { // the next attempt asks for what is fresh
			put(t, s, "a", 0, 0)
			if _, err := s.order.Put(ctx, keys[0], order{Note: strings.Repeat("x", 900_000)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || rev != 0 || runs != 2 {
		t.Fatalf("%d, %v after %d runs", rev, err, runs)
	}
}

// What takes more than one answer is as of one moment all the same.
func TestALargeTransactionIsAsOfOneMoment(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	s := ensureShop(t, kvtest.Start(t), txnConfig(1))
	kv, keys := largeKV(s), keysOf("a", 12)
	version := byte(0)
	write := func() { // all keys, together more than an answer holds
		version++
		if _, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) (err error) {
			for _, key := range keys {
				err = errors.Join(err, kvrt.NewTxnKV(tx, kv).Put(key, large(version)))
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	write()
	for range 3 {
		runs := 0
		var all map[orderKey]kvrt.Entry[orderKey, []byte]
		if _, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) (err error) {
			var wg sync.WaitGroup
			defer wg.Wait()
			if runs++; runs < 4 { // which lands before, between or after the two answers
				wg.Go(write)
				time.Sleep(rand.N(50 * time.Millisecond))
			}
			all, err = kvrt.NewTxnKV(tx, kv).GetMany(keys)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if of, first := all[key].Value[0], all[keys[0]].Value[0]; of != first {
				t.Fatalf("after %d runs, %v is %d beside %d", runs, key, of, first)
			}
		}
	}
}

func TestATransactionWaitsUntilTheServerTakesIt(t *testing.T) {
	// The server has so many batches open for a stream, by default 50, and refuses more.
	srv := kvtest.StartServer(t, func(o *server.Options) { o.JetStreamLimits.MaxBatchInflightPerStream = 1 })
	ctx := within(t, time.Minute)
	js := srv.Connect(t)
	s := ensureShop(t, js, txnConfig(1))
	other := func(sequence, commit string) {
		t.Helper()
		msg := nats.NewMsg("$KV.SHOP.other")
		msg.Header.Set("Nats-Batch-Id", "other")
		msg.Header.Set("Nats-Batch-Sequence", sequence)
		if commit != "" {
			msg.Header.Set("Nats-Batch-Commit", commit)
		}
		if reply, err := js.Conn().RequestMsgWithContext(ctx, msg); err != nil || strings.Contains(string(reply.Data), "error") {
			t.Fatal(string(reply.Data), err)
		}
	}
	other("1", "")
	runs := 0
	both := func(tx *shopTxn) error {
		if runs++; runs == 4 {
			other("2", "1")
		}
		return errors.Join(tx.counter.Put(counterKey{}, 1), tx.order.Put(orderKey{"a", 1}, order{}))
	}
	if _, err := s.txn(ctx, both, kvrt.MaxAttempts(2)); !errors.Is(err, kvrt.ErrContention) || runs != 2 {
		t.Fatalf("%v after %d runs", err, runs)
	}
	if rev, err := s.txn(ctx, both); err != nil || rev != 4 || runs != 4 {
		t.Fatalf("%d, %v after %d runs", rev, err, runs)
	}
}

func TestGuardsOnABucketWithoutRollups(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgsPerSubject: 5, AllowDirect: true, AllowAtomicPublish: true, Discard: jetstream.DiscardNew,
	}); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, js, txnConfig(1), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(10) {
		if _, err := s.txn(ctx, func(tx *shopTxn) error {
			_, err := tx.order.GetMany([]orderKey{{"a", 1}, {"a", 2}})
			return errors.Join(err, tx.counter.Put(counterKey{}, i))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.counter.Get(ctx, counterKey{}); err != nil || e.Value != 9 {
		t.Fatalf("%+v, %v", e, err)
	}
}

// The application is in another account than the bucket, behind a prefix of its own.
func TestTransactionsThroughAnImport(t *testing.T) {
	srv := twoAccounts(t)
	ctx := within(t, time.Minute)
	there := ensureShop(t, srv.Connect(t, nats.UserInfo("store", "x")), txnConfig(1))
	put(t, there, "a", 1, 7)
	js, err := jetstream.NewWithAPIPrefix(srv.Connect(t, nats.UserInfo("app", "x")).Conn(), "$JS.store.API")
	if err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, js, txnConfig(1), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{7, 8} {
		rev, err := s.txn(ctx, func(tx *shopTxn) error {
			e, err := tx.order.Get(orderKey{"a", 1})
			if err != nil {
				return err
			}
			return errors.Join(tx.counter.Put(counterKey{}, e.Value.Total), tx.order.Put(orderKey{"a", 2}, e.Value))
		})
		if e, gerr := there.counter.Get(ctx, counterKey{}, kvrt.AtLeast(rev)); err != nil || gerr != nil || e.Value != want {
			t.Fatalf("%+v, %v, %v", e, err, gerr)
		}
		put(t, there, "a", 1, 8)
	}
}

func TestKeysWithATimeToLiveKeepItInTransactions(t *testing.T) {
	ctx := within(t, time.Minute)
	cfg := txnConfig(1)
	cfg.LimitMarkerTTL, cfg.KeyTTL = time.Second, true
	js := kvtest.Start(t)
	s := ensureShop(t, js, cfg)
	leases := kvrt.NewKV(s.b, kvrt.KeySpec[counterKey, int64]{
		Encode: counterKey.Encode, Parse: parseCounterKey, Codec: kvrt.TextInt[int64](), TTL: time.Hour,
	})
	ttl := func() string {
		t.Helper()
		stream, err := js.Stream(ctx, "KV_SHOP")
		if err != nil {
			t.Fatal(err)
		}
		msg, err := stream.GetLastMsgForSubject(ctx, "$KV.SHOP.counter")
		if err != nil {
			t.Fatal(err)
		}
		return msg.Header.Get("Nats-TTL")
	}
	for _, c := range []struct {
		opts []kvrt.TTLOption
		want string
	}{{nil, "1h0m0s"}, {[]kvrt.TTLOption{kvrt.TTL(time.Minute)}, "1m0s"}, {nil, "1h0m0s"}} {
		// The same value each time: it is written, since that renews its time.
		rev, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
			lease := kvrt.NewTxnKV(tx, leases)
			if _, err := lease.Get(counterKey{}); err != nil && !errors.Is(err, kvrt.ErrNotFound) {
				return err
			}
			return errors.Join(lease.Put(counterKey{}, 7, c.opts...), kvrt.NewTxnKV(tx, s.order).Put(orderKey{"a", 1}, order{}))
		})
		if err != nil || rev == 0 || ttl() != c.want {
			t.Errorf("%d, %v, a time to live of %q, want %s", rev, err, ttl(), c.want)
		}
	}
}

func TestTransactionsOnABucketThatDoesNotAllowThem(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	plain := ensureShop(t, js, shopConfig())
	_, err := kvrt.Open(ctx, js, txnConfig(1), bindShop)
	if !errors.Is(err, kvrt.ErrUnsupported) || !errors.Is(err, kvrt.ErrDrift) {
		t.Fatalf("Open: %v", err)
	}
	both := func(tx *shopTxn) error {
		return errors.Join(tx.counter.Put(counterKey{}, 1), tx.order.Put(orderKey{"a", 1}, order{}))
	}
	if _, err := plain.txn(ctx, both); !errors.Is(err, kvrt.ErrUnsupported) {
		t.Fatalf("a bucket that was changed since: %v", err)
	}
	s := ensureShop(t, js, txnConfig(1)) // brings the bucket to it
	if _, err := s.txn(ctx, both); err != nil {
		t.Fatal(err)
	}
}

func TestTransactionsAndPermissions(t *testing.T) {
	ctx := within(t, time.Minute)
	grants := func(name string, publish ...string) *server.User {
		return &server.User{Username: name, Password: "x", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: append(publish, "$JS.API.STREAM.INFO.KV_SHOP",
				"$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.counter", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.order.a.1")},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}
	}
	full := &server.User{Username: "full", Password: "x"}
	two := grants("two", "$KV.SHOP.counter", "$KV.SHOP.order.a.1")
	guards := grants("guards", "$KV.SHOP.counter", "$KV.SHOP.=kvgen")
	srv := kvtest.StartServer(t, func(o *server.Options) { o.Users = []*server.User{full, two, guards} })
	ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), txnConfig(1))
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	open := func(name string, opt nats.Option) *shop {
		s, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo(name, "x"), opt), txnConfig(1), bindShop)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	increment := func(tx *shopTxn) error {
		e, err := tx.counter.Get(counterKey{})
		if err != nil && !errors.Is(err, kvrt.ErrNotFound) {
			return err
		}
		return tx.counter.Put(counterKey{}, e.Value+1)
	}
	both := func(tx *shopTxn) error {
		return errors.Join(increment(tx), tx.order.Put(orderKey{"a", 1}, order{Total: time.Now().UnixNano()}))
	}
	onlyRead := func(tx *shopTxn) error {
		_, err := tx.order.GetMany([]orderKey{{"a", 1}})
		return errors.Join(err, increment(tx))
	}
	for _, opt := range []nats.Option{quiet, nats.ErrorHandler(kvrt.ErrorHandler(nil))} {
		s := open("two", opt)
		if _, err := s.txn(ctx, both); err != nil {
			t.Errorf("grants for both keys: %v", err)
		}
		if _, err := s.txn(ctx, increment); err != nil {
			t.Errorf("one write: %v", err)
		}
		if _, err := s.txn(ctx, onlyRead); !errors.Is(err, kvrt.ErrPermission) || !strings.Contains(err.Error(), "$KV.SHOP.=kvgen") {
			t.Errorf("a guard without a grant for the reserved key: %v", err)
		}
		s = open("guards", opt)
		if _, err := s.txn(ctx, onlyRead); err != nil {
			t.Errorf("a guard of a key that may only be read: %v", err)
		}
		if _, err := s.txn(ctx, both); !errors.Is(err, kvrt.ErrPermission) || !strings.Contains(err.Error(), "$KV.SHOP.order.a.1") {
			t.Errorf("no grant for one of the keys: %v", err)
		}
	}
}
