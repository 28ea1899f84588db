package kvrt_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	kvrt "github.com/kvgen/kvgen/runtime"
)

func TestMain(m *testing.M) {
	if servers := os.Getenv(serveVariable); servers != "" {
		if err := serve(servers); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// What a listing of plain nats.go leaves behind when it is cut while its channel is full, in the tests
	// that show its faults. The runtime does not call it.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats.go/jetstream.(*kvs).WatchFiltered.func1"))
}

// The fixtures below are what generated code for a small schema looks like: one pattern with two
// parameters, and one key without any.

type orderKey struct {
	Tenant string
	ID     uint64
}

func (k orderKey) Encode() (string, error) {
	var e kvrt.KeyEncoder
	k.encode(&e)
	return e.Key()
}

func (k orderKey) encode(e *kvrt.KeyEncoder) {
	e.Literal("order")
	e.String("tenant", k.Tenant)
	e.Uint("id", k.ID)
}

func parseOrderKey(key string) (orderKey, error) {
	var k orderKey
	d := kvrt.DecodeKey("order.{tenant}.{id:uint64}", key)
	d.Literal("order")
	k.Tenant = d.String("tenant")
	k.ID = d.Uint("id", 64)
	return kvrt.DecodedKey(&d, k)
}

type orderFilter struct {
	Tenant *string
	ID     *uint64
}

func (f orderFilter) selection() kvrt.Selection {
	var e kvrt.KeyEncoder
	k := orderKey{
		Tenant: kvrt.Select(&e, f.Tenant),
		ID:     kvrt.Select(&e, f.ID),
	}
	k.encode(&e)
	return e.Selection()
}

type order struct {
	Note  string `json:"note"`
	Total int64  `json:"total"`
}

type orderEvent = kvrt.Event[orderKey, order]

type counterKey struct{}

func (counterKey) Encode() (string, error) { return "counter", nil }

func parseCounterKey(key string) (counterKey, error) {
	var k counterKey
	d := kvrt.DecodeKey("counter", key)
	d.Literal("counter")
	return kvrt.DecodedKey(&d, k)
}

type shop struct {
	b       *kvrt.Bucket
	order   *kvrt.KV[orderKey, order]
	counter *kvrt.KV[counterKey, int64]
}

func bindShop(b *kvrt.Bucket) *shop {
	return &shop{
		b: b,
		order: kvrt.NewKV(b, kvrt.KeySpec[orderKey, order]{
			Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.JSON[order](),
		}),
		counter: kvrt.NewKV(b, kvrt.KeySpec[counterKey, int64]{
			Encode: counterKey.Encode, Parse: parseCounterKey, Codec: kvrt.TextInt[int64](),
		}),
	}
}

// largeKV has orders as bytes, of which the race detector makes less than of JSON.
func largeKV(s *shop) *kvrt.KV[orderKey, []byte] {
	return kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, []byte]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[[]byte]()})
}

// large is a value of which ten are more than an answer holds; it begins with n.
func large(n byte) []byte {
	data := make([]byte, 900_000)
	data[0] = n
	return data
}

func shopConfig() kvrt.BucketConfig { return kvrt.BucketConfig{Name: "SHOP"} }

func ensureShop(t testing.TB, js jetstream.JetStream, cfg kvrt.BucketConfig, opts ...kvrt.OpenOption) *shop {
	t.Helper()
	s, err := kvrt.Ensure(t.Context(), js, cfg, bindShop, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// within gives a test's context a deadline that only a hanging call meets.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// next receives an event, or fails the test.
// beyondAhead is more entries than a copy asks for ahead of its reader.
const beyondAhead = kvrt.CopyBatch + 900

// putBeyond writes that many entries of tenant a.
func putBeyond(t testing.TB, s *shop) {
	t.Helper()
	if n, err := s.order.PutMany(t.Context(), orders("a", beyondAhead)); n != beyondAhead || err != nil {
		t.Fatal(n, err)
	}
}

func next[E any](t testing.TB, w *kvrt.Watcher[E]) E {
	t.Helper()
	select {
	case ev, ok := <-w.Updates():
		if !ok {
			t.Fatalf("the watch ended: %v", w.Err())
		}
		return ev
	case <-time.After(30 * time.Second):
		t.Fatal("no event within 30s")
	}
	panic("unreachable")
}

// expectNoConsumers waits until the server has carried out the deletions that it was sent.
func expectNoConsumers(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	for {
		info, err := stream.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Consumers == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
