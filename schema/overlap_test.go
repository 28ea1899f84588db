package schema

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The oracle: whether a pattern matches a key, told without automata, with the functions that the
// runtime uses for its values.

func patternMatches(k *Key, key string) bool {
	texts := strings.Split(key, ".")
	tokens := k.Pattern.Tokens
	for i := range tokens {
		t := &tokens[i]
		if i >= len(texts) {
			return false
		}
		if t.Param != nil && t.Param.Kind == ParamPath {
			for _, text := range texts[i:] {
				if !stringMatches(text, k.Plain) {
					return false
				}
			}
			return true
		}
		if !tokenMatches(t, texts[i], k.Plain) {
			return false
		}
	}
	return len(texts) == len(tokens)
}

func tokenMatches(t *Token, text string, plain bool) bool {
	if t.Param == nil {
		return text == t.Literal
	}
	text, ok := strings.CutPrefix(text, t.Prefix)
	if ok {
		text, ok = strings.CutSuffix(text, t.Suffix)
	}
	if !ok {
		return false
	}
	p := t.Param
	switch p.Kind {
	case ParamInt:
		n, err := strconv.ParseInt(text, 10, bits(p.Builtin))
		return err == nil && strconv.FormatInt(n, 10) == text
	case ParamUint:
		n, err := strconv.ParseUint(text, 10, bits(p.Builtin))
		return err == nil && strconv.FormatUint(n, 10) == text
	case ParamBool:
		return text == "true" || text == "false"
	case ParamDate:
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case ParamUUID:
		return regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`).MatchString(text)
	case ParamEnum:
		for _, w := range p.Enum.Words {
			if value, ok := unescapeToken(text); ok && !plain && value == w.Value.Value || plain && text == w.Value.Value && stringMatches(text, true) {
				return true
			}
		}
		return false
	}
	return stringMatches(text, plain)
}

func bits(name string) int {
	n, err := strconv.Atoi(strings.TrimLeft(name, "uint"))
	if err != nil {
		return 64
	}
	return n
}

func stringMatches(text string, plain bool) bool {
	if plain {
		return regexp.MustCompile(`^[A-Za-z0-9/_=-]+$`).MatchString(text)
	}
	_, ok := unescapeToken(text)
	return ok
}

// unescapeToken is the inverse of escaping, by trying whether escaping gives the same text again.
func unescapeToken(text string) (string, bool) {
	if text == "=" {
		return "", true
	}
	if text == "" {
		return "", false
	}
	var value []byte
	for rest := text; rest != ""; {
		if rest[0] != '=' {
			value, rest = append(value, rest[0]), rest[1:]
			continue
		}
		if len(rest) < 3 {
			return "", false
		}
		b, err := hex.DecodeString(rest[1:3])
		if err != nil {
			return "", false
		}
		value, rest = append(value, b...), rest[3:]
	}
	var again strings.Builder
	for _, c := range value {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_", c) >= 0 {
			again.WriteByte(c)
		} else {
			fmt.Fprintf(&again, "=%02X", c)
		}
	}
	return string(value), again.String() == text
}

// overlapOf returns the example of two keys' patterns, or "".
func overlapOf(a, b *Key) (string, bool) {
	l := newLanguages()
	pa, okA := l.patternTokens(a)
	pb, okB := l.patternTokens(b)
	if !okA || !okB {
		return "", false
	}
	return l.overlap(pa, pb)
}

func keyOf(tokens []Token, plain bool) *Key {
	var texts []string
	for _, t := range tokens {
		if t.Param == nil {
			texts = append(texts, t.Literal)
			continue
		}
		name := fmt.Sprintf("%d%s", t.Param.Kind, t.Param.Builtin)
		if t.Param.Enum != nil {
			for _, w := range t.Param.Enum.Words {
				name += "|" + w.Value.Value
			}
		}
		texts = append(texts, t.Prefix+"{"+name+"}"+t.Suffix)
	}
	return &Key{Plain: plain, Pattern: Pattern{Text: Text{Value: strings.Join(texts, ".")}, Tokens: tokens}}
}

// randomToken makes a token out of few texts, so that many pairs share some and many do not.
func randomToken(r *rand.Rand, last bool) Token {
	literals := []string{"a", "b", "0", "1", "-1", "=", "=2E", "=41", "a=2E", "true", "2024-02-29", "2023-02-29", "123e4567-e89b-12d3-a456-426614174000", "=kvgen", "200", "-0"}
	affixes := []string{"", "", "", "a", "=", "-", "2", "2E", "t", "0"}
	kinds := []ParamKind{ParamString, ParamString, ParamInt, ParamUint, ParamBool, ParamUUID, ParamDate, ParamEnum, ParamGo}
	if r.IntN(3) == 0 {
		return Token{Literal: literals[r.IntN(len(literals))]}
	}
	if last && r.IntN(5) == 0 {
		return Token{Param: &Param{Kind: ParamPath}}
	}
	p := &Param{Kind: kinds[r.IntN(len(kinds))]}
	switch p.Kind {
	case ParamInt:
		p.Builtin = []string{"int", "int32", "int64"}[r.IntN(3)]
	case ParamUint:
		p.Builtin = []string{"uint", "uint32", "uint64"}[r.IntN(3)]
	case ParamEnum:
		words := []string{"a", "b.c", "true", "1", ".", "=2E", "2147483648", "kvgen", "-2147483649"}
		p.Enum = &Type{Kind: EnumType}
		for range 1 + r.IntN(2) {
			p.Enum.Words = append(p.Enum.Words, &Word{Value: Text{Value: words[r.IntN(len(words))]}})
		}
	}
	return Token{Prefix: affixes[r.IntN(len(affixes))], Param: p, Suffix: affixes[r.IntN(len(affixes))]}
}

// candidates are the texts that the oracle tries: all short ones over some bytes that matter, and some
// of each longer kind, with affixes.
func candidates() []string {
	alphabet := "a012=-E4t"
	texts := []string{""}
	var out []string
	for range 3 {
		var longer []string
		for _, s := range texts {
			for i := range len(alphabet) {
				longer = append(longer, s+alphabet[i:i+1])
			}
		}
		texts = longer
		out = append(out, longer...)
	}
	core := []string{"true", "false", "2024-02-29", "2023-02-29", "2023-02-28", "123e4567-e89b-12d3-a456-426614174000", "=kvgen", "a=2E",
		"2147483647", "2147483648", "-2147483648", "-2147483649", "4294967296", "b=2Ec", "=2E=2E", "kvgen", "=3D2E", "2E", "b"}
	for _, c := range core {
		for _, prefix := range []string{"", "a", "=", "-", "2", "2E", "t", "0"} {
			for _, suffix := range []string{"", "a", "=", "-", "2", "2E", "t", "0"} {
				out = append(out, prefix+c+suffix)
			}
		}
	}
	return out
}

func TestOverlapOfTokensAgreesWithTryingTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := candidates()
	overlapping := 0
	for range 1500 {
		a := keyOf([]Token{randomToken(r, true)}, r.IntN(4) == 0)
		b := keyOf([]Token{randomToken(r, true)}, r.IntN(4) == 0)
		example, ok := overlapOf(a, b)
		if ok {
			overlapping++
			if !patternMatches(a, example) || !patternMatches(b, example) {
				t.Fatalf("%s (plain %v) and %s (plain %v) do not both match the example %q", a.Pattern.Text.Value, a.Plain, b.Pattern.Text.Value, b.Plain, example)
			}
			continue
		}
		for _, text := range texts {
			if patternMatches(a, text) && patternMatches(b, text) {
				t.Fatalf("%s (plain %v) and %s (plain %v) are said not to overlap, but both match %q", a.Pattern.Text.Value, a.Plain, b.Pattern.Text.Value, b.Plain, text)
			}
		}
	}
	if overlapping < 200 || overlapping > 1300 {
		t.Errorf("%d of 1500 pairs overlap: the test says little", overlapping)
	}
}

func TestOverlapOfPatternsAgreesWithTryingKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	few := []string{"a", "0", "1", "=", "=2E", "true", "2024-02-29", "b=2Ec"}
	var keys []string
	for _, x := range few {
		keys = append(keys, x)
		for _, y := range few {
			keys = append(keys, x+"."+y)
			for _, z := range few {
				keys = append(keys, x+"."+y+"."+z)
			}
		}
	}
	random := func() *Key {
		n := 1 + r.IntN(3)
		var tokens []Token
		for i := range n {
			tokens = append(tokens, randomToken(r, i == n-1))
		}
		return keyOf(tokens, r.IntN(4) == 0)
	}
	for range 1500 {
		a, b := random(), random()
		example, ok := overlapOf(a, b)
		again, also := overlapOf(b, a)
		if ok != also || len(example) != len(again) {
			t.Fatalf("%s and %s: %q one way, %q the other", a.Pattern.Text.Value, b.Pattern.Text.Value, example, again)
		}
		if ok && !(patternMatches(a, example) && patternMatches(b, example)) {
			t.Fatalf("%s and %s do not both match %q", a.Pattern.Text.Value, b.Pattern.Text.Value, example)
		}
		for _, key := range keys {
			if !ok && patternMatches(a, key) && patternMatches(b, key) {
				t.Fatalf("%s and %s are said not to overlap, but both match %q", a.Pattern.Text.Value, b.Pattern.Text.Value, key)
			}
			if ok && patternMatches(a, key) && patternMatches(b, key) && len(key) < len(example) {
				t.Fatalf("%s and %s: the example %q is longer than %q", a.Pattern.Text.Value, b.Pattern.Text.Value, example, key)
			}
		}
	}
}

func FuzzOverlapMatchesTheOracle(f *testing.F) {
	f.Add("order.{a}", "order.x", false, false, "order.x")
	f.Add("{a...}", "b.{c}", true, false, "b.=")
	f.Add("={a}", "=2{b}", false, true, "=2E")
	f.Add("{a:int32}", "{b:date}", false, false, "2024-02-29")
	f.Add("{a:uint64}", "1{b:uint}", false, false, "18446744073709551615")
	f.Fuzz(func(t *testing.T, first, second string, firstPlain, secondPlain bool, key string) {
		load := func(text string, plain bool) *Key {
			source := "kvgen: v1\npackage: p\nbuckets: {b: {keys: {k: {pattern: " + strconv.Quote(text) + ", value: int}}}}\n"
			file, diags := Load("p.kv.yaml", []byte(source))
			if file == nil || HasErrors(diags) || HasErrors(Check([]*File{file})) {
				return nil
			}
			k := file.Buckets[0].Keys[0]
			k.Plain = plain
			return k
		}
		a, b := load(first, firstPlain), load(second, secondPlain)
		if a == nil || b == nil {
			return
		}
		example, ok := overlapOf(a, b)
		if ok && !(patternMatches(a, example) && patternMatches(b, example)) {
			t.Errorf("%s and %s do not both match the example %q", first, second, example)
		}
		if !ok && patternMatches(a, key) && patternMatches(b, key) {
			t.Errorf("%s and %s are said not to overlap, but both match %q", first, second, key)
		}
	})
}

func TestOverlapOfAThousandPatternsIsFoundQuickly(t *testing.T) {
	b := &Bucket{}
	for i := range 1000 {
		b.Keys = append(b.Keys, keyOf([]Token{
			{Literal: "shop"}, {Param: &Param{Kind: ParamString}}, {Literal: fmt.Sprintf("k%d", i)}, {Param: &Param{Kind: ParamUint, Builtin: "uint64"}},
		}, false))
	}
	c, f := newChecker(), &File{}
	start := time.Now()
	c.checkOverlap(f, b)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("500,000 pairs took %v", took)
	}
	if found := c.of(f).diags; len(found) > 0 {
		t.Errorf("patterns with a literal of their own overlap: %v", found[0].Message)
	}
	b.Keys = append(b.Keys, keyOf([]Token{{Literal: "shop"}, {Param: &Param{Kind: ParamPath}}}, false))
	c.checkOverlap(f, b)
	if n := len(c.of(f).diags); n != overlapsOfKey {
		t.Errorf("a pattern that overlaps with all gives %d diagnostics, want %d", n, overlapsOfKey)
	}
}

func BenchmarkOverlapOfAThousandPatterns(b *testing.B) {
	bucket := &Bucket{}
	for i := range 1000 {
		bucket.Keys = append(bucket.Keys, keyOf([]Token{
			{Literal: fmt.Sprintf("k%d", i)}, {Param: &Param{Kind: ParamString}}, {Param: &Param{Kind: ParamUint, Builtin: "uint64"}},
		}, false))
	}
	for b.Loop() {
		newChecker().checkOverlap(&File{}, bucket)
	}
}

func TestEnumsOfManyWordsAreComparedQuickly(t *testing.T) {
	enum := func(suffix string) *Key {
		words := make([]*Word, 20_000)
		for i := range words {
			words[i] = &Word{Value: Text{Value: strconv.Itoa(i) + suffix}}
		}
		return keyOf([]Token{{Param: &Param{Kind: ParamEnum, Enum: &Type{Kind: EnumType, Words: words}}}}, false)
	}
	start := time.Now()
	if example, ok := overlapOf(enum("x"), enum("y")); ok {
		t.Errorf("words that differ in their last letter share %q", example)
	}
	if took := time.Since(start); took > 30*time.Second { // pair by pair it would be minutes
		t.Errorf("comparing 20,000 words with 20,000 took %v", took)
	}
}
