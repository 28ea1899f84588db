package kvrt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// benchBuckets are the kinds of buckets that commits are measured on.
var benchBuckets = []struct {
	name     string
	replicas int
	storage  kvrt.Storage
}{{"R1", 1, kvrt.FileStorage}, {"R1-memory", 1, kvrt.MemoryStorage}, {"R3", 3, kvrt.FileStorage}}

// spread runs f b.N times in all, in n goroutines with a connection each.
func spread(b *testing.B, cluster *kvtest.Cluster, cfg kvrt.BucketConfig, n int, f func(s *shop, kv jetstream.KeyValue, worker int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	var shops []*shop
	var plain []jetstream.KeyValue
	for range n {
		s := ensureShop(b, cluster.Connect(b), cfg)
		kv, err := s.b.KeyValue(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		shops, plain = append(shops, s), append(plain, kv)
	}
	b.ResetTimer()
	for worker := range n {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := f(shops[worker], plain[worker], worker); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkTransfer moves an amount between two accounts, each goroutine between two of its own, or
// all among the same 50.
func BenchmarkTransfer(b *testing.B) {
	for _, kind := range benchBuckets {
		for _, contended := range []bool{false, true} {
			for _, n := range []int{1, 8, 16} {
				name := "disjoint"
				if contended {
					name = "contended"
				}
				b.Run(fmt.Sprintf("%s/%s/%d", kind.name, name, n), func(b *testing.B) {
					cluster := kvtest.StartServers(b, kind.replicas)
					cfg := txnConfig(kind.replicas)
					cfg.Storage = kind.storage
					s := ensureShop(b, cluster.Connect(b), cfg)
					for i := range accounts {
						if _, err := s.order.Put(b.Context(), account(i), order{Total: 100}); err != nil {
							b.Fatal(err)
						}
					}
					ctx := within(b, 10*time.Minute) // a busy disk makes commits slow
					var runs atomic.Int64
					spread(b, cluster, cfg, n, func(s *shop, _ jetstream.KeyValue, worker int) error {
						from, to := 2*worker, 2*worker+1
						if contended {
							from, to = rand.IntN(accounts), rand.IntN(accounts-1)
							if to >= from {
								to++
							}
						}
						_, err := s.txn(ctx, func(tx *shopTxn) error {
							runs.Add(1)
							both, err := tx.order.GetMany([]orderKey{account(from), account(to)})
							if err != nil {
								return err
							}
							return errors.Join(
								tx.order.Put(account(from), order{Total: both[account(from)].Value.Total - 1}),
								tx.order.Put(account(to), order{Total: both[account(to)].Value.Total + 1}),
							)
						})
						return err
					})
					b.ReportMetric(float64(runs.Load())/float64(b.N), "tries/commit")
				})
			}
		}
	}
}

// BenchmarkIncrement changes one key: as a transaction, and as one writes it by hand on plain nats.go,
// which cannot change two.
func BenchmarkIncrement(b *testing.B) {
	byHand := func(ctx context.Context, kv jetstream.KeyValue, key string) error {
		for {
			e, err := kv.Get(ctx, key)
			if err != nil {
				return err
			}
			var value order
			if err := json.Unmarshal(e.Value(), &value); err != nil {
				return err
			}
			value.Total++
			data, err := json.Marshal(value)
			if err != nil {
				return err
			}
			var api *jetstream.APIError
			if _, err = kv.Update(ctx, key, data, e.Revision()); err == nil {
				return nil
			} else if !errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence && api.ErrorCode != 10164 {
				return err
			}
		}
	}
	byTxn := func(ctx context.Context, s *shop, key orderKey) error {
		_, err := s.txn(ctx, func(tx *shopTxn) error {
			e, err := tx.order.Get(key)
			if err != nil {
				return err
			}
			e.Value.Total++
			return tx.order.Put(key, e.Value)
		})
		return err
	}
	for _, kind := range benchBuckets {
		for _, contended := range []bool{false, true} {
			for _, n := range []int{1, 8, 16} {
				for _, hand := range []bool{false, true} {
					name := map[bool]string{false: "disjoint", true: "contended"}[contended] + "/" + map[bool]string{false: "txn", true: "nats.go"}[hand]
					b.Run(fmt.Sprintf("%s/%s/%d", kind.name, name, n), func(b *testing.B) {
						cluster := kvtest.StartServers(b, kind.replicas)
						cfg := txnConfig(kind.replicas)
						cfg.Storage = kind.storage
						s := ensureShop(b, cluster.Connect(b), cfg)
						for i := range accounts {
							if _, err := s.order.Put(b.Context(), account(i), order{}); err != nil {
								b.Fatal(err)
							}
						}
						spread(b, cluster, cfg, n, func(s *shop, kv jetstream.KeyValue, worker int) error {
							i := worker
							if contended {
								i = rand.IntN(accounts)
							}
							if hand {
								return byHand(context.Background(), kv, fmt.Sprintf("order.account.%d", i))
							}
							return byTxn(context.Background(), s, account(i))
						})
					})
				}
			}
		}
	}
}
