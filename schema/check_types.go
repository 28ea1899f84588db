// Checks of declared types: references to them, types without end, fields and words.

package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// checkTypes resolves and checks the types of a file.
func (c *checker) checkTypes(f *File) {
	for _, t := range f.Types {
		if c.of(f).full() {
			return
		}
		if slices.Contains(builtinNames, t.Name.Value) || t.Kind != StructType && slices.Contains(paramTypes, t.Name.Value) {
			c.report(f, "reserved-type", t.Name.Pos, fmt.Sprintf("type %q has the name of a built-in type", t.Name.Value),
				"rename it: the name alone always means the built-in one")
		}
		for _, field := range t.Fields {
			c.resolve(f, field.Type)
		}
		switch t.Kind {
		case StructType:
			c.checkWires(f, t)
			for _, field := range t.Fields {
				c.checkConstraints(f, field)
			}
		case EnumType:
			c.checkWords(f, t)
		}
	}
	c.checkRecursion(f)
}

// resolve finds the declared type that an expression names.
func (c *checker) resolve(f *File, e *TypeExpr) {
	for ; e != nil; e = e.Elem {
		if e.Kind != NamedExpr {
			continue
		}
		name := e.Text.Value
		if e.Named = c.types[f][name]; e.Named != nil {
			continue
		}
		declared := typeNames(f, StructType, EnumType, GoType)
		c.mean(f, name, declared)
		hint := didYouMean(name, append(declared, builtinNames...), c.knownTypes(f, name, declared))
		c.report(f, "unknown-type", e.Text.Pos, fmt.Sprintf("unknown type %q", name), hint)
	}
}

// mean notes the declared type that a misspelt name probably stands for: it is not unused.
func (c *checker) mean(f *File, name string, declared []string) {
	if t := c.types[f][Suggest(name, declared)]; t != nil {
		c.meant[t] = true
	}
}

// knownTypes is a hint that says what there is.
func (c *checker) knownTypes(f *File, name string, declared []string) string {
	for _, other := range c.files {
		if other != f && c.types[other][name] != nil {
			return fmt.Sprintf("%s declares it, but a schema uses types of its own file only", other.Path)
		}
	}
	hint := "built-in types are " + list(builtinNames, "and")
	if len(declared) > 0 {
		hint = "the file declares " + list(declared, "and") + "; " + hint
	}
	return hint + "; a Go type is written import/path.Name"
}

// checkWires checks the names of a struct's fields in JSON.
func (c *checker) checkWires(f *File, t *Type) {
	first := map[string]*Field{}
	for _, field := range t.Fields {
		wire := field.Wire
		problem := ""
		switch {
		case wire.Value == "":
			problem = "it is empty"
		case len(wire.Value) > maxWordLength:
			wire.Value = wire.Value[:maxWordLength/10] + "…"
			problem = fmt.Sprintf("it has %d bytes, and may have %d", len(field.Wire.Value), maxWordLength)
		case wire.Value == "-":
			problem = "encoding/json would leave the field out"
		case !isWireName(wire.Value):
			problem = "encoding/json does not take such a name from a struct tag"
		}
		if problem != "" {
			c.report(f, "invalid-wire-name", wire.Pos, fmt.Sprintf("field %q cannot be called %q in JSON: %s", field.Name.Value, wire.Value, problem), "use letters, digits and _")
			continue
		}
		if other := first[wire.Value]; other != nil {
			c.report(f, "duplicate-wire-name", wire.Pos,
				fmt.Sprintf("fields %q and %q of type %q are both %q in JSON", other.Name.Value, field.Name.Value, t.Name.Value, wire.Value),
				"give one of them another name with json:", related(f, other.Wire.Pos, "the other field is here"))
			continue
		}
		first[wire.Value] = field
	}
}

