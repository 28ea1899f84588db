package kvrt_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// streamLeader returns the server that leads the bucket's stream.
func streamLeader(t *testing.T, c *kvtest.Cluster) *kvtest.Server {
	t.Helper()
	ctx := within(t, 30*time.Second)
	for ctx.Err() == nil {
		for _, s := range c.Servers {
			if s.NATS() != nil && s.NATS().JetStreamIsStreamLeader("$G", "KV_SHOP") {
				return s
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no leader")
	return nil
}

func TestOperationsGoOnWhileLeadersStop(t *testing.T) {
	cluster := kvtest.StartServers(t, 3)
	ctx := within(t, 2*time.Minute)
	cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: 3, Linearizable: true}
	var (
		wg      sync.WaitGroup
		landed  atomic.Int64
		unknown atomic.Int64
	)
	rounds := make(chan struct{}) // closed when the leaders have stopped often enough
	for range 4 {
		s := ensureShop(t, cluster.Connect(t), cfg)
		wg.Go(func() {
			for {
				select {
				case <-rounds:
					return
				default:
				}
				callCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
				e, err := s.counter.Modify(callCtx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error { e.Value++; return nil })
				switch {
				case err == nil:
					landed.Add(1)
				case errors.Is(err, kvrt.ErrUnknownOutcome):
					unknown.Add(1)
				case !errors.Is(err, kvrt.ErrUnavailable):
					t.Errorf("Modify: %v", err)
				}
				if err == nil {
					got, err := kvrt.GetStrong(callCtx, s.counter, counterKey{}, kvrt.Linearizable())
					if err == nil && got.Value < e.Value {
						t.Errorf("a linearizable read of %d after %d was written", got.Value, e.Value)
					}
					if err != nil && !errors.Is(err, kvrt.ErrUnavailable) {
						t.Errorf("Get: %v", err)
					}
				}
				cancel()
			}
		})
	}
	for range 2 {
		before := landed.Load()
		for landed.Load() < before+20 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		leader := streamLeader(t, cluster)
		leader.Stop()
		streamLeader(t, cluster)
		leader.Start(t)
	}
	cluster.WaitReady(t)
	close(rounds)
	wg.Wait()
	s := ensureShop(t, cluster.Connect(t), cfg)
	e, err := kvrt.GetStrong(ctx, s.counter, counterKey{}, kvrt.Linearizable())
	if err != nil || e.Value < landed.Load() || e.Value > landed.Load()+unknown.Load() {
		t.Fatalf("%+v, %v; %d landed, of %d it is not known", e, err, landed.Load(), unknown.Load())
	}
	t.Logf("%d landed, of %d it is not known", landed.Load(), unknown.Load())
}
