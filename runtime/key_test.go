package kvrt_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// anyKey has a parameter of every kind.
type anyKey struct {
	S string
	P string // in a token with affixes
	I int32
	U uint64
	B bool
	D kvrt.Date
	G uuid.UUID
	E color
	R kvrt.Path
}

type color string

func (c color) Valid() bool { return c == "red" || c == "deep blue" }

const anyPattern = "a.{s}.b.user-{p}-x.{i:int32}.{u:uint64}.{b:bool}.{d:date}.{g:uuid}.{e:Color}.{r...}"

func (k anyKey) encode(e *kvrt.KeyEncoder) {
	e.Literal("a")
	e.String("s", k.S)
	e.Literal("b")
	e.Affix("user-", "-x")
	e.String("p", k.P)
	e.Int("i", int64(k.I))
	e.Uint("u", k.U)
	e.Bool("b", k.B)
	e.Date("d", k.D)
	kvrt.EncodeText(e, "g", k.G)
	kvrt.EncodeEnum(e, "e", k.E)
	e.Path("r", k.R)
}

func (k anyKey) Encode() (string, error) {
	var e kvrt.KeyEncoder
	k.encode(&e)
	return e.Key()
}

func parseAnyKey(key string) (anyKey, error) {
	var k anyKey
	d := kvrt.DecodeKey(anyPattern, key)
	d.Literal("a")
	k.S = d.String("s")
	d.Literal("b")
	d.Affix("user-", "-x")
	k.P = d.String("p")
	k.I = int32(d.Int("i", 32))
	k.U = d.Uint("u", 64)
	k.B = d.Bool("b")
	k.D = d.Date("d")
	k.G = kvrt.DecodeText[uuid.UUID](&d, "g")
	k.E = kvrt.DecodeEnum[color](&d, "e")
	k.R = d.Path("r")
	return kvrt.DecodedKey(&d, k)
}

type plainKey struct {
	S string
	R kvrt.Path
}

func (k plainKey) encode(e *kvrt.KeyEncoder) {
	e.Plain()
	e.String("s", k.S)
	e.Path("r", k.R)
}

func (k plainKey) Encode() (string, error) {
	var e kvrt.KeyEncoder
	k.encode(&e)
	return e.Key()
}

func parsePlainKey(key string) (plainKey, error) {
	var k plainKey
	d := kvrt.DecodeKey("{s}.{r...}", key)
	d.Plain()
	k.S = d.String("s")
	k.R = d.Path("r")
	return kvrt.DecodedKey(&d, k)
}

// validSubject is the server's rule for a literal subject, and that of KV for a key.
func validSubject(key string) bool {
	for token := range strings.SplitSeq(key, ".") {
		if token == "" {
			return false
		}
	}
	for _, c := range []byte(key) {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_=.", rune(c)) {
			return false
		}
	}
	return true
}

func TestKeysAsNATSSeesThem(t *testing.T) {
	id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	date := kvrt.Date{Year: 2026, Month: time.February, Day: 28}
	k := anyKey{"a.b@x", "", -5, math.MaxUint64, true, date, id, "deep blue", kvrt.PathOf("", "x*", "y")}
	want := "a.a=2Eb=40x.b.user-=-x.-5.18446744073709551615.true.2026-02-28.6ba7b810-9dad-11d1-80b4-00c04fd430c8.deep=20blue.=.x=2A.y"
	got, err := k.Encode()
	if err != nil || got != want {
		t.Fatalf("%s, %v\nwant %s", got, err, want)
	}
	back, err := parseAnyKey(got)
	if err != nil || back != k {
		t.Fatalf("%+v, %v", back, err)
	}
	if tokens := back.R.Tokens(); !slices.Equal(tokens, []string{"", "x*", "y"}) {
		t.Fatalf("%q", tokens)
	}
}