// isWireName reports whether encoding/json takes s as the name in a struct tag: letters, digits and
// punctuation without comma, quotes and backslash. It ignores any other name without a word.
func isWireName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// checkWords checks the words of an enum.
func (c *checker) checkWords(f *File, t *Type) {
	first := map[string]*Word{}
	for _, w := range t.Words {
		if len(w.Value.Value) > maxWordLength {
			c.report(f, "invalid-word", w.Value.Pos, fmt.Sprintf("a word of enum %q has %d bytes", t.Name.Value, len(w.Value.Value)), fmt.Sprintf("a word has at most %d", maxWordLength))
			continue
		}
		if w.Value.Value == "" {
			c.report(f, "invalid-word", w.Value.Pos, fmt.Sprintf("enum %q has an empty word", t.Name.Value), "the empty text is the zero value, which no word can be")
			continue
		}
		if other := first[w.Value.Value]; other != nil {
			c.report(f, "duplicate-word", w.Value.Pos, fmt.Sprintf("enum %q has the word %q twice", t.Name.Value, w.Value.Value), "remove one of them",
				related(f, other.Value.Pos, "the first one is here"))
			continue
		}
		first[w.Value.Value] = w
	}
}

// longestCycle is how many types of a cycle are told.
const longestCycle = 8

// checkRecursion reports structs that contain themselves, once for each cycle.
func (c *checker) checkRecursion(f *File) {
	const (
		entered = 1
		done    = 2
	)
	state := map[*Type]int{}
	type step struct {
		of    *Type
		field *Field
	}
	var path []step
	var visit func(t *Type)
	visit = func(t *Type) {
		state[t] = entered
		for _, field := range t.Fields {
			if c.of(f).full() {
				return
			}
			e := field.Type
			if e == nil || e.Kind != NamedExpr || e.Named == nil || e.Named.Kind != StructType || field.Optional {
				continue
			}
			path = append(path, step{t, field})
			switch state[e.Named] {
			case 0:
				visit(e.Named)
			case entered:
				cycle := path[slices.IndexFunc(path, func(s step) bool { return s.of == e.Named }):]
				var names []string
				var places []Related
				for i, s := range cycle {
					names = append(names, s.of.Name.Value)
					if i > 0 {
						places = append(places, related(f, s.field.Type.Text.Pos, fmt.Sprintf("%s contains %s here", s.of.Name.Value, s.field.Type.Text.Value)))
					}
				}
				names = append(names, cycle[0].of.Name.Value)
				if n := len(cycle); n > longestCycle {
					names = slices.Concat(names[:longestCycle], []string{"…"}, names[n:])
					places = places[:longestCycle]
				}
				at := cycle[0].field.Type.Text
				c.report(f, "recursive-type", at.Pos,
					fmt.Sprintf("type %q contains itself: %s", cycle[0].of.Name.Value, strings.Join(names, " → ")),
					fmt.Sprintf("make it a pointer, %q, a list or a map, or the field optional", "*"+at.Value), places...)
			}
			path = path[:len(path)-1]
		}
		state[t] = done
	}
	for _, t := range f.Types {
		if t.Kind == StructType && state[t] == 0 {
			visit(t)
		}
	}
}

// warnUnused warns of types that neither a key nor another type refers to. A file without buckets is
// there for its types.
func (c *checker) warnUnused(f *File) {
	if len(f.Buckets) == 0 {
		return
	}
	used := map[*Type]bool{}
	use := func(by *Type, e *TypeExpr) {
		for ; e != nil; e = e.Elem {
			if e.Named != nil && e.Named != by {
				used[e.Named] = true
			}
		}
	}
	for _, t := range f.Types {
		for _, field := range t.Fields {
			use(t, field.Type)
		}
	}
	complete := true // a key or field that could not be read may be the user
	for _, b := range f.Buckets {
		complete = complete && (len(b.Keys) > 0 || b.KeysFromName.IsSet())
		for _, k := range b.Keys {
			use(nil, k.Value)
			complete = complete && k.Value != nil && len(k.Pattern.Tokens) > 0
			for _, p := range k.Params() {
				if t := c.types[f][p.TypeText.Value]; t != nil {
					used[t] = true
				}
			}
		}
	}
	for _, t := range f.Types {
		for _, field := range t.Fields {
			complete = complete && field.Type != nil
		}
	}
	if !complete {
		return
	}
	for _, t := range f.Types {
		if !used[t] && !c.meant[t] {
			c.report(f, "unused-type", t.Name.Pos, fmt.Sprintf("type %q is declared, but no key and no other type uses it", t.Name.Value), "use it, or remove it")
		}
	}
}
