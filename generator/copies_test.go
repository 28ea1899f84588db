// Buckets that share the keys of another one: a mirror, which is only read, and a bucket of its own.

package generator_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
	"github.com/kvgen/kvgen/testdata/golden/everything"
)

func TestAMirrorReadsWhatItsOriginHas(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	main, err := everything.EnsureMain(ctx, js, everything.MainParams{Env: "test", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := everything.EnsureCopy(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	w, err := mirror.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	leaf, gone := everything.TreeKey{Root: "r", Path: kvrt.PathOf("a.b", "")}, everything.TreeKey{Root: "r", Path: kvrt.PathOf("c")}
	message := everything.MessageKey{ID: "1"}
	last, err := main.Txn(ctx, func(tx *everything.MainTxn) error {
		return errors.Join(tx.Tree.Put(leaf, "leaf"), tx.Tree.Put(gone, "x"), tx.Plain.Put(everything.PlainKey{Word: "w=1"}, -1),
			tx.Message.Put(message, wrapperspb.String("hello")), tx.Color.Put(everything.ColorRed),
			tx.Reversed.Put("abc"), tx.Sink.Put(everything.SinkKey{ID: "s"}, 1.5))
	})
	if err == nil {
		last, err = main.Tree.Delete(ctx, gone)
	}
	if err != nil {
		t.Fatal(err)
	}

	var seen []string
	for last > 0 {
		switch ev := (<-w.Updates()).(type) {
		case everything.TreeEvent:
			if ev.Key == gone && ev.Op == kvrt.Put {
				continue // unless it was replaced before it was delivered: the mirror has no history
			}
			seen = append(seen, fmt.Sprintf("%v %s %s", ev.Op, ev.Key, ev.Value))
			if ev.Revision == last {
				last = 0
			}
		case everything.PlainEvent:
			seen = append(seen, fmt.Sprintf("%v %s %d", ev.Op, ev.Key, ev.Value))
		case everything.MessageEvent:
			seen = append(seen, fmt.Sprintf("%v %s %s", ev.Op, ev.Key, ev.Value.GetValue()))
		case everything.ColorEvent:
			seen = append(seen, fmt.Sprintf("%v %s", ev.Op, ev.Value))
		case everything.ReversedEvent:
			seen = append(seen, fmt.Sprintf("%v %s", ev.Op, ev.Value))
		case everything.SinkEvent: // the application that writes the origin does not read it
			seen = append(seen, fmt.Sprintf("%v %s %v", ev.Op, ev.Key, ev.Value))
		case kvrt.ControlEvent:
		default:
			t.Fatalf("%#v", ev)
		}
	}
	want := []string{"Put tree.r.a=2Eb.= leaf", "Put plain.w=1 -1", "Put message.1 hello", "Put red", "Put abc", "Put sink.s 1.5", "Delete tree.r.c "}
	if !slices.Equal(seen, want) {
		t.Fatalf("%q", seen)
	}

	if e, err := mirror.Tree.Get(ctx, leaf); err != nil || e.Key != leaf || e.Value != "leaf" {
		t.Error(e, err)
	}
	if _, err := mirror.Tree.Get(ctx, gone); !errors.Is(err, kvrt.ErrNotFound) {
		t.Error(err)
	}
	if many, err := mirror.Message.GetMany(ctx, []everything.MessageKey{message, {ID: "2"}}); err != nil || len(many) != 1 || !proto.Equal(many[message].Value, wrapperspb.String("hello")) {
		t.Error(many, err)
	}
	if n, err := mirror.Tree.Count(ctx, everything.TreeFilter{PathPrefix: new(kvrt.PathOf("a.b"))}); err != nil || n != 1 {
		t.Error(n, err)
	}
	for e, err := range mirror.Plain.List(ctx, everything.PlainFilter{}) {
		if err != nil || e.Key.Word != "w=1" || e.Value != -1 {
			t.Error(e, err)
		}
	}
	var colors *everything.CopyColorCache
	if colors, err = mirror.Color.Cache(ctx); err != nil {
		t.Fatal(err)
	}
	defer colors.Close()
	rev, err := main.Color.Put(ctx, everything.ColorNotAvailable)
	if err != nil {
		t.Fatal(err)
	}
	if err := colors.WaitFor(ctx, rev); err != nil {
		t.Fatal(err)
	}
	if e, ok := colors.Get(); !ok || e.Value != everything.ColorNotAvailable {
		t.Error(e, ok)
	}
}

func TestABucketWithTheKeysOfAnotherIsItsOwn(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	short, err := everything.EnsureShort(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	spare, err := everything.EnsureSpare(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	key := everything.ShortNoteKey{ID: "1"}
	if _, err := spare.Note.Create(ctx, key, "there", kvrt.TTL(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var accessor everything.SpareNoteKV = spare.Note
	if e, err := accessor.Get(ctx, key); err != nil || e.Value != "there" {
		t.Error(e, err)
	}
	if _, err := short.Note.Get(ctx, key); !errors.Is(err, kvrt.ErrNotFound) {
		t.Error(err)
	}
}
