package kvrt_test

// Every operation once, with its result: whoever reaches a bucket in some other way than by a plain
// connection shows by it that all of them work there.

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// expectNoError reports what could not be done, and goes on with the next operation.
func expectNoError(t *testing.T, op string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", op, err)
	}
}

// checkEveryOperation uses a bucket through a handle, and compares with what a handle near it sees. Of
// so many entries are listings.
func checkEveryOperation(t *testing.T, here, near *shop, entries uint64) {
	t.Helper()
	checkReadsAndWrites(t, here, near)
	checkListings(t, here, entries)
	checkWatching(t, here, near)
	checkTogether(t, here, near)
}

func checkReadsAndWrites(t *testing.T, here, near *shop) {
	t.Helper()
	ctx := within(t, time.Minute)
	key := orderKey{"one", 1}
	first, err := here.order.Create(ctx, key, order{Total: 1})
	expectNoError(t, "Create", err)
	if _, err := here.order.Create(ctx, key, order{}); !errors.Is(err, kvrt.ErrExists) {
		t.Errorf("Create again: %v", err)
	}
	second, err := here.order.Update(ctx, key, order{Total: 2}, first)
	expectNoError(t, "Update", err)
	var e *kvrt.Error
	if _, err := here.order.Update(ctx, key, order{}, first); !errors.Is(err, kvrt.ErrConflict) || !errors.As(err, &e) || e.Revision != second {
		t.Errorf("Update of an old revision: %v", err)
	}
	third, err := here.order.Put(ctx, key, order{Total: 3})
	expectNoError(t, "Put", err)
	for name, opt := range map[string]kvrt.StrongReadOption{"AtLeast": kvrt.AtLeast(third), "Linearizable": kvrt.Linearizable()} {
		if got, err := kvrt.GetStrong(ctx, here.order, key, opt); err != nil || got.Value.Total != 3 || got.Revision != third {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := here.order.Get(ctx, key); err != nil || got.Value.Total != 3 {
		t.Errorf("Get: %+v, %v", got, err)
	}
	if got, err := near.order.Get(ctx, key); err != nil || got.Value.Total != 3 {
		t.Errorf("what is there: %+v, %v", got, err)
	}
	modified, err := here.order.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil })
	if err != nil || modified.Value.Total != 4 {
		t.Errorf("Modify: %+v, %v", modified, err)
	}
	if ev, err := here.order.GetRevision(ctx, key, second); err != nil || ev.Value.Total != 2 {
		t.Errorf("GetRevision: %+v, %v", ev, err)
	}
	if _, err := here.order.Delete(ctx, key, kvrt.IfRevision(first)); !errors.Is(err, kvrt.ErrConflict) {
		t.Errorf("Delete of an old revision: %v", err)
	}
	_, err = here.order.Delete(ctx, key, kvrt.IfRevision(modified.Revision))
	expectNoError(t, "Delete", err)
	if events, err := here.order.History(ctx, key); err != nil || len(events) != 5 || events[4].Op != kvrt.Delete {
		t.Errorf("History: %v, %v", events, err)
	}
	made, created, err := here.order.GetOrCreate(ctx, key, func() (order, error) { return order{Total: 5}, nil })
	if err != nil || !created || made.Value.Total != 5 {
		t.Errorf("GetOrCreate: %+v, %v, %v", made, created, err)
	}
	_, err = here.order.Purge(ctx, key)
	expectNoError(t, "Purge", err)
	if _, err := here.order.Get(ctx, key); !errors.Is(err, kvrt.ErrNotFound) {
		t.Errorf("Get after Purge: %v", err)
	}
}

