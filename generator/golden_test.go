package generator_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/tools/imports"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/kvgen/kvgen/generator"
	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
	"github.com/kvgen/kvgen/schema"
	"github.com/kvgen/kvgen/testdata/golden/everything"
	"github.com/kvgen/kvgen/testdata/golden/everything/kinds"
)

var update = flag.Bool("update", false, "write the golden packages")

const goldenDir = "../testdata/golden/everything"

// generate runs all stages over a schema.
func generate(t testing.TB, dir, name string, source []byte) []generator.File {
	t.Helper()
	file, diags := schema.Load(name, source)
	if file == nil {
		t.Fatal(diags)
	}
	files := []*schema.File{file}
	diags = append(diags, schema.Check(files)...)
	resolved, err := generator.Resolve(t.Context(), []generator.Folder{{Dir: dir, Files: files}}, generator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	diags = schema.DropIgnored(files, append(diags, resolved[0].Diags...))
	if len(diags) > 0 {
		t.Fatalf("%+v", diags)
	}
	out, err := generator.Generate(files, resolved[0].Types)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheGoldenPackageIsWhatItsSchemaGives(t *testing.T) {
	const name = "everything.kv.yaml"
	source, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	files := generate(t, goldenDir, name, source)
	again := generate(t, goldenDir, name, source)
	for i, f := range files {
		if !bytes.Equal(f.Content, again[i].Content) {
			t.Errorf("%s differs between two generations", f.Path)
		}
		if formatted, err := format.Source(f.Content); err != nil || !bytes.Equal(formatted, f.Content) {
			t.Errorf("%s is not as gofmt leaves it (%v)", f.Path, err)
		}
		if formatted, err := imports.Process(filepath.Join(goldenDir, f.Path), f.Content, nil); err != nil || !bytes.Equal(formatted, f.Content) {
			t.Errorf("%s is not as goimports leaves it (%v)", f.Path, err)
		}
		for line := range strings.Lines(string(f.Content)) {
			// A pattern may be as long as it is.
			if strings.HasPrefix(line, "//") && len(line) > 130 && !strings.Contains(line, "item.{name}.{n:int32}") {
				t.Errorf("%s has a long line: %s", f.Path, line)
			}
		}
		path := filepath.Join(goldenDir, f.Path)
		if *update {
			if err := os.WriteFile(path, f.Content, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Content, want) {
			t.Errorf("%s is not current: go test ./generator -update", f.Path)
		}
	}
	written, err := filepath.Glob(filepath.Join(goldenDir, "*.kv.go"))
	if err != nil || len(written) != len(files) {
		t.Errorf("%d files, want %d (%v)", len(written), len(files), err)
	}
}

func item() everything.Item {
	return everything.Item{
		Text: "tea", Small: 3, Large: 2, Ratio: 1, At: time.Unix(1, 0).UTC(), Wait: time.Minute, Color: everything.ColorRed,
		Parts: map[string][]everything.Part{"a": {{Qty: 1}}},
	}
}

func TestGeneratedKeysSurviveTheWayThroughTheServer(t *testing.T) {
	ctx := t.Context()
	b, err := everything.EnsureMain(ctx, kvtest.Start(t), everything.MainParams{Env: "test", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	if b.Bucket().Name() != "MAIN_test_eu" {
		t.Fatal(b.Bucket().Name())
	}
	key := everything.ItemKey{
		Name: "a.b@x*>", Number: -7, U: 8, Ok: true, Day: kvrt.Date{Year: 2026, Month: 2, Day: 3},
		ID: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Color: everything.ColorNotAvailable, Level: kinds.Level{N: 4},
	}
	const want = "item.a=2Eb=40x=2A=3E.-7.8.true.2026-02-03.6ba7b810-9dad-11d1-80b4-00c04fd430c8.n/a.L4"
	if key.String() != want {
		t.Fatalf("%s, want %s", key, want)
	}
	if back, err := everything.ParseItemKey(want); err != nil || back != key {
		t.Fatal(back, err)
	}
	rev, err := b.Item.Put(ctx, key, item())
	if err != nil {
		t.Fatal(err)
	}
	entry, err := b.Item.Get(ctx, key, kvrt.Linearizable())
	if err != nil || entry.Key != key || entry.Revision != rev || entry.Value.Text != "tea" {
		t.Fatal(entry, err)
	}
	n := 0
	for e, err := range b.Item.List(ctx, everything.ItemFilter{Number: new(int32(-7)), Level: &kinds.Level{N: 4}}) {
		if err != nil || e.Key != key {
			t.Fatal(e, err)
		}
		n++
	}
	if n != 1 {
		t.Fatal(n)
	}
	history, err := b.Item.History(ctx, key)
	if err != nil || len(history) != 1 {
		t.Fatal(history, err)
	}
}

func TestGeneratedCodecsSurviveTheWayThroughTheServer(t *testing.T) {
	ctx := t.Context()
	b, err := everything.EnsureMain(ctx, kvtest.Start(t), everything.MainParams{Env: "test", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	put := func(_ uint64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put(b.Blob.Put(ctx, everything.BlobKey{ID: "1"}, everything.Blob{Data: []byte{0, 1}}))
	put(b.Reversed.Put(ctx, "abc"))
	put(b.Message.Put(ctx, everything.MessageKey{ID: "1"}, wrapperspb.String("hello")))
	put(b.Colors.Put(ctx, []everything.Color{everything.ColorRed}))
	put(b.Color.Put(ctx, everything.ColorNotAvailable))
	put(b.Tree.Put(ctx, everything.TreeKey{Root: "r", Path: kvrt.PathOf("a.b", "")}, "leaf"))
	put(b.Plain.Put(ctx, everything.PlainKey{Word: "w=1"}, -1))
	put(b.Affix.Put(ctx, everything.AffixKey{ID: 3}, time.Hour))
	put(b.Sink.Put(ctx, everything.SinkKey{ID: "x"}, 1.5))
	put(b.Document.Put(ctx, []byte(`{"a":1}`)))

	kv, err := b.Bucket().KeyValue(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"blob.1": "\x00\x01", "reversed": "cba", "colors": `["red"]`, "color": "n/a", "tree.r.a=2Eb.=": "leaf",
		"plain.w=1": "-1", "affix.user-3-x": "1h0m0s", "sink.x": "1.5", "document": `{"a":1}`,
	} {
		e, err := kv.Get(ctx, key)
		if err != nil || string(e.Value()) != want {
			t.Errorf("%s: %v, %v, want %q", key, e, err, want)
		}
	}
	message, err := b.Message.Get(ctx, everything.MessageKey{ID: "1"})
	if err != nil || message.Value.GetValue() != "hello" {
		t.Fatal(message, err)
	}
	if e, err := b.Reversed.Get(ctx); err != nil || e.Value != "abc" {
		t.Fatal(e, err)
	}
	w, err := b.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	var got []string
	for ev := range w.Updates() {
		got = append(got, strings.TrimPrefix(fmt.Sprintf("%T", ev), "kvrt."))
		if c, ok := ev.(kvrt.ControlEvent); ok && c.Op == kvrt.Synced {
			break
		}
		if _, unmatched := ev.(kvrt.UnmatchedEvent); unmatched {
			t.Errorf("unmatched: %+v", ev)
		}
	}
	if len(got) != 11 {
		t.Errorf("%d events: %v", len(got), got)
	}
}

func TestGeneratedCachesFollowTheirBucket(t *testing.T) {
	ctx := t.Context()
	b, err := everything.EnsureMain(ctx, kvtest.Start(t), everything.MainParams{Env: "test", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	first := everything.TreeKey{Root: "r", Path: kvrt.PathOf("a", "b")}
	if _, err := b.Tree.Put(ctx, first, "leaf"); err != nil {
		t.Fatal(err)
	}
	var trees *everything.TreeCache
	if trees, err = b.Tree.Cache(ctx, everything.TreeFilter{Root: new("r"), PathPrefix: new(kvrt.PathOf("a"))}, kvrt.MaxEntries(10)); err != nil {
		t.Fatal(err)
	}
	defer trees.Close()
	var color *everything.ColorCache
	if color, err = b.Color.Cache(ctx); err != nil {
		t.Fatal(err)
	}
	defer color.Close()
	if _, ok := color.Get(); ok {
		t.Error("a key that is not there")
	}
	if _, err := b.Tree.Put(ctx, everything.TreeKey{Root: "r", Path: kvrt.PathOf("a", "c")}, "more"); err != nil {
		t.Fatal(err)
	}
	rev, err := b.Color.Put(ctx, everything.ColorRed)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(trees.WaitFor(ctx, rev), color.WaitFor(ctx, rev)); err != nil {
		t.Fatal(err)
	}
	if e, ok := trees.Get(first); !ok || e.Value != "leaf" || trees.Len() != 2 {
		t.Error(e, ok, trees.Len())
	}
	if e, ok := color.Get(); !ok || e.Value != everything.ColorRed {
		t.Error(e, ok)
	}
}

func TestGeneratedTransactionsChangeSeveralKeys(t *testing.T) {
	ctx := t.Context()
	b, err := everything.EnsureMain(ctx, kvtest.Start(t), everything.MainParams{Env: "test", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, other := everything.TreeKey{Root: "r", Path: kvrt.PathOf("a.b", "")}, everything.TreeKey{Root: "r", Path: kvrt.PathOf("c")}
	if _, err := b.Tree.Put(ctx, leaf, "leaf"); err != nil {
		t.Fatal(err)
	}
	rev, err := b.Txn(ctx, func(tx *everything.MainTxn) error {
		if _, err := tx.Colors.Get(); !errors.Is(err, kvrt.ErrNotFound) {
			return fmt.Errorf("a key that is not there: %w", err)
		}
		if err := tx.Colors.Create([]everything.Color{everything.ColorRed}); err != nil {
			return err
		}
		leaves, err := tx.Tree.GetMany([]everything.TreeKey{leaf, other})
		if err != nil || len(leaves) != 1 {
			return fmt.Errorf("%v, %w", leaves, err)
		}
		if err := tx.Tree.Update(leaf, leaves[leaf].Value+"s", leaves[leaf].Revision); err != nil {
			return err
		}
		if _, err := tx.Seen.Get(); !errors.Is(err, kvrt.ErrNotFound) { // may only be read
			return fmt.Errorf("a key that is not there: %w", err)
		}
		if err := tx.Sink.Put(everything.SinkKey{ID: "x"}, 1.5); err != nil { // may only be written
			return err
		}
		if err := tx.Color.Put("blue"); !errors.Is(err, kvrt.ErrInvalidValue) {
			return fmt.Errorf("a word that the schema does not know: %w", err)
		}
		return tx.Document.Delete()
	}, kvrt.MaxAttempts(3))
	if err != nil || rev == 0 {
		t.Fatal(rev, err)
	}
	if e, err := b.Tree.Get(ctx, leaf); err != nil || e.Value != "leafs" {
		t.Fatal(e, err)
	}
	if e, err := b.Colors.Get(ctx); err != nil || len(e.Value) != 1 || e.Revision >= rev {
		t.Fatal(e, err)
	}
	if _, err := b.Tree.Modify(ctx, leaf, func(e *everything.TreeEntry) error { e.Value = "x"; return nil }, kvrt.MaxAttempts(3)); err != nil {
		t.Fatal(err)
	}
}

func TestGeneratedTransactionsKeepTheTimeToLive(t *testing.T) {
	ctx := t.Context()
	js := kvtest.Start(t)
	b, err := everything.EnsureHotel(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	room, hold := everything.HotelRoomKey{Number: 7}, everything.HotelHoldKey{Number: 7}
	for want, opts := range map[string][]kvrt.TTLOption{"15m0s": nil, "1m0s": {kvrt.TTL(time.Minute)}} {
		if _, err := b.Txn(ctx, func(tx *everything.HotelTxn) error {
			return errors.Join(tx.Room.Put(room, "held"), tx.Hold.Put(hold, "ann", opts...))
		}); err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(ctx, "KV_hotel")
		if err != nil {
			t.Fatal(err)
		}
		msg, err := stream.GetLastMsgForSubject(ctx, "$KV.hotel."+hold.String())
		if err != nil || msg.Header.Get("Nats-TTL") != want {
			t.Errorf("%v, %v, want a time to live of %s", msg, err, want)
		}
	}
}

func TestValuesThatBreakAConstraintAreRefusedWithTheirPath(t *testing.T) {
	ctx := t.Context()
	b, err := everything.EnsureMain(ctx, kvtest.Start(t), everything.MainParams{Env: "test", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*everything.Item){
		"text: length 0 is below 1":                   func(v *everything.Item) { v.Text = "" },
		"text: length 21 is above 20":                 func(v *everything.Item) { v.Text = strings.Repeat("a", 21) },
		"text: does not match ^[a-z ]+$":              func(v *everything.Item) { v.Text = "A" },
		"small: -6 is below -5":                       func(v *everything.Item) { v.Small = -6 },
		"large: 11 is above 10":                       func(v *everything.Item) { v.Large = 11 },
		"ratio: 0.25 is below 0.5":                    func(v *everything.Item) { v.Ratio = 0.25 },
		"at: is required":                             func(v *everything.Item) { v.At = time.Time{} },
		"wait: 2h0m0s is above 1h0m0s":                func(v *everything.Item) { v.Wait = 2 * time.Hour },
		`color: "blue" is not a word of Color`:        func(v *everything.Item) { v.Color = "blue" },
		`colors[1]: "x" is not a word of Color`:       func(v *everything.Item) { v.Colors = []everything.Color{"red", "x"} },
		`parts["a"][1].qty: 0 is below 1`:             func(v *everything.Item) { v.Parts["a"] = []everything.Part{{Qty: 1}, {}} },
		"next.text: length 0 is below 1":              func(v *everything.Item) { v.Next = &everything.Item{} },
		"maybe: 0 is below 1":                         func(v *everything.Item) { v.Maybe = new(int64(0)) },
		`maybe_color: "green" is not a word of Color`: func(v *everything.Item) { v.MaybeColor = new(everything.Color("green")) },
	} {
		v := item()
		spoil(&v)
		_, err := b.Item.Put(ctx, everything.ItemKey{Color: everything.ColorRed, Day: kvrt.Date{Year: 1, Month: 1, Day: 1}}, v)
		if !errors.Is(err, kvrt.ErrInvalidValue) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, write := range map[string]func() (uint64, error){
		`[1]: "x" is not a word of Color`: func() (uint64, error) { return b.Colors.Put(ctx, []everything.Color{"red", "x"}) },
		`"x" is not a word of Color`:      func() (uint64, error) { return b.Color.Put(ctx, "x") },
	} {
		if _, err := write(); !errors.Is(err, kvrt.ErrInvalidValue) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
