package kvrt_test

// What a cluster of three does to readers: a leader that does not know it has been replaced, a replica
// that is behind.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// islands is a cluster whose servers reach each other through proxies only.
type islands struct {
	*kvtest.Cluster
	links [3][3]*proxy // from a server to another one
}

func startIslands(t *testing.T) *islands {
	t.Helper()
	c := &islands{Cluster: &kvtest.Cluster{}}
	for from := range 3 {
		for to := range 3 {
			if from != to {
				c.links[from][to] = startProxyTo(t, "")
			}
		}
	}
	for i := range 3 {
		c.Servers = append(c.Servers, kvtest.StartServer(t, func(o *server.Options) {
			o.ServerName = fmt.Sprint("island", i)
			// They tell each other an address that leads nowhere, or they would find a way around.
			o.Cluster = server.ClusterOpts{Name: "islands", Host: "127.0.0.1", Port: -1, Advertise: "127.0.0.1:1", PoolSize: -1}
			for to := range 3 {
				if to != i {
					o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: c.links[i][to].listener.Addr().String()})
				}
			}
		}))
		for from := range 3 {
			if from != i {
				c.links[from][i].lead(c.Servers[i].NATS().ClusterAddr().String())
			}
		}
	}
	c.WaitReady(t)
	return c
}

// isolate cuts a server off from the others, or connects it again, and waits until they know.
func (c *islands) isolate(t *testing.T, i int, isolated bool) {
	t.Helper()
	for other := range 3 {
		if other != i {
			c.links[i][other].setDown(isolated)
			c.links[other][i].setDown(isolated)
		}
	}
	ctx := within(t, 30*time.Second)
	for known := false; !known; time.Sleep(time.Millisecond) {
		known = true
		for j, s := range c.Servers {
			want := 2 // servers it has a route to
			if isolated && j == i {
				want = 0
			} else if isolated {
				want = 1
			}
			known = known && s.NATS().NumRemotes() == want
		}
		if ctx.Err() != nil {
			t.Fatal("the routes are not as they should be")
		}
	}
}

