// The text of a schema by lines and columns: yaml.v3 tells where a node begins, and the text where it
// ends and where its parts are.

package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// sourceText finds its way in a text by lines and columns, which count runes.
type sourceText struct {
	lines []string // without line ends, perhaps with a carriage return
	marks map[int][]int
}

func newSourceText(text string) *sourceText {
	return &sourceText{strings.Split(text, "\n"), map[int][]int{}}
}

// markStep is the number of runes between two remembered offsets of a long line.
const markStep = 256

// offset returns the byte offset of a column. A schema may be one line of megabytes, so the
// offsets in long lines are remembered.
func (s *sourceText) offset(line, column int) int {
	text, skip, offset := s.line(line), column-1, 0
	if len(text) > markStep {
		marks, ok := s.marks[line]
		if !ok {
			n := 0
			for i := range text {
				if n%markStep == 0 {
					marks = append(marks, i)
				}
				n++
			}
			s.marks[line] = marks
		}
		at := min(skip/markStep, len(marks)-1)
		offset, skip = marks[at], skip-at*markStep
	}
	for ; skip > 0 && offset < len(text); skip-- {
		_, size := utf8.DecodeRuneInString(text[offset:])
		offset += size
	}
	return offset
}

// line returns a line without its end, and nothing for one that does not exist.
func (s *sourceText) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return strings.TrimSuffix(s.lines[n-1], "\r")
}

// from returns the rest of a line from a column on.
func (s *sourceText) from(line, column int) string {
	return s.line(line)[s.offset(line, column):]
}

// span is the place of the bytes from one offset of a line to another.
func (s *sourceText) span(line, from, to int) Pos {
	text := s.line(line)
	from, to = min(max(from, 0), len(text)), min(to, len(text))
	column := 1 + utf8.RuneCountInString(text[:from])
	return Pos{line, column, column + utf8.RuneCountInString(text[from:max(from, to)])}
}

// place is the place of a scalar, or of a list or mapping with brackets or braces; of the first line if
// there are several. Of anything else it is the first character.
func (s *sourceText) place(n *yaml.Node) Pos {
	text := s.from(n.Line, n.Column)
	width := 1
	switch {
	case n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle != 0:
		width = utf8.RuneCountInString(text[:bracketEnd(text)])
	case n.Kind == yaml.ScalarNode:
		switch {
		case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
			width = quotedEnd(text)
		case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
			width = len(text) - len(strings.TrimLeft(text, "|>+-0123456789"))
		case strings.HasPrefix(text, n.Value):
			width = len(n.Value)
		default:
			width = len(text)
		}
		text = strings.TrimRight(text[:min(width, len(text))], " \t")
		width = utf8.RuneCountInString(text)
	}
	return Pos{n.Line, n.Column, n.Column + max(width, 1)}
}

// quotedEnd returns the length of the quoted text that s begins with, or all of s if it does not end.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] == '"':
			i++
		case s[i] == s[0] && s[0] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// scalarLines returns the lines below the first one of every scalar that goes on over several: what looks
// like a comment there is text. In a text without quotes it is none.
func (s *sourceText) scalarLines(n *yaml.Node) map[int]bool {
	lines := map[int]bool{}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		for _, c := range n.Content {
			visit(c)
		}
		last := 0
		switch {
		case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
			last = s.blockEnd(n.Line)
		case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
			last = s.quoteEnd(n)
		}
		for line := n.Line + 1; line <= last; line++ {
			lines[line] = true
		}
	}
	visit(n)
	return lines
}

// blockEnd returns the last line of the block scalar whose header is on a line.
func (s *sourceText) blockEnd(header int) int {
	text := s.line(header)
	indent, last := -1, header
	if strings.TrimRight(text, "0123456789+- ") != strings.TrimRight(text, "+- ") { // its indentation is given
		indent = len(text) - len(strings.TrimLeft(text, " ")) + 1
	}
	for n := header + 1; n <= len(s.lines); n++ {
		line := s.line(n)
		at := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case at == len(line): // blank
			continue
		case indent < 0:
			indent = at
		}
		if at < indent {
			break
		}
		last = n
	}
	return last
}

// quoteEnd returns the line on which a quoted scalar ends.
func (s *sourceText) quoteEnd(n *yaml.Node) int {
	text := s.from(n.Line, n.Column)
	if text == "" {
		return n.Line
	}
	quote, i := text[0], 1
	for line := n.Line; line < len(s.lines); line, text, i = line+1, s.line(line+1), 0 {
		for ; i < len(text); i++ {
			switch {
			case text[i] == '\\' && quote == '"', text[i] == '\'' && quote == '\'' && strings.HasPrefix(text[i+1:], "'"):
				i++
			case text[i] == quote:
				return line
			}
		}
	}
	return len(s.lines)
}

// inside returns a function that gives the place of a part of a scalar, by bytes of its value. Where
// escapes or line breaks move the parts, it is the place of the whole.
func (s *sourceText) inside(n *yaml.Node) func(from, to int) Pos {
	whole := s.place(n)
	shift := 0
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		shift = 1
	}
	exact := n.Value != "" && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && strings.HasPrefix(s.from(n.Line, n.Column+shift), n.Value)
	return func(from, to int) Pos {
		if !exact {
			return whole
		}
		column := n.Column + shift + utf8.RuneCountInString(n.Value[:from])
		return Pos{n.Line, column, column + max(1, utf8.RuneCountInString(n.Value[from:to]))}
	}
}

// flow returns the text of a list or mapping that is written with brackets or braces on one line.
func (s *sourceText) flow(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode || n.Style&yaml.FlowStyle == 0 {
		return ""
	}
	text := s.from(n.Line, n.Column)
	return text[:bracketEnd(text)]
}

// longestQuote is how much of a text is shown in a message.
const longestQuote = 80

// quote shows a text in a message, shortened if it is long.
func quote(s string) string {
	if len(s) <= longestQuote {
		return fmt.Sprintf("%q", s)
	}
	cut := longestQuote
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}

// quoteHint is advice to quote a text, with the text as a quoted scalar if it is short.
func quoteHint(advice, s string) string {
	switch {
	case len(s) > longestQuote:
		return advice
	case strings.ContainsAny(s, "\"\\"):
		return advice + ": '" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return advice + `: "` + s + `"`
}
