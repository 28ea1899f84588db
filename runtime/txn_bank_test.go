package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

const accounts = 50

func account(i int) orderKey { return orderKey{"account", uint64(i)} }

// everyAccount is what an audit reads.
func everyAccount() []orderKey {
	keys := make([]orderKey, accounts)
	for i := range keys {
		keys[i] = account(i)
	}
	return keys
}

// transfer moves an amount, and counts the transfers of its clerk in the same transaction.
func transfer(ctx context.Context, s *shop, clerk, from, to int, amount int64) error {
	_, err := s.txn(ctx, func(tx *shopTxn) error {
		both, err := tx.order.GetMany([]orderKey{account(from), account(to)})
		if err != nil {
			return err
		}
		receipts := orderKey{"clerk", uint64(clerk)}
		n, err := tx.order.Get(receipts)
		if err != nil && !errors.Is(err, kvrt.ErrNotFound) {
			return err
		}
		return errors.Join(
			tx.order.Put(account(from), order{Total: both[account(from)].Value.Total - amount}),
			tx.order.Put(account(to), order{Total: both[account(to)].Value.Total + amount}),
			tx.order.Put(receipts, order{Total: n.Value.Total + 1}),
		)
	})
	return err
}

// audits add up all accounts as of one moment: in transactions that only read, and in one GetMany.
var audits = map[string]func(ctx context.Context, s *shop) (sum int64, err error){
	"in a transaction": func(ctx context.Context, s *shop) (sum int64, err error) {
		_, err = s.txn(ctx, func(tx *shopTxn) error {
			all, err := tx.order.GetMany(everyAccount())
			sum = total(all)
			return err
		})
		return sum, err
	},
	"in a transaction, one by one": func(ctx context.Context, s *shop) (sum int64, err error) {
		_, err = s.txn(ctx, func(tx *shopTxn) error {
			sum = 0
			for _, key := range everyAccount() {
				e, err := tx.order.Get(key)
				if err != nil {
					return err
				}
				sum += e.Value.Total
			}
			return nil
		})
		return sum, err
	},
	"GetMany": func(ctx context.Context, s *shop) (int64, error) {
		all, err := s.order.GetMany(ctx, everyAccount())
		return total(all), err
	},
}

func total(all map[orderKey]kvrt.Entry[orderKey, order]) (sum int64) {
	for _, e := range all {
		sum += e.Value.Total
	}
	return sum
}

func TestTransfersKeepTheSum(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			const clerks, each, sum = 16, 8, accounts * 100
			ctx := within(t, 3*time.Minute)
			cluster := kvtest.StartServers(t, replicas)
			admin := cluster.Connect(t)
			cfg := txnConfig(replicas)
			if replicas == 1 {
				cfg.Storage = kvrt.MemoryStorage // with files, the server syncs each batch to the disk
			}
			s := ensureShop(t, admin, cfg)
			if _, err := s.txn(ctx, func(tx *shopTxn) error {
				var errs []error
				for i := range accounts {
					errs = append(errs, tx.order.Create(account(i), order{Total: 100}))
				}
				return errors.Join(errs...)
			}); err != nil {
				t.Fatal(err)
			}
			var (
				working sync.WaitGroup
				landed  [clerks]int64
				unknown [clerks]int64
				done    atomic.Int64
			)
			for clerk := range clerks {
				here := ensureShop(t, cluster.Connect(t), cfg)
				working.Go(func() {
					for range each {
						from, to := rand.IntN(accounts), rand.IntN(accounts-1)
						if to >= from {
							to++
						}
						switch err := transfer(ctx, here, clerk, from, to, 1+rand.Int64N(20)); {
						case err == nil:
							landed[clerk]++
						case errors.Is(err, kvrt.ErrUnknownOutcome):
							unknown[clerk]++
						case !kvrt.Retryable(err):
							t.Errorf("transfer: %v", err)
						}
						done.Add(1)
					}
				})
			}
			finished := make(chan struct{})
			var auditing sync.WaitGroup
			var kept atomic.Int64
			for name, audit := range audits {
				here := ensureShop(t, cluster.Connect(t), cfg)
				auditing.Go(func() {
					for {
						select {
						case <-finished:
							return
						default:
						}
						got, err := audit(ctx, here)
						switch {
						case err == nil && got != sum:
							t.Errorf("%s: an audit found %d, want %d", name, got, sum)
						case err == nil:
							kept.Add(1)
						case !kvrt.Retryable(err):
							t.Errorf("%s: %v", name, err)
						}
					}
				})
			}
			if replicas > 1 {
				for _, after := range []int64{clerks * each / 3, clerks * each * 2 / 3} {
					for done.Load() < after && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					stepDown(t, admin)
				}
			}
			working.Wait()
			close(finished)
			auditing.Wait()
			if got, err := audits["in a transaction"](ctx, s); err != nil || got != sum {
				t.Fatalf("%d, %v", got, err)
			}
			var all, lost int64
			for clerk := range clerks {
				e, err := s.order.Get(ctx, orderKey{"clerk", uint64(clerk)}, kvrt.AtLeast(lastRevision(t, s)))
				if err != nil || e.Value.Total < landed[clerk] || e.Value.Total > landed[clerk]+unknown[clerk] {
					t.Errorf("clerk %d: %+v, %v; %d landed, of %d it is not known", clerk, e, err, landed[clerk], unknown[clerk])
				}
				all, lost = all+landed[clerk], lost+unknown[clerk]
			}
			if all == 0 {
				t.Error("no transfer landed")
			}
			t.Logf("%d transfers landed, of %d it is not known; %d audits", all, lost, kept.Load())
		})
	}
}

