package kvrt_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// expect receives events and compares them, as "Op tenant/id total".
func expect(t testing.TB, w *kvrt.Watcher[orderEvent], want ...string) {
	t.Helper()
	for i, want := range want {
		ev := next(t, w)
		got := ev.Op.String()
		if ev.Op < kvrt.Synced {
			got += fmt.Sprintf(" %s/%d", ev.Key.Tenant, ev.Key.ID)
		}
		if ev.Op == kvrt.Put {
			got += fmt.Sprintf(" %d", ev.Value.Total)
		}
		if ev.Err != nil {
			got += " " + ev.Err.Error()
		}
		if got != want {
			t.Fatalf("event %d is %q, want %q", i, got, want)
		}
	}
}

func put(t testing.TB, s *shop, tenant string, id uint64, total int64) uint64 {
	t.Helper()
	rev, err := s.order.Put(t.Context(), orderKey{tenant, id}, order{Total: total})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func watch(t testing.TB, s *shop, f orderFilter, opts ...kvrt.WatchOption) *kvrt.Watcher[orderEvent] {
	t.Helper()
	w, err := s.order.Watch(t.Context(), f.selection(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

func TestWatchDeliversTheCopyAndThenChanges(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	w := watch(t, s, orderFilter{})
	expect(t, w, "Synced")
	w.Stop()

	put(t, s, "acme", 1, 10)
	put(t, s, "other", 2, 20)
	put(t, s, "acme", 3, 30)
	w = watch(t, s, orderFilter{Tenant: new("acme")})
	expect(t, w, "Put acme/1 10", "Put acme/3 30", "Synced")
	put(t, s, "other", 2, 21)
	put(t, s, "acme", 3, 31)
	expect(t, w, "Put acme/3 31") // before the purge, which a watcher that is late sees in its place
	if _, err := s.order.Delete(t.Context(), orderKey{"acme", 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.order.Purge(t.Context(), orderKey{"acme", 3}); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "Delete acme/1", "Purge acme/3")
	w.Stop()
	w.Stop()
	if _, open := <-w.Updates(); open || w.Err() != nil {
		t.Fatalf("after Stop: %v, %v", open, w.Err())
	}
	expectNoConsumers(t, js)
}

func TestWatchOptions(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: 3})
	put(t, s, "a", 1, 1)
	put(t, s, "a", 1, 2)
	put(t, s, "a", 2, 3)
	if _, err := s.order.Delete(t.Context(), orderKey{"a", 2}); err != nil {
		t.Fatal(err)
	}
	expect(t, watch(t, s, orderFilter{}), "Put a/1 2", "Delete a/2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.WithHistory()), "Put a/1 1", "Put a/1 2", "Put a/2 3", "Delete a/2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.IgnoreDeletes()), "Put a/1 2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.MetaOnly()), "Put a/1 0", "Delete a/2", "Synced")
	updates := watch(t, s, orderFilter{}, kvrt.UpdatesOnly())
	expect(t, updates, "Synced")
	put(t, s, "a", 9, 9)
	expect(t, updates, "Put a/9 9")
}

func TestWatchOfTheWholeBucket(t *testing.T) {
	ctx := t.Context()
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	if _, err := s.counter.Put(ctx, counterKey{}, 5); err != nil {
		t.Fatal(err)
	}
	kv, err := s.b.KeyValue(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "order.not-mine", "x"); err != nil {
		t.Fatal(err)
	}
	w, err := kvrt.WatchBucket[kvrt.BucketEvent](ctx, s.b, nil, s.order, s.counter)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	var got []string
	for len(got) < 4 {
		switch ev := next(t, w).(type) {
		case orderEvent:
			got = append(got, fmt.Sprint("order ", ev.Key.ID, ev.Value.Total))
		case kvrt.Event[counterKey, int64]:
			got = append(got, fmt.Sprint("counter ", ev.Value))
		case kvrt.UnmatchedEvent:
			got = append(got, fmt.Sprint("unmatched ", ev.Key, " ", string(ev.Value)))
		case kvrt.ControlEvent:
			got = append(got, ev.Op.String())
		}
	}
	if want := "[order 1 1 counter 5 unmatched order.not-mine x Synced]"; fmt.Sprint(got) != want {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestWatchSurvivesARestartOfTheServer(t *testing.T) {
	server := kvtest.StartServer(t)
	js := server.Connect(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(50) {
		put(t, s, "a", id, 1)
	}
	w := watch(t, s, orderFilter{})
	for id := range uint64(50) {
		expect(t, w, fmt.Sprintf("Put a/%d 1", id))
	}
	expect(t, w, "Synced")
	for range 2 {
		server.Stop()
		server.Start(t)
		// A write without a guard could meet the connection that is just being lost.
		e, err := s.order.Modify(t.Context(), orderKey{"a", 7}, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if ev := next(t, w); ev.Key != e.Key || ev.Revision != e.Revision {
			t.Fatalf("%+v, want %+v", ev, e)
		}
	}
}

func TestWatchInTheMiddleOfItsCopySurvivesARestart(t *testing.T) {
	for _, history := range []int{1, 4} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			server := kvtest.StartServer(t)
			s := ensureShop(t, server.Connect(t), kvrt.BucketConfig{Name: "SHOP", History: history})
			const keys = beyondAhead
			latest := map[orderKey]uint64{}
			for id := range uint64(keys) {
				latest[orderKey{"a", id}] = put(t, s, "a", id, 1)
			}
			w := watch(t, s, orderFilter{})
			got := map[orderKey]uint64{}
			var last uint64
			for synced := false; !synced || len(got) < keys || got[orderKey{"a", 5}] != latest[orderKey{"a", 5}]; {
				ev := next(t, w)
				if ev.Op == kvrt.Synced {
					synced = true
					continue
				}
				if ev.Revision <= last {
					t.Fatalf("revision %d after %d", ev.Revision, last)
				}
				last, got[ev.Key] = ev.Revision, ev.Revision
				if len(got) == 100 && !synced {
					server.Stop()
					server.Start(t)
					for id := range uint64(10) {
						latest[orderKey{"a", id}] = put(t, s, "a", id, 2)
					}
				}
			}
			for key, revision := range latest {
				if got[key] != revision {
					t.Errorf("%v: revision %d, want %d", key, got[key], revision)
				}
			}
		})
	}
}

func TestWatchReportsThatTheBucketWasCreatedAgain(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	if err := js.DeleteKeyValue(ctx, "SHOP"); err != nil {
		t.Fatal(err)
	}
	s = ensureShop(t, js, shopConfig())
	put(t, s, "a", 2, 2)
	put(t, s, "a", 3, 3)
	expect(t, w, "Reset", "Put a/2 2", "Put a/3 3", "Synced")
	put(t, s, "a", 4, 4)
	expect(t, w, "Put a/4 4")
}

func TestTheCopyAfterResetIsLikeTheFirst(t *testing.T) {
	js := kvtest.Start(t)
	cfg := kvrt.BucketConfig{Name: "SHOP", History: 5}
	s := ensureShop(t, js, cfg)
	put(t, s, "a", 1, 1)
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/1 1", "Synced")
	pos := w.Position()
	w.Stop()
	if err := js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
		t.Fatal(err)
	}
	s = ensureShop(t, js, cfg)
	for i := range int64(3) {
		put(t, s, "b", 1, i)
	}
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos)), "Reset", "Put b/1 2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos), kvrt.UpdatesOnly()), "Reset", "Put b/1 2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos), kvrt.WithHistory()), "Reset", "Put b/1 0", "Put b/1 1", "Put b/1 2", "Synced")
}

