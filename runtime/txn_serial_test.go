package kvrt_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

var serialFor = flag.Duration("serial", time.Second, "how long the serializability test records histories, for each kind of bucket")

// serialKeys is the number of keys that the recorded histories are about. Few keys, many conflicts.
const serialKeys = 4

func serialKey(i int) orderKey { return orderKey{"serial", uint64(i)} }

// serialState is the total under each key; 0 stands for no value.
type serialState [serialKeys]int64

// serialOp is what an operation, of one key or of several, saw and did, at one moment. Totals that
// are written are different everywhere, so what was read tells who wrote it.
type serialOp struct {
	name    string
	reads   map[int]int64
	live    map[int]bool // keys that had a value, whatever it was
	writes  map[int]int64
	unknown bool // it may have done so, or nothing
}

// serialModel: operations happen one after the other. One of unknown outcome has an effect if what it
// read is there when its turn comes; it may come after all others.
var serialModel = porcupine.Model{
	Init: func() any { return serialState{} },
	Step: func(state, input, _ any) (bool, any) {
		s, op := state.(serialState), input.(*serialOp)
		for key, total := range op.reads {
			if s[key] != total {
				return op.unknown, state
			}
		}
		for key := range op.live {
			if s[key] == 0 {
				return op.unknown, state
			}
		}
		for key, total := range op.writes {
			s[key] = total
		}
		return true, s
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", *input.(*serialOp)) },
}

// serialHistory is recorded by several clients.
type serialHistory struct {
	mu    sync.Mutex
	ops   []porcupine.Operation
	clock atomic.Int64
	total atomic.Int64
}

// record runs f, which fills in what the operation saw and did. Of one that says that nothing was
// written, nothing is recorded.
func (h *serialHistory) record(t *testing.T, client int, name string, f func(op *serialOp) error) {
	op := &serialOp{name: name}
	call := h.clock.Add(1)
	err := f(op)
	end := h.clock.Add(1)
	switch {
	case err == nil:
	case errors.Is(err, kvrt.ErrUnknownOutcome):
		op.unknown, end = true, 1<<60
	case errors.Is(err, kvrt.ErrUnavailable), errors.Is(err, kvrt.ErrContention), errors.Is(err, context.DeadlineExceeded):
		return
	default:
		t.Errorf("%s: %v", name, err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: op, Call: call, Return: end})
}

func (h *serialHistory) fresh() order { return order{Total: h.total.Add(1)} }

// serialOps are the operations that clients choose from.
var serialOps = []struct {
	name string
	run  func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error
}{
	{"get", func(ctx context.Context, s *shop, _ *serialHistory, op *serialOp) error {
		key := rand.IntN(serialKeys)
		e, err := kvrt.GetStrong(ctx, s.order, serialKey(key), kvrt.Linearizable())
		if errors.Is(err, kvrt.ErrNotFound) {
			err = nil
		}
		op.reads = map[int]int64{key: e.Value.Total}
		return err
	}},
	{"put", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		key, value := rand.IntN(serialKeys), h.fresh()
		op.writes = map[int]int64{key: value.Total}
		_, err := s.order.Put(ctx, serialKey(key), value)
		return err
	}},
	{"delete", func(ctx context.Context, s *shop, _ *serialHistory, op *serialOp) error {
		key := rand.IntN(serialKeys)
		op.writes = map[int]int64{key: 0}
		_, err := s.order.Delete(ctx, serialKey(key))
		return err
	}},
	{"create", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		key, value := rand.IntN(serialKeys), h.fresh()
		op.reads, op.writes = map[int]int64{key: 0}, map[int]int64{key: value.Total}
		_, err := s.order.Create(ctx, serialKey(key), value)
		if errors.Is(err, kvrt.ErrExists) {
			op.reads, op.writes, op.live = nil, nil, map[int]bool{key: true}
			err = nil
		}
		return err
	}},
	{"modify", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		key := rand.IntN(serialKeys)
		_, err := s.order.Modify(ctx, serialKey(key), func(e *kvrt.Entry[orderKey, order]) error {
			op.reads = map[int]int64{key: e.Value.Total}
			e.Value = h.fresh()
			op.writes = map[int]int64{key: e.Value.Total}
			return nil
		})
		return err
	}},
	{"txn", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		return serialTxn(ctx, s, h, op, 1+rand.IntN(3), 1+rand.IntN(2), nil)
	}},
	{"blind txn", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		return serialTxn(ctx, s, h, op, rand.IntN(2), 2, nil)
	}},
	{"read-only txn", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		return serialTxn(ctx, s, h, op, 2+rand.IntN(3), 0, nil)
	}},
	{"txn that fails", func(ctx context.Context, s *shop, h *serialHistory, op *serialOp) error {
		mine := errors.New("mine")
		if err := serialTxn(ctx, s, h, op, 2+rand.IntN(3), 1, mine); err != mine {
			return err
		}
		op.writes = nil
		return nil
	}},
}

