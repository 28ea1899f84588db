package kvrt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// proxy stands between a client and its server, and can lose what the server says.
type proxy struct {
	listener net.Listener
	target   string

	mu          sync.Mutex
	deaf        bool                // what the server says is lost
	mute        bool                // what the client says is lost
	upon        string              // once the client has said this, what the server says is lost
	edit        func([]byte) []byte // what becomes of what the client says
	editAnswers func([]byte) []byte // what the server says
	late        bool                // what the server says is kept back
	kept        []func()
	lost        int  // bytes that were, since deaf or mute was set
	down        bool // nobody gets through
	conns       []net.Conn
	wg          sync.WaitGroup
}

func startProxy(t *testing.T, s *kvtest.Server) *proxy {
	t.Helper()
	return startProxyTo(t, strings.TrimPrefix(s.URL(), "nats://"))
}

func startProxyTo(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		backend, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		down := p.down
		if !down {
			p.conns = append(p.conns, client, backend)
		}
		p.mu.Unlock()
		if down {
			_, _ = client.Close(), backend.Close()
			continue
		}
		p.wg.Go(func() { _, _ = io.Copy(speech{backend, p}, client); _ = backend.Close() })
		p.wg.Go(func() { _, _ = io.Copy(talk{client, p}, backend); _ = client.Close() })
	}
}

// talk is the way to the client.
type talk struct {
	net.Conn
	p *proxy
}

func (w talk) Write(data []byte) (int, error) {
	w.p.mu.Lock()
	lost := w.p.deaf || w.p.late
	if lost {
		w.p.lost += len(data)
	}
	if w.p.late {
		data := bytes.Clone(data)
		w.p.kept = append(w.p.kept, func() { _, _ = w.Conn.Write(data) })
	}
	said := data
	if w.p.editAnswers != nil {
		said = w.p.editAnswers(bytes.Clone(data))
	}
	w.p.mu.Unlock()
	if lost {
		return len(data), nil
	}
	if _, err := w.Conn.Write(said); err != nil {
		return 0, err
	}
	return len(data), nil
}

// speech is the way to the server.
type speech struct {
	net.Conn
	p *proxy
}

func (w speech) Write(data []byte) (int, error) {
	w.p.mu.Lock()
	if w.p.upon != "" && bytes.Contains(data, []byte(w.p.upon)) {
		w.p.deaf, w.p.upon, w.p.lost = true, "", 0
	}
	lost := w.p.mute
	if lost {
		w.p.lost += len(data)
	}
	said := data
	if w.p.edit != nil {
		said = w.p.edit(bytes.Clone(data))
	}
	w.p.mu.Unlock()
	if lost {
		return len(data), nil
	}
	if _, err := w.Conn.Write(said); err != nil {
		return 0, err
	}
	return len(data), nil
}

// setEdit has f change what the client says.
func (p *proxy) setEdit(f func([]byte) []byte) {
	p.mu.Lock()
	p.edit = f
	p.mu.Unlock()
}

// setEditAnswers has f change what the server says.
func (p *proxy) setEditAnswers(f func([]byte) []byte) {
	p.mu.Lock()
	p.editAnswers = f
	p.mu.Unlock()
}

// setDeafUpon loses what the server says from when the client says text.
func (p *proxy) setDeafUpon(text string) {
	p.mu.Lock()
	p.upon, p.lost = text, 0
	p.mu.Unlock()
}

// setMute loses what the client says, or no longer.
func (p *proxy) setMute(mute bool) {
	p.mu.Lock()
	p.mute, p.lost = mute, 0
	p.mu.Unlock()
}

// setLate keeps back what the server says, or lets it through in the end.
func (p *proxy) setLate(late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, say := range p.kept {
		say()
	}
	p.late, p.kept = late, nil
}

// hasLost tells that as many bytes were lost.
func (p *proxy) hasLost(bytes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost >= bytes
}

func (p *proxy) setDeaf(deaf bool) {
	p.mu.Lock()
	p.deaf, p.lost = deaf, 0
	p.mu.Unlock()
}

// setDown cuts all connections and lets no other through, or lets them through again.
func (p *proxy) setDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.cut()
	}
}

// redirect cuts all connections, and leads the next ones to another server.
func (p *proxy) redirect(s *kvtest.Server) {
	p.lead(strings.TrimPrefix(s.URL(), "nats://"))
	p.cut()
}

// lead leads the next connections to target.
func (p *proxy) lead(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
}

// cut ends all connections; the client may connect again.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) connect(t *testing.T, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("nats://"+p.listener.Addr().String(), append(opts, nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.IgnoreDiscoveredServers())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	// The connection subscribes to answers with its first request, which is not what is to be lost.
	if _, err := nc.RequestWithContext(within(t, 30*time.Second), "$JS.API.STREAM.INFO.KV_SHOP", nil); err != nil {
		t.Fatal(err)
	}
	return js
}

