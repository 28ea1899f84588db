package kvrt_test

// The scenes in which the error model is played: a bucket with an entry for each operation, a
// connection that a failure strikes, and one that sees it from outside.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// failure is a column of the model.
type failure struct {
	name    string
	arrange func(t *testing.T) *scene // all is well in it
	// together: the operations run at the same time, and heal is called when all of them have begun.
	together bool
	// watchFirst: the watch has ended before the operations begin. Without an ErrorHandler, the refusal
	// of one hides that of another at the same time.
	watchFirst bool
	heal       func(t *testing.T, s *scene)
	want       []outcome
}

type scene struct {
	*shop                       // of the connection that the failure strikes
	js      jetstream.JetStream // that connection
	admin   *shop               // of another one
	adminJS jetstream.JetStream // that other one
	server  *kvtest.Server
	proxy   *proxy
	cfg     kvrt.BucketConfig
	opts    []kvrt.OpenOption
	ctx     context.Context // of the operations
	end     func()          // ends it
	watch   *kvrt.Watcher[orderEvent]

	tenant   string // of the keys that the operations use
	value    order  // that they write
	revision map[uint64]uint64
	last     uint64
	strike   func(*testing.T)
	relieve  func()       // makes writes possible again, once all operations but the last one have ended
	begun    atomic.Int64 // operations
	ended    atomic.Int64
}

// key is the key of operation i.
func (s *scene) key(i int) orderKey { return orderKey{s.tenant, uint64(i)} }

// afterwards writes what ends a watch that goes on. It may fail, and the watch ends by itself then.
func (s *scene) afterwards() {
	if s.relieve != nil {
		s.relieve()
	}
	_, _ = s.admin.order.Put(s.ctx, orderKey{"afterwards", 0}, order{})
}

// quiet keeps the connection from printing what a test provokes.
var quiet = nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})

func sceneConfig() kvrt.BucketConfig {
	return kvrt.BucketConfig{Name: "SHOP", History: 5, Linearizable: true}
}

// play makes a scene of two connections to a bucket.
func play(t *testing.T, cfg kvrt.BucketConfig, admin, js jetstream.JetStream) *scene {
	t.Helper()
	s := &scene{js: js, cfg: cfg, tenant: "a", value: order{Note: "new"}, revision: map[uint64]uint64{}, strike: func(*testing.T) {}}
	s.ctx, s.end = context.WithCancel(within(t, time.Minute))
	t.Cleanup(s.end)
	s.admin, s.adminJS = ensureShop(t, admin, cfg), admin
	for i, op := range operations {
		if !op.absent {
			s.revision[uint64(i)] = put(t, s.admin, s.tenant, uint64(i), 1)
		}
	}
	put(t, s.admin, "marker", 1, 1)
	s.last = remove(t, s.admin, "marker", 1)
	s.opts = []kvrt.OpenOption{kvrt.WithInterceptor(func(ctx context.Context, _ kvrt.Call, next func(context.Context) error) error {
		s.begun.Add(1)
		return next(ctx)
	})}
	var err error
	if s.shop, err = kvrt.Open(t.Context(), js, cfg, bindShop, s.opts...); err != nil {
		t.Fatal(err)
	}
	return s
}

// follow starts the watch that is attached before the failure, with the context of the operations.
func (s *scene) follow(t *testing.T) *scene {
	t.Helper()
	var err error
	if s.watch, err = s.order.Watch(s.ctx, orderFilter{}.selection()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.watch.Stop)
	for next(t, s.watch).Op != kvrt.Synced {
	}
	return s
}

// waitBegun waits until all operations have begun.
func (s *scene) waitBegun(t *testing.T) {
	t.Helper()
	s.wait(t, "all operations have begun", func() bool { return s.begun.Load() >= int64(len(operations))-1 }) // the watch had before
}

// wait waits until something is so.
func (s *scene) wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("waited in vain until %s", what)
			return
		}
	}
}

// alone is a scene on a server of its own.
func alone(t *testing.T, cfg kvrt.BucketConfig, configure ...func(*server.Options)) *scene {
	t.Helper()
	srv := kvtest.StartServer(t, configure...)
	s := play(t, cfg, srv.Connect(t), srv.Connect(t, quiet))
	s.server = srv
	return s
}

