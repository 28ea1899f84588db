package kvrt_test

import (
	"errors"
	"testing"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// oldOrder is what order was before it had a note.
type oldOrder struct {
	Total int64 `json:"total"`
}

// oldShop is a version of the shop before there were counters.
type oldShop struct {
	b     *kvrt.Bucket
	order *kvrt.KV[orderKey, oldOrder]
}

func bindOldShop(b *kvrt.Bucket) *oldShop {
	return &oldShop{b, kvrt.NewKV(b, kvrt.KeySpec[orderKey, oldOrder]{
		Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.JSON[oldOrder](),
	})}
}

// While a deployment is under way, programs of the old version of a schema start and work beside those
// of the new one, which has a longer history, another description, a field and a key more.
func TestTwoVersionsOfASchemaWorkSideBySide(t *testing.T) {
	ctx, js := t.Context(), kvtest.Start(t)
	oldConfig := kvrt.BucketConfig{Name: "SHOP", History: 2, Description: "Orders"}
	newConfig := kvrt.BucketConfig{Name: "SHOP", History: 5, Description: "Orders and counters"}
	before, err := kvrt.Ensure(ctx, js, oldConfig, bindOldShop)
	if err != nil {
		t.Fatal(err)
	}
	watched, err := before.order.Watch(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer watched.Stop()
	if _, err := before.order.Put(ctx, orderKey{"a", 1}, oldOrder{Total: 1}); err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, newConfig)
	if e, err := s.order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value != (order{Total: 1}) {
		t.Fatalf("the new version reads %+v, %v", e, err)
	}
	if _, err := s.counter.Put(ctx, counterKey{}, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := s.order.Put(ctx, orderKey{"a", 2}, order{Note: "new", Total: 2}); err != nil {
		t.Fatal(err)
	}

	// The old version starts again. It may not take the longer history away.
	restarted, err := kvrt.Open(ctx, js, oldConfig, bindOldShop)
	if err != nil {
		t.Fatal(err)
	}
	if got := drift(t, restarted.b); got != `[description: declared "Orders", live "Orders and counters" history: declared 2, live 5]` {
		t.Error(got)
	}
	var d *kvrt.DriftError
	if _, err := kvrt.Ensure(ctx, js, oldConfig, bindOldShop); !errors.As(err, &d) || len(d.Settings) != 1 || d.Settings[0].Name != "history" {
		t.Errorf("Ensure of the old version: %v", err)
	}
	if got := drift(t, s.b); got != "[]" {
		t.Error("the old version has changed the bucket:", got)
	}
	for _, old := range []*oldShop{before, restarted} {
		if e, err := old.order.Get(ctx, orderKey{"a", 2}); err != nil || e.Value.Total != 2 {
			t.Errorf("the old version reads %+v, %v", e, err)
		}
		if n, err := old.order.Count(ctx, orderFilter{}.selection()); n != 2 || err != nil {
			t.Errorf("the old version counts %d orders, %v", n, err)
		}
	}
	e, err := restarted.order.Get(ctx, orderKey{"a", 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.order.Update(ctx, orderKey{"a", 1}, order{Note: "paid", Total: 1}, e.Revision); err != nil {
		t.Fatal(err)
	}
	if _, err := restarted.order.Update(ctx, orderKey{"a", 1}, oldOrder{Total: 3}, e.Revision); !errors.Is(err, kvrt.ErrConflict) {
		t.Errorf("the old version writes over what the new one has written: %v", err)
	}
	if events, err := restarted.order.History(ctx, orderKey{"a", 1}); err != nil || len(events) != 2 {
		t.Errorf("the old version sees %v, %v", events, err)
	}
	want := map[orderKey]bool{{"a", 1}: true, {"a", 2}: true}
	for len(want) > 0 { // the counter is none of its keys
		if ev := next(t, watched); ev.Op == kvrt.Put {
			delete(want, ev.Key)
		}
	}
}
