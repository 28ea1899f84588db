package kvrt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func fullConfig() kvrt.BucketConfig {
	return kvrt.BucketConfig{
		Name:           "SHOP",
		Description:    "All of it.",
		History:        10,
		Storage:        kvrt.FileStorage,
		Replicas:       1,
		TTL:            72 * time.Hour,
		LimitMarkerTTL: time.Hour,
		KeyTTL:         true,
		MaxValueSize:   64 << 10,
		MaxBytes:       1 << 20,
		Compression:    new(true),
		Republish:      &kvrt.Republish{Source: ">", Destination: "repub.>", HeadersOnly: true},
		Metadata:       map[string]string{"team": "checkout"},
		Transactions:   true,
		Linearizable:   true,
	}
}

func drift(t *testing.T, b *kvrt.Bucket) string {
	t.Helper()
	settings, err := b.Drift(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(settings)
}

func TestEnsureCreatesWhatIsDeclared(t *testing.T) {
	js := kvtest.Start(t)
	s := ensureShop(t, js, fullConfig())
	if got := drift(t, s.b); got != "[]" {
		t.Fatalf("drift right after creation: %s", got)
	}
	ensureShop(t, js, fullConfig())
	if _, err := kvrt.Open(t.Context(), js, fullConfig(), bindShop); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	if c.MaxMsgSize != 66<<10 || c.Discard != jetstream.DiscardNew || !c.AllowDirect || !c.DenyDelete || !c.AllowRollup ||
		!c.AllowMsgTTL || !c.AllowAtomicPublish || c.SubjectDeleteMarkerTTL != time.Hour || c.Metadata["team"] != "checkout" {
		t.Fatalf("%+v", c)
	}
}

func TestABucketCreatedByPlainNATSOpensAndWorks(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "counter", " 41\n"); err != nil {
		t.Fatal(err)
	}
	s, err := kvrt.Open(ctx, js, shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.counter.Modify(ctx, counterKey{}, func(e *kvrt.Entry[counterKey, int64]) error { e.Value++; return nil })
	if err != nil || e.Value != 42 {
		t.Fatalf("%+v, %v", e, err)
	}
	if got, err := kv.Get(ctx, "counter"); err != nil || string(got.Value()) != "42" || got.Revision() != e.Revision {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := s.counter.Delete(ctx, counterKey{}); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(ctx, "counter"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Fatalf("plain nats.go does not see the delete: %v", err)
	}
	ensured := ensureShop(t, js, shopConfig())
	if got := drift(t, ensured.b); got != "[]" {
		t.Fatal(got)
	}
}

func TestOpenRefusesABucketThatLacksWhatTheSchemaReliesOn(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	if _, err := kvrt.Open(ctx, js, shopConfig(), bindShop); !errors.Is(err, kvrt.ErrBucketNotFound) || !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Fatalf("no bucket: %v", err)
	}
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP", MaxValueSize: 1024}); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]kvrt.BucketConfig{
		"history: declared 2, live 1":                  {History: 2},
		"limit_marker_ttl: declared 1h0m0s, live none": {LimitMarkerTTL: time.Hour, KeyTTL: true},
		"max_value_size: declared 512, live 0":         {MaxValueSize: 512},
		"transactions: declared true, live false":      {Transactions: true},
	} {
		cfg.Name = "SHOP"
		_, err := kvrt.Open(ctx, js, cfg, bindShop)
		var e *kvrt.DriftError
		if !errors.Is(err, kvrt.ErrDrift) || !errors.As(err, &e) || len(e.Settings) != 1 || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whatever else differs is told, and does not stop a rolling deployment.
	var log bytes.Buffer
	cfg := kvrt.BucketConfig{Name: "SHOP", Description: "x", TTL: time.Hour, LimitMarkerTTL: time.Hour, MaxBytes: 5}
	s, err := kvrt.Open(ctx, js, cfg, bindShop, kvrt.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"description", "ttl", "limit_marker_ttl", "max_bytes"} {
		if !strings.Contains(log.String(), "setting="+setting+" ") || !strings.Contains(drift(t, s.b), setting+": ") {
			t.Errorf("%s is not told:\n%s%s", setting, &log, drift(t, s.b))
		}
	}
}

// History is what the schema relies on; how much of it is a difference like others.
func TestOpenTakesAnotherHistory(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHOP", History: 2}); err != nil {
		t.Fatal(err)
	}
	for history, want := range map[int]string{5: "[history: declared 5, live 2]", 1: "[history: declared 1, live 2]"} {
		s, err := kvrt.Open(ctx, js, kvrt.BucketConfig{Name: "SHOP", History: history}, bindShop)
		if err != nil {
			t.Fatal(err)
		}
		if got := drift(t, s.b); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A limit where there was none deletes data.
func TestEnsureLimitsNothingUnasked(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	const many = 1<<60 + 1 // no float64
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgs: many, AllowDirect: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]kvrt.BucketConfig{"history": {History: 64}, "ttl": {TTL: time.Hour}, "max_bytes": {MaxBytes: 1 << 20}} {
		cfg.Name = "SHOP"
		_, err := kvrt.Ensure(ctx, js, cfg, bindShop)
		var e *kvrt.DriftError
		if !errors.As(err, &e) || len(e.Settings) != 1 || e.Settings[0].Name != name || e.Settings[0].Live != "none" {
			t.Errorf("%s: %v", name, err)
		}
	}
	ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Description: "x"})
	info, err := stream.Info(ctx)
	if c := info.Config; err != nil || c.MaxMsgs != many || c.Description != "x" || c.MaxMsgsPerSubject > 0 || c.MaxAge != 0 || c.MaxBytes > 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestEnsureKeepsWhatTheSchemaDoesNotName(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgsPerSubject: 7, AllowRollup: true, AllowDirect: true,
		Description: "theirs", MaxAge: time.Hour, Compression: jetstream.S2Compression, AllowAtomicPublish: true,
		Metadata: map[string]string{"owner": "them"}, MaxBytes: 1 << 30, Discard: jetstream.DiscardNew,
		RePublish:      &jetstream.RePublish{Source: ">", Destination: "theirs.>"},
		ConsumerLimits: jetstream.StreamConsumerLimits{MaxAckPending: 77},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Metadata: map[string]string{"team": "ours"}, MaxValueSize: 1 << 10})
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	if c.MaxMsgsPerSubject != 7 || c.Description != "theirs" || c.MaxAge != time.Hour || c.Compression != jetstream.S2Compression ||
		!c.AllowAtomicPublish || c.Metadata["owner"] != "them" || c.MaxBytes != 1<<30 || c.RePublish == nil ||
		c.ConsumerLimits.MaxAckPending != 77 {
		t.Fatalf("lost: %+v", c)
	}
	if c.Metadata["team"] != "ours" || c.MaxMsgSize != 3<<10 {
		t.Fatalf("not changed: %+v", c)
	}
	if got := drift(t, s.b); got != "[]" {
		t.Fatal(got)
	}
}

