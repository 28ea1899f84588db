// The YAML of a schema, as far as it is allowed: one document of mappings, lists and scalars.

package schema

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// readYAML returns the root of the schema, or nil after it reported why there is none.
func (l *loader) readYAML(text string) *yaml.Node {
	if len(text) > maxFileSize {
		l.report("file-size", Pos{1, 1, 1}, "the file is larger than 4 MiB", splitHint)
		return nil
	}
	if !l.checkCharacters(text) {
		return nil
	}
	empty := func() *yaml.Node {
		l.report("missing-field", Pos{1, 1, 1}, "the file is empty", "begin with kvgen: "+version)
		return nil
	}
	if mayBeLarge(text) {
		l.report("file-size", Pos{1, 1, 1}, fmt.Sprintf("the file has far more than %d values", maxYAMLNodes), splitHint)
		return nil
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return empty()
	case err != nil:
		l.add(l.syntaxError(text, err))
		return nil
	}
	if !l.checkNode(&doc, 0) {
		return nil
	}
	if countNodes(&doc) > maxYAMLNodes {
		l.report("file-size", Pos{1, 1, 1}, fmt.Sprintf("the file has more than %d values", maxYAMLNodes), splitHint)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		l.secondDocument(&second, err)
	}
	if len(l.diags) > 0 {
		return nil
	}
	if len(doc.Content) != 1 || isNull(doc.Content[0]) {
		return empty()
	}
	return doc.Content[0]
}

// checkCharacters reports the first character that a schema cannot have: what is not UTF-8, and what
// YAML takes for the end of a line while editors and compilers do not, so that places would differ.
func (l *loader) checkCharacters(text string) bool {
	for i, r := range text {
		message, hint := "", "end lines with a line feed; within double quotes, write an escape: \\r, \\u2028"
		switch r {
		case utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(text[i:]); size > 1 {
				continue
			}
			message, hint = fmt.Sprintf("the file is not UTF-8: byte 0x%02X", text[i]), "save it as UTF-8"
		case '\r':
			if strings.HasPrefix(text[i:], "\r\n") || i+1 == len(text) {
				continue
			}
			message = "a carriage return that does not end a line"
		case '\u0085', '\u2028', '\u2029':
			message = fmt.Sprintf("the character %U, which ends a line in YAML and nowhere else", r)
		default:
			continue
		}
		start := strings.LastIndexByte(text[:i], '\n') + 1
		column := 1 + utf8.RuneCountInString(text[start:i])
		l.report("encoding", Pos{1 + strings.Count(text[:i], "\n"), column, column + 1}, message, hint)
		return false
	}
	return true
}

// checkNode refuses what the schema language leaves out of YAML, anywhere in the file.
func (l *loader) checkNode(n *yaml.Node, depth int) (ok bool) {
	switch {
	case depth > maxYAMLDepth:
		l.report("yaml-depth", Pos{n.Line, n.Column, n.Column + 1}, fmt.Sprintf("nested deeper than %d levels", maxYAMLDepth), "no schema needs more than a dozen")
		return false
	case n.Kind == yaml.AliasNode:
		name := "*" + n.Value
		l.report("yaml-alias", Pos{n.Line, n.Column, n.Column + utf8.RuneCountInString(name)}, quote(name)+" is a YAML alias, which a schema cannot have",
			quoteHint("if it is a pointer type, quote it", name))
		return true
	case n.Anchor != "":
		l.report("yaml-anchor", l.find(n, "&"+n.Anchor), quote("&"+n.Anchor)+" is a YAML anchor, which a schema cannot have",
			"write out what it stands for; keys_from shares the keys of a bucket")
	case n.Style&yaml.TaggedStyle != 0:
		tag := n.ShortTag()
		l.report("yaml-tag", l.find(n, tag), quote(tag)+" is a YAML tag, which a schema cannot have", "remove it")
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Tag == "!!merge" {
			l.report("yaml-merge", l.text.place(c), "<< is a YAML merge key, which a schema cannot have",
				"write out what it stands for; keys_from shares the keys of a bucket")
			continue
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Tag == "!!merge" {
			continue
		}
		if !l.checkNode(c, depth+1) {
			return false
		}
	}
	return true
}

// find is the place of an anchor or tag, with which a node begins.
func (l *loader) find(n *yaml.Node, text string) Pos {
	before, _, found := strings.Cut(l.text.from(n.Line, n.Column), text)
	if !found {
		return l.text.place(n)
	}
	column := n.Column + utf8.RuneCountInString(before)
	return Pos{n.Line, column, column + utf8.RuneCountInString(text)}
}

// secondDocument reports what comes after the first one; err is of the parser, which may not be able
// to read it.
func (l *loader) secondDocument(n *yaml.Node, err error) {
	const hint = "one file holds one schema: remove the line, or make a file of what follows"
	begun := false
	for i, line := range l.text.lines {
		line = strings.TrimRight(line, " \t\r")
		switch marker := len(line) >= 3 && (line == "---" || line == "..." || strings.HasPrefix(line, "--- ")); {
		case marker && begun && line != "...":
			l.report("yaml-document", l.text.span(i+1, 0, 3), "a second document begins here", hint)
			return
		case line != "" && line[0] != '#' && line[0] != '%':
			begun = true
		}
	}
	pos := Pos{max(n.Line, 1), max(n.Column, 1), max(n.Column, 1) + 1}
	if err != nil {
		for i, line := range l.text.lines {
			if strings.TrimRight(line, " \t\r") == "..." {
				pos = l.text.span(i+1, 0, 3)
			}
		}
	}
	l.report("yaml-document", pos, "the document ended before, and there is more", "remove the line with ...")
}
