package kvrt_test

// Writes of PutMany that find no leader, and answers that come too late.

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// leaderless changes the subjects of some writes, which are counted, to one that nobody listens to: the
// server answers them as it does those to a bucket without a leader.
func leaderless(subject string, which func(n int) bool) func([]byte) []byte {
	n := 0
	return func(said []byte) []byte {
		for rest := said; ; {
			i := bytes.Index(rest, []byte(subject))
			if i < 0 {
				return said
			}
			if which(n) {
				copy(rest[i:], "$XX")
			}
			rest = rest[i+len(subject):]
			n++
		}
	}
}

// Writes that found no leader are sent again, and the last one of a key stays.
func TestWritesThatFoundNoLeaderKeepTheirOrder(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), kvrt.BucketConfig{Name: "SHOP", History: 64})
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), kvrt.BucketConfig{Name: "SHOP", History: 64})
	for i, c := range []struct {
		name       string
		leaderless []int // of the writes of one key, which are numbered; repetitions follow
		stored     []int64
		lost       int
	}{
		{"none", nil, []int64{0, 1, 2, 3}, 0},
		{"the first, and a later one is stored", []int{0}, []int64{1, 2, 3}, 1},
		{"those in the middle", []int{1, 2}, []int64{0, 3}, 2},
		{"the last", []int{3}, []int64{0, 1, 2, 3}, 0},
		{"the last two", []int{2, 3}, []int64{0, 1, 2, 3}, 0},
		{"all", []int{0, 1, 2, 3}, []int64{0, 1, 2, 3}, 0},
		{"all twice", []int{0, 1, 2, 3, 4, 5, 6, 7}, []int64{0, 1, 2, 3}, 0},
		{"the last, and its repetition", []int{3, 4}, []int64{0, 1, 2, 3}, 0},
	} {
		key := orderKey{"a", uint64(i)}
		encoded, err := key.Encode()
		if err != nil {
			t.Fatal(err)
		}
		p.setEdit(leaderless("$KV.SHOP."+encoded+" ", func(n int) bool { return slices.Contains(c.leaderless, n) }))
		written, err := here.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
			for n := range int64(4) {
				if !yield(key, order{Total: n}) {
					return
				}
			}
		})
		if written != len(c.stored) || (err == nil) != (c.lost == 0) {
			t.Fatalf("%s: %d, %v", c.name, written, err)
		}
		if err != nil {
			if bulk := bulkError(t, err); len(bulk.NotWritten) != c.lost {
				t.Errorf("%s: %+v", c.name, bulk)
			}
		}
		events, err := there.order.History(ctx, key)
		var stored []int64
		for _, ev := range events {
			stored = append(stored, ev.Value.Total)
		}
		if err != nil || !slices.Equal(stored, c.stored) {
			t.Errorf("%s: %v, %v, want %v", c.name, stored, err, c.stored)
		}
	}
}

// An answer that comes after its write was given up is not taken for the answer to another one.
func TestALateAnswerIsNotTakenForAnothers(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), shopConfig())
	p := startProxy(t, srv)
	js, err := jetstream.New(p.connect(t).Conn(), jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	here := ensureShop(t, js, shopConfig())
	const window = 256 // of writes on their way
	written, err := here.order.PutMany(ctx, func(yield func(orderKey, order) bool) {
		p.setLate(true)
		for key, value := range orders("a", window+2) {
			if key.ID == window+1 { // those of the first window have been given up
				p.setMute(true)
				p.setLate(false)
			}
			if !yield(key, value) {
				return
			}
		}
	})
	bulk := bulkError(t, err)
	if written != 0 || len(bulk.Unknown) != window+2 || !errors.Is(err, kvrt.ErrUnavailable) {
		t.Fatalf("%d, %v", written, err)
	}
	if n, err := there.order.Count(ctx, orderFilter{}.selection()); n != window || err != nil {
		t.Fatal(n, err)
	}
}