func TestKeysThatCannotBeEncoded(t *testing.T) {
	ok := anyKey{D: kvrt.Date{Year: 1, Month: 1, Day: 1}, E: "red", R: kvrt.PathOf("x")}
	for name, change := range map[string]func(*anyKey){
		"an invalid date":      func(k *anyKey) { k.D.Day = 30; k.D.Month = 2 },
		"the zero date":        func(k *anyKey) { k.D = kvrt.Date{} },
		"an unknown enum word": func(k *anyKey) { k.E = "green" },
		"an empty path":        func(k *anyKey) { k.R = kvrt.PathOf() },
		"more than 1024 bytes": func(k *anyKey) { k.S = strings.Repeat("x", 1000) },
		"more when escaped":    func(k *anyKey) { k.S = strings.Repeat(".", 400) },
	} {
		k := ok
		if _, err := k.Encode(); err != nil {
			t.Fatal(err)
		}
		change(&k)
		key, err := k.Encode()
		if !errors.Is(err, kvrt.ErrInvalidKey) || key != "" {
			t.Errorf("%s: %q, %v", name, key, err)
		}
		if s := kvrt.KeyString(key, err); !strings.HasPrefix(s, "!invalid(") {
			t.Errorf("%s: %s", name, s)
		}
	}
	for _, s := range []string{"", "a.b", "a b", "*", ">", "é", "a\n"} {
		if key, err := (plainKey{s, kvrt.PathOf("x")}).Encode(); !errors.Is(err, kvrt.ErrInvalidKey) {
			t.Errorf("plain %q: %q, %v", s, key, err)
		}
		if key, err := (plainKey{"x", kvrt.PathOf("y", s)}).Encode(); !errors.Is(err, kvrt.ErrInvalidKey) {
			t.Errorf("plain path %q: %q, %v", s, key, err)
		}
	}
}

func TestAKeyOfExactly1024BytesIsAllowed(t *testing.T) {
	k := plainKey{strings.Repeat("x", 1022), kvrt.PathOf("y")}
	key, err := k.Encode()
	if err != nil || len(key) != 1024 {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	if back, err := parsePlainKey(key); err != nil || back != k {
		t.Fatal(err)
	}
	k.S += "x"
	if _, err := k.Encode(); !errors.Is(err, kvrt.ErrInvalidKey) {
		t.Fatal(err)
	}
}

func TestTheReservedKeyCannotBeMade(t *testing.T) {
	var e kvrt.KeyEncoder
	e.Plain()
	e.String("s", "=kvgen")
	if key, err := e.Key(); !errors.Is(err, kvrt.ErrInvalidKey) {
		t.Fatalf("%q, %v", key, err)
	}
}

func TestTextThatNoKeyHasIsRefused(t *testing.T) {
	const head, tail = "a.s.b.user-p-x.", ".true.2026-02-28.6ba7b810-9dad-11d1-80b4-00c04fd430c8.red.r"
	if _, err := parseAnyKey(head + "1.2" + tail); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"", ".", "a", "a.", head, head + "1.2", "x" + head + "1.2" + tail,
		head + "+1.2" + tail, head + "01.2" + tail, head + "-0.2" + tail, head + "2147483648.2" + tail,
		head + "1.-2" + tail, head + "1.02" + tail, head + "1.18446744073709551616" + tail, head + "1." + tail,
		head + "1.2.TRUE.2026-02-28.6ba7b810-9dad-11d1-80b4-00c04fd430c8.red.r",
		head + "1.2.true.2026-02-30.6ba7b810-9dad-11d1-80b4-00c04fd430c8.red.r",
		head + "1.2.true.2026-2-28.6ba7b810-9dad-11d1-80b4-00c04fd430c8.red.r",
		head + "1.2.true.2026-02-28.6BA7B810-9DAD-11D1-80B4-00C04FD430C8.red.r",
		head + "1.2.true.2026-02-28.6ba7b8109dad11d180b400c04fd430c8.red.r",
		head + "1.2.true.2026-02-28.6ba7b810-9dad-11d1-80b4-00c04fd430c8.green.r",
		head + "1.2" + tail + ".", head + "1.2" + tail + "..x", head + "1.2" + tail + ".=2e", head + "1.2" + tail + ".a=",
		"a.=41.b.user-p-x.1.2" + tail, "a.=2e.b.user-p-x.1.2" + tail, "a.=2.b.user-p-x.1.2" + tail,
		"a..b.user-p-x.1.2" + tail, "a.==.b.user-p-x.1.2" + tail, "a.x=.b.user-p-x.1.2" + tail,
		"a.s.b.user-x.1.2" + tail, "a.s.b.user--x.1.2" + tail, "a.s.b.usr-p-x.1.2" + tail, "a.s.b.user-p-y.1.2" + tail,
		"a.é.b.user-p-x.1.2" + tail, "a.*.b.user-p-x.1.2" + tail, "a.s.c.user-p-x.1.2" + tail,
	} {
		if k, err := parseAnyKey(key); !errors.Is(err, kvrt.ErrInvalidKey) || k != (anyKey{}) {
			t.Errorf("%q: %+v, %v", key, k, err)
		}
	}
}

