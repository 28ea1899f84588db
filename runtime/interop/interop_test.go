// Package interop_test holds generated code against the clients of other languages: each reads what
// the other writes, and sees its deletes, purges and watches.
package interop_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/kvgen/kvgen/examples/quickstart/shop"
	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
	"github.com/kvgen/kvgen/testdata/golden/everything"
	"github.com/kvgen/kvgen/testdata/golden/everything/kinds"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// accessor is what the generated accessors of patterns with parameters have in common. F is the
// filter, R the option of reads.
type accessor[K comparable, V, F, R any] interface {
	Get(ctx context.Context, key K, opts ...R) (kvrt.Entry[K, V], error)
	History(ctx context.Context, key K) ([]kvrt.Event[K, V], error)
	Keys(ctx context.Context, filter F) iter.Seq2[K, error]
	Watch(ctx context.Context, filter F, opts ...kvrt.WatchOption) (*kvrt.Watcher[kvrt.Event[K, V]], error)
	Put(ctx context.Context, key K, value V) (uint64, error)
	Create(ctx context.Context, key K, value V) (uint64, error)
	Update(ctx context.Context, key K, value V, revision uint64) (uint64, error)
	Delete(ctx context.Context, key K, opts ...kvrt.DeleteOption) (uint64, error)
	Purge(ctx context.Context, key K, opts ...kvrt.DeleteOption) (uint64, error)
}

// exchange is one key, as both sides know it, and two values: what generated code writes for the
// one, and how someone else may spell the other.
type exchange[K comparable, V any] struct {
	key     K
	name    string // the key as the other client knows it
	ours    V
	written string // what is stored for it
	theirs  V
	spelled string // what the other client stores for it
}

func TestOthersAndGeneratedCodeUnderstandEachOther(t *testing.T) {
	js := kvtest.Start(t)
	for _, language := range languages() {
		t.Run(language.name, func(t *testing.T) {
			command := language.command(t)
			// Both have buckets of their own, with history.
			orders, err := shop.EnsureOrders(t.Context(), js, kvrt.WithBucketName("ORDERS_"+language.name))
			if err != nil {
				t.Fatal(err)
			}
			main, err := everything.EnsureMain(t.Context(), js, everything.MainParams{Env: language.name, Region: "eu"})
			if err != nil {
				t.Fatal(err)
			}
			begin := func(t *testing.T, b *kvrt.Bucket) *worker {
				w := start(t, command, js.Conn().ConnectedUrl())
				w.expect(t, "ok", "open", b.Name())
				return w
			}
			placed := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
			t.Run("text", func(t *testing.T) {
				play(t, begin(t, orders.Bucket()), 10, orders.Total, exchange[shop.TotalKey, int64]{
					key: shop.TotalKey{Tenant: "a.b@x *>"}, name: "total.a=2Eb=40x=20=2A=3E",
					ours: -42, written: "-42",
					theirs: 7, spelled: " 7\n", // as echo gives it
				})
			})
			t.Run("text, plain keys", func(t *testing.T) {
				play(t, begin(t, main.Bucket()), 5, main.Plain, exchange[everything.PlainKey, int64]{
					key: everything.PlainKey{Word: "A-z/0_=3D"}, name: "plain.A-z/0_=3D",
					ours: 1 << 62, written: "4611686018427387904",
					theirs: 0, spelled: "0",
				})
			})
			t.Run("text of durations", func(t *testing.T) {
				play(t, begin(t, main.Bucket()), 5, main.Affix, exchange[everything.AffixKey, time.Duration]{
					key: everything.AffixKey{ID: 7}, name: "affix.user-7-x",
					ours: 90 * time.Second, written: "1m30s",
					theirs: time.Hour, spelled: "60m",
				})
			})
			t.Run("raw", func(t *testing.T) {
				play(t, begin(t, main.Bucket()), 5, main.Tree, exchange[everything.TreeKey, string]{
					key: everything.TreeKey{Root: "", Path: kvrt.PathOf("ü", "", "=kvgen", "a b")}, name: "tree.=.=C3=BC.=.=3Dkvgen.a=20b",
					ours: "\x00\xff\r\n", written: "\x00\xff\r\n",
					theirs: "", spelled: "",
				})
			})
			t.Run("json", func(t *testing.T) {
				play(t, begin(t, orders.Bucket()), 10, orders.Order, exchange[shop.OrderKey, shop.Order]{
					key: shop.OrderKey{Tenant: "Ünal & Söhne", ID: 1<<64 - 1}, name: "order.=C3=9Cnal=20=26=20S=C3=B6hne.18446744073709551615",
					ours:    shop.Order{ID: 1<<64 - 1, Status: shop.StatusPaid, Total: 1999, PlacedAt: placed, Note: new("ü"), Lines: []shop.Line{{Sku: "t", Qty: 1}}},
					written: `{"id":18446744073709551615,"status":"paid","total":1999,"placed_at":"2026-02-03T04:05:06.000007Z","note":"ü","lines":[{"SKU":"t","qty":1}],"labels":null}`,
					theirs:  shop.Order{ID: 2, Status: "lost", PlacedAt: placed, Labels: map[string]string{"a": "b"}},
					spelled: ` { "labels" : {"a": "\u0062"}, "placed_at": "2026-02-03T04:05:06.000007Z", "unknown": [1], "id": 2, "status": "lost" }`,
				})
			})
			t.Run("json, every kind of parameter", func(t *testing.T) {
				item := everything.Item{Text: "tea", Small: 3, Large: 2, Ratio: 1, At: placed, Wait: time.Minute, Color: everything.ColorNotAvailable}
				other := item
				other.Flag = true
				play(t, begin(t, main.Bucket()), 5, main.Item, exchange[everything.ItemKey, everything.Item]{
					key: everything.ItemKey{
						Name: "=", Number: -7, U: 8, Ok: true, Day: kvrt.Date{Year: 2026, Month: 2, Day: 3},
						ID: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Color: everything.ColorNotAvailable, Level: kinds.Level{N: 4},
					},
					name:    "item.=3D.-7.8.true.2026-02-03.6ba7b810-9dad-11d1-80b4-00c04fd430c8.n/a.L4",
					ours:    item,
					written: `{"text":"tea","flag":false,"small":3,"large":2,"ratio":1,"at":"2026-02-03T04:05:06.000007Z","wait":60000000000,"color":"n/a","colors":null,"parts":null,"next":null,"LEVEL":"L0"}`,
					theirs:  other,
					spelled: `{"text":"tea","flag":true,"small":3,"large":2,"ratio":1e0,"at":"2026-02-03T04:05:06.000007Z","wait":60000000000,"color":"n/a","LEVEL":"L0"}`,
				})
			})
			t.Run("keys without parameters", func(t *testing.T) {
				w := begin(t, main.Bucket())
				w.writes(t, "put", "seen", value("2026-02-03T05:05:06.000007+01:00"))
				if e, err := main.Seen.Get(t.Context()); err != nil || !e.Value.Equal(placed) {
					t.Errorf("%+v, %v", e, err)
				}
				w.writes(t, "put", "color", value("red"))
				if e, err := main.Color.Get(t.Context()); err != nil || e.Value != everything.ColorRed {
					t.Errorf("%+v, %v", e, err)
				}
				rev, err := main.Document.Put(t.Context(), []byte(`{"a":[]}`))
				if err != nil {
					t.Fatal(err)
				}
				w.expect(t, entry("put", "document", rev, `{"a":[]}`), "get", "document")
			})
		})
	}
}