// Two doctors are on call, and each may leave if the other stays.
func TestWriteSkewCannotHappen(t *testing.T) {
	onCall, off := order{Note: "on call"}, order{Note: "off"}
	ann, bob := orderKey{"doctor", 1}, orderKey{"doctor", 2}
	for name, c := range map[string]struct {
		replicas int
		// leave lets me leave if other is on call; looked is called between the look and the leave.
		leave func(ctx context.Context, s *shop, me, other orderKey, looked func()) error
		skew  bool
	}{
		"R1": {1, leaveByTransaction, false},
		"R3": {3, leaveByTransaction, false},
		"guarded writes": {1, func(ctx context.Context, s *shop, me, other orderKey, looked func()) error {
			mine, err := s.order.Get(ctx, me)
			if err != nil {
				return err
			}
			theirs, err := s.order.Get(ctx, other)
			if err != nil {
				return err
			}
			looked()
			if theirs.Value == onCall {
				_, err = s.order.Update(ctx, me, off, mine.Revision)
			}
			return err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			cluster := kvtest.StartServers(t, c.replicas)
			s := ensureShop(t, cluster.Connect(t), txnConfig(c.replicas))
			for range 5 {
				for _, doctor := range []orderKey{ann, bob} {
					if _, err := s.order.Put(ctx, doctor, onCall); err != nil {
						t.Fatal(err)
					}
				}
				var look, leave sync.WaitGroup // both look before one leaves
				look.Add(2)
				for _, pair := range [][2]orderKey{{ann, bob}, {bob, ann}} {
					var once sync.Once
					leave.Go(func() {
						if err := c.leave(ctx, s, pair[0], pair[1], func() { once.Do(func() { look.Done(); look.Wait() }) }); err != nil {
							t.Error(err)
						}
					})
				}
				leave.Wait()
				at := kvrt.AtLeast(lastRevision(t, s))
				first, err1 := s.order.Get(ctx, ann, at)
				second, err2 := s.order.Get(ctx, bob, at)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				if nobody := first.Value == off && second.Value == off; nobody != c.skew {
					t.Fatalf("ann: %s, bob: %s", first.Value.Note, second.Value.Note)
				}
				if everybody := first.Value == onCall && second.Value == onCall; everybody {
					t.Fatal("both stayed")
				}
			}
		})
	}
}

func leaveByTransaction(ctx context.Context, s *shop, me, other orderKey, looked func()) error {
	_, err := s.txn(ctx, func(tx *shopTxn) error {
		theirs, err := tx.order.Get(other)
		if err != nil {
			return err
		}
		looked()
		if theirs.Value.Note == "off" {
			return nil
		}
		return tx.order.Put(me, order{Note: "off"})
	})
	return err
}

