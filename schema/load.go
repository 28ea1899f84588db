// Load: from the text of a schema file to the model, with the place of everything.

package schema

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxFileSize is the most bytes a schema may have.
const maxFileSize = 4 << 20

// Load reads a schema. The file is nil when its YAML cannot be used at all; otherwise it holds what
// could be read, and the diagnostics tell the rest. p is the path as diagnostics show it.
func Load(p string, source []byte) (*File, []Diagnostic) {
	f := &File{Path: p, Name: strings.TrimSuffix(path.Base(p), ".kv.yaml"), Source: source}
	source = bytes.TrimPrefix(source, []byte("\ufeff"))
	l := &loader{file: f, lines: strings.Split(string(source), "\n")}
	switch {
	case len(source) > maxFileSize:
		return nil, []Diagnostic{f.Diag("file-size", Pos{1, 1, 1}, "the file is larger than 4 MiB", "split the schema")}
	case !utf8.Valid(source):
		line := 1 + bytes.Count(source[:firstInvalid(source)], []byte("\n"))
		return nil, []Diagnostic{f.Diag("encoding", Pos{line, 1, 1}, "the file is not UTF-8", "save it as UTF-8")}
	}
	if i, what := oddBreak(source); i >= 0 {
		line := 1 + bytes.Count(source[:i], []byte("\n"))
		column := 1 + utf8.RuneCount(source[bytes.LastIndexByte(source[:i], '\n')+1:i])
		return nil, []Diagnostic{f.Diag("encoding", Pos{line, column, column + 1}, "a line break that is "+what, "end lines with a line feed; within quotes it can be written as an escape")}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if len(bytes.TrimSpace(source)) == 0 || err.Error() == "EOF" {
			return nil, []Diagnostic{f.Diag("missing-field", Pos{1, 1, 1}, "the file is empty", "start with: kvgen: v1")}
		}
		return nil, []Diagnostic{l.syntaxError(err)}
	}
	l.checkNode(&doc, 0)
	var second yaml.Node
	if decoder.Decode(&second) == nil {
		l.report("yaml-document", Pos{second.Line, max(second.Column, 1), max(second.Column, 1)}, "a second document in the file", "one file holds one schema; remove the ---")
	}
	if len(l.diags) > 0 {
		return nil, Sort(l.diags)
	}
	if len(doc.Content) != 1 || doc.Content[0].Tag == "!!null" {
		return nil, []Diagnostic{f.Diag("missing-field", Pos{1, 1, 1}, "the file is empty", "start with: kvgen: v1")}
	}
	f.ignores = findIgnores(l.lines)
	l.decodeFile(doc.Content[0])
	return f, Sort(l.diags)
}

