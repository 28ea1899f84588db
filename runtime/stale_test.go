package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// readAfterWrite has writers write keys of their own and read each at once, on a bucket of three
// replicas, until enough, or until one of them has read something older. It returns how many did.
func readAfterWrite(t *testing.T, s *shop, enough int, readBack func(ctx context.Context, key orderKey, total int64) (revision, read uint64, err error)) (stale int) {
	t.Helper()
	ctx := within(t, time.Minute)
	var found, done atomic.Int64
	var wg sync.WaitGroup
	for writer := range uint64(8) {
		wg.Go(func() {
			for i := int64(1); done.Add(1) <= int64(enough) && found.Load() == 0; i++ {
				// A key's first write and its second one.
				written, read, err := readBack(ctx, orderKey{"a", writer*1_000_000 + uint64(i/2)}, i)
				if err != nil {
					t.Error(err)
					return
				}
				if read < written {
					found.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(found.Load())
}

func TestPlainReadsAreNotOlderThanOwnWrites(t *testing.T) {
	cluster := kvtest.StartServers(t, 3)
	s := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 3})
	stale := readAfterWrite(t, s, 1500, func(ctx context.Context, key orderKey, total int64) (uint64, uint64, error) {
		written, err := s.order.Put(ctx, key, order{Total: total})
		if err != nil {
			return 0, 0, err
		}
		e, err := s.order.Get(ctx, key)
		if errors.Is(err, kvrt.ErrNotFound) {
			return written, 0, nil
		}
		return written, e.Revision, err
	})
	if stale > 0 {
		t.Fatal("a read was older than the write before it")
	}
	t.Run("AtLeast with a handle that did not write", func(t *testing.T) {
		reader := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP"})
		stale := readAfterWrite(t, s, 800, func(ctx context.Context, key orderKey, total int64) (uint64, uint64, error) {
			written, err := s.order.Put(ctx, key, order{Total: total})
			if err != nil {
				return 0, 0, err
			}
			e, err := reader.order.Get(ctx, key, kvrt.AtLeast(written))
			if errors.Is(err, kvrt.ErrNotFound) {
				return written, 0, nil
			}
			return written, e.Revision, err
		})
		if stale > 0 {
			t.Fatal("a read was older than asked for")
		}
	})
	t.Run("plain nats.go reads older ones", func(t *testing.T) {
		kv, err := s.b.KeyValue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stale := readAfterWrite(t, s, 100_000, func(ctx context.Context, key orderKey, total int64) (uint64, uint64, error) {
			name, err := key.Encode()
			if err != nil {
				return 0, 0, err
			}
			written, err := kv.Put(ctx, name, []byte(`{"total":1}`))
			if err != nil {
				return 0, 0, err
			}
			e, err := kv.Get(ctx, name)
			if errors.Is(err, jetstream.ErrKeyNotFound) {
				return written, 0, nil
			}
			if err != nil {
				return 0, 0, err
			}
			return written, e.Revision(), nil
		})
		if stale == 0 {
			t.Fatal("no read was older: the test shows nothing")
		}
	})
}

func TestOwnWritesMemoryIsBounded(t *testing.T) {
	o := kvrt.NewOwnWrites(4)
	key := func(i int) string { return fmt.Sprint("key", i) }
	for i := range 8 {
		o.Add(key(i), uint64(i+1))
		o.Add(key(i), uint64(i)) // an earlier one that returned later
	}
	for i := range 8 {
		if revision, leader := o.Floor(key(i)); revision != uint64(i+1) || leader {
			t.Fatalf("%s: %d, %v", key(i), revision, leader)
		}
	}
	if revision, _ := o.Floor("other"); revision != 0 {
		t.Fatalf("an unknown key: %d", revision)
	}
	// The ninth key displaces the first four, which were not written long ago.
	o.Add(key(8), 9)
	if revision, leader := o.Floor(key(0)); revision != 0 || !leader || o.Len() > 8 {
		t.Fatalf("a forgotten key: %d, %v, %d keys", revision, leader, o.Len())
	}
	o.BucketIsAnother()
	if revision, leader := o.Floor(key(8)); revision != 0 || leader {
		t.Fatalf("in another bucket: %d, %v", revision, leader)
	}
	for i := range 9 {
		o.Age() // what was written before is old by now
		o.Add(key(i), 1)
	}
	if revision, leader := o.Floor(key(0)); revision != 0 || leader {
		t.Fatalf("a key forgotten in time: %d, %v", revision, leader)
	}
}

func TestOwnWritesOfABucketCreatedAgain(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for i := range int64(5) {
		put(t, s, "a", 1, i)
	}
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	there := ensureShop(t, js, shopConfig())
	first := put(t, there, "a", 1, 100)
	if e, err := s.order.Get(ctx, orderKey{"a", 1}, kvrt.AtLeast(first)); err != nil || e.Value.Total != 100 {
		t.Fatalf("%+v, %v", e, err)
	}
	for i := range int64(5) {
		put(t, s, "a", 1, i)
	}
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	there = ensureShop(t, js, shopConfig())
	put(t, there, "a", 1, 100)
	if e, err := s.order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value.Total != 100 {
		t.Fatalf("%+v, %v", e, err)
	}
}

// Another one has made the bucket, without what Purge needs.
func TestAPurgeThatTheBucketDoesNotAllow(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgsPerSubject: 1, AllowDirect: true}); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, js, shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", 1, 1)
	if _, err := s.order.Purge(ctx, orderKey{"a", 1}); !errors.Is(err, kvrt.ErrUnsupported) || !strings.Contains(err.Error(), "allow_rollup_hdrs") {
		t.Fatal(err)
	}
}

func TestAtLeast(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint("R", replicas), func(t *testing.T) {
			ctx := within(t, time.Minute)
			s := ensureShop(t, kvtest.StartServers(t, replicas).Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: replicas})
			first := put(t, s, "a", 1, 1)
			last := put(t, s, "a", 2, 2)
			// A revision of another key: the key itself is older, or absent.
			if e, err := s.order.Get(ctx, orderKey{"a", 1}, kvrt.AtLeast(last)); err != nil || e.Revision != first {
				t.Fatalf("%+v, %v", e, err)
			}
			if _, err := s.order.Get(ctx, orderKey{"a", 3}, kvrt.AtLeast(last)); !errors.Is(err, kvrt.ErrNotFound) {
				t.Fatal(err)
			}
			last = remove(t, s, "a", 2)
			if _, err := s.order.Get(ctx, orderKey{"a", 2}, kvrt.AtLeast(last)); !errors.Is(err, kvrt.ErrNotFound) {
				t.Fatal(err)
			}
			// A revision that is still to come.
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			if _, err := s.order.Get(short, orderKey{"a", 1}, kvrt.AtLeast(last+1)); !errors.Is(err, kvrt.ErrUnavailable) || !kvrt.Retryable(err) {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				e, err := s.order.Get(ctx, orderKey{"a", 1}, kvrt.AtLeast(last+1))
				if err == nil && e.Value.Total != 3 {
					err = fmt.Errorf("%+v", e)
				}
				done <- err
			}()
			put(t, s, "a", 1, 3)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}