// play takes one key through all that can happen to it, each step by one side and seen by the other.
// Before and after, the key is absent. The bucket keeps depth revisions of a key.
func play[K comparable, V, F, R any](t *testing.T, w *worker, depth int, a accessor[K, V, F, R], x exchange[K, V]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all F
	watch, err := a.Watch(ctx, all, kvrt.UpdatesOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	pattern, _, _ := strings.Cut(x.name, ".")
	w.expect(t, "ok", "watch", pattern+".>")
	p := &player[K, V, F, R]{ctx: ctx, w: w, a: a, x: x, watch: watch}
	p.weSee(t, kvrt.Event[K, V]{Op: kvrt.Synced})
	p.absent(t)

	rev, err := a.Put(ctx, x.key, x.ours)
	p.wePut(t, rev, err)
	rev = p.theyPut(t, "put")
	p.listed(t, true)

	// A revision guards against the other side's writes.
	w.refuses(t, "update", x.name, value(x.spelled), rev-1)
	lost, err := a.Update(ctx, x.key, x.ours, rev-1)
	p.refused(t, kvrt.ErrConflict, lost, err)
	old := rev
	rev, err = a.Update(ctx, x.key, x.ours, old)
	p.wePut(t, rev, err)
	w.refuses(t, "update", x.name, value(x.spelled), old)
	old, rev = rev, p.theyPut(t, "update", rev)
	lost, err = a.Update(ctx, x.key, x.ours, old)
	p.refused(t, kvrt.ErrConflict, lost, err)
	if e := new(kvrt.Error); !errors.As(err, &e) || e.Revision != rev {
		t.Fatalf("%+v, want the other client's revision %d", e, rev)
	}

	// Both create where nothing is or the other's marker, and nowhere else.
	w.refuses(t, "create", x.name, value(x.spelled))
	lost, err = a.Create(ctx, x.key, x.ours)
	p.refused(t, kvrt.ErrExists, lost, err)
	rev, err = a.Delete(ctx, x.key)
	p.weRemove(t, kvrt.Delete, rev, err)
	p.theyPut(t, "create")
	p.theyRemove(t, kvrt.Delete)
	rev, err = a.Create(ctx, x.key, x.ours)
	p.wePut(t, rev, err)

	// Both tell the same history, and a purge by either ends it for both.
	steps := []kvrt.Op{kvrt.Put, kvrt.Put, kvrt.Put, kvrt.Put, kvrt.Delete, kvrt.Put, kvrt.Delete, kvrt.Put}
	p.history(t, steps[max(0, len(steps)-depth):]...)
	rev, err = a.Purge(ctx, x.key)
	p.weRemove(t, kvrt.Purge, rev, err)
	p.history(t, kvrt.Purge)
	p.theyPut(t, "create")
	p.history(t, kvrt.Purge, kvrt.Put)
	p.theyRemove(t, kvrt.Purge)
	p.history(t, kvrt.Purge)
	rev, err = a.Create(ctx, x.key, x.ours)
	p.wePut(t, rev, err)
	rev, err = a.Delete(ctx, x.key, kvrt.IfRevision(rev))
	p.weRemove(t, kvrt.Delete, rev, err)
	w.expect(t, "ok", "unwatch")
}
