// What kvgen costs against code that one writes by hand on jetstream.KeyValue and encoding/json.

package kvrt_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
)

const benchName = "order.tenant.7"

func getByHand(ctx context.Context, kv jetstream.KeyValue, key string) (value order, revision uint64, err error) {
	e, err := kv.Get(ctx, key)
	if err != nil {
		return value, 0, err
	}
	return value, e.Revision(), json.Unmarshal(e.Value(), &value)
}

func putByHand(ctx context.Context, kv jetstream.KeyValue, key string, value order) (revision uint64, err error) {
	data, err := json.Marshal(value)
	if err != nil {
		return 0, err
	}
	return kv.Put(ctx, key, data)
}

func updateByHand(ctx context.Context, kv jetstream.KeyValue, key string, value order, revision uint64) (uint64, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return 0, err
	}
	return kv.Update(ctx, key, data, revision)
}

// modifyByHand is the usual loop. It counts what was stored twice as stored once only by luck: an
// update whose answer got lost is made again.
func modifyByHand(ctx context.Context, kv jetstream.KeyValue, key string, change func(*order)) error {
	for {
		value, revision, err := getByHand(ctx, kv, key)
		if err != nil {
			return err
		}
		change(&value)
		_, err = updateByHand(ctx, kv, key, value, revision)
		var api *jetstream.APIError
		if !errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
			return err
		}
	}
}

// BenchmarkOverhead compares single operations on a small JSON struct.
//
//	go test ./runtime -run '^$' -bench Overhead
func BenchmarkOverhead(b *testing.B) {
	onEach(b, func(b *testing.B, st *stage) {
		ctx := within(b, 10*time.Minute)
		kv, orders := st.kv, st.shop.order
		key, value := orderKey{"tenant", 7}, order{Note: "the order of a customer", Total: 100}
		if _, err := orders.Put(ctx, key, value); err != nil {
			b.Fatal(err)
		}
		single := func(name string, f func() error) contender {
			units, turn := repeated(32, f) // long against the clock
			return contender{name, units, turn}
		}
		get := func() error {
			e, err := orders.Get(ctx, key)
			if err == nil && e.Value.Note != value.Note {
				return errors.New("another value")
			}
			return err
		}
		getByHand := func() error {
			v, _, err := getByHand(ctx, kv, benchName)
			if err == nil && v.Note != value.Note {
				return errors.New("another value")
			}
			return err
		}
		b.Run("Get", func(b *testing.B) {
			compare(b, single("kvgen", get), single("nats.go", getByHand))
		})
		b.Run("Get-16", func(b *testing.B) { // by 16 goroutines at the same time
			compare(b, concurrent("kvgen", get), concurrent("nats.go", getByHand))
		})
		b.Run("Put", func(b *testing.B) {
			compare(b, single("kvgen", func() error {
				_, err := orders.Put(ctx, key, value)
				return err
			}), single("nats.go", func() error {
				_, err := putByHand(ctx, kv, benchName, value)
				return err
			}))
		})
		b.Run("Update", func(b *testing.B) {
			revision, err := orders.Put(ctx, key, value)
			if err != nil {
				b.Fatal(err)
			}
			compare(b, single("kvgen", func() (err error) {
				revision, err = orders.Update(ctx, key, value, revision)
				return err
			}), single("nats.go", func() (err error) {
				revision, err = updateByHand(ctx, kv, benchName, value, revision)
				return err
			}))
		})
		b.Run("Modify", func(b *testing.B) {
			compare(b, single("kvgen", func() error {
				_, err := orders.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil })
				return err
			}), single("nats.go", func() error {
				return modifyByHand(ctx, kv, benchName, func(o *order) { o.Total++ })
			}))
		})
	})
}

// concurrent is a turn of 16 goroutines.
func concurrent(name string, f func() error) contender {
	const goroutines, each = 16, 32
	return contender{name, goroutines * each, func() error {
		failures := make([]error, goroutines)
		var wg sync.WaitGroup
		for i := range failures {
			wg.Go(func() {
				_, turn := repeated(each, f)
				failures[i] = turn()
			})
		}
		wg.Wait()
		return errors.Join(failures...)
	}}
}

// BenchmarkWatch compares a watcher from its start to the end of the initial copy, of one key and of
// 10,000 keys, and then one that is started, sees 1,000 changes written by PutMany, and reads them.
// nats.go's watcher hands out bytes; they are decoded here as they are by kvgen.
//
//	go test ./runtime -run '^$' -bench Watch
func BenchmarkWatch(b *testing.B) {
	onEach(b, func(b *testing.B, st *stage) {
		ctx := within(b, 10*time.Minute)
		orders := st.shop.order
		const n = 10_000
		if _, err := orders.PutMany(ctx, manyOrders(n)); err != nil {
			b.Fatal(err)
		}
		initial := func(f orderFilter, want int) func() error {
			return func() error {
				w, err := orders.Watch(ctx, f.selection())
				if err != nil {
					return err
				}
				defer w.Stop()
				got := 0
				for e := range w.Updates() {
					if e.Op == kvrt.Synced {
						break
					}
					got++
				}
				return counted(got, want)
			}
		}
		initialByHand := func(filter string, want int) func() error {
			return func() error {
				w, err := st.kv.Watch(ctx, filter)
				if err != nil {
					return err
				}
				defer w.Stop() //nolint:errcheck // the consumer ends with the process
				got := 0
				for e := range w.Updates() {
					if e == nil {
						break
					}
					var value order
					if err := json.Unmarshal(e.Value(), &value); err != nil {
						return err
					}
					got++
				}
				return counted(got, want)
			}
		}
		b.Run("attach", func(b *testing.B) {
			compare(b, contender{"kvgen", 1, initial(orderFilter{ID: new(uint64(7))}, 1)}, contender{"nats.go", 1, initialByHand("order.*.7", 1)})
		})
		b.Run("initial", func(b *testing.B) {
			compare(b, contender{"kvgen", n, initial(orderFilter{}, n)}, contender{"nats.go", n, initialByHand("order.>", n)})
		})
		b.Run("changes", func(b *testing.B) {
			const changes = 1000
			compare(b, contender{"kvgen", changes, func() error {
				w, err := orders.Watch(ctx, orderFilter{}.selection(), kvrt.UpdatesOnly())
				if err != nil {
					return err
				}
				defer w.Stop()
				if _, err := orders.PutMany(ctx, manyOrders(changes)); err != nil {
					return err
				}
				for got := 0; got < changes; {
					if e := <-w.Updates(); e.Op == kvrt.Put {
						got++
					}
				}
				return nil
			}}, contender{"nats.go", changes, func() error {
				w, err := st.kv.Watch(ctx, "order.>", jetstream.UpdatesOnly())
				if err != nil {
					return err
				}
				defer w.Stop() //nolint:errcheck // the consumer ends with the process
				if _, err := orders.PutMany(ctx, manyOrders(changes)); err != nil {
					return err
				}
				for range changes {
					var value order
					if err := json.Unmarshal((<-w.Updates()).Value(), &value); err != nil {
						return err
					}
				}
				return nil
			}})
		})
	})
}