// loseAnswer runs write, which calls deafen when the server's answers shall vanish; it waits until the
// write has landed, calls meanwhile, and then cuts the connection.
func loseAnswer(t *testing.T, p *proxy, there *shop, landed uint64, write func(deafen func()), meanwhile func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		write(func() { p.setDeaf(true) })
	}()
	ctx := within(t, 30*time.Second)
	for {
		status, err := there.b.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status.LastRevision >= landed {
			break
		}
	}
	meanwhile()
	p.setDeaf(false)
	p.cut()
	<-done
}

func TestAWriteWhoseAnswerGotLost(t *testing.T) {
	for _, c := range []struct{ replicas, history int }{{1, 1}, {1, 10}, {3, 1}, {3, 10}} {
		history := c.history
		t.Run(fmt.Sprintf("R%d history %d", c.replicas, history), func(t *testing.T) {
			cluster := kvtest.StartServers(t, c.replicas)
			cfg := kvrt.BucketConfig{Name: "SHOP", History: history, Replicas: c.replicas}
			there := ensureShop(t, cluster.Connect(t), cfg)
			p := startProxy(t, cluster.Servers[0])
			here := ensureShop(t, p.connect(t), cfg)
			ctx := within(t, time.Minute)
			var rev uint64
			var err error

			// Conditional, and nobody else wrote: it is found again by its id.
			loseAnswer(t, p, there, 1, func(deafen func()) { deafen(); rev, err = here.counter.Create(ctx, counterKey{}, 1) }, func() {})
			if err != nil || rev != 1 {
				t.Fatalf("Create: %d, %v", rev, err)
			}
			loseAnswer(t, p, there, 2, func(deafen func()) { deafen(); rev, err = here.counter.Update(ctx, counterKey{}, 2, 1) }, func() {})
			if err != nil || rev != 2 {
				t.Fatalf("Update: %d, %v", rev, err)
			}
			// Conditional, and somebody wrote since: only a history can tell.
			loseAnswer(t, p, there, 3, func(deafen func()) { deafen(); rev, err = here.counter.Update(ctx, counterKey{}, 3, 2) }, func() {
				if _, err := there.counter.Put(ctx, counterKey{}, 100); err != nil {
					t.Error(err)
				}
			})
			if history == 1 && !errors.Is(err, kvrt.ErrUnknownOutcome) || history > 1 && (err != nil || rev != 3) {
				t.Fatalf("Update, and another one: %d, %v", rev, err)
			}
			// Unconditional: never repeated.
			loseAnswer(t, p, there, 5, func(deafen func()) { deafen(); _, err = here.counter.Put(ctx, counterKey{}, 5) }, func() {})
			if !errors.Is(err, kvrt.ErrUnknownOutcome) || kvrt.Retryable(err) {
				t.Fatalf("Put: %v", err)
			}
			if status, err := there.b.Status(ctx); err != nil || status.LastRevision != 5 {
				t.Fatalf("%+v, %v", status, err)
			}
			// Modify builds on conditional writes.
			var e kvrt.Entry[counterKey, int64]
			loseAnswer(t, p, there, 6, func(deafen func()) {
				e, err = here.counter.Modify(ctx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error {
					e.Value++
					deafen()
					return nil
				})
			}, func() {})
			if err != nil || e.Value != 6 {
				t.Fatalf("Modify: %+v, %v", e, err)
			}
			got, err := there.counter.Get(ctx, counterKey{}, kvrt.AtLeast(6))
			if err != nil || got.Value != 6 {
				t.Fatalf("%+v, %v", got, err)
			}
			// So is a guarded delete.
			loseAnswer(t, p, there, 7, func(deafen func()) {
				deafen()
				rev, err = here.counter.Delete(ctx, counterKey{}, kvrt.IfRevision(6))
			}, func() {})
			if err != nil || rev != 7 {
				t.Fatalf("Delete: %d, %v", rev, err)
			}
		})
	}
}

