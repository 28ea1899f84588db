package kvrt_test

// What a bucket drops without a marker: nobody is told.

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// The bucket has a ttl, and no limit_marker_ttl.
func TestACacheForgetsWhatIsTooOldForItsBucket(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", TTL: 2 * time.Second})
	old, kept := orderKey{"a", 1}, orderKey{"a", 2}
	put(t, s, "a", 1, 1)
	put(t, s, "a", 2, 1)
	c, err := s.order.Cache(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	changes := make(chan kvrt.Event[orderKey, order], 1000)
	go func() {
		for ev := range c.Changes(ctx) {
			changes <- ev
		}
	}()
	w, err := s.order.Watch(ctx, orderFilter{}.selection(), kvrt.TrackKeys())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for there := true; there; time.Sleep(100 * time.Millisecond) {
		put(t, s, "a", 2, 1) // is there all the time
		if _, ok := c.Get(kept); !ok {
			t.Fatal("the cache has lost a key that is written again and again")
		}
		_, there = c.Get(old)
	}
	if _, err := s.order.Get(ctx, old); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatalf("too early: %v", err)
	}
	for ev := range w.Updates() {
		if ev.Op == kvrt.Delete {
			if ev.Key != old {
				t.Errorf("%+v", ev)
			}
			break
		}
	}
	for ev := range changes {
		if ev.Op == kvrt.Delete {
			if ev.Key != old {
				t.Errorf("%+v", ev)
			}
			break
		}
	}
	for c.Len() > 0 { // without anything else going on
		time.Sleep(50 * time.Millisecond)
	}
}

// Someone else has made a bucket that drops its oldest messages to make room.
func TestACacheForgetsWhatMadeRoom(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	const room = 7
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgsPerSubject: 1, MaxMsgs: room, Discard: jetstream.DiscardOld, AllowDirect: true,
	}); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, js, shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.order.Cache(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var last uint64
	for id := range uint64(20) {
		last = put(t, s, "a", id, 1)
	}
	if err := c.WaitFor(ctx, last); err != nil {
		t.Fatal(err)
	}
	for c.Len() > room {
		time.Sleep(50 * time.Millisecond)
	}
	var ids []uint64
	for key := range c.All() {
		ids = append(ids, key.ID)
	}
	if slices.Sort(ids); !slices.Equal(ids, []uint64{13, 14, 15, 16, 17, 18, 19}) {
		t.Fatal(ids)
	}
}
