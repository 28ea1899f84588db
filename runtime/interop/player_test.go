// A player is one key between two clients: what it expects of the one side after a step of the other.

package interop_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	kvrt "github.com/kvgen/kvgen/runtime"
)

type player[K comparable, V, F, R any] struct {
	ctx   context.Context
	w     *worker
	a     accessor[K, V, F, R]
	x     exchange[K, V]
	watch *kvrt.Watcher[kvrt.Event[K, V]]
}

// event is the next one of generated code's watch.
func (p *player[K, V, F, R]) event(t *testing.T) kvrt.Event[K, V] {
	t.Helper()
	select {
	case e, ok := <-p.watch.Updates():
		if !ok {
			t.Fatalf("generated code's watch ended: %v", p.watch.Err())
		}
		return e
	case <-p.ctx.Done():
		t.Fatal("generated code's watch is silent")
	}
	panic("unreachable")
}

// weSee takes the next event of generated code's watch, which is this one but for its time.
func (p *player[K, V, F, R]) weSee(t *testing.T, want kvrt.Event[K, V]) {
	t.Helper()
	got := p.event(t)
	got.Created = want.Created
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("generated code's watch: %+v, want %+v", got, want)
	}
}

// theySee takes the next event of the other client's watch.
func (p *player[K, V, F, R]) theySee(t *testing.T, op string, revision uint64, data string) {
	t.Helper()
	p.w.expect(t, entry(op, p.x.name, revision, data), "next")
}

// wePut is the outcome of a write of our value: both watches see it, and the other client reads it.
func (p *player[K, V, F, R]) wePut(t *testing.T, revision uint64, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p.weSee(t, kvrt.Event[K, V]{Op: kvrt.Put, Key: p.x.key, Value: p.x.ours, Revision: revision})
	p.theySee(t, "put", revision, p.x.written)
	p.w.expect(t, entry("put", p.x.name, revision, p.x.written), "get", p.x.name)
}

// theyPut has the other client write its value: both watches see it, and generated code reads it.
func (p *player[K, V, F, R]) theyPut(t *testing.T, command string, guard ...any) (revision uint64) {
	t.Helper()
	revision = p.w.writes(t, append([]any{command, p.x.name, value(p.x.spelled)}, guard...)...)
	p.weSee(t, kvrt.Event[K, V]{Op: kvrt.Put, Key: p.x.key, Value: p.x.theirs, Revision: revision})
	p.theySee(t, "put", revision, p.x.spelled)
	e, err := p.a.Get(p.ctx, p.x.key)
	if err != nil || e.Key != p.x.key || e.Revision != revision || !reflect.DeepEqual(e.Value, p.x.theirs) {
		t.Fatalf("Get: %+v, %v, want %+v of revision %d", e, err, p.x.theirs, revision)
	}
	return revision
}

// weRemove is the outcome of generated code's Delete or Purge.
func (p *player[K, V, F, R]) weRemove(t *testing.T, op kvrt.Op, revision uint64, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p.weSee(t, kvrt.Event[K, V]{Op: op, Key: p.x.key, Revision: revision})
	p.theySee(t, word(op), revision, "")
	p.absent(t)
}

// theyRemove has the other client delete or purge the key. Neither client tells the revision, so it
// is the one that our watch sees.
func (p *player[K, V, F, R]) theyRemove(t *testing.T, op kvrt.Op) {
	t.Helper()
	p.w.expect(t, "ok", word(op), p.x.name)
	got := p.event(t)
	want := kvrt.Event[K, V]{Op: op, Key: p.x.key, Revision: got.Revision, Created: got.Created}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("generated code's watch: %+v, want %+v", got, want)
	}
	p.theySee(t, word(op), got.Revision, "")
	p.absent(t)
}

// refused is the outcome of a write that generated code must not have made.
func (p *player[K, V, F, R]) refused(t *testing.T, want error, revision uint64, err error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%d, %v, want %v", revision, err, want)
	}
}

// absent says that neither side reads or lists the key.
func (p *player[K, V, F, R]) absent(t *testing.T) {
	t.Helper()
	p.w.expect(t, "none", "get", p.x.name)
	if e, err := p.a.Get(p.ctx, p.x.key); !errors.Is(err, kvrt.ErrNotFound) {
		t.Fatalf("Get: %+v, %v, want %v", e, err, kvrt.ErrNotFound)
	}
	p.listed(t, false)
}

// listed says whether both sides list the key.
func (p *player[K, V, F, R]) listed(t *testing.T, want bool) {
	t.Helper()
	if answer := p.w.ask(t, "keys"); slices.Contains(strings.Fields(answer), p.x.name) != want {
		t.Fatalf("the other client's keys: %s, with %s: %v", answer, p.x.name, want)
	}
	var (
		all  F
		keys []K
	)
	for key, err := range p.a.Keys(p.ctx, all) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if slices.Contains(keys, p.x.key) != want {
		t.Fatalf("Keys: %+v, with %+v: %v", keys, p.x.key, want)
	}
}

// history says that both sides tell the same history, of these operations, and of the values that
// are the one's or the other's.
func (p *player[K, V, F, R]) history(t *testing.T, want ...kvrt.Op) {
	t.Helper()
	events, err := p.a.History(p.ctx, p.x.key)
	if err != nil {
		t.Fatal(err)
	}
	var ops []kvrt.Op
	answer := "ok"
	for _, e := range events {
		ops = append(ops, e.Op)
		data := ""
		switch {
		case e.Op != kvrt.Put:
		case reflect.DeepEqual(e.Value, p.x.ours):
			data = p.x.written
		case reflect.DeepEqual(e.Value, p.x.theirs):
			data = p.x.spelled
		default:
			t.Fatalf("History: %+v, which neither wrote", e)
		}
		answer += " " + entry(word(e.Op), p.x.name, e.Revision, data)
	}
	if !slices.Equal(ops, want) {
		t.Fatalf("History: %v, want %v", ops, want)
	}
	p.w.expect(t, answer, "history", p.x.name)
}
