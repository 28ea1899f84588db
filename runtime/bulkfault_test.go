package kvrt_test

// Calls for many keys while a fault happens in the middle of them.

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// TestManyKeysWhileAFaultHappens: every call for many keys of a bucket of three replicas either is
// complete or ends with an error that says that it is not, whatever happens in its middle; nothing that
// it tells is wrong, and nothing is there twice.
func TestManyKeysWhileAFaultHappens(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	cluster := kvtest.StartServers(t, 3)
	there := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 3})
	p := startProxy(t, cluster.Servers[0])
	s, err := kvrt.Open(ctx, p.connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 3}, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	// With their values, more than what is asked for ahead.
	const n = 5_000
	note := strings.Repeat("a", 2000)
	noted := func(yield func(orderKey, order) bool) {
		for key, value := range orders("a", n) {
			value.Note = note
			if !yield(key, value) {
				return
			}
		}
	}
	if _, err := there.order.PutMany(ctx, noted); err != nil {
		t.Fatal(err)
	}
	all := orderFilter{Tenant: new("a")}.selection()

	faults := []struct {
		name          string
		happen, after func(t *testing.T)
	}{
		{"the leader steps down", func(t *testing.T) {
			if err := streamLeader(t, cluster).NATS().JetStreamStepdownStream("$G", "KV_SHOP"); err != nil {
				t.Error(err)
			}
		}, func(*testing.T) {}},
		{"the leader stops", func(t *testing.T) {
			leader := streamLeader(t, cluster)
			i := slices.Index(cluster.Servers, leader)
			p.redirect(cluster.Servers[(i+1)%3]) // a server that stays
			leader.Stop()
		}, func(t *testing.T) {
			for _, server := range cluster.Servers {
				if server.NATS() == nil {
					server.Start(t)
				}
			}
			cluster.WaitReady(t)
		}},
		{"the client is cut off", func(*testing.T) { p.cut() }, func(*testing.T) {}},
	}

	// told checks what a read says, which is complete unless it ends with a typed error.
	told := func(t *testing.T, ids []uint64, err error) {
		t.Helper()
		slices.Sort(ids)
		if distinct := len(slices.Compact(slices.Clone(ids))); distinct != len(ids) {
			t.Errorf("%d of %d keys are there twice", len(ids)-distinct, len(ids))
		}
		switch {
		case err == nil && len(ids) != n:
			t.Errorf("%d keys of %d, and no error", len(ids), n)
		case err != nil && !errors.Is(err, kvrt.ErrIncomplete) && !errors.Is(err, kvrt.ErrUnavailable):
			t.Errorf("not typed: %v", err)
		}
		t.Logf("%d keys, %v", len(ids), err)
	}
	removed := func(t *testing.T, many func(context.Context, iter.Seq[orderKey], ...kvrt.BulkOption) (int, error), happen func(*testing.T)) {
		t.Helper()
		const n = 2_000
		if _, err := there.order.PutMany(ctx, orders("b", n)); err != nil {
			t.Fatal(err)
		}
		done, err := many(ctx, func(yield func(orderKey) bool) {
			for key := range orders("b", n) {
				if key.ID == n/2 {
					happen(t)
				}
				if !yield(key) {
					return
				}
			}
		})
		var bulk kvrt.BulkError[orderKey]
		if err != nil {
			bulk = *bulkError(t, err)
		}
		if bulk.Cause != nil || done+len(bulk.Unknown)+len(bulk.NotWritten) != n {
			t.Errorf("%d removed, %d unknown, %d not removed, %v", done, len(bulk.Unknown), len(bulk.NotWritten), err)
		}
		left, err := there.order.GetMany(ctx, keysOf("b", n), kvrt.AtLeast(lastRevision(t, there)))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range bulk.NotWritten {
			if _, ok := left[key]; !ok {
				t.Errorf("%v was removed: %v", key, bulk.ErrorOf(key))
			}
		}
		for _, key := range slices.Concat(bulk.Unknown, bulk.NotWritten) {
			delete(left, key)
		}
		if len(left) > 0 {
			t.Errorf("%d keys are there that were removed", len(left))
		}
		t.Logf("%d removed, %d unknown, %d not removed", done, len(bulk.Unknown), len(bulk.NotWritten))
	}
	calls := []struct {
		name string
		call func(t *testing.T, happen func(*testing.T))
	}{
		{"List", func(t *testing.T, happen func(*testing.T)) {
			var ids []uint64
			var last error
			for entry, err := range s.order.List(ctx, all) {
				if last = err; err != nil {
					break
				}
				if entry.Value.Total != int64(entry.Key.ID) || entry.Value.Note != note {
					t.Fatalf("%+v", entry)
				}
				if ids = append(ids, entry.Key.ID); len(ids) == 100 {
					happen(t)
				}
			}
			told(t, ids, last)
		}},
		{"Keys", func(t *testing.T, happen func(*testing.T)) {
			var ids []uint64
			var last error
			for key, err := range s.order.Keys(ctx, all) {
				if last = err; err != nil {
					break
				}
				if ids = append(ids, key.ID); len(ids) == 100 {
					happen(t)
				}
			}
			told(t, ids, last)
		}},
		{"Count", func(t *testing.T, happen func(*testing.T)) {
			happened := make(chan struct{})
			go func() {
				defer close(happened)
				time.Sleep(10 * time.Millisecond)
				happen(t)
			}()
			counted, err := s.order.Count(ctx, all)
			<-happened
			if err == nil && counted != n {
				t.Errorf("%d keys of %d, and no error", counted, n)
			} else if err != nil && !errors.Is(err, kvrt.ErrIncomplete) && !errors.Is(err, kvrt.ErrUnavailable) {
				t.Errorf("not typed: %v", err)
			}
			t.Logf("%d, %v", counted, err)
		}},
		{"GetMany", func(t *testing.T, happen func(*testing.T)) {
			happened := false
			entries, err := s.order.GetMany(ctx, keysOf("a", n), kvrt.OnProgress(func(done, _ int) {
				if !happened && done >= n/3 {
					happened = true
					happen(t)
				}
			}))
			if !happened {
				t.Error("nothing happened")
			}
			for key, e := range entries {
				if e.Key != key || e.Value.Total != int64(key.ID) || e.Value.Note != note {
					t.Fatalf("%+v", e)
				}
			}
			if err == nil && len(entries) != n {
				t.Errorf("%d keys of %d, and no error", len(entries), n)
			} else if err != nil && !errors.Is(err, kvrt.ErrUnavailable) {
				t.Errorf("not typed: %v", err)
			}
			t.Logf("%d keys, %v", len(entries), err)
		}},
		{"DeleteMany", func(t *testing.T, happen func(*testing.T)) { removed(t, s.order.DeleteMany, happen) }},
		{"PurgeMany", func(t *testing.T, happen func(*testing.T)) { removed(t, s.order.PurgeMany, happen) }},
	}
	for _, f := range faults {
		for _, c := range calls {
			t.Run(c.name+", "+f.name, func(t *testing.T) {
				defer f.after(t)
				c.call(t, f.happen)
			})
		}
	}
}