func TestNothingIsLeftInTheReconnectBuffer(t *testing.T) {
	server := kvtest.StartServer(t)
	js := server.Connect(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	server.Stop()
	for js.Conn().IsConnected() {
		time.Sleep(time.Millisecond)
	}
	for name, f := range map[string]func(context.Context) error{
		"Put": func(ctx context.Context) error { _, err := s.order.Put(ctx, orderKey{"a", 1}, order{}); return err },
		"Update": func(ctx context.Context) error {
			_, err := s.order.Update(ctx, orderKey{"a", 1}, order{}, 1)
			return err
		},
		"Get":   func(ctx context.Context) error { _, err := s.order.Get(ctx, orderKey{"a", 1}); return err },
		"Count": func(ctx context.Context) error { _, err := s.order.Count(ctx, orderFilter{}.selection()); return err },
		"Watch": func(ctx context.Context) error { _, err := s.order.Watch(ctx, orderFilter{}.selection()); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := f(ctx)
		cancel()
		if !errors.Is(err, kvrt.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || !kvrt.Retryable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A call that is still waiting goes on as soon as there is a connection.
	done := make(chan error)
	go func() {
		_, err := s.order.Put(within(t, time.Minute), orderKey{"a", 2}, order{})
		done <- err
	}()
	server.Start(t)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if status, err := s.b.Status(t.Context()); err != nil || status.LastRevision != 2 {
		t.Fatalf("an abandoned write landed: %+v, %v", status, err)
	}
}

func TestAConnectionThatIsClosed(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	js.Conn().Close()
	if _, err := s.order.Put(t.Context(), orderKey{"a", 1}, order{}); !errors.Is(err, kvrt.ErrUnavailable) || !errors.Is(err, nats.ErrConnectionClosed) {
		t.Fatal(err)
	}
	if _, err := s.order.Get(t.Context(), orderKey{"a", 1}); !errors.Is(err, kvrt.ErrUnavailable) {
		t.Fatal(err)
	}
}

// A connection that is being drained takes requests, and no answers.
func TestAConnectionThatIsDrained(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	slow, err := js.Conn().Subscribe("slow", func(*nats.Msg) { time.Sleep(300 * time.Millisecond) })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(js.Conn().Publish("slow", nil), js.Conn().Flush(), js.Conn().Drain()); err != nil || !slow.IsValid() {
		t.Fatal(err)
	}
	_, err = s.order.Put(within(t, time.Minute), orderKey{"a", 1}, order{})
	if !errors.Is(err, kvrt.ErrUnavailable) || errors.Is(err, kvrt.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	for !js.Conn().IsClosed() {
		time.Sleep(time.Millisecond)
	}
}

func TestABucketThatIsGone(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	key := orderKey{"a", 1}
	_, errGet := s.order.Get(ctx, key)
	_, errPut := s.order.Put(ctx, key, order{})
	_, errCreate := s.order.Create(ctx, key, order{})
	_, errCount := s.order.Count(ctx, orderFilter{}.selection())
	_, errModify := s.order.Modify(ctx, key, func(*kvrt.Entry[orderKey, order]) error { return nil })
	_, errStatus := s.b.Status(ctx)
	for i, err := range []error{errGet, errPut, errCreate, errCount, errModify, errStatus} {
		if !errors.Is(err, kvrt.ErrBucketNotFound) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
}

func TestAFullBucket(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", MaxBytes: 4 << 10})
	var err error
	for id := uint64(0); err == nil && id < 1000; id++ {
		_, err = s.order.Put(ctx, orderKey{"a", id}, order{Note: strings.Repeat("x", 100)})
	}
	if !errors.Is(err, kvrt.ErrBucketFull) {
		t.Fatal(err)
	}
}

func TestJetStreamThatIsDisabled(t *testing.T) {
	s := kvtest.StartServer(t, func(o *server.Options) { o.JetStream = false })
	_, err := kvrt.Ensure(within(t, time.Minute), s.Connect(t), shopConfig(), bindShop)
	if !errors.Is(err, kvrt.ErrUnavailable) {
		t.Fatal(err)
	}
}

func TestPermissions(t *testing.T) {
	ctx := within(t, time.Minute)
	full := &server.User{Username: "full", Password: "x"}
	// May read and write one key, with what NATS can grant for single keys.
	one := &server.User{Username: "one", Password: "x", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"$KV.SHOP.counter", "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.counter",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}}
	srv := kvtest.StartServer(t, func(o *server.Options) { o.Users = []*server.User{full, one} })
	admin := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	s, err := kvrt.Open(ctx, srv.Connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		if e, err := s.counter.Modify(ctx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error { e.Value++; return nil }); err != nil || e.Value != i+1 {
			t.Fatalf("Modify with grants for one key: %+v, %v", e, err)
		}
	}
	if _, err := admin.counter.Delete(ctx, counterKey{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.counter.Create(ctx, counterKey{}, 1); err != nil {
		t.Fatalf("Create over a marker with grants for one key: %v", err)
	}
	if _, err := s.counter.Create(ctx, counterKey{}, 1); !errors.Is(err, kvrt.ErrExists) {
		t.Fatal(err)
	}
	_, errPut := s.order.Put(ctx, orderKey{"a", 1}, order{})
	_, errGet := s.order.Get(ctx, orderKey{"a", 1})
	_, errCount := s.order.Count(ctx, orderFilter{}.selection())
	_, errWatch := s.order.Watch(ctx, orderFilter{}.selection())
	for subject, err := range map[string]error{
		"$KV.SHOP.order.a.1":                            errPut,
		"$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.order.a.1": errGet,
		"$JS.API.CONSUMER.CREATE.KV_SHOP":               errCount,
		"$JS.API.CONSUMER.CREATE.KV_SHOP.":              errWatch,
	} {
		if !errors.Is(err, kvrt.ErrPermission) || !strings.Contains(fmt.Sprint(err), subject) || kvrt.Retryable(err) {
			t.Errorf("%s: %v", subject, err)
		}
	}
}

func TestContextsThatEnd(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errPut := s.order.Put(ctx, orderKey{"a", 1}, order{})
	_, errGet := s.order.Get(ctx, orderKey{"a", 1})
	_, errCount := s.order.Count(ctx, orderFilter{}.selection())
	for i, err := range []error{errPut, errGet, errCount} {
		var e *kvrt.Error
		if !errors.Is(err, context.Canceled) || errors.Is(err, kvrt.ErrUnknownOutcome) || !errors.As(err, &e) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
}