func TestWatchEndsWithAReason(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())

	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.order.Watch(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range w.Updates() {
	}
	if !errors.Is(w.Err(), context.Canceled) {
		t.Fatalf("after its context: %v", w.Err())
	}

	w = watch(t, s, orderFilter{})
	expect(t, w, "Synced")
	if err := js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
		t.Fatal(err)
	}
	for range w.Updates() {
	}
	var e *kvrt.Error
	if !errors.Is(w.Err(), kvrt.ErrBucketNotFound) || !errors.Is(w.Err(), jetstream.ErrBucketNotFound) || !errors.As(w.Err(), &e) {
		t.Fatalf("after the bucket: %v", w.Err())
	}

	if _, err := s.order.Watch(t.Context(), orderFilter{}.selection()); !errors.Is(err, kvrt.ErrBucketNotFound) {
		t.Fatalf("of a bucket that is gone: %v", err)
	}
	s = ensureShop(t, js, shopConfig())
	w = watch(t, s, orderFilter{})
	js.Conn().Close()
	for range w.Updates() {
	}
	if !errors.Is(w.Err(), kvrt.ErrUnavailable) {
		t.Fatalf("after the connection: %v", w.Err())
	}
}

// The sender waits for a reader who never comes.
func TestAWatchThatNobodyReadsEndsWithItsConnection(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	put(t, s, "a", 1, 1)
	w, err := s.order.Watch(context.Background(), orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	js.Conn().Close()
	for w.Err() == nil { // TestMain finds a goroutine that is left
		time.Sleep(time.Millisecond)
	}
	if !errors.Is(w.Err(), kvrt.ErrUnavailable) || !errors.Is(w.Err(), nats.ErrConnectionClosed) {
		t.Fatal(w.Err())
	}
}

func TestTheErrorOfAWatchHasTheReasonOfItsContext(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	ctx, cancel := context.WithCancelCause(t.Context())
	w, err := s.order.Watch(ctx, orderFilter{}.selection())
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("closing time")
	cancel(reason)
	for range w.Updates() {
	}
	if !errors.Is(w.Err(), context.Canceled) || !errors.Is(w.Err(), reason) {
		t.Fatal(w.Err())
	}
}

func TestWatchResumesWhereAnotherOneStood(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(10) {
		put(t, s, "a", id, 1)
	}
	w := watch(t, s, orderFilter{})
	expect(t, w, "Put a/0 1", "Put a/1 1")
	text, err := w.Position().MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	w.Stop()
	var pos kvrt.Position
	if err := pos.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if pos != w.Position() {
		t.Fatalf("%v after Stop, %v before", w.Position(), pos)
	}
	put(t, s, "a", 0, 2)
	w = watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos))
	for id := range uint64(8) {
		expect(t, w, fmt.Sprintf("Put a/%d 1", id+2))
	}
	expect(t, w, "Put a/0 2", "Synced")
	pos = w.Position()
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos)), "Synced")

	if err := js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
		t.Fatal(err)
	}
	s = ensureShop(t, js, shopConfig())
	put(t, s, "b", 1, 1)
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos)), "Reset", "Put b/1 1", "Synced")
}

