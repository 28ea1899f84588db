// Load: from the text of a schema file to the model, with the place of everything.

package schema

import (
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load reads a schema. The file is nil when its YAML cannot be used at all; otherwise it holds what
// could be read, and the diagnostics tell the rest. p is the path as diagnostics show it.
func Load(p string, source []byte) (*File, []Diagnostic) {
	text := strings.TrimPrefix(string(source), "\ufeff")
	l := &loader{
		file: &File{Path: p, Name: strings.TrimSuffix(path.Base(p), ".kv.yaml"), Source: []byte(text)},
		text: newSourceText(text),
	}
	root := l.readYAML(text)
	if root == nil {
		return nil, Limit(Sort(l.diags))
	}
	l.file.ignores = findIgnores(l.text.lines, l.text.scalarLines(root))
	l.decodeFile(root)
	return l.file, Limit(Sort(l.diags))
}

// loader is the state of one Load.
type loader struct {
	file *File
	text *sourceText
	collected
}

func (l *loader) report(rule string, pos Pos, message, hint string, places ...Related) {
	d := l.file.Diag(rule, pos, message, hint)
	d.Related = places
	l.add(d)
}

// scalar returns the text of a scalar. Anything else is reported; what and noun make the message:
// "history must be a number, not a list".
func (l *loader) scalar(what, noun string, n *yaml.Node) (Text, bool) {
	switch {
	case isNull(n):
		l.report("missing-field", l.text.place(n), what+" has no value", `give it one, or remove it; for the text null, write "null"`)
	case n.Kind != yaml.ScalarNode:
		hint := ""
		if flow := l.text.flow(n); flow != "" && noun == "a text" {
			hint = quoteHint("if it is meant as text, quote it", flow)
		}
		l.report("wrong-type", l.text.place(n), what+" must be "+noun+", not "+kindName(n), hint)
	default:
		return Text{n.Value, l.text.place(n)}, true
	}
	return Text{}, false
}

// into reads a text into a field of the model.
func (l *loader) into(target *Text) func(Text, *yaml.Node) {
	return func(key Text, n *yaml.Node) {
		if t, ok := l.scalar(key.Value, "a text", n); ok {
			*target = t
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kindName is what a node is, for messages.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "nothing"
	}
	return quote(n.Value)
}