// proxied is a scene whose connection goes through a proxy.
func proxied(t *testing.T) *scene {
	t.Helper()
	srv := kvtest.StartServer(t)
	p := startProxy(t, srv)
	s := play(t, sceneConfig(), srv.Connect(t), p.connect(t))
	s.server, s.proxy = srv, p
	return s
}

// replicated is a scene on three servers, connected to one that does not lead the stream.
func replicated(t *testing.T) (*scene, *kvtest.Cluster) {
	t.Helper()
	cluster := kvtest.StartServers(t, 3)
	cfg := sceneConfig()
	cfg.Replicas = 3
	ensureShop(t, cluster.Connect(t), cfg)
	leader := streamLeader(t, cluster)
	follower := cluster.Servers[0]
	if follower == leader {
		follower = cluster.Servers[1]
	}
	s := play(t, cfg, follower.Connect(t), follower.Connect(t))
	s.server = follower
	return s, cluster
}

// someone is a scene whose user is another one after the failure strikes.
func someone(t *testing.T, other string, handler nats.Option) *scene {
	t.Helper()
	srv := kvtest.StartServer(t, func(o *server.Options) {
		if err := o.ProcessConfigString(`accounts {
			ON { jetstream: enabled, users: [
				{user: admin, password: x}
				{user: user, password: x}
				{user: mute, password: x, permissions: {publish: {deny: ">"}}}
				{user: deaf, password: x, permissions: {subscribe: {deny: ">"}}}
			] }
			OFF { users: [{user: nobody, password: x}] }
		}`); err != nil {
			t.Fatal(err)
		}
	})
	var user atomic.Value
	user.Store("user")
	js := srv.Connect(t, handler, nats.UserInfoHandler(func() (string, string) { return user.Load().(string), "x" }))
	s := play(t, sceneConfig(), srv.Connect(t, nats.UserInfo("admin", "x")), js)
	s.server = srv
	s.strike = func(t *testing.T) {
		user.Store(other)
		s.reconnect(t, func() {
			if err := js.Conn().ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		})
	}
	return s.follow(t)
}

// reconnect calls cut, and waits until the connection has been lost and made again.
func (s *scene) reconnect(t *testing.T, cut func()) {
	t.Helper()
	nc := s.js.Conn()
	before := nc.Stats().Reconnects
	cut()
	s.wait(t, "the connection is made again", func() bool { return nc.Stats().Reconnects > before && nc.IsConnected() })
}

// landed reports whether the writes of the model have landed, whose answers nobody hears.
func (s *scene) landed() bool {
	for i, op := range operations {
		switch op.name {
		case "Put", "Create", "Update", "Delete", "Delete-if", "Purge":
			e, err := s.admin.order.Get(context.Background(), s.key(i))
			if errors.Is(err, kvrt.ErrNotFound) != (op.op == "delete" || op.op == "purge") || err == nil && e.Value != s.value {
				return false
			}
		}
	}
	return true
}

func (s *scene) disconnect(t *testing.T) {
	s.proxy.setDown(true)
	s.wait(t, "the connection is lost", func() bool { return !s.js.Conn().IsConnected() })
}