func TestEnsureLosesNoDataUnasked(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	s := ensureShop(t, js, fullConfig())
	for i := range int64(5) {
		put(t, s, "a", 1, i)
	}
	for name, change := range map[string]func(*kvrt.BucketConfig){
		"history":   func(c *kvrt.BucketConfig) { c.History = 2 },
		"ttl":       func(c *kvrt.BucketConfig) { c.TTL = time.Hour },
		"max_bytes": func(c *kvrt.BucketConfig) { c.MaxBytes = 100 },
		"storage":   func(c *kvrt.BucketConfig) { c.Storage = kvrt.MemoryStorage },
	} {
		cfg := fullConfig()
		change(&cfg)
		cfg.Description = "changed too"
		_, err := kvrt.Ensure(ctx, js, cfg, bindShop)
		var e *kvrt.DriftError
		if !errors.Is(err, kvrt.ErrDrift) || !errors.As(err, &e) || len(e.Settings) != 1 || e.Settings[0].Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := drift(t, s.b); got != "[]" {
		t.Fatalf("something was changed: %s", got)
	}
	both := fullConfig()
	both.History, both.Description = 3, "changed too"
	_, err := kvrt.Ensure(ctx, js, both, bindShop)
	const want = `history: declared 3, live 10; and beside that: description: declared "changed too", live`
	if e, ok := errors.AsType[*kvrt.DriftError](err); !ok || len(e.Others) != 1 || !strings.Contains(err.Error(), want) {
		t.Fatal(err)
	}
	if events, err := s.order.History(ctx, orderKey{"a", 1}); err != nil || len(events) != 5 {
		t.Fatal(events, err)
	}
	cfg := fullConfig()
	cfg.History, cfg.TTL = 2, time.Minute
	ensureShop(t, js, cfg, kvrt.AllowDataLoss())
	if events, err := s.order.History(ctx, orderKey{"a", 1}); err != nil || len(events) != 2 {
		t.Fatal(events, err)
	}
	cfg.Storage = kvrt.MemoryStorage
	if _, err := kvrt.Ensure(ctx, js, cfg, bindShop, kvrt.AllowDataLoss()); !errors.Is(err, kvrt.ErrDrift) {
		t.Fatalf("storage cannot be changed: %v", err)
	}
}

func TestBucketNames(t *testing.T) {
	js := kvtest.Start(t)
	for _, name := range []string{"", "a.b", "a b", "a/b", "a=b", "*", ">", "é", strings.Repeat("x", 300),
		kvrt.BucketName("S_{env}", ""), kvrt.BucketName("S_{env}", "a_b"), kvrt.BucketName("S_{env}_{x}", "a", "b.c")} {
		_, err := kvrt.Ensure(t.Context(), js, kvrt.BucketConfig{Name: name}, bindShop)
		if !errors.Is(err, kvrt.ErrInvalidBucketName) || !errors.Is(err, jetstream.ErrInvalidBucketName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := kvrt.BucketName("S_{env}_{tenant}-x", "prod-1", "acme"); got != "S_prod-1_acme-x" {
		t.Error(got)
	}
	s := ensureShop(t, js, shopConfig(), kvrt.WithBucketName("OTHER"))
	if s.b.Name() != "OTHER" {
		t.Error(s.b.Name())
	}
	if _, err := kvrt.Open(t.Context(), js, shopConfig(), bindShop, kvrt.WithBucketName("")); !errors.Is(err, kvrt.ErrInvalidBucketName) {
		t.Error(err)
	}
}

func TestMirrorsAndSources(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	origin := ensureShop(t, js, shopConfig())
	put(t, origin, "a", 1, 1)
	put(t, origin, "b", 2, 2)
	if _, err := origin.order.Delete(ctx, orderKey{"b", 2}); err != nil {
		t.Fatal(err)
	}
	copies := map[string]kvrt.BucketConfig{
		"mirror":                 {Name: "COPY_M", Mirror: &kvrt.Mirror{Bucket: "SHOP"}},
		"sources":                {Name: "COPY_S", Sources: []kvrt.Source{{Bucket: "SHOP", Filter: "order.>"}}},
		"sources with wildcards": {Name: "COPY_W", Sources: []kvrt.Source{{Bucket: "SHOP", Filter: "order.*.*"}}},
		"sources of one key":     {Name: "COPY_K", Sources: []kvrt.Source{{Bucket: "SHOP", Filter: "order.a.1"}, {Bucket: "SHOP", Filter: "order.*.3"}}},
	}
	for name, cfg := range copies {
		t.Run(name, func(t *testing.T) {
			s := ensureShop(t, js, cfg)
			w := watch(t, s, orderFilter{}, kvrt.IgnoreDeletes())
			for ev := next(t, w); ev.Op != kvrt.Put; ev = next(t, w) {
			}
			if e, err := s.order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value.Total != 1 {
				t.Fatalf("%+v, %v", e, err)
			}
			put(t, origin, "c", 3, 3)
			for ev := next(t, w); ev.Op != kvrt.Put; ev = next(t, w) {
			}
			n, err := s.order.Count(ctx, orderFilter{}.selection())
			if err != nil || n != 2 {
				t.Fatalf("%d keys, %v", n, err)
			}
			if got := drift(t, s.b); got != "[]" {
				t.Fatal(got)
			}
			if _, err := origin.order.Delete(ctx, orderKey{"c", 3}); err != nil {
				t.Fatal(err)
			}
			ensureShop(t, js, cfg)
		})
	}
	if _, err := kvrt.Open(ctx, js, kvrt.BucketConfig{Name: "COPY_M"}, bindShop); !errors.Is(err, kvrt.ErrDrift) {
		t.Fatalf("a mirror where the schema has none: %v", err)
	}
}

func TestInterceptorsSeeEveryOperation(t *testing.T) {
	ctx := t.Context()
	var calls []string
	outer := func(ctx context.Context, call kvrt.Call, next func(context.Context) error) error {
		err := next(ctx)
		calls = append(calls, fmt.Sprint(call.Op, " ", call.Bucket, " ", call.Key, " ", err == nil))
		return err
	}
	refuse := errors.New("refused")
	inner := func(ctx context.Context, call kvrt.Call, next func(context.Context) error) error {
		if call.Op == "purge" {
			return refuse
		}
		return next(ctx)
	}
	s := ensureShop(t, kvtest.Start(t), shopConfig(), kvrt.WithInterceptor(outer), kvrt.WithInterceptor(inner))
	put(t, s, "a", 1, 1)
	if _, err := s.order.Get(ctx, orderKey{"a", 2}); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := s.order.Purge(ctx, orderKey{"a", 1}); err != refuse {
		t.Fatal(err)
	}
	if _, err := s.order.Count(ctx, orderFilter{}.selection()); err != nil {
		t.Fatal(err)
	}
	long, refused := orderKey{strings.Repeat("x", 2000), 1}, []error{}
	_, err := s.order.Put(ctx, long, order{})
	refused = append(refused, err)
	_, err = s.order.Get(ctx, long)
	refused = append(refused, err)
	_, err = s.order.Delete(ctx, long)
	refused = append(refused, err)
	_, err = s.order.Modify(ctx, long, nil)
	refused = append(refused, err)
	_, _, err = s.order.GetOrCreate(ctx, long, nil)
	refused = append(refused, err)
	_, err = s.order.History(ctx, long)
	refused = append(refused, err)
	_, err = s.order.GetRevision(ctx, long, 1)
	refused = append(refused, err)
	_, err = s.order.Count(ctx, orderFilter{Tenant: &long.Tenant}.selection())
	refused = append(refused, err)
	_, err = s.order.Watch(ctx, orderFilter{Tenant: &long.Tenant}.selection())
	refused = append(refused, err)
	_, err = s.order.Cache(ctx, orderFilter{Tenant: &long.Tenant}.selection())
	refused = append(refused, err)
	for i, err := range refused {
		if !errors.Is(err, kvrt.ErrInvalidKey) {
			t.Error(i, err)
		}
	}
	want := "[ensure SHOP  true put SHOP order.a.1 true get SHOP order.a.2 false purge SHOP order.a.1 false count SHOP order.*.* true" +
		" put SHOP  false get SHOP  false delete SHOP  false modify SHOP  false get or create SHOP  false history SHOP  false" +
		" get revision SHOP  false count SHOP  false watch SHOP  false cache SHOP  false]"
	if got := fmt.Sprint(calls); got != want {
		t.Fatalf("%s\nwant %s", got, want)
	}
}

// What an interceptor does not let through, or says went well, is not called done.
func TestAnInterceptorCannotTakeAnErrorAway(t *testing.T) {
	ctx := within(t, time.Minute)
	called := true
	hide := func(ctx context.Context, call kvrt.Call, next func(context.Context) error) error {
		if called {
			_ = next(ctx)
		}
		return nil
	}
	s := ensureShop(t, kvtest.Start(t), fullConfig(), kvrt.WithInterceptor(hide))
	if _, err := s.order.Get(ctx, orderKey{"a", 1}); !errors.Is(err, kvrt.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.order.Update(ctx, orderKey{"a", 1}, order{}, 7); !errors.Is(err, kvrt.ErrConflict) {
		t.Error(err)
	}
	called = false
	for op, f := range map[string]func() error{
		"get":    func() error { _, err := s.order.Get(ctx, orderKey{"a", 1}); return err },
		"put":    func() error { _, err := s.order.Put(ctx, orderKey{"a", 1}, order{}); return err },
		"watch":  func() error { _, err := s.order.Watch(ctx, orderFilter{}.selection()); return err },
		"cache":  func() error { _, err := s.order.Cache(ctx, orderFilter{}.selection()); return err },
		"count":  func() error { _, err := s.order.Count(ctx, orderFilter{}.selection()); return err },
		"modify": func() error { _, err := s.order.Modify(ctx, orderKey{"a", 1}, nil); return err },
	} {
		if e, ok := errors.AsType[*kvrt.Error](f()); !ok || e.Op != op || !strings.Contains(e.Error(), "has not called next") {
			t.Error(op, e)
		}
	}
}

// The server leaves out a fraction of a second: the entry would end too early.
func TestAFractionOfASecondOfATimeToLiveIsRoundedUp(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", LimitMarkerTTL: time.Minute, KeyTTL: true})
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	for ttl, want := range map[time.Duration]string{
		time.Second: "1s", time.Second + 1: "2s", 1999 * time.Millisecond: "2s", 2 * time.Second: "2s", 90 * time.Minute: "1h30m0s",
	} {
		rev, err := s.order.Put(ctx, orderKey{"a", 1}, order{}, kvrt.TTL(ttl))
		if err != nil {
			t.Fatal(err)
		}
		msg, err := stream.GetMsg(ctx, rev)
		if err != nil {
			t.Fatal(err)
		}
		if got := msg.Header.Get("Nats-TTL"); got != want {
			t.Errorf("%v: %s, want %s", ttl, got, want)
		}
	}
}

// Modify has no option for a time to live: where the schema leaves that to the calls, the entry keeps
// the one it has.
func TestModifyKeepsATimeToLiveThatACallGave(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", LimitMarkerTTL: time.Minute, KeyTTL: true})
	stream, err := js.Stream(ctx, "KV_SHOP")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.order.Put(ctx, orderKey{"a", 1}, order{}, kvrt.TTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", 2, 1)
	increment := func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil }
	for range 2 { // what Modify wrote keeps it too
		for id, want := range map[uint64]string{1: "1h0m0s", 2: ""} {
			e, err := s.order.Modify(ctx, orderKey{"a", id}, increment)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := stream.GetMsg(ctx, e.Revision)
			if err != nil {
				t.Fatal(err)
			}
			if got := msg.Header.Get("Nats-TTL"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	// A marker's time to live is not one of the next value.
	if _, err := s.order.Delete(ctx, orderKey{"a", 1}, kvrt.MarkerTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	e, err := s.order.Modify(ctx, orderKey{"a", 1}, increment)
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := stream.GetMsg(ctx, e.Revision); err != nil || msg.Header.Get("Nats-TTL") != "" {
		t.Fatal(msg, err)
	}
}

func TestKeysWithATimeToLive(t *testing.T) {
	ctx := within(t, time.Minute)
	s := ensureShop(t, kvtest.Start(t), kvrt.BucketConfig{Name: "SHOP", LimitMarkerTTL: time.Minute, KeyTTL: true})
	session := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, order]{
		Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.JSON[order](), TTL: time.Second,
	})
	w := watch(t, s, orderFilter{})
	expect(t, w, "Synced")
	rev, err := session.Put(ctx, orderKey{"a", 1}, order{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w, "Put a/1 0")
	// An update carries the TTL too: the entry does not become permanent.
	if _, err := session.Update(ctx, orderKey{"a", 1}, order{Total: 1}, rev); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "Put a/1 1")
	if _, err := session.Modify(ctx, orderKey{"a", 1}, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Create(ctx, orderKey{"a", 2}, order{}, kvrt.TTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Put(ctx, orderKey{"a", 3}, order{}, kvrt.TTL(time.Millisecond)); !errors.Is(err, kvrt.ErrInvalidOption) {
		t.Fatal(err)
	}
	expect(t, w, "Put a/1 2", "Put a/2 0", "Expire a/1")
	if _, err := session.Get(ctx, orderKey{"a", 1}); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := session.Create(ctx, orderKey{"a", 1}, order{}); err != nil {
		t.Fatalf("Create over the marker of an expiry: %v", err)
	}
	if _, err := session.Delete(ctx, orderKey{"a", 2}, kvrt.MarkerTTL(time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestLinearizableReads(t *testing.T) {
	ctx := within(t, time.Minute)
	for _, replicas := range []int{1, 3} {
		js := kvtest.StartCluster(t, 3)
		s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Linearizable: true, Replicas: replicas})
		if _, err := kvrt.GetStrong(ctx, s.counter, counterKey{}, kvrt.Linearizable()); !errors.Is(err, kvrt.ErrNotFound) {
			t.Fatal(err)
		}
		for i := range int64(50) {
			if _, err := s.counter.Put(ctx, counterKey{}, i); err != nil {
				t.Fatal(err)
			}
			if e, err := kvrt.GetStrong(ctx, s.counter, counterKey{}, kvrt.Linearizable()); err != nil || e.Value != i {
				t.Fatalf("R%d: %+v, %v after %d", replicas, e, err, i)
			}
			if e, err := kvrt.GetStrong(ctx, s.counter, counterKey{}, kvrt.AtLeast(1)); err != nil || e.Revision == 0 {
				t.Fatal(err)
			}
		}
		w, err := kvrt.WatchBucket[kvrt.BucketEvent](ctx, s.b, nil, s.counter)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if ev, unmatched := next(t, w).(kvrt.UnmatchedEvent); unmatched {
				t.Fatalf("the reserved key is shown: %+v", ev)
			}
		}
		w.Stop()
	}
}

// Without direct gets no answer tells how far its server has got.
func TestLinearizableReadsNeedDirectGets(t *testing.T) {
	ctx := within(t, time.Minute)
	js := kvtest.Start(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "KV_SHOP", Subjects: []string{"$KV.SHOP.>"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew,
	}); err != nil {
		t.Fatal(err)
	}
	cfg := kvrt.BucketConfig{Name: "SHOP", Linearizable: true}
	s, err := kvrt.Open(ctx, js, cfg, bindShop, kvrt.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", 1, 1)
	if _, err := kvrt.GetStrong(ctx, s.order, orderKey{"a", 1}, kvrt.Linearizable()); !errors.Is(err, kvrt.ErrUnsupported) {
		t.Fatal(err)
	}
	if _, err := kvrt.GetManyStrong(ctx, s.order, []orderKey{{"a", 1}}, kvrt.Linearizable()); !errors.Is(err, kvrt.ErrUnsupported) {
		t.Fatal(err)
	}
	if e, err := s.order.Get(ctx, orderKey{"a", 1}, kvrt.AtLeast(1)); err != nil || e.Value.Total != 1 {
		t.Fatal(e, err)
	}
	if got := drift(t, s.b); got != "[linearizable: declared true, live false (allow_direct)]" {
		t.Fatal(got)
	}
	s = ensureShop(t, js, cfg)
	if e, err := kvrt.GetStrong(ctx, s.order, orderKey{"a", 1}, kvrt.Linearizable()); err != nil || e.Value.Total != 1 {
		t.Fatal(e, err)
	}
}

// Ensure is done with whatever others do to the bucket meanwhile. The server has a process of its
// own: version 2.15.2 has a race between the update and the deletion of a stream, and leaves
// goroutines behind.
func TestEnsureBesideOthersWhoCreateAndDeleteTheBucket(t *testing.T) {
	ctx := within(t, time.Minute)
	url := startProcess(t, 1)
	const each = 30
	var wg sync.WaitGroup
	for _, cfg := range []kvrt.BucketConfig{
		{Name: "SHOP", Description: "One."},
		{Name: "SHOP", Description: "Two.", History: 5},
	} {
		js := connectTo(t, url)
		wg.Go(func() {
			for range each {
				if _, err := kvrt.Ensure(ctx, js, cfg, bindShop); err != nil && !errors.Is(err, kvrt.ErrDrift) { // the other one's history may be higher
					t.Errorf("%s: %v", cfg.Description, err)
				}
			}
		})
	}
	js := connectTo(t, url)
	wg.Go(func() {
		for range each {
			if err := js.DeleteStream(ctx, "KV_SHOP"); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	wg.Wait()
}

// Where nothing differs, nothing is changed: a client that may not do that can use Ensure.
func TestEnsureOfABucketThatIsAsDeclared(t *testing.T) {
	srv := restricted(t, "$JS.API.STREAM.INFO.KV_SHOP")
	ensureShop(t, srv.Connect(t, nats.UserInfo("full", "x")), fullConfig())
	js := srv.Connect(t, nats.UserInfo("one", "x"), quiet)
	if _, err := kvrt.Ensure(t.Context(), js, fullConfig(), bindShop); err != nil {
		t.Fatal(err)
	}
	cfg := fullConfig()
	cfg.Description = "Another."
	if _, err := kvrt.Ensure(t.Context(), js, cfg, bindShop); !errors.Is(err, kvrt.ErrPermission) {
		t.Fatal(err)
	}
}
