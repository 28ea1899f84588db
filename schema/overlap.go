// Overlap: two patterns of one bucket may not match the same key. The decision is exact: a token of
// a pattern is a regular language, and parameters do not depend on each other, so two patterns
// overlap just when their tokens do, one by one.

package schema

import (
	"fmt"
	"slices"
	"strings"
)

// language is the set of texts of one token, by its place in the table.
type language int

// languages holds the token languages of a bucket, each once, and what is known of their pairs.
type languages struct {
	ids    map[string]language
	texts  []string     // of literals, else ""
	autos  []*automaton // built when first needed; nil for literals until then
	build  []func() *automaton
	shared map[[2]language]witness
}

// witness is a text that two languages have in common, if there is one.
type witness struct {
	text string
	ok   bool
}

func newLanguages() *languages {
	return &languages{ids: map[string]language{}, shared: map[[2]language]witness{}}
}

func (l *languages) add(id, literal string, build func() *automaton) language {
	if n, ok := l.ids[id]; ok {
		return n
	}
	n := language(len(l.texts))
	l.ids[id] = n
	l.texts, l.autos, l.build = append(l.texts, literal), append(l.autos, nil), append(l.build, build)
	return n
}

func (l *languages) automaton(n language) *automaton {
	if l.autos[n] == nil {
		l.autos[n] = l.build[n]()
	}
	return l.autos[n]
}

// literal is the language of one text.
func (l *languages) literal(text string) language {
	return l.add("="+text, text, func() *automaton {
		a := newAutomaton()
		return a.finish(a.text(0, text))
	})
}

// token is the language of one token of a pattern; of a {name...} it is that of each token it takes.
func (l *languages) token(t *Token, plain bool) language {
	if t.Param == nil {
		return l.literal(t.Literal)
	}
	p := t.Param
	id := []string{"{", t.Prefix, "}", t.Suffix}
	var words []string
	switch p.Kind {
	case ParamInt, ParamUint:
		id = append(id, p.Builtin)
	case ParamBool:
		id = append(id, "bool")
		words = []string{"true", "false"}
	case ParamUUID:
		id = append(id, "uuid")
	case ParamDate:
		id = append(id, "date")
	case ParamEnum:
		words = enumTokens(p.Enum, plain)
		id = append(id, "enum", strings.Join(words, "."))
	default: // any string: of a Go type nothing more is known
		id = append(id, "string")
		if plain {
			id = append(id, "plain")
		}
	}
	return l.add(strings.Join(id, "\x00"), "", func() *automaton {
		a := newAutomaton()
		from, to := a.text(0, t.Prefix), a.state()
		switch {
		case words != nil || p.Kind == ParamEnum:
			a.words(from, to, words...)
		case p.Kind == ParamInt || p.Kind == ParamUint:
			a.integers(from, to, p.Builtin)
		case p.Kind == ParamUUID:
			a.uuid(from, to)
		case p.Kind == ParamDate:
			a.dates(from, to)
		case plain:
			a.plain(from, to)
		default:
			a.escaped(from, to)
		}
		return a.finish(a.text(to, t.Suffix))
	})
}

// enumTokens returns the words of an enum as they stand in keys.
func enumTokens(t *Type, plain bool) []string {
	var out []string
	for _, w := range t.Words {
		switch {
		case !plain:
			out = append(out, escapeToken(w.Value.Value))
		case isPlainToken(w.Value.Value):
			out = append(out, w.Value.Value)
		}
	}
	slices.Sort(out)
	return out
}

// common returns a shortest text that two languages share.
func (l *languages) common(a, b language) (string, bool) {
	if l.texts[a] != "" && l.texts[b] != "" {
		return l.texts[a], a == b
	}
	if a > b {
		a, b = b, a
	}
	w, ok := l.shared[[2]language{a, b}]
	if !ok {
		w.text, w.ok = common(l.automaton(a), l.automaton(b))
		l.shared[[2]language{a, b}] = w
	}
	return w.text, w.ok
}

