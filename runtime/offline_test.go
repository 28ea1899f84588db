package kvrt_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// A bucket without replicas in a cluster is unavailable while its server is down ("stream is offline"),
// which passes: calls that have the time wait for it.
func TestABucketWhoseServerIsDown(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	cluster := kvtest.StartServers(t, 3)
	there := ensureShop(t, cluster.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 1})
	put(t, there, "a", 1, 7)
	home := streamLeader(t, cluster)
	other := cluster.Servers[0]
	if other == home {
		other = cluster.Servers[1]
	}
	s, err := kvrt.Open(ctx, other.Connect(t), kvrt.BucketConfig{Name: "SHOP", Replicas: 1}, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	home.Stop()
	key, all := orderKey{"a", 1}, orderFilter{}.selection()
	calls := map[string]func(context.Context) error{
		"Status": func(ctx context.Context) error { _, err := s.b.Status(ctx); return err },
		"Get":    func(ctx context.Context) error { _, err := s.order.Get(ctx, key); return err },
		"Put":    func(ctx context.Context) error { _, err := s.order.Put(ctx, key, order{Total: 7}); return err },
		"Count":  func(ctx context.Context) error { _, err := s.order.Count(ctx, all); return err },
		"GetMany": func(ctx context.Context) error {
			_, err := s.order.GetMany(ctx, []orderKey{key})
			return err
		},
		"List": func(ctx context.Context) error {
			for _, err := range s.order.List(ctx, all) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Watch": func(ctx context.Context) error {
			w, err := s.order.Watch(ctx, all)
			if err == nil {
				w.Stop()
			}
			return err
		},
		"Cache": func(ctx context.Context) error {
			c, err := s.order.Cache(ctx, all)
			if err == nil {
				c.Close()
			}
			return err
		},
	}
	waiting := make(chan error, len(calls))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var impatient sync.WaitGroup
	for name, call := range calls {
		impatient.Go(func() {
			if err := call(short); !errors.Is(err, kvrt.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	impatient.Wait()
	for _, call := range calls {
		go func() { waiting <- call(ctx) }()
	}
	time.Sleep(100 * time.Millisecond) // so that they meet a server that is down
	home.Start(t)
	for range calls {
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
}