// A watcher that stood in an empty bucket has seen nothing, and knows which bucket that was.
func TestWatchResumesFromAnEmptyBucket(t *testing.T) {
	js := kvtest.Start(t)
	cfg := kvrt.BucketConfig{Name: "SHOP", History: 3}
	s := ensureShop(t, js, cfg)
	updates := watch(t, s, orderFilter{}, kvrt.UpdatesOnly())
	expect(t, updates, "Synced")
	pos := updates.Position()
	updates.Stop()
	put(t, s, "a", 1, 1)
	put(t, s, "a", 1, 2)
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos), kvrt.UpdatesOnly()), "Put a/1 2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos), kvrt.WithHistory()), "Put a/1 1", "Put a/1 2", "Synced")
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(kvrt.Position{}), kvrt.UpdatesOnly()), "Synced")

	if err := js.DeleteKeyValue(t.Context(), "SHOP"); err != nil {
		t.Fatal(err)
	}
	s = ensureShop(t, js, cfg)
	put(t, s, "b", 1, 1)
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos)), "Reset", "Put b/1 1", "Synced")
}

func TestThePositionOfAWatcher(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	for id := range uint64(3) {
		put(t, s, "a", id, 1)
	}
	// Nothing has been received.
	w := watch(t, s, orderFilter{})
	pos := w.Position()
	w.Stop()
	if after := w.Position(); after != pos {
		t.Errorf("%v, then %v", pos, after)
	}
	expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos)), "Put a/0 1", "Put a/1 1", "Put a/2 1", "Synced")
	// What is not selected, or left out, is passed too.
	all := watch(t, s, orderFilter{}, kvrt.UpdatesOnly())
	some := watch(t, s, orderFilter{Tenant: new("a")}, kvrt.UpdatesOnly())
	puts := watch(t, s, orderFilter{}, kvrt.UpdatesOnly(), kvrt.IgnoreDeletes())
	expect(t, all, "Synced")
	expect(t, some, "Synced")
	expect(t, puts, "Synced")
	put(t, s, "b", 1, 1)
	remove(t, s, "b", 1)
	expect(t, all, "Put b/1 1", "Delete b/1")
	expect(t, puts, "Put b/1 1")
	for name, w := range map[string]*kvrt.Watcher[orderEvent]{"one tenant's": some, "of puts": puts} {
		deadline := time.Now().Add(20 * time.Second)
		for w.Position() != all.Position() {
			if time.Now().After(deadline) {
				t.Fatalf("the watch %s stays at %v: %v", name, w.Position(), all.Position())
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// Whether events are ready before they are asked for or not, the position is that of the last one received.
func TestThePositionIsThatOfTheLastEventReceived(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	const n = 200 // more than are ready before they are asked for
	for id := range uint64(n) {
		put(t, s, "a", id, 1)
	}
	for _, patience := range []time.Duration{0, 50 * time.Microsecond, time.Millisecond} {
		w := watch(t, s, orderFilter{})
		var stopped atomic.Bool
		var asker sync.WaitGroup
		asker.Go(func() { // whoever asks beside the reader does not change that
			for !stopped.Load() {
				w.Position()
				time.Sleep(10 * time.Microsecond)
			}
		})
		for range n {
			e := next(t, w)
			if text := w.Position().String(); !strings.HasSuffix(text, "."+strconv.FormatUint(e.Revision, 36)) {
				t.Errorf("%s after revision %d", text, e.Revision)
			}
			time.Sleep(patience)
		}
		stopped.Store(true)
		asker.Wait()
	}
}

// What is ready and was not read is neither delivered after Stop nor after the end of ctx, and counts as
// not received.
func TestNothingComesFromAWatcherThatHasEnded(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	for id := range uint64(100) {
		put(t, s, "a", id, 1)
	}
	for _, end := range []string{"Stop", "context"} {
		for read := range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			w, err := s.order.Watch(ctx, orderFilter{}.selection())
			if err != nil {
				t.Fatal(err)
			}
			for range read {
				next(t, w)
			}
			pos := w.Position()
			if end == "context" {
				cancel()
				for w.Err() == nil {
					time.Sleep(time.Millisecond)
				}
			}
			w.Stop()
			if e, ok := <-w.Updates(); ok {
				t.Fatalf("after %s: %v", end, e)
			}
			if w.Position() != pos {
				t.Fatalf("%v after %s, %v before", w.Position(), end, pos)
			}
			cancel()
			expect(t, watch(t, s, orderFilter{}, kvrt.ResumeFrom(pos)), fmt.Sprintf("Put a/%d 1", read))
		}
	}
}

// A watch that ends by itself still delivers what it had read.
func TestWhatWasReadBeforeTheEndOfAWatchIsDelivered(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	for id := range uint64(10) {
		put(t, s, "a", id, 1)
	}
	w := watch(t, s, orderFilter{})
	for len(w.Updates()) <= 10 { // and Synced
		time.Sleep(time.Millisecond)
	}
	js.Conn().Close()
	for w.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	for id := range 10 {
		expect(t, w, fmt.Sprintf("Put a/%d 1", id))
	}
	expect(t, w, "Synced")
	if e, ok := <-w.Updates(); ok {
		t.Fatal(e)
	}
}

func TestAPositionIsReadFromItsTextOnly(t *testing.T) {
	var p kvrt.Position
	if err := p.UnmarshalText([]byte("1.dn5xiy16i13n.zz")); err != nil || p.String() != "1.dn5xiy16i13n.zz" {
		t.Fatal(p, err)
	}
	before := p
	for _, text := range []string{"", "5", "1.5", "1.5.6.7", "2.dn5xiy16i13n.zz", "1.dn5xiy16i13n.", "1..zz", "1.dn5xiy16i13n.-1", "1.dn5xiy16i13n.!", "1.!.5", "1.dn5xiy16i13n.zzzzzzzzzzzzzzzz"} {
		if err := p.UnmarshalText([]byte(text)); err == nil || p != before {
			t.Errorf("%q is read as %v, %v", text, p, err)
		}
	}
}

func TestThePositionIsToldWhileAWatcherStops(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), shopConfig())
	put(t, s, "a", 1, 1)
	for range 50 {
		w := watch(t, s, orderFilter{})
		var stopped atomic.Bool
		var askers sync.WaitGroup
		for range 4 {
			askers.Go(func() {
				for !stopped.Load() {
					w.Position()
				}
			})
		}
		w.Stop()
		stopped.Store(true)
		done := make(chan struct{})
		go func() {
			askers.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("Position does not return")
		}
	}
}