func checkListings(t *testing.T, here *shop, n uint64) {
	t.Helper()
	ctx := within(t, time.Minute)
	tenant := "listed"
	if written, err := here.order.PutMany(ctx, orders(tenant, n)); err != nil || written != int(n) {
		t.Errorf("PutMany: %d, %v", written, err)
	}
	all := orderFilter{Tenant: &tenant}.selection()
	want := maps.Collect(orders(tenant, n))
	for key, err := range here.order.Keys(ctx, all) {
		if _, ok := want[key]; !ok || err != nil {
			t.Errorf("Keys: %v, %v", key, err)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("Keys lacks %d", len(want))
	}
	entries := 0
	for e, err := range here.order.List(ctx, all) {
		if err != nil || e.Value.Total != int64(e.Key.ID) {
			t.Errorf("List: %+v, %v", e, err)
		}
		entries++
	}
	if count, err := here.order.Count(ctx, all); err != nil || count != int(n) || entries != int(n) {
		t.Errorf("Count: %d, List: %d, %v", count, entries, err)
	}
	if entries, err := here.order.GetMany(ctx, keysOf(tenant, n)); err != nil || len(entries) != int(n) {
		t.Errorf("GetMany: %d, %v", len(entries), err)
	}
	if entries, err := kvrt.GetManyStrong(ctx, here.order, keysOf(tenant, 5), kvrt.Linearizable()); err != nil || len(entries) != 5 {
		t.Errorf("GetMany, linearizable: %d, %v", len(entries), err)
	}
	status, err := here.b.Status(ctx)
	if err != nil || status.Entries < n {
		t.Errorf("Status: %+v, %v", status, err)
	}
	n = min(n, 1500) // removing them takes long
	if removed, err := here.order.DeleteMany(ctx, slices.Values(keysOf(tenant, n/2))); err != nil || removed != int(n/2) {
		t.Errorf("DeleteMany: %d, %v", removed, err)
	}
	if removed, err := here.order.PurgeMany(ctx, slices.Values(keysOf(tenant, n))); err != nil || removed != int(n) {
		t.Errorf("PurgeMany: %d, %v", removed, err)
	}
	expectNoError(t, "Compact", here.b.Compact(ctx))
	after, err := here.b.Status(ctx)
	if err != nil || status.Entries-after.Entries < n {
		t.Errorf("after Compact: %+v, %v; before: %+v", after, err, status)
	}
}

func checkWatching(t *testing.T, here, near *shop) {
	t.Helper()
	ctx := within(t, time.Minute)
	tenant, key := "watched", orderKey{"watched", 1}
	put(t, near, tenant, 1, 1)
	put(t, near, tenant, 2, 2)
	w := watch(t, here, orderFilter{Tenant: &tenant})
	one, err := kvrt.WatchKey(ctx, here.order, key)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Stop()
	bucket, err := kvrt.WatchBucket[kvrt.BucketEvent](ctx, here.b, []kvrt.WatchOption{kvrt.UpdatesOnly()}, here.order, here.counter)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Stop()
	c := cache(t, here, orderFilter{Tenant: &tenant})
	single, err := kvrt.CacheKey(ctx, here.order, key)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	expect(t, w, "Put watched/1 1", "Put watched/2 2", "Synced")
	expect(t, one, "Put watched/1 1", "Synced")
	pos := w.Position()
	put(t, near, tenant, 1, 11)
	last := remove(t, near, tenant, 2)
	expect(t, w, "Put watched/1 11", "Delete watched/2")
	expect(t, one, "Put watched/1 11")
	for _, want := range []kvrt.Op{kvrt.Synced, kvrt.Put, kvrt.Delete} {
		got := next(t, bucket)
		if ev, ok := got.(orderEvent); ok && ev.Op == want {
			continue
		}
		if ev, ok := got.(kvrt.ControlEvent); !ok || ev.Op != want {
			t.Errorf("Watch of the bucket: %+v, want %v", got, want)
		}
	}
	waitFor(t, c, last)
	waitFor(t, single, last)
	if e, ok := c.Get(key); c.Len() != 1 || !ok || e.Value.Total != 11 {
		t.Errorf("Cache: %v", content(c))
	}
	if e, ok := single.Get(); !ok || e.Value.Total != 11 {
		t.Errorf("Cache of one key: %+v", e)
	}
	expect(t, watch(t, here, orderFilter{Tenant: &tenant}, kvrt.ResumeFrom(pos)), "Put watched/1 11", "Delete watched/2", "Synced")
}

// checkTogether is about what takes several keys at once.
func checkTogether(t *testing.T, here, near *shop) {
	t.Helper()
	ctx := within(t, time.Minute)
	from, to := orderKey{"txn", 1}, orderKey{"txn", 2}
	put(t, near, "txn", 1, 7)
	rev, err := here.txn(ctx, func(tx *shopTxn) error {
		e, err := tx.order.Get(from)
		if err != nil {
			return err
		}
		return errors.Join(tx.order.Put(to, e.Value), tx.order.Delete(from))
	})
	if got, gerr := near.order.Get(ctx, to, kvrt.AtLeast(rev)); err != nil || gerr != nil || got.Value.Total != 7 {
		t.Errorf("Txn: %v; %+v, %v", err, got, gerr)
	}
	if _, err := near.order.Get(ctx, from, kvrt.AtLeast(rev)); !errors.Is(err, kvrt.ErrNotFound) {
		t.Errorf("Txn, the key it deletes: %v", err)
	}
	if got := drift(t, here.b); got != "[]" {
		t.Errorf("Drift: %s", got)
	}
	kv, err := here.b.KeyValue(ctx)
	expectNoError(t, "KeyValue", err)
	if err == nil {
		_, err = kv.Get(ctx, "order.txn.2")
		expectNoError(t, "Get of plain nats.go", err)
	}
}

// checkFromCreationOn creates a bucket from afar, uses it and deletes it.
func checkFromCreationOn(t *testing.T, far, near jetstream.JetStream, entries uint64) {
	t.Helper()
	ctx := within(t, time.Minute)
	if _, err := kvrt.Open(ctx, far, farConfig(), bindShop); !errors.Is(err, kvrt.ErrBucketNotFound) {
		t.Fatalf("Open of a bucket that is not there: %v", err)
	}
	cfg := farConfig()
	cfg.Description = "created from afar"
	ensureShop(t, far, cfg)
	cfg.Description = "changed from afar"
	ensureShop(t, far, cfg)
	here, err := kvrt.Open(ctx, far, cfg, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	there, err := kvrt.Open(ctx, near, cfg, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	if got := drift(t, there.b); got != "[]" {
		t.Errorf("not as ensured: %s", got)
	}
	checkEveryOperation(t, here, there, entries)
	if err := near.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
}
