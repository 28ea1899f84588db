// The event stream, read over HTTP: what every browser is told.

package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/kvgen/kvgen/examples/dashboard/health"
	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// hostile is a note that is a program, if it is taken for HTML.
const hostile = `<script>document.title = "taken"</script><img src=x onerror='document.title = "taken"'> "quoted" & 'so'`

// dashboard is a page over a bucket of a server that can be stopped.
type dashboard struct {
	server   *kvtest.Server
	js       jetstream.JetStream
	services *health.ServicesBucket
	cache    *health.ServiceCache
	page     string
}

// open serves the page of a bucket with one service in it.
func open(t *testing.T, opts ...kvrt.CacheOption) *dashboard {
	t.Helper()
	d := &dashboard{server: kvtest.StartServer(t)}
	d.js = d.server.Connect(t)
	d.ensure(t)
	d.put(t, "api", health.Service{State: health.StateUp, LatencyMs: 20})
	var err error
	if d.cache, err = d.services.Service.Cache(t.Context(), health.ServiceFilter{}, opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.cache.Close)
	page, closePage, err := servePage(t.Context(), "", d.cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closePage)
	d.page = page
	return d
}

func (d *dashboard) ensure(t *testing.T) {
	t.Helper()
	var err error
	if d.services, err = health.EnsureServices(t.Context(), d.js); err != nil {
		t.Fatal(err)
	}
}

