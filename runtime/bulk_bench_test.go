// Bulk operations against one operation after the other, against nats.go, and against the requests
// alone, which are the limit.

package kvrt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// manyOrders is a sequence of n orders of 100 tenants; a value has 60 bytes.
func manyOrders(n int) iter.Seq2[orderKey, order] {
	return func(yield func(orderKey, order) bool) {
		for id := range n {
			if !yield(benchKey(id), order{Note: fmt.Sprintf("the order of customer %8d", id), Total: int64(id)}) {
				return
			}
		}
	}
}

func benchKeyName(id int) string { return fmt.Sprintf("order.%s.%d", tenants[id%100], id) }

// BenchmarkGetMany reads 100 and 1,024 keys.
//
//	go test ./runtime -run '^$' -bench GetMany
func BenchmarkGetMany(b *testing.B) {
	onEach(b, func(b *testing.B, st *stage) {
		ctx := within(b, 10*time.Minute)
		if _, err := st.shop.order.PutMany(ctx, manyOrders(2000)); err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{100, 1024} {
			keys := make([]orderKey, n)
			subjects := make([]string, n)
			for id := range keys {
				keys[id], subjects[id] = benchKey(id), "$KV.SHOP."+benchKeyName(id)
			}
			request, err := json.Marshal(map[string]any{"multi_last": subjects})
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				compare(b, contender{"kvgen", n, func() error {
					entries, err := st.shop.order.GetMany(ctx, keys)
					return errors.Join(err, counted(len(entries), n))
				}}, contender{"Gets", n, func() error {
					for _, key := range keys {
						if _, err := st.shop.order.Get(ctx, key); err != nil {
							return err
						}
					}
					return nil
				}}, contender{"nats.go", n, func() error {
					for id := range n {
						if _, _, err := getByHand(ctx, st.kv, benchKeyName(id)); err != nil {
							return err
						}
					}
					return nil
				}}, contender{"request", n, func() error {
					messages := 0
					err := answers(ctx, st.js.Conn(), "$JS.API.DIRECT.GET.KV_SHOP", request, func(msg *nats.Msg) bool {
						messages++
						return msg.Header.Get("Status") == ""
					})
					return errors.Join(err, counted(messages, n+1))
				}})
			})
		}
	})
}

// BenchmarkPerKeyPermissions reads 100 and 1,024 keys as a client that may read single keys only, which
// GetMany reads many at a time, beside one that may read several together. The server is in this
// process.
//
//	go test ./runtime -run '^$' -bench PerKeyPermissions
func BenchmarkPerKeyPermissions(b *testing.B) {
	srv := kvtest.StartServer(b, func(o *server.Options) {
		o.Users = []*server.User{{Username: "all", Password: "x"}, user("single", []string{
			"$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.order.*.*",
		}, []string{"_INBOX.>"})}
	})
	ctx := within(b, 10*time.Minute)
	js := srv.Connect(b, nats.UserInfo("all", "x"))
	all := ensureShop(b, js, shopConfig())
	kv := plain(b, all)
	if _, err := all.order.PutMany(ctx, manyOrders(2000)); err != nil {
		b.Fatal(err)
	}
	single, err := kvrt.Open(ctx, srv.Connect(b, quiet, nats.UserInfo("single", "x")), shopConfig(), bindShop)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{100, 1024} {
		keys := make([]orderKey, n)
		for id := range keys {
			keys[id] = benchKey(id)
		}
		together := func(s *shop) func() error {
			return func() error {
				entries, err := s.order.GetMany(ctx, keys)
				return errors.Join(err, counted(len(entries), n))
			}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			compare(b, contender{"single", n, together(single)}, contender{"together", n, together(all)}, contender{"nats.go", n, func() error {
				for id := range n {
					if _, _, err := getByHand(ctx, kv, benchKeyName(id)); err != nil {
						return err
					}
				}
				return nil
			}})
		})
	}
}

// answers makes a request that has several answers, until more says that there are no others.
func answers(ctx context.Context, nc *nats.Conn, subject string, request []byte, more func(*nats.Msg) bool) error {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the subscription is ours alone
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if err := nc.PublishRequest(subject, inbox, request); err != nil {
		return err
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil || !more(msg) {
			return err
		}
	}
}

// BenchmarkPutMany writes 10,000 entries; a turn of single writes is 500 of them. async-N is nats.go's
// PublishAsync with N messages on their way, the requests alone.
//
//	go test ./runtime -run '^$' -bench PutMany -benchtime 5x
func BenchmarkPutMany(b *testing.B) {
	const n, singles = 10_000, 500
	onEach(b, func(b *testing.B, st *stage) {
		ctx := within(b, 10*time.Minute)
		all := []contender{{"kvgen", n, func() error {
			written, err := st.shop.order.PutMany(ctx, manyOrders(n))
			return errors.Join(err, counted(written, n))
		}}, {"Puts", singles, func() error {
			for key, value := range manyOrders(singles) {
				if _, err := st.shop.order.Put(ctx, key, value); err != nil {
					return err
				}
			}
			return nil
		}}, {"nats.go", singles, func() error {
			for key, value := range manyOrders(singles) {
				if _, err := putByHand(ctx, st.kv, benchKeyName(int(key.ID)), value); err != nil {
					return err
				}
			}
			return nil
		}}}
		for _, window := range []int{16, 64, 256, 1024} {
			all = append(all, contender{fmt.Sprint("async-", window), n, func() error { return putAsync(st.js, n, window) }})
		}
		compare(b, all...)
	})
}