// oddBreak finds what YAML takes for the end of a line and editors do not.
func oddBreak(source []byte) (int, string) {
	for i, r := range string(source) {
		switch r {
		case '\r':
			if i+1 == len(source) || source[i+1] != '\n' {
				return i, "a carriage return alone"
			}
		case '\u0085', '\u2028', '\u2029':
			return i, fmt.Sprintf("the character %U", r)
		}
	}
	return -1, ""
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// loader is the state of one Load.
type loader struct {
	file  *File
	lines []string
	diags []Diagnostic
}

func (l *loader) report(rule string, pos Pos, message, hint string) {
	l.diags = append(l.diags, l.file.Diag(rule, pos, message, hint))
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// syntaxError finds the place of a parser error, of which yaml.v3 gives at most the line.
func (l *loader) syntaxError(err error) Diagnostic {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		for i, source := range l.lines {
			if before, _, ok := strings.Cut(source, "*"+name); ok {
				column := utf8.RuneCountInString(before) + 1
				return l.file.Diag("yaml-alias", Pos{i + 1, column, column + 1 + utf8.RuneCountInString(name)},
					fmt.Sprintf("%q is a YAML alias, which a schema cannot have", "*"+name), fmt.Sprintf("quote it if it is a type: %q", "*"+name))
			}
		}
	}
	// An unquoted pattern or type is the usual cause, on that line or near it.
	for _, n := range []int{line, line - 1, line + 1} {
		if n < 1 || n > len(l.lines) {
			continue
		}
		if pos, hint := unquoted(l.lines[n-1], n); hint != "" {
			return l.file.Diag("yaml-syntax", pos, "the YAML cannot be read: "+text, hint)
		}
	}
	line = min(max(line, 1), len(l.lines))
	trimmed := strings.TrimLeft(l.lines[line-1], " \t")
	column := 1 + utf8.RuneCountInString(l.lines[line-1]) - utf8.RuneCountInString(trimmed)
	hint := ""
	if strings.Contains(l.lines[line-1][:len(l.lines[line-1])-len(trimmed)], "\t") {
		hint = "indent with spaces: YAML does not allow tabs"
	}
	return l.file.Diag("yaml-syntax", Pos{line, column, column + utf8.RuneCountInString(strings.TrimRight(trimmed, " \r"))}, "the YAML cannot be read: "+text, hint)
}

// unquoted finds a value that has to be quoted: {a}.{b}, []T or *T.
func unquoted(text string, line int) (Pos, string) {
	key, value, ok := strings.Cut(text, ": ")
	if !ok {
		return Pos{}, ""
	}
	trimmed := strings.TrimSpace(value)
	if trimmed == "" || !strings.ContainsRune("{[*&", rune(trimmed[0])) {
		return Pos{}, ""
	}
	column := utf8.RuneCountInString(key) + 3 + utf8.RuneCountInString(value) - utf8.RuneCountInString(strings.TrimLeft(value, " "))
	return Pos{line, column, column + utf8.RuneCountInString(trimmed)}, fmt.Sprintf("quote it: %q", trimmed)
}

// checkNode refuses what the schema language leaves out of YAML, anywhere in the file.
func (l *loader) checkNode(n *yaml.Node, depth int) {
	pos := nodePos(n)
	if depth > 100 {
		l.report("yaml-depth", pos, "nested deeper than 100 levels", "")
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		l.report("yaml-alias", Pos{n.Line, n.Column, n.Column + 1 + len(n.Value)}, fmt.Sprintf("%q is a YAML alias, which a schema cannot have", "*"+n.Value), fmt.Sprintf("quote it if it is a type: %q", "*"+n.Value))
		return
	case n.Anchor != "":
		l.report("yaml-anchor", Pos{n.Line, n.Column, n.Column + 1 + len(n.Anchor)}, fmt.Sprintf("%q is a YAML anchor, which a schema cannot have", "&"+n.Anchor), "write it out, or share keys with keys_from")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!merge":
		l.report("yaml-merge", pos, "a YAML merge key, which a schema cannot have", "write it out, or share keys with keys_from")
	case n.Style&yaml.TaggedStyle != 0:
		l.report("yaml-tag", pos, fmt.Sprintf("a YAML tag (%s), which a schema cannot have", n.Tag), "remove it")
	}
	for _, c := range n.Content {
		l.checkNode(c, depth+1)
	}
}

// nodePos is the place of a scalar, or the start of anything else.
func nodePos(n *yaml.Node) Pos {
	if n.Kind != yaml.ScalarNode {
		return Pos{n.Line, n.Column, n.Column + 1}
	}
	width := utf8.RuneCountInString(n.Value)
	switch n.Style {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		width += 2
	case yaml.LiteralStyle, yaml.FoldedStyle:
		width = 1
	}
	if strings.Contains(n.Value, "\n") {
		width = 1
	}
	return Pos{n.Line, n.Column, n.Column + max(width, 1)}
}

// text returns a scalar with its place; ok is false, and reported, for anything else.
func (l *loader) text(what string, n *yaml.Node) (Text, bool) {
	if n.Kind != yaml.ScalarNode {
		hint := ""
		if n.Line <= len(l.lines) {
			_, hint = unquoted(l.lines[n.Line-1], n.Line)
		}
		l.report("wrong-type", nodePos(n), fmt.Sprintf("%s must be a text, not %s", what, kindName(n)), hint)
		return Text{}, false
	}
	if n.Tag == "!!null" {
		l.report("wrong-type", nodePos(n), what+" has no value", "")
		return Text{}, false
	}
	return Text{n.Value, nodePos(n)}, true
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// fields maps the names that a mapping may have to what reads them.
type fieldReader struct {
	name string
	read func(key Text, value *yaml.Node)
}

// mapping walks a mapping with known fields; where names it in messages: `bucket "orders"`.
func (l *loader) mapping(where string, n *yaml.Node, readers []fieldReader) map[string]Pos {
	seen := map[string]Pos{}
	if n.Kind != yaml.MappingNode {
		l.report("wrong-type", nodePos(n), fmt.Sprintf("%s must be a mapping, not %s", where, kindName(n)), "")
		return seen
	}
	names := make([]string, len(readers))
	for i, r := range readers {
		names[i] = r.name
	}
	l.pairs(where, n, func(key Text, value *yaml.Node) {
		seen[key.Value] = key.Pos
		for _, r := range readers {
			if r.name == key.Value {
				r.read(key, value)
				return
			}
		}
		hint := "allowed are: " + strings.Join(names, ", ")
		if s := Suggest(key.Value, names); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		l.report("unknown-field", key.Pos, fmt.Sprintf("unknown field %q in %s", key.Value, where), hint)
	})
	return seen
}

// pairs walks the pairs of a mapping, and reports keys given twice.
func (l *loader) pairs(where string, n *yaml.Node, visit func(key Text, value *yaml.Node)) {
	first := map[string]Pos{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := l.text("a field's name in "+where, n.Content[i])
		if !ok {
			continue
		}
		if before, twice := first[key.Value]; twice {
			d := l.file.Diag("duplicate-field", key.Pos, fmt.Sprintf("%q is given twice in %s", key.Value, where), "remove one of them")
			d.Related = []Related{{File: l.file.Path, Line: before.Line, Column: before.Column, EndColumn: before.EndColumn, Message: "the first one is here"}}
			l.diags = append(l.diags, d)
			continue
		}
		first[key.Value] = key.Pos
		visit(key, n.Content[i+1])
	}
}

var entryName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// entries walks a mapping of names that the schema chooses.
func (l *loader) entries(where string, n *yaml.Node, visit func(name Text, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		l.report("wrong-type", nodePos(n), fmt.Sprintf("%s must be a mapping, not %s", where, kindName(n)), "")
		return
	}
	l.pairs(where, n, func(name Text, value *yaml.Node) {
		if !entryName.MatchString(name.Value) {
			l.report("invalid-name", name.Pos, fmt.Sprintf("%q cannot be a name in %s", name.Value, where), "a name is a letter, followed by letters, digits, _ and -")
			return
		}
		visit(name, value)
	})
}
