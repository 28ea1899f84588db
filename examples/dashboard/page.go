// The page: its files, and the event stream that keeps every open one of it current.

package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/kvgen/kvgen/examples/dashboard/health"
	kvrt "github.com/kvgen/kvgen/runtime"
)

//go:embed page
var files embed.FS

const (
	contactEvery = time.Second
	staleAfter   = 3 * time.Second  // a cache that is well hears from the server every second
	writeTimeout = 10 * time.Second // for a browser that takes nothing any more
)

// newPage serves the page of what a cache holds. All browsers share the cache: however many there are,
// the NATS server has one reader.
func newPage(services *health.ServiceCache) http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"GET /{$}":           "page/index.html",
		"GET /dashboard.css": "page/dashboard.css",
		"GET /dashboard.js":  "page/dashboard.js",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			// The page shows text that anybody may have written. Its script never makes HTML of that;
			// if it did, this would still keep the browser from running it.
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			http.ServeFileFS(w, r, files, file)
		})
	}
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { serveEvents(w, r, services) })
	return mux
}

// The events of the stream, and what they carry. A browser that connects, again or for the first time,
// gets all there is, so that it need not say what it has seen:
//
//	begin    {}       a full copy follows; rows from before that it does not name are gone
//	put      row      a row is new or has changed
//	remove   rowKey   a row is gone
//	synced   {}       the end of the full copy; from here on, changes as they happen
//	contact  contact  once a second: whether the rows can be relied on

type row struct {
	rowKey
	Region    string       `json:"region"`
	Name      string       `json:"name"`
	State     health.State `json:"state"`
	LatencyMs int32        `json:"latency_ms"`
	Note      string       `json:"note"`
	Revision  uint64       `json:"revision"`
	Error     string       `json:"error,omitempty"` // the value is there and cannot be read
}

type rowKey struct {
	Key string `json:"key"`
}

type contact struct {
	Stale bool      `json:"stale"`
	Last  time.Time `json:"last"` // when the rows were last known to be all that the server had
}

func serveEvents(w http.ResponseWriter, r *http.Request, services *health.ServiceCache) {
	if err := services.Err(); err != nil {
		http.Error(w, "the dashboard no longer follows its bucket", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := eventWriter{w, http.NewResponseController(w), services}

	ctx := r.Context() // ends with the connection, or when the HTTP server is closed
	changes := make(chan health.ServiceEvent)
	go func() {
		defer close(changes)
		for ev := range services.Changes(ctx) {
			select {
			case changes <- ev:
			case <-ctx.Done():
			}
		}
	}()
	tick := time.NewTicker(contactEvery)
	defer tick.Stop()

	err := out.write("begin", struct{}{})
	for synced := false; err == nil; {
		select {
		case ev, ok := <-changes:
			if !ok {
				return
			}
			err = out.change(ev)
			switch ev.Op {
			case kvrt.Reset:
				synced = false
			case kvrt.Synced:
				synced = true
			}
		case <-tick.C:
			err = out.contact()
		}
		if synced && err == nil { // the full copy goes out in large pieces
			err = out.control.Flush()
		}
	}
}

// eventWriter writes server-sent events.
type eventWriter struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	services *health.ServiceCache
}

func (out *eventWriter) change(ev health.ServiceEvent) error {
	switch key := (rowKey{ev.Key.String()}); ev.Op {
	case kvrt.Put:
		r := row{rowKey: key, Region: ev.Key.Region, Name: ev.Key.Name, Revision: ev.Revision}
		if ev.Err != nil {
			r.Error = ev.Err.Error()
			return out.write("put", r)
		}
		r.State, r.LatencyMs = ev.Value.State, ev.Value.LatencyMs
		if ev.Value.Note != nil {
			r.Note = *ev.Value.Note
		}
		return out.write("put", r)
	case kvrt.Synced:
		if err := out.write("synced", struct{}{}); err != nil {
			return err
		}
		return out.contact()
	case kvrt.Reset: // the bucket was deleted and created again: a full copy of the new one follows
		return out.write("begin", struct{}{})
	default: // Delete, Purge, Expire
		return out.write("remove", key)
	}
}

func (out *eventWriter) contact() error {
	last := out.services.LastContact()
	return out.write("contact", contact{Stale: time.Since(last) > staleAfter, Last: last})
}

// write writes one event. JSON has no line breaks, which would end it.
func (out *eventWriter) write(event string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if err := out.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out.w, "event: %s\ndata: %s\n\n", event, body)
	return err
}