// putAsync has several messages on their way.
func putAsync(js jetstream.JetStream, n, window int) error {
	js, err := jetstream.New(js.Conn(), jetstream.WithPublishAsyncMaxPending(window))
	if err != nil {
		return err
	}
	defer js.CleanupPublisher()
	for key, value := range manyOrders(n) {
		data, err := json.Marshal(value)
		if err != nil {
			return err
		}
		for { // it refuses what had to wait for a place too long
			_, err = js.PublishAsync("$KV.SHOP."+benchKeyName(int(key.ID)), data)
			if !errors.Is(err, jetstream.ErrTooManyStalledMsgs) {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	<-js.PublishAsyncComplete()
	return nil
}

// BenchmarkListing reads a bucket of 100,000 keys, with nats.go's methods and with a push consumer
// alone, whose messages are only counted.
//
//	go test ./runtime -run '^$' -bench Listing -benchtime 5x
func BenchmarkListing(b *testing.B) {
	const n = 100_000
	onEach(b, func(b *testing.B, st *stage) {
		ctx := within(b, 10*time.Minute)
		if _, err := st.shop.order.PutMany(ctx, manyOrders(n)); err != nil {
			b.Fatal(err)
		}
		pushed := func(headersOnly bool) func() error {
			return func() error { return push(ctx, st.js.Conn(), headersOnly, n) }
		}
		b.Run("Keys", func(b *testing.B) {
			compare(b, contender{"kvgen", n, func() error { return keys(ctx, st, n) }},
				contender{"nats.go", n, func() error { return keysByHand(ctx, st, n) }},
				contender{"push", n, pushed(true)})
		})
		b.Run("List", func(b *testing.B) {
			compare(b, contender{"kvgen", n, func() error { return list(ctx, st, n) }},
				contender{"nats.go", n, func() error { return listByHand(ctx, st, n) }},
				contender{"push", n, pushed(false)})
		})
	})
}

func keys(ctx context.Context, st *stage, want int) error {
	got := 0
	for _, err := range st.shop.order.Keys(ctx, orderFilter{}.selection()) {
		if err != nil {
			return err
		}
		got++
	}
	return counted(got, want)
}

func keysByHand(ctx context.Context, st *stage, want int) error {
	lister, err := st.kv.ListKeys(ctx)
	if err != nil {
		return err
	}
	got := 0
	for range lister.Keys() {
		got++
	}
	return counted(got, want)
}

func list(ctx context.Context, st *stage, want int) error {
	got := 0
	for _, err := range st.shop.order.List(ctx, orderFilter{}.selection()) {
		if err != nil {
			return err
		}
		got++
	}
	return counted(got, want)
}

// listByHand is a watch until its nil marker, which is how one lists values with nats.go.
func listByHand(ctx context.Context, st *stage, want int) error {
	w, err := st.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
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

// push has the server send the latest messages of all keys as fast as it can.
func push(ctx context.Context, nc *nats.Conn, headersOnly bool, want int) error {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the consumer ends with it
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	request, err := json.Marshal(map[string]any{"stream_name": "KV_SHOP", "config": map[string]any{
		"deliver_subject": inbox, "filter_subject": "$KV.SHOP.>", "deliver_policy": "last_per_subject", "ack_policy": "none", "replay_policy": "instant",
		"mem_storage": true, "num_replicas": 1, "headers_only": headersOnly,
	}})
	if err != nil {
		return err
	}
	answer, err := nc.RequestWithContext(ctx, "$JS.API.CONSUMER.CREATE.KV_SHOP", request)
	if err != nil {
		return err
	}
	var created struct {
		Pending int `json:"num_pending"`
		Error   any
	}
	if err := json.Unmarshal(answer.Data, &created); err != nil || created.Error != nil {
		return fmt.Errorf("%v %v", created.Error, err)
	}
	for range want {
		if _, err := sub.NextMsgWithContext(ctx); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkFilter lists what a filter selects of 100,000 keys. The first listing of a filter uses a
// consumer, the next one a multi get if there were few.
//
//	go test ./runtime -run '^$' -bench Filter -benchtime 100x
func BenchmarkFilter(b *testing.B) {
	onEach(b, func(b *testing.B, st *stage) {
		ctx := within(b, 10*time.Minute)
		orders := st.shop.order
		if _, err := orders.PutMany(ctx, manyOrders(100_000)); err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{10, 50, 100} {
			tenant := fmt.Sprint("few", n)
			for id := range n {
				if _, err := orders.Put(ctx, orderKey{tenant, uint64(id)}, order{Note: "one of few"}); err != nil {
					b.Fatal(err)
				}
			}
			selected := func() error {
				got := 0
				for _, err := range orders.List(ctx, orderFilter{Tenant: &tenant}.selection()) {
					if err != nil {
						return err
					}
					got++
				}
				return counted(got, n)
			}
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				compare(b, contender{"next", 1, selected}, contender{"first", 1, func() error {
					st.shop.b.ForgetListings()
					return selected()
				}}, contender{"nats.go", 1, func() error {
					lister, err := st.kv.ListKeysFiltered(ctx, "order."+tenant+".*")
					if err != nil {
						return err
					}
					got := 0
					for range lister.Keys() {
						got++
					}
					return counted(got, n)
				}})
			})
		}
	})
}
