// Copies that a consumer of the latest revisions delivers, in a bucket that keeps several: the server
// loses a message whenever a request ends before it is filled.

package kvrt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

const largeOrders = 3000

// putLarge writes orders that are too much for one request of a copy.
func putLarge(t *testing.T, s *shop) {
	t.Helper()
	note := strings.Repeat("x", 8<<10)
	n, err := s.order.PutMany(t.Context(), func(yield func(orderKey, order) bool) {
		for id := range uint64(largeOrders) {
			if !yield(orderKey{"a", id}, order{Note: note}) {
				return
			}
		}
	})
	if n != largeOrders || err != nil {
		t.Fatal(n, err)
	}
}

func TestACopyOfLargeValuesIsComplete(t *testing.T) {
	for _, c := range []struct {
		history int
		small   uint64 // other entries, which make the average small
	}{{1, 0}, {5, 0}, {5, 9000}} {
		t.Run(fmt.Sprint("history ", c.history, ", ", c.small, " small"), func(t *testing.T) {
			ctx := within(t, time.Minute)
			s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: c.history})
			if n, err := s.order.PutMany(ctx, orders("b", c.small)); uint64(n) != c.small || err != nil {
				t.Fatal(n, err)
			}
			putLarge(t, s)
			all, got := orderFilter{}.selection(), map[orderKey]bool{}
			for e, err := range s.order.List(ctx, all) {
				if err != nil {
					t.Fatal(err)
				}
				got[e.Key] = true
			}
			if want := largeOrders + int(c.small); len(got) != want {
				t.Errorf("List: %d of %d", len(got), want)
			}
			w := watch(t, s, orderFilter{Tenant: new("a")})
			for id := range uint64(largeOrders) {
				if ev := next(t, w); ev.Key.ID != id {
					t.Fatalf("the watch delivers %v, not %d", ev.Key, id)
				}
			}
			expect(t, w, "Synced")
			if c := cache(t, s, orderFilter{Tenant: new("a")}); c.Len() != largeOrders {
				t.Errorf("Cache: %d of %d", c.Len(), largeOrders)
			}
		})
	}
}

func TestPlainFetchesOfTheLatestRevisionsLoseMessages(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	putLarge(t, ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", History: 5}))
	consumer, err := js.CreateConsumer(ctx, "KV_SHOP", jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy, FilterSubject: "$KV.SHOP.>",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, requests := 0, 0
	for last := -1; got > last; requests++ {
		last = got
		batch, err := consumer.FetchBytes(4<<20, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for range batch.Messages() {
			got++
		}
	}
	if got == largeOrders {
		t.Errorf("plain nats.go lost nothing in %d requests: has the server been mended?", requests)
	}
}
