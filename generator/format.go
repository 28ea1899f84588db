// Formatting. Nearly all declarations of a schema look alike but for their names, and go/format takes
// more time than all other stages together. So each kind of declaration is formatted once, and what
// gofmt made of the space between its tokens is used for all others of the same kind.

package generator

import (
	"bytes"
	"fmt"
	"go/format"
	"go/token"
	"slices"
	"strconv"
	"unicode/utf8"
)

// formatter formats files as gofmt does. It is for one goroutine.
type formatter struct {
	spaces map[string][]string // by the shape of a declaration: the text before, between and after its tokens
	shape  []byte              // of the declaration at hand
	tokens []span
	raw    bytes.Buffer // what jennifer printed, before it is formatted
	out    []byte       // formatted so far; both are kept for their memory
}

// span is a part of a text: text[from:to].
type span struct{ from, to int }

func newFormatter() *formatter { return &formatter{spaces: map[string][]string{}} }

// format formats declarations as jennifer prints them: without indentation, each declaration and each
// comment before one starting in the first column, and the comments as gofmt leaves them. The result
// is valid until the next call.
func (f *formatter) format(declarations []byte) ([]byte, error) {
	out, err := f.out[:0], error(nil)
	previous := ""
	for rest := declarations; ; {
		var d declaration
		d, rest = nextDeclaration(rest)
		if len(d.text) == 0 && len(d.comment) == 0 {
			f.out = append(out, '\n')
			return f.out, nil
		}
		if len(out) > 0 {
			out = append(out, '\n')
			if d.kind != previous || len(d.comment) > 0 || d.apart {
				out = append(out, '\n')
			}
		}
		out = append(out, d.comment...)
		if out, err = f.declaration(out, &d); err != nil {
			return nil, err
		}
		previous = d.kind
	}
}

// declaration is a top-level declaration in the printed file.
type declaration struct {
	kind    string // "func", "type", …
	comment []byte // whole lines
	text    []byte
	apart   bool // an empty line precedes it
}

// splitHead cuts a file after its imports, or after the package clause if it has none.
func splitHead(content []byte) (head, rest []byte) {
	end := 0
	if bytes.HasPrefix(content, []byte("package ")) {
		end = lineEnd(content, 0)
	} else if i := bytes.Index(content, []byte("\npackage ")); i >= 0 {
		end = lineEnd(content, i+1)
	}
	after := bytes.TrimLeft(content[end:], "\n")
	if bytes.HasPrefix(after, []byte("import (")) {
		if i := bytes.Index(after, []byte("\n)\n")); i >= 0 {
			end = len(content) - len(after) + i + len("\n)\n")
		}
	} else if bytes.HasPrefix(after, []byte("import ")) {
		end = len(content) - len(after) + lineEnd(after, 0)
	}
	return content[:end], content[end:]
}