func TestSlowReaderLosesNothing(t *testing.T) {
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", History: 64})
	w := watch(t, s, orderFilter{})
	expect(t, w, "Synced")
	const writes = 3000
	for i := range int64(writes) {
		put(t, s, "a", uint64(i), i)
	}
	time.Sleep(fullBuffers) // the reader's slowness itself
	for i := range writes {
		expect(t, w, fmt.Sprintf("Put a/%d %d", i, i))
	}
}

// fullBuffers is long enough for everything a watcher asked for to have arrived.
const fullBuffers = 200 * time.Millisecond

func TestHeartbeatsDoNotFillTheBufferOfASlowReader(t *testing.T) {
	errs := make(chan error, 100)
	js := kvtest.StartServer(t).Connect(t, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err }))
	s := ensureShop(t, js, shopConfig())
	const keys = 400 // less than a watcher asks for ahead, so that the request stays open
	for id := range uint64(keys) {
		put(t, s, "a", id, 1)
	}
	w := watch(t, s, orderFilter{})
	// What is due arrives, and then nothing more, since nothing more is asked for.
	for before, quiet := uint64(0), 0; quiet < 20; {
		time.Sleep(10 * time.Millisecond)
		if now := js.Conn().Stats().InMsgs; now == before {
			quiet++
		} else {
			before, quiet = now, 0
		}
	}
	for id := range keys {
		expect(t, w, fmt.Sprintf("Put a/%d 1", id))
	}
	expect(t, w, "Synced")
	select {
	case err := <-errs:
		t.Error(err)
	default:
	}
}
