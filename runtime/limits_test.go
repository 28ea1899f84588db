package kvrt_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvgen/kvgen/runtime/kvtest"
)

// A server may limit what one request of a consumer asks for, and a stream how long a consumer may idle.
func TestLimitsOfConsumersAreKept(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.StartServer(t, func(o *server.Options) { o.JetStreamLimits.MaxRequestBatch = 50 }).Connect(t)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, AllowDirect: true,
		MaxMsgsPerSubject: 1, AllowRollup: true, DenyDelete: true, Discard: jetstream.DiscardNew, MaxAge: 0,
		ConsumerLimits: jetstream.StreamConsumerLimits{InactiveThreshold: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, shopConfig())
	const n = 300
	if _, err := s.order.PutMany(ctx, orders("a", n)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.order.Count(ctx, orderFilter{}.selection()); err != nil || got != n {
		t.Errorf("%d keys, %v", got, err)
	}
	c, err := s.order.Cache(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Len() != n {
		t.Errorf("%d entries", c.Len())
	}
	for id := range uint64(n) { // more than one request
		if err := c.WaitFor(ctx, put(t, s, "b", id, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := stream.Info(ctx); err != nil || info.State.Consumers != 1 {
		t.Errorf("%+v, %v", info.State, err)
	}
}

// Who reads so slowly that nothing has to be asked for in a long time keeps the consumer.
func TestTheConsumerOfASlowReaderStays(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	const limit = time.Second
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, AllowDirect: true,
		MaxMsgsPerSubject: 1, AllowRollup: true, DenyDelete: true, Discard: jetstream.DiscardNew,
		ConsumerLimits: jetstream.StreamConsumerLimits{InactiveThreshold: limit}})
	if err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, shopConfig())
	const n = 400
	if _, err := s.order.PutMany(ctx, orders("a", n)); err != nil {
		t.Fatal(err)
	}
	created, err := js.Conn().SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.CREATED.KV_SHOP.>")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, err := range s.order.List(ctx, orderFilter{}.selection()) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen < n/2 {
			time.Sleep(5 * limit / n) // the reader's work
		}
	}
	if consumers, _, err := created.Pending(); seen != n || consumers != 1 || err != nil {
		t.Errorf("%d entries with %d consumers, %v", seen, consumers, err)
	}
}