// serialTxn reads some keys and writes some, and then returns an error of its own if there is one.
func serialTxn(ctx context.Context, s *shop, h *serialHistory, op *serialOp, reads, writes int, own error) error {
	toRead, toWrite := rand.Perm(serialKeys)[:reads], rand.Perm(serialKeys)[:writes]
	together := rand.IntN(2) == 0
	_, err := s.txn(ctx, func(tx *shopTxn) error {
		op.reads, op.writes = map[int]int64{}, map[int]int64{}
		if together {
			var keys []orderKey
			for _, key := range toRead {
				keys = append(keys, serialKey(key))
			}
			entries, err := tx.order.GetMany(keys)
			if err != nil {
				return err
			}
			for _, key := range toRead {
				op.reads[key] = entries[serialKey(key)].Value.Total
			}
		}
		for _, key := range toRead {
			e, err := tx.order.Get(serialKey(key))
			if err != nil && !errors.Is(err, kvrt.ErrNotFound) {
				return err
			}
			op.reads[key] = e.Value.Total
		}
		for _, key := range toWrite {
			if rand.IntN(5) == 0 {
				op.writes[key] = 0
				if err := tx.order.Delete(serialKey(key)); err != nil {
					return err
				}
				continue
			}
			value := h.fresh()
			op.writes[key] = value.Total
			if err := tx.order.Put(serialKey(key), value); err != nil {
				return err
			}
		}
		return own
	})
	return err
}

func TestTransactionsAndSingleKeysAreSerializable(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			cluster := kvtest.StartServers(t, replicas)
			cfg := txnConfig(replicas)
			cfg.Linearizable = true
			admin := cluster.Connect(t)
			var clients []*shop
			for range 4 {
				clients = append(clients, ensureShop(t, cluster.Connect(t), cfg))
			}
			counts := map[string]int{}
			// Short histories, each about a bucket that was emptied: what a check takes grows with length.
			for start, round := time.Now(), 0; round == 0 || time.Since(start) < *serialFor; round++ {
				ctx := within(t, time.Minute)
				for key := range serialKeys {
					if _, err := clients[0].order.Purge(ctx, serialKey(key)); err != nil {
						t.Fatal(err)
					}
				}
				var h serialHistory
				var wg sync.WaitGroup
				for i, s := range clients {
					wg.Go(func() {
						for range 40 {
							next := serialOps[rand.IntN(len(serialOps))]
							// An unconditional write whose answer got lost waits for it in vain, as long as it may.
							ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
							h.record(t, i, next.name, func(op *serialOp) error { return next.run(ctx, s, &h, op) })
							cancel()
						}
					})
				}
				if round%2 == 1 && replicas > 1 {
					stepDown(t, admin)
				}
				wg.Wait()
				switch result := porcupine.CheckOperationsTimeout(serialModel, h.ops, 20*time.Second); result {
				case porcupine.Unknown:
					t.Logf("round %d: %d operations are too much for the check", round, len(h.ops))
				case porcupine.Illegal:
					for _, op := range h.ops {
						t.Logf("%4d %4d %+v", op.Call, op.Return, *op.Input.(*serialOp))
					}
					t.Fatalf("round %d: %s", round, result)
				}
				for _, op := range h.ops {
					counts[op.Input.(*serialOp).name]++
				}
			}
			t.Log(counts)
		})
	}
}

// stepDown makes another server the leader of the bucket's stream.
func stepDown(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN.KV_SHOP", nil, 30*time.Second); err != nil {
		t.Fatal(err)
	}
}

// The check is worth something if it finds transactions whose reads are not guarded.
func TestTheSerializabilityCheckFindsReadsThatAreNotGuarded(t *testing.T) {
	for _, guarded := range []bool{true, false} {
		t.Run(fmt.Sprintf("guarded %v", guarded), func(t *testing.T) {
			ctx := within(t, time.Minute)
			s := ensureShop(t, kvtest.Start(t), txnConfig(1))
			var h serialHistory
			var both sync.WaitGroup // both transactions have read
			both.Add(2)
			var wg sync.WaitGroup
			for client := range 2 {
				wg.Go(func() {
					first := true
					h.record(t, client, "txn", func(op *serialOp) error {
						_, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
							orders := kvrt.NewTxnKV(tx, s.order)
							op.reads, op.writes = map[int]int64{}, map[int]int64{}
							for key := range 2 {
								e, err := orders.Get(serialKey(key))
								if err != nil && !errors.Is(err, kvrt.ErrNotFound) {
									return err
								}
								op.reads[key] = e.Value.Total
							}
							if first {
								first = false
								both.Done()
								both.Wait()
							}
							if !guarded {
								kvrt.ForgetReads(tx)
							}
							value := h.fresh()
							op.writes[client] = value.Total
							return orders.Put(serialKey(client), value)
						})
						return err
					})
				})
			}
			wg.Wait()
			want := porcupine.Ok
			if !guarded {
				want = porcupine.Illegal
			}
			if result := porcupine.CheckOperationsTimeout(serialModel, h.ops, time.Minute); result != want {
				t.Fatalf("%s, want %s", result, want)
			}
		})
	}
}