// start starts the server again, and returns when it answers.
func (d *dashboard) start(t *testing.T) {
	t.Helper()
	d.server.Start(t)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, err := d.services.Service.Count(t.Context(), health.ServiceFilter{})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// put writes the state of a service of the region "eu".
func (d *dashboard) put(t *testing.T, name string, value health.Service) {
	t.Helper()
	if _, err := d.services.Service.Put(t.Context(), health.ServiceKey{Region: "eu", Name: name}, value); err != nil {
		t.Fatal(err)
	}
}

func (d *dashboard) delete(t *testing.T, name string) {
	t.Helper()
	if _, err := d.services.Service.Delete(t.Context(), health.ServiceKey{Region: "eu", Name: name}); err != nil {
		t.Fatal(err)
	}
}

// stream is a connection to the page's event stream.
type stream struct {
	t      *testing.T
	events chan event
}

func (d *dashboard) stream(t *testing.T) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &stream{t, make(chan event)}
	go func() {
		defer close(s.events)
		for ev, err := range follow(ctx, d.page) {
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			select {
			case s.events <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range s.events {
		}
	})
	return s
}

// next returns the next event that is not a contact; waitFor, the next one that is wanted.
func (s *stream) next() event {
	s.t.Helper()
	return s.waitFor("an event", func(ev event) bool { return ev.Name != "contact" })
}

func (s *stream) waitFor(what string, wanted func(event) bool) event {
	s.t.Helper()
	late := time.After(patience)
	for {
		select {
		case ev, ok := <-s.events:
			if !ok {
				s.t.Fatal("the stream ended before", what)
			}
			if wanted(ev) {
				return ev
			}
		case <-late:
			s.t.Fatal("no", what)
		}
	}
}

// expect takes the next events, contacts aside, and compares each with its name and a part of its data.
func (s *stream) expect(want ...[2]string) {
	s.t.Helper()
	for _, w := range want {
		if ev := s.next(); ev.Name != w[0] || !strings.Contains(ev.Data, w[1]) {
			s.t.Fatalf("got %s %s, want %s with %s", ev.Name, ev.Data, w[0], w[1])
		}
	}
}

func (s *stream) row() row {
	s.t.Helper()
	ev := s.next()
	r, err := decode[row](ev)
	if err != nil || ev.Name != "put" {
		s.t.Fatal(ev, err)
	}
	return r
}

func isContact(stale bool) func(event) bool {
	return func(ev event) bool {
		c, err := decode[contact](ev)
		return err == nil && ev.Name == "contact" && c.Stale == stale && !c.Last.IsZero()
	}
}

func TestEveryStreamBeginsWithAllThereIs(t *testing.T) {
	d := open(t)
	first := d.stream(t)
	first.expect([2]string{"begin"}, [2]string{"put", `"state":"up"`}, [2]string{"synced"})
	d.put(t, "api", health.Service{State: health.StateDown})
	first.expect([2]string{"put", `"state":"down"`})
	d.put(t, "mail", health.Service{State: health.StateDegraded})
	first.expect([2]string{"put", `"key":"service.eu.mail"`})
	d.delete(t, "api")
	first.expect([2]string{"remove", `"key":"service.eu.api"`})

	d.stream(t).expect([2]string{"begin"}, [2]string{"put", `"key":"service.eu.mail"`}, [2]string{"synced"})
}

func TestTheStreamCarriesAnyText(t *testing.T) {
	d := open(t)
	s := d.stream(t)
	s.expect([2]string{"begin"}, [2]string{"put"}, [2]string{"synced"})
	for _, note := range []string{hostile, "two\nlines\r\nand data: more", "\u2028 é 😀"} {
		d.put(t, "a.b/<i>", health.Service{State: health.StateUp, Note: &note})
		if r := s.row(); r.Note != note || r.Name != "a.b/<i>" {
			t.Errorf("got %q of %q, want %q", r.Note, r.Name, note)
		}
	}
}

func TestAValueThatCannotBeReadIsARow(t *testing.T) {
	d := open(t)
	s := d.stream(t)
	s.expect([2]string{"begin"}, [2]string{"put"}, [2]string{"synced"})
	if _, err := d.js.Publish(t.Context(), "$KV.SERVICES.service.eu.api", []byte("up")); err != nil {
		t.Fatal(err)
	}
	if r := s.row(); r.Error == "" || r.Name != "api" || r.State != "" {
		t.Errorf("%+v", r)
	}
}

func TestAStreamSurvivesTheServer(t *testing.T) {
	d := open(t)
	s := d.stream(t)
	s.expect([2]string{"begin"}, [2]string{"put"}, [2]string{"synced"})
	s.waitFor("contact", isContact(false))
	d.server.Stop()
	s.waitFor("stale contact", isContact(true))
	d.start(t)
	d.put(t, "api", health.Service{State: health.StateDown})
	s.expect([2]string{"put", `"state":"down"`})
	s.waitFor("contact again", isContact(false))
}

func TestABucketThatIsMadeAgainBeginsAgain(t *testing.T) {
	d := open(t)
	s := d.stream(t)
	s.expect([2]string{"begin"}, [2]string{"put"}, [2]string{"synced"})
	if err := d.js.DeleteKeyValue(t.Context(), "SERVICES"); err != nil {
		t.Fatal(err)
	}
	d.ensure(t)
	d.put(t, "mail", health.Service{State: health.StateUp})
	ev := s.next()
	for ; ev.Name != "begin"; ev = s.next() { // at what moment the cache looks is not said
		if ev.Name != "remove" {
			t.Fatal(ev)
		}
	}
	d.put(t, "web", health.Service{State: health.StateUp})
	seen := map[string]string{}
	for len(seen) < 3 {
		ev := s.next()
		key, _ := decode[rowKey](ev)
		seen[key.Key] = ev.Name
	}
	for key, name := range map[string]string{"service.eu.mail": "put", "service.eu.web": "put", "": "synced"} {
		if seen[key] != name {
			t.Errorf("%q: got %q, want %q", key, seen[key], name)
		}
	}
}

func TestThePageSaysThatItsCacheHasEnded(t *testing.T) {
	d := open(t, kvrt.MaxEntries(1))
	d.put(t, "mail", health.Service{State: health.StateUp})
	for range d.cache.Changes(t.Context()) { // until the cache ends
	}
	for ev, err := range follow(t.Context(), d.page) {
		if err == nil || !strings.Contains(err.Error(), "503") {
			t.Fatalf("got %v and %v, want status 503", ev, err)
		}
	}
}

func TestThePageLetsNoOtherScriptRun(t *testing.T) {
	d := open(t)
	for path, contentType := range map[string]string{"/": "text/html", "/dashboard.js": "text/javascript", "/dashboard.css": "text/css"} {
		resp, err := http.Get(d.page + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		policy := resp.Header.Get("Content-Security-Policy")
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), contentType) || !strings.Contains(policy, "script-src 'self'") {
			t.Error(path, resp.Status, resp.Header)
		}
	}
}

func TestTheExampleEndsByItself(t *testing.T) {
	if err := run(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
}
