// Whole buckets between two clients: one that the other client has made, and what generated code
// keeps in a bucket beside its keys.

package interop_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvgen/kvgen/examples/quickstart/shop"
	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
	"github.com/kvgen/kvgen/testdata/golden/everything"
)

func TestABucketThatAnotherClientMadeOpensAndWorks(t *testing.T) {
	js := kvtest.Start(t)
	for _, language := range languages() {
		t.Run(language.name, func(t *testing.T) {
			w := start(t, language.command(t), js.Conn().ConnectedUrl())
			shallow := "SHALLOW_" + language.name
			w.expect(t, "ok", "make", shallow, 1)
			var drift *kvrt.DriftError
			if _, err := shop.OpenOrders(t.Context(), js, kvrt.WithBucketName(shallow)); !errors.As(err, &drift) || len(drift.Settings) != 1 || drift.Settings[0].Name != "history" {
				t.Errorf("opening a bucket without history: %v", err)
			}

			name := "ORDERS_" + language.name
			w.expect(t, "ok", "make", name, 10)
			before := w.writes(t, "put", "motd", value("tea"))
			orders, err := shop.OpenOrders(t.Context(), js, kvrt.WithBucketName(name))
			if err != nil {
				t.Fatal(err)
			}
			if e, err := orders.Motd.Get(t.Context()); err != nil || e.Value != "tea" || e.Revision != before {
				t.Errorf("%+v, %v", e, err)
			}
			play(t, w, 10, orders.Total, exchange[shop.TotalKey, int64]{
				key: shop.TotalKey{Tenant: "é"}, name: "total.=C3=A9",
				ours: 1, written: "1",
				theirs: 2, spelled: "2",
			})

			// The other client's handle outlives what Ensure changes.
			orders, err = shop.EnsureOrders(t.Context(), js, kvrt.WithBucketName(name))
			if err != nil {
				t.Fatal(err)
			}
			if settings, err := orders.Bucket().Drift(t.Context()); err != nil || len(settings) != 0 {
				t.Errorf("after Ensure: %+v, %v", settings, err)
			}
			w.expect(t, entry("put", "motd", before, "tea"), "get", "motd")
			play(t, w, 10, orders.Order, exchange[shop.OrderKey, shop.Order]{
				key: shop.OrderKey{Tenant: ".", ID: 0}, name: "order.=2E.0",
				ours:    shop.Order{Status: shop.StatusPending},
				written: `{"id":0,"status":"pending","total":0,"placed_at":"0001-01-01T00:00:00Z","lines":null,"labels":null}`,
				theirs:  shop.Order{ID: 1}, spelled: `{"id":1}`,
			})
		})
	}
}

func TestOthersLiveWithTransactionsAndBarriers(t *testing.T) {
	js := kvtest.Start(t)
	for _, language := range languages() {
		t.Run(language.name, func(t *testing.T) {
			main, err := everything.EnsureMain(t.Context(), js, everything.MainParams{Env: language.name, Region: "eu"})
			if err != nil {
				t.Fatal(err)
			}
			w := start(t, language.command(t), js.Conn().ConnectedUrl())
			w.expect(t, "ok", "open", main.Bucket().Name())
			w.writes(t, "put", "plain.from", value("5"))
			w.expect(t, "ok", "watch", "plain.>")
			if got := w.ask(t, "next"); !strings.HasPrefix(got, "put plain.from ") {
				t.Fatal(got)
			}
			runs := 0
			from, to := everything.PlainKey{Word: "from"}, everything.PlainKey{Word: "to"}
			rev, err := main.Txn(t.Context(), func(tx *everything.MainTxn) error {
				runs++
				e, err := tx.Plain.Get(from)
				if err != nil {
					return err
				}
				if runs == 1 { // behind the transaction's back
					meant := w.writes(t, "update", "plain.from", value("6"), e.Revision)
					w.expect(t, entry("put", "plain.from", meant, "6"), "next")
				}
				if err := tx.Plain.Delete(from); err != nil {
					return err
				}
				return tx.Plain.Put(to, e.Value)
			})
			if err != nil || runs != 2 {
				t.Fatalf("%v after %d runs", err, runs)
			}
			// The other client sees both writes, whichever came first, and nothing else.
			seen := []string{w.ask(t, "next"), w.ask(t, "next")}
			if strings.HasPrefix(seen[0], "put") {
				seen[0], seen[1] = seen[1], seen[0]
			}
			if !strings.HasPrefix(seen[0], "delete plain.from ") || seen[1] != entry("put", "plain.to", rev, "6") {
				t.Errorf("the other client's watch: %q, want plain.from deleted and plain.to put at %d", seen, rev)
			}
			w.expect(t, "none", "get", "plain.from")
			w.expect(t, entry("put", "plain.to", rev, "6"), "get", "plain.to")

			// What the other client wrote is there for a read behind a barrier. Its trace in the bucket is
			// no key for the other client either.
			last := w.writes(t, "put", "plain.to", value("7"))
			e, err := main.Plain.Get(t.Context(), to, kvrt.Linearizable())
			if err != nil || e.Value != 7 || e.Revision != last {
				t.Errorf("%+v, %v", e, err)
			}
			w.expect(t, "ok plain.to", "keys")
			w.expect(t, "ok", "unwatch")
		})
	}
}

func TestModifyAndCachesFollowOtherClients(t *testing.T) {
	js := kvtest.Start(t)
	for _, language := range languages() {
		t.Run(language.name, func(t *testing.T) {
			orders, err := shop.EnsureOrders(t.Context(), js, kvrt.WithBucketName("ORDERS_"+language.name))
			if err != nil {
				t.Fatal(err)
			}
			w := start(t, language.command(t), js.Conn().ConnectedUrl())
			w.expect(t, "ok", "open", orders.Bucket().Name())
			rev := w.writes(t, "put", "total.a=20b", value("5"))
			cache, err := orders.Total.Cache(t.Context(), shop.TotalFilter{})
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			key := shop.TotalKey{Tenant: "a b"}
			if e, ok := cache.Get(key); !ok || e.Value != 5 || e.Revision != rev {
				t.Errorf("%+v, %v", e, ok)
			}
			runs := 0
			e, err := orders.Total.Modify(t.Context(), key, func(e *shop.TotalEntry) error {
				runs++
				if runs == 1 { // behind its back
					w.writes(t, "update", "total.a=20b", value("10"), e.Revision)
				}
				e.Value++
				return nil
			})
			if err != nil || e.Value != 11 || runs != 2 {
				t.Errorf("%+v, %v after %d runs", e, err, runs)
			}
			w.expect(t, entry("put", "total.a=20b", e.Revision, "11"), "get", "total.a=20b")
			w.expect(t, "ok", "delete", "total.a=20b")
			// The delete's revision is not told; a write after it has one.
			rev = w.writes(t, "put", "total.c", value("1"))
			if err := cache.WaitFor(t.Context(), rev); err != nil {
				t.Fatal(err)
			}
			if e, ok := cache.Get(key); ok {
				t.Errorf("the cache has a key that the other client deleted: %+v", e)
			}
			if e, ok := cache.Get(shop.TotalKey{Tenant: "c"}); !ok || e.Value != 1 || e.Revision != rev {
				t.Errorf("%+v, %v", e, ok)
			}
		})
	}
}
