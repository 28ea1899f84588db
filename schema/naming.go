// Naming: the Go name of everything, derived from its name in the schema or given with go_name.

package schema

import "fmt"

// nameAll fills in the Go names of a file, and refuses those that Go does not take.
func (c *checker) nameAll(f *File) {
	for _, t := range f.Types {
		t.GoName = c.goName(f, "type", t.Name, t.GoNameGiven)
		for _, field := range t.Fields {
			field.GoName = c.goName(f, "field", field.Name, field.GoNameGiven)
		}
		for _, w := range t.Words {
			w.GoName = c.wordName(f, t, w)
		}
	}
	for _, b := range f.Buckets {
		b.GoName = c.goName(f, "bucket", b.Name, b.GoNameGiven)
		for _, part := range b.NameParts {
			if p := part.Param; p != nil {
				p.GoName = c.goName(f, "parameter", p.Name, p.GoNameGiven)
			}
		}
		prefix := b.GoPrefix.Value
		if b.GoPrefix.IsSet() && !isExportedIdentifier(prefix) {
			c.report(f, "invalid-go-name", b.GoPrefix.Pos, fmt.Sprintf("go_prefix %q cannot begin exported names in Go", prefix), exportedHint(prefix))
			prefix = ""
		}
		for _, k := range b.Keys {
			k.FieldName = c.goName(f, "key", k.Name, k.GoNameGiven)
			k.GoName = prefix + k.FieldName
			for _, p := range k.Params() {
				p.GoName = c.goName(f, "parameter", p.Name, p.GoNameGiven)
			}
		}
	}
}

// goName is the name of one thing: what go_name says, or what its own name becomes.
func (c *checker) goName(f *File, what string, name, given Text) string {
	if !given.IsSet() {
		return goName(name.Value)
	}
	if isExportedIdentifier(given.Value) {
		return given.Value
	}
	c.report(f, "invalid-go-name", given.Pos,
		fmt.Sprintf("go_name %q of %s %q is not an exported Go identifier", given.Value, what, name.Value), exportedHint(given.Value))
	return goName(name.Value)
}

func exportedHint(s string) string {
	if better := goName(s); isExportedIdentifier(better) {
		return fmt.Sprintf("write %q", better)
	}
	return "begin with a capital letter, and go on with letters and digits"
}

// wordName is what the constant of an enum's word has after the name of its type.
func (c *checker) wordName(f *File, t *Type, w *Word) string {
	if w.GoNameGiven.IsSet() {
		if isIdentifierSuffix(w.GoNameGiven.Value) {
			return w.GoNameGiven.Value
		}
		c.report(f, "invalid-go-name", w.GoNameGiven.Pos,
			fmt.Sprintf("go_name %q of the word %q cannot be part of a Go identifier", w.GoNameGiven.Value, w.Value.Value), exportedHint(w.GoNameGiven.Value))
		return goName(w.Value.Value)
	}
	name := goName(w.Value.Value)
	if w.Value.Value != "" && !isIdentifierSuffix(name) {
		c.report(f, "invalid-go-name", w.Value.Pos,
			fmt.Sprintf("the word %q of enum %q has neither letter nor digit to name a Go constant by", w.Value.Value, t.Name.Value),
			"give it a name: {value: …, go_name: Name}")
	}
	return name
}
