package kvrt_test

// Buckets that are somewhere else: in another domain behind a leaf node, behind an API prefix, in
// another account. Every operation has to find its way there, and its answers the way back.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func farConfig() kvrt.BucketConfig {
	return kvrt.BucketConfig{Name: "SHOP", History: 5, Linearizable: true, Transactions: true}
}

// leaf is a server with a domain of its own, connected to a hub with another one.
type leaf struct {
	hub, server *kvtest.Server
	link        *proxy // between the two
}

func startLeaf(t *testing.T) *leaf {
	t.Helper()
	hub := kvtest.StartServer(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode = server.LeafNodeOpts{Host: "127.0.0.1", Port: -1, NoAdvertise: true} // the link is the only way
	})
	status, err := hub.NATS().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	link := startProxyTo(t, fmt.Sprintf("127.0.0.1:%d", status.LeafNode.Port))
	there := kvtest.StartServer(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "leaf", "leaf"
		o.LeafNode.ReconnectInterval = 50 * time.Millisecond
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats", Host: link.listener.Addr().String()}}}}
	})
	return &leaf{hub, there, link}
}

// reached waits until JetStream answers, and returns it.
func reached(t *testing.T, js jetstream.JetStream, err error) jetstream.JetStream {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 30*time.Second)
	for {
		short, cancel := context.WithTimeout(ctx, time.Second)
		_, err := js.AccountInfo(short)
		cancel()
		if err == nil {
			return js
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// inHub returns ways from a client of the leaf to the JetStream of the hub.
func (l *leaf) inHub(t *testing.T) map[string]jetstream.JetStream {
	t.Helper()
	ways := map[string]jetstream.JetStream{}
	connection := func() *nats.Conn { return l.server.Connect(t).Conn() }
	js, err := jetstream.NewWithDomain(connection(), "hub")
	ways["domain"] = reached(t, js, err)
	for name, prefix := range map[string]string{"API prefix": "$JS.hub.API", "API prefix with its dot": "$JS.hub.API."} {
		js, err := jetstream.NewWithAPIPrefix(connection(), prefix)
		ways[name] = reached(t, js, err)
	}
	return ways
}

func TestEveryOperationReachesTheHubOfALeafNode(t *testing.T) {
	l := startLeaf(t)
	hub := l.hub.Connect(t)
	ways := l.inHub(t)
	// A bucket of the same name in the leaf's own domain, which must not be taken for it.
	own := ensureShop(t, l.server.Connect(t), farConfig())
	listed := uint64(beyondAhead) // once, whichever way: it takes long
	for name, js := range ways {
		t.Run(name, func(t *testing.T) {
			checkFromCreationOn(t, js, hub, listed)
			listed = 1500
		})
	}
	if n := entries(t, own); n != 0 {
		t.Errorf("%d entries in the leaf's own bucket", n)
	}
}

func TestAWatchSurvivesTheLossOfTheLeafsLinkToTheHub(t *testing.T) {
	ctx := within(t, time.Minute)
	l := startLeaf(t)
	there := ensureShop(t, l.hub.Connect(t), farConfig())
	far, err := jetstream.NewWithDomain(l.server.Connect(t).Conn(), "hub")
	here, err := kvrt.Open(ctx, reached(t, far, err), farConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	put(t, there, "a", 1, 1)
	w := watch(t, here, orderFilter{})
	c := cache(t, here, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	l.link.setDown(true)
	for l.hub.NATS().NumLeafNodes() > 0 {
		time.Sleep(time.Millisecond)
	}
	put(t, there, "a", 2, 2)
	last := put(t, there, "a", 1, 3)
	// The client's connection is there, and the hub is not: no write is taken for done.
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = here.order.Update(short, orderKey{"a", 1}, order{Total: 4}, last)
	if !errors.Is(err, kvrt.ErrUnavailable) && !errors.Is(err, kvrt.ErrUnknownOutcome) {
		t.Errorf("Update without the hub: %v", err)
	}
	l.link.setDown(false)
	expect(t, w, "Put a/2 2", "Put a/1 3")
	waitFor(t, c, last)
	if e, ok := c.Get(orderKey{"a", 1}); !ok || e.Value.Total != 3 {
		t.Errorf("%+v", e)
	}
	if e, err := here.order.Modify(ctx, orderKey{"a", 1}, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil }); err != nil || e.Value.Total != 4 {
		t.Errorf("Modify afterwards: %+v, %v", e, err)
	}
}

// twoAccounts runs a server on which account APP imports the JetStream of account STORE as $JS.store.API.
func twoAccounts(t *testing.T) *kvtest.Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(config, []byte(`accounts {
		STORE {
			jetstream: enabled
			users: [{user: store, password: x}]
			exports: [{service: "$JS.API.>", response: stream}, {service: "$KV.>"}]
		}
		APP {
			users: [{user: app, password: x}]
			imports: [
				{service: {account: STORE, subject: "$JS.API.>"}, to: "$JS.store.API.>"}
				{service: {account: STORE, subject: "$KV.>"}, to: "$JS.store.API.$KV.>"}
			]
		}
	}`), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := server.ProcessConfigFile(config)
	if err != nil {
		t.Fatal(err)
	}
	return kvtest.StartServer(t, func(o *server.Options) { o.Accounts, o.Users = parsed.Accounts, parsed.Users })
}

func TestEveryOperationPassesAnAccountImport(t *testing.T) {
	srv := twoAccounts(t)
	store := srv.Connect(t, nats.UserInfo("store", "x"))
	listed := uint64(beyondAhead)
	for _, prefix := range []string{"$JS.store.API", "$JS.store.API."} {
		t.Run(prefix, func(t *testing.T) {
			js, err := jetstream.NewWithAPIPrefix(srv.Connect(t, nats.UserInfo("app", "x"), nats.CustomInboxPrefix("_APP.x")).Conn(), prefix)
			if err != nil {
				t.Fatal(err)
			}
			checkFromCreationOn(t, js, store, listed)
			listed = 1500
		})
	}
	t.Run("plain nats.go lists nothing", func(t *testing.T) {
		s := ensureShop(t, store, farConfig())
		put(t, s, "a", 1, 1)
		js, err := jetstream.NewWithAPIPrefix(srv.Connect(t, nats.UserInfo("app", "x")).Conn(), "$JS.store.API")
		if err != nil {
			t.Fatal(err)
		}
		kv, err := js.KeyValue(t.Context(), "SHOP")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if keys, err := kv.Keys(ctx); !errors.Is(err, jetstream.ErrNoKeysFound) {
			t.Errorf("plain nats.go no longer has the fault: %v, %v", keys, err)
		}
	})
}

func TestCopiesAcrossDomainsAreRead(t *testing.T) {
	l := startLeaf(t)
	origin := ensureShop(t, l.hub.Connect(t), shopConfig())
	js := l.server.Connect(t)
	l.inHub(t) // the link is there
	put(t, origin, "a", 1, 1)
	put(t, origin, "a", 2, 2)
	remove(t, origin, "a", 2)
	for name, cfg := range map[string]kvrt.BucketConfig{
		"mirror of the same name":  {Name: "SHOP", Mirror: &kvrt.Mirror{Bucket: "SHOP", Domain: "hub"}},
		"mirror of another name":   {Name: "COPY", Mirror: &kvrt.Mirror{Bucket: "SHOP", Domain: "hub"}},
		"mirror behind a prefix":   {Name: "COPY_P", Mirror: &kvrt.Mirror{Bucket: "SHOP", APIPrefix: "$JS.hub.API"}},
		"source":                   {Name: "COPY_S", Sources: []kvrt.Source{{Bucket: "SHOP", Domain: "hub", Filter: "order.>"}}},
		"source behind a prefix":   {Name: "COPY_SP", Sources: []kvrt.Source{{Bucket: "SHOP", APIPrefix: "$JS.hub.API."}}},
		"source by stream and map": {Name: "COPY_T", Sources: []kvrt.Source{{Stream: "KV_SHOP", Domain: "hub", Transforms: []kvrt.Transform{{Source: "$KV.SHOP.>", Destination: "$KV.COPY_T.>"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			s := ensureShop(t, js, cfg)
			tenant := name
			w := watch(t, s, orderFilter{Tenant: &tenant})
			for next(t, w).Op != kvrt.Synced {
			}
			put(t, origin, tenant, 1, 1)
			expect(t, w, "Put "+tenant+"/1 1")
			put(t, origin, tenant, 2, 5)
			expect(t, w, "Put "+tenant+"/2 5")
			remove(t, origin, tenant, 1)
			expect(t, w, "Delete "+tenant+"/1")
			if e, err := s.order.Get(ctx, orderKey{tenant, 2}); err != nil || e.Value.Total != 5 {
				t.Errorf("Get: %+v, %v", e, err)
			}
			if _, err := s.order.Get(ctx, orderKey{tenant, 1}); !errors.Is(err, kvrt.ErrNotFound) {
				t.Errorf("Get of a deleted key: %v", err)
			}
			if got, err := s.order.GetMany(ctx, []orderKey{{tenant, 1}, {tenant, 2}, {"a", 1}}); err != nil || len(got) != 2 {
				t.Errorf("GetMany: %v, %v", got, err)
			}
			if n, err := s.order.Count(ctx, orderFilter{Tenant: &tenant}.selection()); err != nil || n != 1 {
				t.Errorf("Count: %d, %v", n, err)
			}
			c := cache(t, s, orderFilter{Tenant: &tenant})
			if e, ok := c.Get(orderKey{tenant, 2}); c.Len() != 1 || !ok || e.Value.Total != 5 {
				t.Errorf("Cache: %v", content(c))
			}
			if got := drift(t, s.b); got != "[]" {
				t.Errorf("Drift: %s", got)
			}
			ensureShop(t, js, cfg)
			if _, err := kvrt.Open(ctx, js, cfg, bindShop); err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
}
