package kvrt_test

// Writes whose first attempt got lost, on the way there or back, and what happens before the next one
// and before the outcome is read.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// traced is a connection that calls f before each request whose subject has a part.
func traced(t *testing.T, js jetstream.JetStream, part string, f func()) jetstream.JetStream {
	t.Helper()
	traced, err := jetstream.New(js.Conn(), jetstream.WithClientTrace(&jetstream.ClientTrace{
		RequestSent: func(subject string, _ []byte) {
			if strings.Contains(subject, part) {
				f()
			}
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return traced
}

// losing has the request of write, or its answer, get lost in p, and calls f then. The connection
// lives on, and the write is repeated on it.
func losing(t *testing.T, p *proxy, lose func(bool), write func(ctx context.Context) (uint64, error), f func()) (uint64, error) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	type outcome struct {
		revision uint64
		err      error
	}
	done := make(chan outcome)
	lose(true)
	go func() {
		revision, err := write(ctx)
		done <- outcome{revision, err}
	}()
	for !p.hasLost(1) {
		time.Sleep(time.Millisecond)
	}
	f()
	lose(false)
	o := <-done
	return o.revision, o.err
}

func TestAWriteIsRepeatedOnAConnectionThatLives(t *testing.T) {
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), shopConfig())
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), shopConfig())
	create := func(ctx context.Context) (uint64, error) { return here.counter.Create(ctx, counterKey{}, 1) }
	if rev, err := losing(t, p, p.setMute, create, func() {}); rev != 1 || err != nil {
		t.Fatalf("the request got lost: %d, %v", rev, err)
	}
	update := func(ctx context.Context) (uint64, error) { return here.counter.Update(ctx, counterKey{}, 2, 1) }
	if rev, err := losing(t, p, p.setDeaf, update, func() {}); rev != 2 || err != nil {
		t.Fatalf("the answer got lost: %d, %v", rev, err)
	}
	if status, err := there.b.Status(t.Context()); err != nil || status.LastRevision != 2 {
		t.Fatalf("%+v, %v", status, err)
	}
}

func TestAWriteThatDidNotLandBeforeAnother(t *testing.T) {
	for history, want := range map[int]error{1: kvrt.ErrUnknownOutcome, 5: kvrt.ErrConflict} {
		srv := kvtest.StartServer(t)
		cfg := kvrt.BucketConfig{Name: "SHOP", History: history}
		there := ensureShop(t, srv.Connect(t), cfg)
		p := startProxy(t, srv)
		here := ensureShop(t, p.connect(t), cfg)
		first := put(t, there, "a", 1, 1)
		_, err := losing(t, p, p.setMute, func(ctx context.Context) (uint64, error) {
			return here.order.Update(ctx, orderKey{"a", 1}, order{Total: 2}, first)
		}, func() { put(t, there, "a", 1, 3) })
		if !errors.Is(err, want) || want != kvrt.ErrUnknownOutcome && errors.Is(err, kvrt.ErrUnknownOutcome) {
			t.Errorf("history %d: %v", history, err)
		}
		if e, err := there.order.Get(t.Context(), orderKey{"a", 1}); err != nil || e.Value.Total != 3 {
			t.Errorf("history %d: %+v, %v", history, e, err)
		}
	}
}

// What the repetition met is gone when the outcome is read: the write goes on.
func TestAWriteThatMetAnotherWhichIsGone(t *testing.T) {
	srv := kvtest.StartServer(t)
	admin := srv.Connect(t)
	there := ensureShop(t, admin, shopConfig())
	p := startProxy(t, srv)
	var gone atomic.Bool
	here := ensureShop(t, traced(t, p.connect(t), "STREAM.MSG.GET", func() {
		if gone.Swap(true) {
			return
		}
		stream, err := admin.Stream(t.Context(), "KV_SHOP")
		if err == nil {
			err = stream.Purge(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	}), shopConfig())
	rev, err := losing(t, p, p.setMute, func(ctx context.Context) (uint64, error) {
		return here.counter.Create(ctx, counterKey{}, 7)
	}, func() {
		if _, err := there.counter.Put(t.Context(), counterKey{}, 1); err != nil {
			t.Error(err)
		}
	})
	if rev != 2 || err != nil || !gone.Load() {
		t.Fatalf("%d, %v", rev, err)
	}
}

// What the server says to the repetition does not tell what became of the first attempt.
func TestAWriteThatGotLostAndThenRefused(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	admin := srv.Connect(t)
	ensureShop(t, admin, shopConfig())
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), shopConfig())
	_, err := losing(t, p, p.setMute, func(ctx context.Context) (uint64, error) {
		return here.order.Create(ctx, orderKey{"a", 1}, order{Note: strings.Repeat("x", 100)})
	}, func() {
		if _, err := admin.UpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP", MaxValueSize: 50}); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, kvrt.ErrUnknownOutcome) || !errors.Is(err, kvrt.ErrTooLarge) || kvrt.Retryable(err) {
		t.Fatal(err)
	}
}

// A transaction that reads nothing lands once like any other.
func TestABlindTransactionLandsOnce(t *testing.T) {
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), txnConfig(1))
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), txnConfig(1))
	rev, err := losing(t, p, func(lose bool) {
		if lose {
			p.setDeafUpon("Nats-Batch-Commit")
		} else {
			p.setDeaf(false)
		}
	}, func(ctx context.Context) (uint64, error) {
		return here.txn(ctx, func(tx *shopTxn) error {
			return errors.Join(tx.order.Put(orderKey{"a", 1}, order{Total: 1}), tx.counter.Put(counterKey{}, 1))
		})
	}, func() {})
	if last := lastRevision(t, there); rev != 2 || err != nil || last != 2 {
		t.Fatalf("%d, %v, the bucket is at %d", rev, err, last)
	}
}