// patternTokens is a pattern as the overlap check sees it.
type patternTokens struct {
	tokens []language
	path   bool // the last one may repeat
}

// patternTokens returns the languages of a key's pattern; ok is false for one with errors.
func (l *languages) patternTokens(k *Key) (pt patternTokens, ok bool) {
	for i := range k.Pattern.Tokens {
		t := &k.Pattern.Tokens[i]
		if t.Param == nil && t.Literal == "" || t.Param != nil && t.Param.Kind == ParamEnum && t.Param.Enum == nil {
			return patternTokens{}, false
		}
		pt.tokens = append(pt.tokens, l.token(t, k.Plain))
		pt.path = t.Param != nil && t.Param.Kind == ParamPath
	}
	return pt, len(pt.tokens) > 0
}

// overlap returns a shortest key that both patterns match.
func (l *languages) overlap(a, b patternTokens) (key string, ok bool) {
	if len(a.tokens) > len(b.tokens) {
		a, b = b, a
	}
	if len(a.tokens) < len(b.tokens) && !a.path {
		return "", false
	}
	// All tokens are compared before any text is built: most pairs differ early.
	last := len(a.tokens) - 1
	for i, tb := range b.tokens {
		if _, ok := l.common(a.tokens[min(i, last)], tb); !ok {
			return "", false
		}
	}
	var texts []string
	for i, tb := range b.tokens {
		text, _ := l.common(a.tokens[min(i, last)], tb)
		texts = append(texts, text)
	}
	return strings.Join(texts, "."), true
}

// overlapsOfKey is how many overlaps of one key are told; more would not help to mend the first.
const overlapsOfKey = 5

// checkOverlap reports the pairs of patterns of a bucket that match the same key, at the later one.
func (c *checker) checkOverlap(f *File, b *Bucket) {
	l := newLanguages()
	type entry struct {
		key     *Key
		pattern patternTokens
	}
	var entries []entry
	for _, k := range b.Keys {
		pt, ok := l.patternTokens(k)
		if !ok {
			continue
		}
		c.checkReserved(f, k, l, pt)
		told := 0
		for _, e := range entries {
			example, ok := l.overlap(e.pattern, pt)
			if !ok {
				continue
			}
			c.report(f, "pattern-overlap", k.Pattern.Text.Pos,
				fmt.Sprintf("pattern %q of key %q overlaps with %q of key %q: both match %q",
					k.Pattern.Text.Value, k.Name.Value, e.key.Pattern.Text.Value, e.key.Name.Value, example),
				"begin one of them with a literal token that the other does not have",
				related(f, e.key.Pattern.Text.Pos, "the other pattern is here"))
			if told++; told == overlapsOfKey {
				break
			}
		}
		entries = append(entries, entry{k, pt})
	}
}

// reservedKey is the key that the runtime writes itself.
const reservedKey = "=kvgen"

// checkReserved refuses a pattern that matches the reserved key. A parameter of an unescaped key that
// takes a whole token is not meant: nothing but that one value of it is refused, when it is written.
// Nor is the prefix "=", which Load refuses.
func (c *checker) checkReserved(f *File, k *Key, l *languages, pt patternTokens) {
	t := &k.Pattern.Tokens[0]
	if p := t.Param; t.Prefix == "=" || k.Plain && p != nil && p.Kind != ParamEnum && t.Prefix == "" && t.Suffix == "" {
		return
	}
	if _, ok := l.overlap(patternTokens{tokens: []language{l.literal(reservedKey)}}, pt); ok {
		c.report(f, "reserved-key", k.Pattern.Text.Pos,
			fmt.Sprintf("pattern %q matches %q, a key that the runtime keeps for itself", k.Pattern.Text.Value, reservedKey),
			"begin the pattern with another literal")
	}
}