// lineEnd returns the index after the line that i is in.
func lineEnd(content []byte, i int) int {
	if n := bytes.IndexByte(content[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(content)
}

// nextDeclaration cuts off the first declaration and the comment before it.
func nextDeclaration(content []byte) (d declaration, rest []byte) {
	trimmed := bytes.TrimLeft(content, "\n")
	d.apart = len(content)-len(trimmed) > 1
	i := 0
	for bytes.HasPrefix(trimmed[i:], []byte("//")) {
		i = lineEnd(trimmed, i)
	}
	d.comment = trimmed[:i]
	start, depth := i, 0
	for i < len(trimmed) {
		switch c := trimmed[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '"', '`', '\'':
			i = skipQuoted(trimmed, i)
			continue
		case '/':
			if i+1 < len(trimmed) && trimmed[i+1] == '/' {
				i = lineEnd(trimmed, i) - 1
				continue
			}
		case '\n':
			if depth == 0 {
				d.text, rest = trimmed[start:i], trimmed[i:]
				d.kind = firstWord(d.text)
				return d, rest
			}
		}
		i++
	}
	d.text = trimmed[start:]
	d.kind = firstWord(d.text)
	return d, nil
}

func firstWord(text []byte) string {
	n := 0
	for n < len(text) && isLetter(text[n]) {
		n++
	}
	return string(text[:n])
}

// skipQuoted returns the index after the string or character that begins at i.
func skipQuoted(text []byte, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch {
		case text[i] == quote:
			return i + 1
		case text[i] == '\\' && quote != '`':
			i++
		}
	}
	return len(text)
}

// declaration appends d as gofmt prints it, without its comment.
func (f *formatter) declaration(out []byte, d *declaration) ([]byte, error) {
	if len(d.text) == 0 {
		return bytes.TrimSuffix(out, []byte("\n")), nil // a comment that ends the file
	}
	switch d.kind {
	case "const", "func", "type", "var":
	default:
		return nil, fmt.Errorf("%.40q is no declaration", d.text)
	}
	f.scan(d.text, d.aligned())
	spaces, known := f.spaces[string(f.shape)]
	if spaces == nil {
		formatted, err := gofmt(d.text)
		if err == nil && !known {
			shape := string(f.shape)
			f.spaces[shape] = f.spacesOf(formatted, d.text)
		}
		return append(out, formatted...), err
	}
	for i, t := range f.tokens {
		out = append(out, spaces[i]...)
		out = append(out, d.text[t.from:t.to]...)
	}
	return append(out, spaces[len(f.tokens)]...), nil
}

// gofmt formats a declaration. Within a file it is parsed at once; without, as a file first, in vain.
func gofmt(text []byte) ([]byte, error) {
	const file = "package p\n\n"
	formatted, err := format.Source(append([]byte(file), text...))
	if err != nil {
		return nil, err
	}
	return bytes.TrimSpace(formatted[len(file):]), nil
}

// spacesOf returns what formatted has before, between and after the tokens of text, which was
// scanned last. It is nil if gofmt has changed more than space.
func (f *formatter) spacesOf(formatted, text []byte) []string {
	tokens := slices.Clone(f.tokens)
	f.scan(formatted, false)
	if len(tokens) != len(f.tokens) {
		return nil
	}
	spaces := make([]string, 0, len(tokens)+1)
	end := 0
	for i, t := range f.tokens {
		if !bytes.Equal(formatted[t.from:t.to], text[tokens[i].from:tokens[i].to]) {
			return nil
		}
		spaces = append(spaces, string(formatted[end:t.from]))
		end = t.to
	}
	return append(spaces, string(formatted[end:]))
}

// aligned reports whether gofmt may put names, types and values into columns.
func (d *declaration) aligned() bool { return d.kind != "func" && bytes.IndexByte(d.text, '\n') >= 0 }

// scan finds the tokens of a declaration that may be others without a change of the space between
// them: names, strings and comments. The rest is its shape. Where there are columns, the width of what
// stands in them is part of the shape; in functions these are the keys of composite literals.
func (f *formatter) scan(text []byte, aligned bool) {
	f.shape, f.tokens = f.shape[:0], f.tokens[:0]
	for i := 0; i < len(text); {
		start := i
		c := text[i]
		kind := byte('n')
		switch {
		case c == ' ' || c == '\t':
			i++
			continue
		case isLetter(c):
			for i < len(text) && (isLetter(text[i]) || isDigit(text[i])) {
				i++
			}
			if token.IsKeyword(string(text[start:i])) {
				f.shape = append(append(f.shape, text[start:i]...), ' ')
				continue
			}
		case isDigit(c):
			for i < len(text) && (isLetter(text[i]) || isDigit(text[i]) || text[i] == '.') {
				i++
			}
			f.shape = append(append(f.shape, text[start:i]...), ' ') // gofmt rewrites some numbers
			continue
		case c == '"' || c == '`' || c == '\'':
			i, kind = skipQuoted(text, i), 's'
		case c == '/' && i+1 < len(text) && text[i+1] == '/':
			i, kind = len(bytes.TrimSuffix(text[:lineEnd(text, i)], []byte("\n"))), 'c'
		default:
			f.shape = append(f.shape, c)
			i++
			continue
		}
		f.shape = append(f.shape, kind)
		f.tokens = append(f.tokens, span{start, i})
		if aligned || isKey(text, i) {
			f.shape = strconv.AppendInt(f.shape, int64(utf8.RuneCount(text[start:i])), 10)
			f.shape = append(f.shape, ' ')
		}
	}
}

// isKey reports whether what ends at i is followed by a colon.
func isKey(text []byte, i int) bool {
	for i < len(text) && text[i] == ' ' {
		i++
	}
	return i < len(text) && text[i] == ':' && (i+1 == len(text) || text[i+1] != '=')
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