func TestALeaderThatIsIsolatedIsNotBelieved(t *testing.T) {
	t.Parallel() // an election takes seconds, and no processor
	ctx := within(t, 2*time.Minute)
	c := startIslands(t)
	cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: 3, Linearizable: true}
	ensureShop(t, c.Connect(t), cfg)
	leader := streamLeader(t, c.Cluster)
	old, other := 0, 0
	for i, s := range c.Servers {
		if s == leader {
			old, other = i, (i+1)%3
		}
	}
	js := leader.Connect(t)
	there, err := kvrt.Open(ctx, js, cfg, bindShop) // with the leader that will be alone
	if err != nil {
		t.Fatal(err)
	}
	here, err := kvrt.Open(ctx, c.Servers[other].Connect(t), cfg, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	first, err := there.counter.Put(ctx, counterKey{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	c.isolate(t, old, true)
	// The two others elect a leader after some seconds.
	var second kvrt.Entry[counterKey, int64]
	for err = errors.New("not yet"); err != nil && ctx.Err() == nil; {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		second, err = here.counter.Modify(short, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error { e.Value = 2; return nil })
		cancel()
	}
	if err != nil {
		t.Fatal(err)
	}
	// Who asks the server that is alone reads what was there before, from it as a replica, and even from
	// it as the leader, until it notices.
	if msg, err := stream.GetLastMsgForSubject(ctx, "$KV.SHOP.counter"); err != nil || msg.Sequence != first {
		t.Errorf("plain nats.go no longer has the fault: %+v, %v", msg, err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	answer, err := js.Conn().RequestWithContext(short, "$JS.API.STREAM.MSG.GET.KV_SHOP", []byte(`{"last_by_subj":"$KV.SHOP.counter"}`))
	cancel()
	if err == nil && !strings.Contains(string(answer.Data), fmt.Sprintf(`"seq":%d,`, first)) {
		t.Errorf("the isolated leader: %s", answer.Data)
	}
	for _, read := range []struct {
		name string
		opt  kvrt.StrongReadOption
	}{{"Linearizable", kvrt.Linearizable()}, {"AtLeast", kvrt.AtLeast(second.Revision)}} {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		e, err := kvrt.GetStrong(short, there.counter, counterKey{}, read.opt)
		cancel()
		if !errors.Is(err, kvrt.ErrUnavailable) {
			t.Errorf("%s: %+v, %v", read.name, e, err)
		}
	}
	// What ends without a write is not decided on such an answer either, nor is a write done. The server
	// calls a write that meets an earlier one on its way a conflict.
	for name, f := range map[string]func(context.Context) error{
		"Update": func(ctx context.Context) error {
			_, err := there.counter.Update(ctx, counterKey{}, 3, first)
			return err
		},
		"Modify": func(ctx context.Context) error {
			_, err := there.counter.Modify(ctx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error { e.Value++; return nil })
			return err
		},
	} {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		err := f(short)
		cancel()
		if !errors.Is(err, kvrt.ErrUnavailable) && !errors.Is(err, kvrt.ErrUnknownOutcome) && !errors.Is(err, kvrt.ErrContention) && !errors.Is(err, kvrt.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.isolate(t, old, false)
	e, err := kvrt.GetStrong(ctx, there.counter, counterKey{}, kvrt.Linearizable())
	if err != nil || e.Revision != second.Revision || e.Value != 2 {
		t.Errorf("afterwards: %+v, %v", e, err)
	}
}

// The first copy of a watch has what was acknowledged before it was started, on whatever replica its
// consumer is, of one key and of many, of keys that are there and of those that are gone.
func TestTheFirstCopyHasWhatWasWrittenBefore(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	c := kvtest.StartServers(t, 3)
	cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: 3}
	there := ensureShop(t, c.Connect(t), cfg)
	here := ensureShop(t, c.Servers[1].Connect(t), cfg)
	latest := map[orderKey]uint64{} // the revisions of values
	for round := range 60 {
		if _, err := there.order.PutMany(ctx, orders("other", 200)); err != nil { // replicas have something to do
			t.Fatal(err)
		}
		key := orderKey{"a", uint64(round % 7)}
		if round%3 == 2 {
			if _, err := there.order.Delete(ctx, key); err != nil {
				t.Fatal(err)
			}
			delete(latest, key)
		} else {
			latest[key] = put(t, there, key.Tenant, key.ID, int64(round))
		}
		for _, f := range []orderFilter{{Tenant: &key.Tenant, ID: &key.ID}, {ID: &key.ID}, {Tenant: &key.Tenant}, {Tenant: new("nobody")}} {
			w := watch(t, here, f)
			seen := map[orderKey]uint64{}
			for e := next(t, w); e.Op != kvrt.Synced; e = next(t, w) {
				if delete(seen, e.Key); e.Op == kvrt.Put {
					seen[e.Key] = e.Revision
				}
			}
			w.Stop()
			for key, revision := range latest {
				selected := (f.Tenant == nil || *f.Tenant == key.Tenant) && (f.ID == nil || *f.ID == key.ID)
				if selected && seen[key] != revision {
					t.Errorf("round %d, filter %v: %v has revision %d in the copy, not %d", round, f.selection(), key, seen[key], revision)
				}
			}
			for key := range seen {
				if key.Tenant == "a" && latest[key] == 0 {
					t.Errorf("round %d, filter %v: %v is gone", round, f.selection(), key)
				}
			}
		}
	}
}

func TestAListingHasWhatItsCallerWroteBefore(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	c := kvtest.StartServers(t, 3)
	cfg := kvrt.BucketConfig{Name: "SHOP", Replicas: 3}
	ensureShop(t, c.Connect(t), cfg)
	var wg sync.WaitGroup
	var rounds, lacking atomic.Int64
	for writer := range uint64(6) {
		s := ensureShop(t, c.Servers[writer%3].Connect(t), cfg)
		tenant := fmt.Sprint("w", writer)
		wg.Go(func() {
			for id := uint64(0); rounds.Add(1) <= 600; id++ {
				if _, err := s.order.Put(ctx, orderKey{tenant, id}, order{}); err != nil {
					t.Error(err)
					return
				}
				n, err := s.order.Count(ctx, orderFilter{Tenant: &tenant}.selection())
				if err != nil {
					t.Error(err)
					return
				}
				if n != int(id)+1 {
					lacking.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if lacking.Load() > 0 {
		t.Errorf("%d listings lacked what had been written before", lacking.Load())
	}
}