func TestFilters(t *testing.T) {
	type filter = struct {
		s       *string
		p       *string
		path    *kvrt.Path
		subpath *kvrt.Path
	}
	encode := func(f filter, plain bool) (string, error) {
		var e kvrt.KeyEncoder
		s, p, r := kvrt.Select(&e, f.s), kvrt.Select(&e, f.p), kvrt.SelectPath(&e, f.path, f.subpath)
		if plain {
			e.Plain()
		}
		e.Literal("a.b")
		e.String("s", s)
		e.Affix("user-", "")
		e.String("p", p)
		e.Path("r", r)
		return kvrt.SelectionText(e.Selection())
	}
	for _, test := range []struct {
		f    filter
		want string
	}{
		{filter{}, "a.b.*.*.>"},
		{filter{s: new("x y")}, "a.b.x=20y.*.>"},
		{filter{p: new("")}, "a.b.*.user-=.>"},
		{filter{path: new(kvrt.PathOf("1", "2"))}, "a.b.*.*.1.2"},
		{filter{subpath: new(kvrt.PathOf("1", "2"))}, "a.b.*.*.1.2.>"},
		{filter{s: new("*"), subpath: new(kvrt.PathOf(">"))}, "a.b.=2A.*.=3E.>"},
	} {
		if got, err := encode(test.f, false); err != nil || got != test.want {
			t.Errorf("%s, %v, want %s", got, err, test.want)
		}
	}
	path := kvrt.PathOf("x")
	for _, f := range []filter{
		{path: &path, subpath: &path},
		{path: &kvrt.Path{}},
		{subpath: &kvrt.Path{}},
		{s: new(strings.Repeat("x", 1024))},
	} {
		if got, err := encode(f, false); !errors.Is(err, kvrt.ErrInvalidKey) {
			t.Errorf("%s, %v", got, err)
		}
	}
	if got, err := encode(filter{s: new("*")}, true); !errors.Is(err, kvrt.ErrInvalidKey) {
		t.Errorf("a wildcard in a plain filter: %s, %v", got, err)
	}
}

// FuzzKey: what is encoded is a valid subject and decodes to the same; what decodes encodes to the
// same. So the encoding is injective both ways.
func FuzzKey(f *testing.F) {
	f.Add("a.b@x", "", int32(-1), uint64(1), true, 2026, 11, 24, []byte("0123456789abcdef"), "red", "x", "y")
	f.Add("", "*", int32(0), uint64(0), false, 0, 1, 1, []byte{}, "green", "", "\xff.")
	f.Add("=2E", "=", int32(math.MinInt32), uint64(math.MaxUint64), false, 10000, 2, 30, []byte{}, "deep blue", "..", ">")
	f.Fuzz(func(t *testing.T, s, p string, i int32, u uint64, b bool, year, month, day int, id []byte, e, r1, r2 string) {
		var g uuid.UUID
		copy(g[:], id)
		k := anyKey{s, p, i, u, b, kvrt.Date{Year: year, Month: time.Month(month), Day: day}, g, color(e), kvrt.PathOf(r1, r2)}
		key, err := k.Encode()
		if err != nil {
			if !errors.Is(err, kvrt.ErrInvalidKey) {
				t.Fatal(err)
			}
			return
		}
		if !validSubject(key) || len(key) > kvrt.MaxKeyLength {
			t.Fatalf("%q is no valid key", key)
		}
		if back, err := parseAnyKey(key); err != nil || back != k {
			t.Fatalf("%+v, %v from %q of %+v", back, err, key, k)
		}
		if tokens := k.R.Tokens(); !slices.Equal(tokens, []string{r1, r2}) {
			t.Fatalf("%q from %q", tokens, []string{r1, r2})
		}
	})
}

