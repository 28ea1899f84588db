// Overlap: two patterns of one bucket may not match the same key. The decision is exact: a token of
// a pattern is a regular language, and parameters do not depend on each other, so two patterns
// overlap just when their tokens do, one by one.

package schema

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// language is the set of texts of one token, by its place in the table.
type language int

// languageID tells the languages of tokens apart.
type languageID struct {
	prefix, suffix string
	kind           ParamKind
	builtin        string
	enum           *Type
	literal, plain bool
}

// tokenLanguage is a language with what makes it quick to see that two have nothing in common.
type tokenLanguage struct {
	head, tail string // every text begins and ends so
	words      *words // if it is finite: what stands between prefix and suffix
	prefix     string
	suffix     string
	auto       *automaton // built when first needed
	build      func() *automaton
	self       *witness // what it shares with itself, which most pairs of patterns ask for
}

// words are the texts of an enum's words, as they stand in keys.
type words struct {
	list []string // by length
	set  map[string]bool
}

// languages holds the token languages of a bucket, each once, and what is known of their pairs.
type languages struct {
	ids    map[languageID]language
	all    []*tokenLanguage
	enums  map[languageID]*words
	shared map[[2]language]witness
	budget int // steps that are left
	steps  []productStep
}

// overlapBudget is how many steps the comparison of a bucket's patterns may take, a second or two.
// Ten thousand patterns that all begin alike take 150 million.
const overlapBudget = 200_000_000

// witness is a text that two languages have in common, if there is one.
type witness struct {
	text string
	ok   bool
}

func newLanguages() *languages {
	return &languages{ids: map[languageID]language{}, enums: map[languageID]*words{}, shared: map[[2]language]witness{}, budget: overlapBudget}
}

func (l *languages) add(id languageID, make func() *tokenLanguage) language {
	if n, ok := l.ids[id]; ok {
		return n
	}
	n := language(len(l.all))
	l.ids[id] = n
	l.all = append(l.all, make())
	return n
}

func (l *languages) automaton(t *tokenLanguage) *automaton {
	if t.auto == nil {
		t.auto = t.build()
		l.budget -= 10 * len(t.auto.edges)
	}
	return t.auto
}

// literal is the language of one text.
func (l *languages) literal(text string) language {
	return l.add(languageID{prefix: text, literal: true}, func() *tokenLanguage {
		return &tokenLanguage{head: text, tail: text, words: &words{[]string{text}, map[string]bool{text: true}}}
	})
}

// token is the language of one token of a pattern; of a {name...} it is that of each token it takes.
func (l *languages) token(t *Token, plain bool) language {
	if t.Param == nil {
		return l.literal(t.Literal)
	}
	p := t.Param
	id := languageID{prefix: t.Prefix, suffix: t.Suffix, kind: p.Kind, builtin: p.Builtin, enum: p.Enum}
	switch p.Kind {
	case ParamString, ParamGo, ParamPath: // any string: of a Go type nothing more is known
		id.kind, id.plain = ParamString, plain
	case ParamEnum:
		id.plain = plain
	}
	return l.add(id, func() *tokenLanguage {
		out := &tokenLanguage{head: t.Prefix, tail: t.Suffix, prefix: t.Prefix, suffix: t.Suffix}
		switch p.Kind {
		case ParamBool:
			out.words = newWords([]string{"true", "false"})
		case ParamEnum:
			out.words = l.enum(p.Enum, plain)
		}
		out.build = func() *automaton {
			a := newAutomaton()
			from, to := a.text(0, t.Prefix), a.state()
			switch {
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
		}
		return out
	})
}

// enum returns the words of an enum as they stand in keys.
func (l *languages) enum(t *Type, plain bool) *words {
	id := languageID{enum: t, plain: plain}
	if l.enums[id] == nil {
		l.enums[id] = newWords(enumTokens(t, plain))
	}
	return l.enums[id]
}

func newWords(list []string) *words {
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	w := &words{list, map[string]bool{}}
	for _, s := range list {
		w.set[s] = true
	}
	return w
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
	return out
}

// common returns a shortest text that two languages share.
func (l *languages) common(a, b language) (string, bool) {
	l.budget--
	if a > b {
		a, b = b, a
	}
	ta, tb := l.all[a], l.all[b]
	if !fit(ta.head, tb.head, strings.HasPrefix) || !fit(ta.tail, tb.tail, strings.HasSuffix) {
		return "", false
	}
	if a == b {
		if ta.self == nil {
			text, ok := l.search(ta, ta)
			ta.self = &witness{text, ok}
		}
		return ta.self.text, ta.self.ok
	}
	w, ok := l.shared[[2]language{a, b}]
	if !ok {
		w.text, w.ok = l.search(ta, tb)
		l.shared[[2]language{a, b}] = w
	}
	return w.text, w.ok
}

// fit reports whether a text can begin, or end, with both of two texts.
func fit(a, b string, begins func(s, part string) bool) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	return begins(a, b)
}

// search finds a shortest text of two languages.
func (l *languages) search(a, b *tokenLanguage) (string, bool) {
	if b.words != nil && (a.words == nil || len(b.words.list) < len(a.words.list)) {
		a, b = b, a
	}
	if a.words == nil {
		return l.product(l.automaton(a), l.automaton(b))
	}
	for _, w := range a.words.list {
		text := a.prefix + w + a.suffix
		if l.budget -= 1 + len(text)/8; l.budget < 0 {
			break
		}
		if l.has(b, text) {
			return text, true
		}
	}
	return "", false
}

// has reports whether a text is one of a language.
func (l *languages) has(t *tokenLanguage, text string) bool {
	if t.words == nil {
		return l.automaton(t).accepts(text, &l.budget)
	}
	middle, begins := strings.CutPrefix(text, t.prefix)
	middle, ends := strings.CutSuffix(middle, t.suffix)
	return begins && ends && t.words.set[middle]
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
	var all []entry
	byFirst := map[language][]entry{} // by the first token, others stands for all that is no literal
	const others = language(-1)
	for _, k := range b.Keys {
		pt, ok := l.patternTokens(k)
		if !ok {
			continue
		}
		c.checkReserved(f, k, l, pt)
		first, candidates := others, [][]entry{all}
		if k.Pattern.Tokens[0].Param == nil { // those that begin with another literal have nothing in common with it
			first = pt.tokens[0]
			candidates = [][]entry{byFirst[first], byFirst[others]}
		}
		told := 0
		for e := range concat(candidates) {
			example, ok := l.overlap(e.pattern, pt)
			if l.budget < 0 {
				c.report(f, "pattern-complexity", k.Pattern.Text.Pos,
					fmt.Sprintf("comparing this pattern with those above it in bucket %q takes too long", b.Name.Value),
					"begin each pattern with a literal token that no other has, or split the bucket")
				return
			}
			if !ok {
				continue
			}
			c.report(f, "pattern-overlap", k.Pattern.Text.Pos,
				fmt.Sprintf("pattern %q of key %q overlaps with %q of key %q: both match %q",
					k.Pattern.Text.Value, k.Name.Value, e.key.Pattern.Text.Value, e.key.Name.Value, example),
				"begin one of them with a literal token that the other does not have",
				related(f, e.key.Pattern.Text.Pos, "the other pattern is here"))
			if told++; told == overlapsOfKey || c.of(f).full() {
				break
			}
		}
		e := entry{k, pt}
		all = append(all, e)
		byFirst[first] = append(byFirst[first], e)
	}
}

// concat goes through several lists.
func concat[T any](lists [][]T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, list := range lists {
			for _, item := range list {
				if !yield(item) {
					return
				}
			}
		}
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