// Each key of a transaction can tell that it landed, and as of which revision.
func TestAnyKeyTellsOfALostCommit(t *testing.T) {
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), txnConfig(1))
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), txnConfig(1))
	read, blind := orderKey{"a", 1}, orderKey{"a", 2}
	lose := func(lose bool) {
		if lose {
			p.setDeafUpon("Nats-Batch-Commit")
		} else {
			p.setDeaf(false)
		}
	}
	for name, keys := range map[string][]orderKey{"the guarded one first": {read, blind}, "the blind one first": {blind, read}} {
		for _, overwritten := range []bool{false, true} {
			before := put(t, there, "a", 1, 0)
			rev, err := losing(t, p, lose, func(ctx context.Context) (uint64, error) {
				return here.txn(ctx, func(tx *shopTxn) error {
					_, err := tx.order.Get(read)
					for _, key := range keys {
						err = errors.Join(err, tx.order.Put(key, order{Total: 1}))
					}
					return err
				})
			}, func() {
				if overwritten {
					put(t, there, "a", 1, 5)
				}
			})
			if rev != before+2 || err != nil {
				t.Errorf("%s, overwritten: %v: %d, %v, want %d", name, overwritten, rev, err, before+2)
			}
		}
	}
}

func TestAReadIsRepeatedOnAConnectionThatLives(t *testing.T) {
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), shopConfig())
	first := put(t, there, "a", 1, 1)
	put(t, there, "a", 2, 1)
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), shopConfig())
	for name, read := range map[string]func(ctx context.Context) (uint64, error){
		"Get": func(ctx context.Context) (uint64, error) {
			e, err := here.order.Get(ctx, orderKey{"a", 1})
			return e.Revision, err
		},
		"GetMany": func(ctx context.Context) (uint64, error) {
			many, err := here.order.GetMany(ctx, []orderKey{{"a", 1}, {"a", 2}})
			return many[orderKey{"a", 1}].Revision, err
		},
		"Count": func(ctx context.Context) (uint64, error) {
			n, err := here.order.Count(ctx, orderFilter{ID: new(uint64(1))}.selection())
			return uint64(n), err
		},
	} {
		for _, lose := range []func(bool){p.setMute, p.setDeaf} {
			began := time.Now()
			if revision, err := losing(t, p, lose, read, func() {}); revision != first || err != nil {
				t.Errorf("%s: %d, %v", name, revision, err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s took %v", name, took)
			}
		}
	}
}

// What was in a message that got lost out of an answer is not called absent.
func TestAnAnswerWithAGapIsNotBelieved(t *testing.T) {
	srv := kvtest.StartServer(t)
	there := ensureShop(t, srv.Connect(t), shopConfig())
	keys := keysOf("a", 5)
	for _, key := range keys {
		put(t, there, key.Tenant, key.ID, 1)
	}
	p := startProxy(t, srv)
	here := ensureShop(t, p.connect(t), shopConfig())
	for lost := range len(keys) {
		gaps := 0
		p.setEditAnswers(func(data []byte) []byte {
			// HMSG subject sid header-size size, a line break, and that many bytes with another.
			at := bytes.Index(data, fmt.Appendf(nil, "Nats-Sequence: %d\r\n", lost+1))
			if at < 0 || gaps > 0 {
				return data
			}
			begin := bytes.LastIndex(data[:at], []byte("HMSG "))
			line, _, _ := bytes.Cut(data[begin:], []byte("\r\n"))
			fields := bytes.Fields(line)
			size, err := strconv.Atoi(string(fields[len(fields)-1]))
			if err != nil || begin+len(line)+2+size+2 > len(data) {
				return data
			}
			gaps++
			return slices.Delete(data, begin, begin+len(line)+2+size+2)
		})
		many, err := here.order.GetMany(t.Context(), keys)
		if len(many) != len(keys) || err != nil || gaps != 1 {
			t.Errorf("%d of %d keys, %v, %d gaps", len(many), len(keys), err, gaps)
		}
	}
	p.setEditAnswers(nil)
}