// FuzzParseKey starts from the text.
func FuzzParseKey(f *testing.F) {
	f.Add("a.s.b.user-p-x.1.2.true.2026-02-28.6ba7b810-9dad-11d1-80b4-00c04fd430c8.red.r")
	f.Add("a.=2E.b.user-=-x.-1.0.false.0000-01-01.00000000-0000-0000-0000-000000000000.deep=20blue.=.=00.x")
	f.Add("a.b=c.d")
	f.Add("=kvgen")
	f.Fuzz(func(t *testing.T, key string) {
		if k, err := parseAnyKey(key); err == nil {
			if again, err := k.Encode(); err != nil || again != key {
				t.Fatalf("%q, %v from %q", again, err, key)
			}
		}
		if k, err := parsePlainKey(key); err == nil {
			if again, err := k.Encode(); err != nil || again != key {
				t.Fatalf("plain %q, %v from %q", again, err, key)
			}
			if !validSubject(key) {
				t.Fatalf("%q is no valid key", key)
			}
		}
	})
}

func TestDates(t *testing.T) {
	d, err := kvrt.ParseDate("2024-02-29")
	if err != nil || d != (kvrt.Date{Year: 2024, Month: 2, Day: 29}) || d.String() != "2024-02-29" || !d.IsValid() {
		t.Fatal(d, err)
	}
	if got := kvrt.DateOf(d.In(time.UTC)); got != d {
		t.Fatal(got)
	}
	var back kvrt.Date
	text, err := d.MarshalText()
	if err != nil || back.UnmarshalText(text) != nil || back != d {
		t.Fatal(back, err)
	}
	if _, err := (kvrt.Date{}).MarshalText(); err == nil {
		t.Fatal("the zero date was written")
	}
}

// BenchmarkKey encodes and parses a key of a text and a number, against code that one would write by
// hand, which trusts the text to have no dot, and the number to be written as it writes it.
//
//	go test ./runtime -run '^$' -bench Key -benchtime 1000x
func BenchmarkKey(b *testing.B) {
	const calls = 1000 // long against the clock
	k, key := orderKey{"acme", 1234567}, "order.acme.1234567"
	key = strings.Clone(key)
	each := func(name string, f func() error) contender {
		units, turn := repeated(calls, f)
		return contender{name, units, turn}
	}
	same := func(got orderKey) error {
		if got != k {
			return fmt.Errorf("%+v", got)
		}
		return nil
	}
	b.Run("Encode", func(b *testing.B) {
		compare(b, each("kvgen", func() error {
			got, err := k.Encode()
			if err == nil && got != key {
				return errors.New(got)
			}
			return err
		}), each("by-hand", func() error {
			if got := "order." + k.Tenant + "." + strconv.FormatUint(k.ID, 10); got != key {
				return errors.New(got)
			}
			return nil
		}))
	})
	b.Run("Parse", func(b *testing.B) {
		compare(b, each("kvgen", func() error {
			got, err := parseOrderKey(key)
			if err != nil {
				return err
			}
			return same(got)
		}), each("by-hand", func() error {
			parts := strings.Split(key, ".")
			if len(parts) != 3 || parts[0] != "order" {
				return errors.New("no key")
			}
			id, err := strconv.ParseUint(parts[2], 10, 64)
			if err != nil {
				return err
			}
			return same(orderKey{parts[1], id})
		}))
	})
}

func TestEncodingAllocatesOnlyTheKey(t *testing.T) {
	k := orderKey{"a.b", 1234567}
	key, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = k.Encode() }); n > 1 {
		t.Errorf("encoding: %v allocations", n)
	}
	key = strings.Replace(key, "=2E", "", 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = parseOrderKey(key) }); n > 0 {
		t.Errorf("parsing: %v allocations", n)
	}
}