func failures() []failure {
	unavailable := []error{kvrt.ErrUnavailable}
	permission := []error{kvrt.ErrPermission}
	late := []error{kvrt.ErrUnavailable, context.DeadlineExceeded}
	lateIncomplete := []error{kvrt.ErrIncomplete, kvrt.ErrUnavailable, context.DeadlineExceeded}
	unknown := []error{kvrt.ErrUnknownOutcome}
	return []failure{
		{
			name: "the bucket is gone",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig()).follow(t)
				s.strike = func(t *testing.T) {
					if err := s.js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
						t.Fatal(err)
					}
				}
				return s
			},
			want: []outcome{
				{ops: "all -Ensure", is: []error{kvrt.ErrBucketNotFound}, says: "Ensure creates it"},
				{ops: "Ensure"}, // creates it
			},
		},
		{
			name:    "the account has no JetStream",
			arrange: func(t *testing.T) *scene { return someone(t, "nobody", quiet) },
			want:    []outcome{{ops: "all", is: unavailable, retry: true, says: "enable JetStream for the account"}},
		},
		{
			name: "the server has no JetStream",
			arrange: func(t *testing.T) *scene {
				s := proxied(t)
				s.ctx, s.end = newDeadline(t)
				other := kvtest.StartServer(t, func(o *server.Options) { o.JetStream = false })
				s.strike = func(t *testing.T) { s.reconnect(t, func() { s.proxy.redirect(other) }) }
				return s.follow(t)
			},
			together: true,
			heal: func(t *testing.T, s *scene) {
				s.wait(t, "all but the watch have ended", func() bool { return s.ended.Load() >= int64(len(operations))-1 })
				s.end()
			},
			want: []outcome{
				{ops: "all -watching", is: unavailable, also: []error{nats.ErrNoResponders}, retry: true, says: "is JetStream enabled, and are API prefix and domain right?"},
				{ops: "watching", is: []error{context.DeadlineExceeded}, retry: true}, // the server may be about to start
			},
		},
		{
			name:       "the user may not publish",
			arrange:    func(t *testing.T) *scene { return someone(t, "mute", quiet) },
			watchFirst: true,
			want:       []outcome{{ops: "all", is: permission, says: "publish to $"}},
		},
		{
			name:     "the user may not publish, and the connection has an ErrorHandler",
			arrange:  func(t *testing.T) *scene { return someone(t, "mute", nats.ErrorHandler(kvrt.ErrorHandler(nil))) },
			together: true,
			want: []outcome{
				{ops: "all -watching", is: permission, says: "publish to $"},
				{ops: "watching", is: permission, may: true}, // as long as what it has asked for before lasts
			},
		},
		{
			name:       "the user may not subscribe",
			arrange:    func(t *testing.T) *scene { return someone(t, "deaf", quiet) },
			watchFirst: true,
			want:       []outcome{{ops: "all", is: permission, says: "subscribe to _INBOX."}},
		},
		{
			name:     "the user may not subscribe, and the connection has an ErrorHandler",
			arrange:  func(t *testing.T) *scene { return someone(t, "deaf", nats.ErrorHandler(kvrt.ErrorHandler(nil))) },
			together: true,
			want:     []outcome{{ops: "all", is: permission, says: "subscribe to _INBOX."}},
		},
		{
			name: "the connection is lost for a while",
			arrange: func(t *testing.T) *scene {
				s := proxied(t).follow(t)
				s.strike = s.disconnect
				return s
			},
			together: true,
			heal: func(t *testing.T, s *scene) {
				s.waitBegun(t)
				s.proxy.setDown(false)
			},
			want: []outcome{{ops: "all"}},
		},
		{
			name: "the connection is lost until the deadline",
			arrange: func(t *testing.T) *scene {
				s := proxied(t)
				s.ctx, s.end = newDeadline(t)
				s.strike = s.disconnect
				return s.follow(t)
			},
			together: true,
			heal: func(t *testing.T, s *scene) {
				s.waitBegun(t)
				s.end()
			},
			want: []outcome{
				{ops: "all -listings -watching", is: late, retry: true, says: "no connection to a server"},
				{ops: "listings", is: lateIncomplete, retry: true, says: "no connection to a server"},
				{ops: "watching", is: []error{context.DeadlineExceeded}, retry: true},
			},
		},
		{
			name: "the connection is closed",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig()).follow(t)
				s.strike = func(*testing.T) { s.js.Conn().Close() }
				return s
			},
			want: []outcome{{ops: "all", is: unavailable, also: []error{nats.ErrConnectionClosed}, retry: true}},
		},
		{
			name: "the context was canceled before",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig()).follow(t)
				s.strike = func(*testing.T) { s.end() }
				return s
			},
			want: []outcome{
				{ops: "all -listings", is: []error{context.Canceled}},
				{ops: "listings", is: []error{kvrt.ErrIncomplete, context.Canceled}, retry: true},
			},
		},
		{
			name: "the deadline had passed before",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig())
				s.ctx, s.end = newDeadline(t)
				s.strike = func(*testing.T) { s.end() }
				return s.follow(t)
			},
			want: []outcome{
				{ops: "all -listings", is: []error{context.DeadlineExceeded}, retry: true},
				{ops: "listings", is: []error{kvrt.ErrIncomplete, context.DeadlineExceeded}, retry: true},
			},
		},
		{
			name: "the context is canceled while the answer is awaited",
			arrange: func(t *testing.T) *scene {
				s := proxied(t).follow(t)
				s.strike = func(*testing.T) { s.proxy.setDeaf(true) }
				return s
			},
			together: true,
			heal: func(t *testing.T, s *scene) {
				s.wait(t, "the writes have landed", s.landed)
				s.waitBegun(t)
				s.end()
			},
			want: []outcome{
				{ops: "bucket reads watches watching Modify GetOrCreate", is: []error{context.Canceled}},
				{ops: "listings", is: []error{kvrt.ErrIncomplete, context.Canceled}, retry: true},
				{ops: "values removals", is: []error{kvrt.ErrUnknownOutcome, context.Canceled}},
			},
		},
		{
			name: "the deadline passes while the answer is awaited",
			arrange: func(t *testing.T) *scene {
				s := proxied(t)
				s.ctx, s.end = newDeadline(t)
				s.strike = func(*testing.T) { s.proxy.setDeaf(true) }
				return s.follow(t)
			},
			together: true,
			heal: func(t *testing.T, s *scene) {
				s.wait(t, "the writes have landed", s.landed)
				s.waitBegun(t)
				s.end()
			},
			want: []outcome{
				{ops: "bucket reads watches Modify GetOrCreate", is: late, retry: true},
				{ops: "watching", is: []error{context.DeadlineExceeded}, retry: true},
				{ops: "listings", is: lateIncomplete, retry: true},
				{ops: "values removals", is: []error{kvrt.ErrUnknownOutcome, context.DeadlineExceeded}},
			},
		},
		{
			name: "the value is larger than the schema allows",
			arrange: func(t *testing.T) *scene {
				cfg := sceneConfig()
				cfg.MaxValueSize = 100
				s := alone(t, cfg).follow(t)
				s.value.Note = strings.Repeat("x", 100)
				return s
			},
			want: []outcome{
				{ops: "all -values -Modify -GetOrCreate"},
				{ops: "values Modify GetOrCreate", is: []error{kvrt.ErrTooLarge}, says: "121 bytes, the schema allows 100"},
			},
		},
		{
			name: "the value is larger than the bucket takes, headers counted",
			arrange: func(t *testing.T) *scene {
				srv := kvtest.StartServer(t)
				admin := srv.Connect(t)
				if _, err := admin.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "SHOP", History: 5, MaxValueSize: 122}); err != nil {
					t.Fatal(err)
				}
				s := play(t, sceneConfig(), admin, srv.Connect(t, quiet))
				s.value.Note = strings.Repeat("x", 100)
				return s.follow(t)
			},
			want: []outcome{
				{ops: "all -Create -Update -Modify -GetOrCreate"},
				{ops: "Create Update Modify GetOrCreate", is: []error{kvrt.ErrTooLarge}, says: "bytes with headers, the bucket takes 122"},
			},
		},
		{
			name: "the value is larger than the server takes",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig(), func(o *server.Options) { o.MaxPayload = 4000 }).follow(t)
				s.value.Note = strings.Repeat("x", 4000)
				return s
			},
			want: []outcome{
				{ops: "all -values -Modify -GetOrCreate"},
				{ops: "values Modify GetOrCreate", is: []error{kvrt.ErrTooLarge}, says: "the server takes messages of 4000"},
			},
		},
		{
			name: "the bucket is full",
			arrange: func(t *testing.T) *scene {
				cfg := sceneConfig()
				cfg.MaxBytes = 32 << 10
				s := alone(t, cfg).follow(t)
				s.value.Note = strings.Repeat("x", 200)
				s.strike = func(t *testing.T) {
					stream, err := s.js.Stream(t.Context(), "KV_SHOP")
					if err != nil {
						t.Fatal(err)
					}
					if err := s.admin.b.Compact(t.Context()); err != nil { // else Compact makes room
						t.Fatal(err)
					}
					s.relieve = func() { _ = stream.Purge(t.Context(), jetstream.WithPurgeSubject("$KV.SHOP.full.*")) }
					for n := 0; err == nil; n++ { // until there is no room for the smallest message
						_, err = s.js.Publish(t.Context(), fmt.Sprint("$KV.SHOP.full.", n), nil)
					}
				}
				return s
			},
			want: []outcome{
				{ops: "all -writes -Linearizable"},
				// A full bucket takes no markers either.
				{ops: "writes Linearizable", is: []error{kvrt.ErrBucketFull}, says: "raise max_bytes, or Compact the bucket"},
			},
		},
		{
			name: "the key is too long",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig()).follow(t)
				s.tenant = strings.Repeat("x", kvrt.MaxKeyLength)
				return s
			},
			want: []outcome{
				{ops: "bucket Keys List Count Watch WatchBucket Cache watching"},
				{ops: "reads History WatchKey CacheKey writes", is: []error{kvrt.ErrInvalidKey}, says: "more than 1024"},
			},
		},
		{
			name: "the value cannot be decoded",
			arrange: func(t *testing.T) *scene {
				s := alone(t, sceneConfig()).follow(t)
				s.strike = func(t *testing.T) {
					for i, op := range operations {
						name, err := s.key(i).Encode()
						if err != nil {
							t.Fatal(err)
						}
						if op.name == "Create" {
							continue
						}
						if s.revision[uint64(i)], err = plain(t, s.admin).PutString(t.Context(), name, "not json"); err != nil {
							t.Fatal(err)
						}
					}
				}
				return s
			},
			want: []outcome{
				{ops: "bucket Keys Count watching values removals"},
				{ops: "reads History List watches Modify GetOrCreate", is: []error{kvrt.ErrDecode}, says: "8 bytes"},
			},
		},
		{
			name: "the leader of the stream stops",
			arrange: func(t *testing.T) *scene {
				s, cluster := replicated(t)
				s.strike = func(t *testing.T) { streamLeader(t, cluster).Stop() }
				return s.follow(t)
			},
			together: true,
			want: []outcome{
				{ops: "all -Put -Delete -Purge"},
				{ops: "Put Delete Purge", is: unknown, may: true},
			},
		},
		{
			name: "most replicas are gone until the deadline",
			arrange: func(t *testing.T) *scene {
				s, cluster := replicated(t)
				s.ctx, s.end = newDeadline(t)
				s.strike = func(*testing.T) {
					leader := streamLeader(t, cluster)
					for _, srv := range cluster.Servers {
						if srv != s.server && srv != leader {
							srv.Stop()
						}
					}
					leader.Stop() // last, so that nobody can be elected
					s.wait(t, "the server is alone", func() bool { return s.server.NATS().NumRoutes() == 0 })
				}
				return s.follow(t)
			},
			together: true,
			heal: func(t *testing.T, s *scene) {
				s.waitBegun(t)
				s.end()
			},
			want: []outcome{
				{ops: "all -listings -watching -writes", is: late, retry: true},
				{ops: "writes", is: late, retry: true, unsure: true}, // as long as the server takes the others for alive
				{ops: "listings", is: lateIncomplete, retry: true},
				{ops: "watching", is: []error{context.DeadlineExceeded}, retry: true},
			},
		},
		{
			name:    "the server is of version 2.9, and the schema asks for no more",
			arrange: func(t *testing.T) *scene { return old(t, kvrt.BucketConfig{Name: "SHOP", History: 5}).follow(t) },
			want: []outcome{
				{ops: "all -Linearizable"},
				{ops: "Linearizable", is: []error{kvrt.ErrUnsupported}, says: "linearizable needs server 2.11, this is 2.9."},
			},
		},
		{
			name: "the server is of version 2.9, and the schema asks for more",
			arrange: func(t *testing.T) *scene {
				s := old(t, kvrt.BucketConfig{Name: "SHOP", History: 5})
				s.cfg.Transactions = true
				return s.follow(t)
			},
			want: []outcome{
				{ops: "all -Linearizable -Open -Ensure"}, // of a handle that was bound before
				{ops: "Linearizable", is: []error{kvrt.ErrUnsupported}, says: "linearizable needs server 2.11, this is 2.9."},
				{ops: "Open Ensure", is: []error{kvrt.ErrUnsupported}, says: "transactions needs server 2.12, this is 2.9."},
			},
		},
	}
}