// A message that another stream has republished has that one's headers, before those of its own.
func TestTheHeadersOfARepublishedMessageAreNotItsOwn(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, shopConfig())
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "ELSEWHERE", Subjects: []string{"else.>"}, FirstSeq: 99,
		RePublish: &jetstream.RePublish{Source: "else.>", Destination: "$KV.SHOP.order.>"},
	}); err != nil {
		t.Fatal(err)
	}
	put(t, s, "b", 1, 1)
	if _, err := js.Publish(ctx, "else.a.1", []byte(`{"total":5}`)); err != nil {
		t.Fatal(err)
	}
	key := orderKey{"a", 1}
	expect(t, watch(t, s, orderFilter{}), "Put b/1 1", "Put a/1 5")
	e, err := s.order.Get(ctx, key)
	if err != nil || e.Revision != 2 || e.Value.Total != 5 {
		t.Errorf("%+v, %v", e, err)
	}
	many, err := s.order.GetMany(ctx, []orderKey{key, {"b", 1}})
	if err != nil || len(many) != 2 || many[key] != e {
		t.Errorf("%+v, %v", many, err)
	}
	if ev, err := s.order.GetRevision(ctx, key, 2); err != nil || ev.Revision != 2 || ev.Value.Total != 5 {
		t.Errorf("%+v, %v", ev, err)
	}
	if _, err := s.order.Update(ctx, key, order{Total: 6}, e.Revision); err != nil {
		t.Error(err)
	}
}

// The marker is removed between its being read and being written over.
func TestCreateOverAMarkerThatIsRemovedMeanwhile(t *testing.T) {
	js := kvtest.Start(t)
	there := ensureShop(t, js, shopConfig())
	marker := remove(t, there, "a", 1)
	for name, f := range map[string]func(ctx context.Context, s *shop) (uint64, error){
		"Create": func(ctx context.Context, s *shop) (uint64, error) {
			return s.order.Create(ctx, orderKey{"a", 1}, order{})
		},
		"GetOrCreate": func(ctx context.Context, s *shop) (uint64, error) {
			e, _, err := s.order.GetOrCreate(ctx, orderKey{"a", 1}, func() (order, error) { return order{}, nil })
			return e.Revision, err
		},
	} {
		done := false
		js, err := jetstream.New(js.Conn(), jetstream.WithClientTrace(&jetstream.ClientTrace{
			ResponseReceived: func(subject string, _ []byte, _ nats.Header) {
				if strings.Contains(subject, "STREAM.MSG.GET") && !done {
					done = true
					if err := there.b.Compact(t.Context()); err != nil {
						t.Error(err)
					}
				}
			},
		}))
		if err != nil {
			t.Fatal(err)
		}
		rev, err := f(within(t, 5*time.Second), ensureShop(t, js, shopConfig()))
		if rev != marker+1 || err != nil || !done {
			t.Errorf("%s: %d, %v", name, rev, err)
		}
		marker = remove(t, there, "a", 1)
	}
}

// A client with grants for single keys reads what became of its write in the only way it may.
func TestALostAnswerWithGrantsForSingleKeys(t *testing.T) {
	srv := kvtest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "full", Password: "x"}, {Username: "one", Password: "x", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$KV.SHOP.counter", "$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.DIRECT.GET.KV_SHOP.$KV.SHOP.counter",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	there := ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), shopConfig())
	p := startProxy(t, srv)
	here, err := kvrt.Open(t.Context(), p.connect(t, nats.UserInfo("one", "x"), quiet), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	update := func(revision uint64) func(ctx context.Context) (uint64, error) {
		return func(ctx context.Context) (uint64, error) {
			return here.counter.Update(ctx, counterKey{}, 2, revision)
		}
	}
	first, err := there.counter.Put(t.Context(), counterKey{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := losing(t, p, p.setDeaf, update(first), func() {})
	if second != first+1 || err != nil {
		t.Fatalf("%d, %v", second, err)
	}
	_, err = losing(t, p, p.setDeaf, update(second), func() {
		if _, err := there.counter.Put(t.Context(), counterKey{}, 3); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, kvrt.ErrUnknownOutcome) {
		t.Fatalf("and another write since: %v", err)
	}
}
