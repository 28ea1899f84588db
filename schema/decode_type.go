// Decoding of declared types: structs, enums, and names for Go types.

package schema

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

func (l *loader) decodeType(name Text, n *yaml.Node) *Type {
	t := &Type{Name: name}
	where := "type " + quote(name.Value)
	var forms []string
	form := func(kind TypeKind, key Text) {
		if forms = append(forms, key.Value); len(forms) == 1 {
			t.Kind = kind
		}
	}
	seen := l.fields(where, n, []fieldReader{
		{"description", l.into(&t.Description)},
		{"go_name", l.into(&t.GoNameGiven)},
		{"fields", func(key Text, n *yaml.Node) {
			form(StructType, key)
			l.entries("fields of "+where, n, func(name Text, n *yaml.Node) { t.Fields = append(t.Fields, l.decodeField(name, n)) })
			if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
				l.report("missing-field", key.Pos, where+" has no field", "a struct has at least one: id: uint64")
			}
		}},
		{"enum", func(key Text, n *yaml.Node) {
			form(EnumType, key)
			l.list("enum", "enum: [pending, paid]", n, func(item *yaml.Node) {
				if w := l.decodeWord(where, item); w != nil {
					t.Words = append(t.Words, w)
				}
			})
		}},
		{"go", func(key Text, n *yaml.Node) {
			form(GoType, key)
			if text, ok := l.scalar("go", "the name of a Go type", n); ok {
				t.Go = l.goRef(text)
			}
		}},
	})
	const hint = "give exactly one of fields, enum and go"
	switch {
	case len(forms) > 1:
		l.report("type-form", seen[forms[1]], where+" has "+list(forms, "and"), hint, related(l.file, seen[forms[0]], forms[0]+" is here"))
	case n.Kind == yaml.MappingNode || isNull(n):
		if !seen.has("fields") && !seen.has("enum") && !seen.has("go") {
			l.report("type-form", name.Pos, where+" has neither fields, nor enum, nor go", hint)
		}
	}
	return t
}

// decodeWord reads a word of an enum, which is a text, or a mapping that says more.
func (l *loader) decodeWord(where string, n *yaml.Node) *Word {
	w := &Word{}
	if n.Kind != yaml.MappingNode {
		var ok bool
		if w.Value, ok = l.scalar("a word of "+where, "a text", n); !ok {
			return nil
		}
		return w
	}
	seen := l.fields("a word of "+where, n, []fieldReader{
		{"value", l.into(&w.Value)},
		{"go_name", l.into(&w.GoNameGiven)},
		{"description", l.into(&w.Description)},
	})
	if !seen.has("value") {
		l.report("missing-field", l.text.place(n), "a word of "+where+" has no value", "write {value: n/a, go_name: NotAvailable}")
	}
	if !w.Value.IsSet() {
		return nil
	}
	return w
}

// decodeField reads a field of a struct: its type, or a mapping that says more.
func (l *loader) decodeField(name Text, n *yaml.Node) *Field {
	f := &Field{Name: name, Wire: name}
	where := "field " + quote(name.Value)
	if n.Kind != yaml.MappingNode && !isNull(n) {
		f.Type = l.typeExpr(where, n)
		return f
	}
	c := &f.Constraints
	seen := l.fields(where, n, []fieldReader{
		{"type", func(_ Text, n *yaml.Node) { f.Type = l.typeExpr(where, n) }},
		{"description", l.into(&f.Description)},
		{"json", l.into(&f.Wire)},
		{"optional", func(key Text, n *yaml.Node) { f.Optional = l.boolean(key.Value, n).Value }},
		{"go_name", l.into(&f.GoNameGiven)},
		{"required", func(key Text, n *yaml.Node) { c.Required = l.boolean(key.Value, n) }},
		{"min", l.limit(&c.Min)},
		{"max", l.limit(&c.Max)},
		{"min_len", l.length(&c.MinLen)},
		{"max_len", l.length(&c.MaxLen)},
		{"pattern", func(key Text, n *yaml.Node) {
			if t, ok := l.scalar(key.Value, "a text", n); ok {
				c.Pattern = Setting[string](t)
			}
		}},
	})
	if !seen.has("type") {
		l.report("missing-field", name.Pos, where+" has no type", "add one: "+name.Value+": {type: string}, or short, "+name.Value+": string")
	}
	return f
}

// limit reads a min or max, which Check compares with the field's type.
func (l *loader) limit(target *Setting[string]) func(Text, *yaml.Node) {
	return func(key Text, n *yaml.Node) {
		if t, ok := l.scalar(key.Value, "a number or a duration", n); ok {
			*target = Setting[string](t)
		}
	}
}

// length reads a min_len or max_len.
func (l *loader) length(target *Setting[int]) func(Text, *yaml.Node) {
	return func(key Text, n *yaml.Node) {
		v, t := l.integer(key.Value, n)
		if v.Value < 0 || v.Value > maxLength {
			l.report("invalid-constraint", v.Pos, fmt.Sprintf("%s of %s is no length", key.Value, t.Value), fmt.Sprintf("a length is 0 to %d", maxLength))
			return
		}
		*target = v
	}
}

// maxLength is the largest length that can be asked for; an int of any platform holds it.
const maxLength = 1<<31 - 1