func TestACommitWhoseAnswerGotLost(t *testing.T) {
	first, second, readOnly := orderKey{"a", 1}, orderKey{"a", 2}, orderKey{"a", 3}
	for _, c := range []struct{ replicas, history int }{{1, 1}, {1, 10}, {3, 1}, {3, 10}} {
		t.Run(fmt.Sprintf("R%d history %d", c.replicas, c.history), func(t *testing.T) {
			cluster := kvtest.StartServers(t, c.replicas)
			cfg := txnConfig(c.replicas)
			cfg.History = c.history
			there := ensureShop(t, cluster.Connect(t), cfg)
			p := startProxy(t, cluster.Servers[0])
			here := ensureShop(t, p.connect(t), cfg)
			ctx := within(t, time.Minute)
			put(t, there, "a", 1, 0)
			put(t, there, "a", 2, 0)
			put(t, there, "a", 3, 0)
			runs := 0
			// add changes both keys; when it has run first, answers are lost.
			add := func(deafen func()) (uint64, error) {
				return here.txn(ctx, func(tx *shopTxn) error {
					runs++
					all, err := tx.order.GetMany([]orderKey{first, second, readOnly})
					if err != nil {
						return err
					}
					if deafen != nil {
						deafen()
						deafen = nil
					}
					return errors.Join(
						tx.order.Put(first, order{Total: all[first].Value.Total + 1}),
						tx.order.Put(second, order{Total: all[second].Value.Total + 1}),
					)
				})
			}
			total := func(key orderKey) int64 {
				t.Helper()
				e, err := there.order.Get(ctx, key, kvrt.AtLeast(lastRevision(t, there)))
				if err != nil {
					t.Fatal(err)
				}
				return e.Value.Total
			}
			var rev uint64
			var err error

			// Nobody else wrote: the commit is found again.
			before := lastRevision(t, there)
			loseAnswer(t, p, there, before+3, func(deafen func()) { rev, err = add(deafen) }, func() {})
			if err != nil || rev != before+3 || runs != 1 || total(first) != 1 || total(second) != 1 {
				t.Fatalf("%d, %v, after %d runs: %d and %d", rev, err, runs, total(first), total(second))
			}
			// One of the keys was written since: the other one tells.
			before = lastRevision(t, there)
			loseAnswer(t, p, there, before+3, func(deafen func()) { rev, err = add(deafen) }, func() { put(t, there, "a", 1, 100) })
			if err != nil || rev != before+3 || runs != 2 || total(first) != 100 || total(second) != 2 {
				t.Fatalf("%d, %v, after %d runs: %d and %d", rev, err, runs, total(first), total(second))
			}
			// What was only read was written since: the repetition is in conflict, and yet it had landed.
			before = lastRevision(t, there)
			loseAnswer(t, p, there, before+3, func(deafen func()) { rev, err = add(deafen) }, func() { put(t, there, "a", 3, 1) })
			if err != nil || rev != before+3 || runs != 3 || total(first) != 101 || total(second) != 3 {
				t.Fatalf("%d, %v, after %d runs: %d and %d", rev, err, runs, total(first), total(second))
			}
			// All of them were written since: only a history can tell.
			before = lastRevision(t, there)
			loseAnswer(t, p, there, before+3, func(deafen func()) { rev, err = add(deafen) }, func() {
				put(t, there, "a", 1, 200)
				put(t, there, "a", 2, 200)
			})
			if c.history == 1 && !errors.Is(err, kvrt.ErrUnknownOutcome) || c.history > 1 && (err != nil || rev != before+3) || runs != 4 {
				t.Fatalf("%d, %v after %d runs", rev, err, runs)
			}
			if kvrt.Retryable(err) {
				t.Errorf("retryable: %v", err)
			}
			// A transaction of one write is found again as well.
			before = lastRevision(t, there)
			loseAnswer(t, p, there, before+1, func(deafen func()) {
				rev, err = here.txn(ctx, func(tx *shopTxn) error {
					e, err := tx.order.Get(first)
					deafen()
					return errors.Join(err, tx.order.Put(first, order{Total: e.Value.Total + 1}))
				})
			}, func() {})
			if err != nil || rev != before+1 || total(first) != 201 {
				t.Fatalf("%d, %v: %d", rev, err, total(first))
			}
			// A commit that did not get through is made when the connection is there again.
			before = lastRevision(t, there)
			rev, err = add(func() { p.cut() })
			if err != nil || rev < before+3 || total(first) != 202 || total(second) != 201 {
				t.Fatalf("%d, %v: %d and %d", rev, err, total(first), total(second))
			}
		})
	}
}

func TestTheAnswerToAnEarlierCommitCounts(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	js := srv.Connect(t)
	there := ensureShop(t, js, txnConfig(1))
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), txnConfig(1))
	commits, err := js.Conn().SubscribeSync("$KV.SHOP.order.a.2")
	if err != nil {
		t.Fatal(err)
	}
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var rev uint64
	go func() {
		var err error
		rev, err = here.txn(ctx, func(tx *shopTxn) error {
			_, err := tx.order.GetMany([]orderKey{{"a", 1}, {"a", 2}})
			p.setLate(true)
			return errors.Join(err, tx.order.Put(orderKey{"a", 1}, order{Total: 1}), tx.order.Put(orderKey{"a", 2}, order{Total: 1}))
		})
		done <- err
	}()
	for range 2 { // the commit, and its repetition
		if msg, err := commits.NextMsgWithContext(ctx); err != nil || msg.Header.Get("Nats-Batch-Commit") != "1" {
			t.Fatal(msg, err)
		}
	}
	// All keys are written again: nothing but the answer can tell.
	put(t, there, "a", 1, 2)
	put(t, there, "a", 2, 2)
	p.setLate(false)
	if err := <-done; err != nil || rev != 2 {
		t.Fatalf("%d, %v", rev, err)
	}
}
