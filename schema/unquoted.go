// Texts without quotes that YAML reads as something else: {tenant}.{id}, []Line, *Node. One line
// is looked at, roughly as YAML does; this is for hints only, after the parser gave up.

package schema

import "strings"

// stretchKind says why a text needs quotes.
type stretchKind int

const (
	flowText     stretchKind = iota // begins with a bracket or brace, and goes on behind the closing one
	bracketText                     // has brackets or braces, within a list or mapping that is written with them
	aliasText                       // begins with *
	anchorText                      // begins with &
	reservedText                    // begins with a character that cannot begin a text
	colonText                       // has a colon followed by a space
	quotedText                      // goes on behind its closing quote
)

// stretch is a part of a line, in bytes.
type stretch struct {
	from, to int
	kind     stretchKind
}

// lineScanner walks over the values of one line.
type lineScanner struct {
	line  string
	at    int
	depth int // of brackets and braces that are open
	found []stretch
	open  []int       // offsets of those brackets and braces
	quote int         // offset of a quote that is not closed, or -1
	ends  map[int]int // of brackets that are closed: by the offset of one, that behind its end
}

// unquoted returns the texts of a line that need quotes.
func unquoted(line string) []stretch { return scanLine(line).found }

// unclosed returns the quote of a line that it does not close, or else the outermost such bracket.
func unclosed(line string) (at int, char byte) {
	s := scanLine(line)
	switch {
	case s.quote >= 0:
		return s.quote, line[s.quote]
	case len(s.open) > 0:
		return s.open[0], line[s.open[0]]
	}
	return -1, 0
}

func scanLine(line string) *lineScanner {
	s := &lineScanner{line: strings.TrimRight(line, " \t"), quote: -1, ends: map[int]int{}}
	eachBracket(s.line, func(from, to int) bool {
		s.ends[from] = to
		return true
	})
	s.blanks()
	for strings.HasPrefix(s.line[s.at:], "- ") || strings.HasPrefix(s.line[s.at:], "? ") {
		s.at++
		s.blanks()
	}
	isKey := true
	for s.at < len(s.line) && s.quote < 0 {
		isKey = s.value(isKey)
		s.blanks()
	}
	return s
}

func (s *lineScanner) blanks() {
	for s.at < len(s.line) && (s.line[s.at] == ' ' || s.line[s.at] == '\t') {
		s.at++
	}
}

// comment reports whether a comment begins at an offset.
func (s *lineScanner) comment(i int) bool {
	return s.line[i] == '#' && (i == 0 || s.line[i-1] == ' ' || s.line[i-1] == '\t')
}

// value reads what begins at the current place, up to where the next value may begin. key says
// whether a field may begin here; the result says so of the next place.
func (s *lineScanner) value(key bool) (nextKey bool) {
	c := s.line[s.at]
	switch {
	case s.comment(s.at):
		s.at = len(s.line)
	case c == '"' || c == '\'':
		from := s.at
		s.at += quotedEnd(s.line[from:])
		if s.at-from < 2 || s.line[s.at-1] != c {
			s.quote = from
			return false
		}
		s.blanks()
		if s.at < len(s.line) && !s.comment(s.at) && !strings.ContainsRune(",]}:", rune(s.line[s.at])) {
			s.add(quotedText, from)
		}
	case c == '{' || c == '[':
		end, closed := s.ends[s.at]
		rest := strings.TrimLeft(s.line[end:], " \t")
		if closed && rest != "" && !strings.ContainsRune(",]}#", rune(rest[0])) && !strings.HasPrefix(rest, ": ") && rest != ":" {
			s.add(flowText, s.at)
			if last := &s.found[len(s.found)-1]; key {
				if i := strings.Index(s.line[last.from:last.to], ": "); i >= 0 && last.from+i > end {
					last.to, s.at = last.from+i, last.from+i
				}
			}
			break
		}
		s.open = append(s.open, s.at)
		s.at, s.depth = s.at+1, s.depth+1
		return true
	case c == '}' || c == ']':
		if s.depth > 0 {
			s.depth, s.open = s.depth-1, s.open[:len(s.open)-1]
		}
		s.at++
	case c == ',' && s.depth > 0:
		s.at++
		return true
	case c == ':' && (s.at+1 == len(s.line) || s.line[s.at+1] == ' '):
		s.at++
		return false
	case c == '*':
		s.add(aliasText, s.at)
	case c == '&':
		s.add(anchorText, s.at)
	case c == '%' && s.at == 0: // a directive
		s.at = len(s.line)
	case c == '@' || c == '`' || c == '%':
		s.add(reservedText, s.at)
	case (c == '|' || c == '>') && s.depth == 0:
		s.at = len(s.line)
	default:
		return s.plain(key)
	}
	return s.depth > 0
}

// plain reads a text without quotes.
func (s *lineScanner) plain(key bool) (nextKey bool) {
	from, brackets := s.at, 0
	for i := from; i < len(s.line); i++ {
		c := s.line[i]
		switch {
		case s.comment(i):
			s.at = len(s.line)
			return false
		case c == ':' && (i+1 == len(s.line) || s.line[i+1] == ' ') && brackets == 0:
			if !key {
				s.add(colonText, from)
				return false
			}
			s.at = i + 1
			return false
		case s.depth == 0:
		case c == '{' || c == '[':
			s.add(bracketText, from)
			return s.depth > 0
		case c == ',' || c == '}' || c == ']':
			s.at = i
			return true
		}
	}
	s.at = len(s.line)
	return false
}

// add notes a text that begins at an offset, and goes on behind it: to the end of the line, or of the
// item within brackets.
func (s *lineScanner) add(kind stretchKind, from int) {
	to := len(s.line)
	nested := 0
scan:
	for i := from; i < len(s.line); i++ {
		switch c := s.line[i]; {
		case i > from && s.comment(i):
			to = i
			break scan
		case s.depth == 0:
		case c == '{' || c == '[':
			nested++
		case (c == '}' || c == ']') && nested > 0:
			nested--
		case c == '}' || c == ']' || c == ',' && nested == 0:
			to = i
			break scan
		}
	}
	s.at = to
	s.found = append(s.found, stretch{from, from + len(strings.TrimRight(s.line[from:to], " \t")), kind})
}

// bracketEnd returns the length of the text up to the bracket that closes the one s begins with, or of
// all of s.
func bracketEnd(s string) int {
	end := len(s)
	eachBracket(s, func(from, to int) bool {
		if from == 0 {
			end = to
		}
		return from != 0
	})
	return end
}

// eachBracket visits the pairs of brackets and braces of a text, inner ones first, with the offset of
// the opening one and that behind the closing one. Those within quotes are not visited. It ends when
// visit returns false.
func eachBracket(s string, visit func(from, to int) bool) {
	var open []int
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			open = append(open, i)
		case '}', ']':
			if len(open) == 0 {
				continue
			}
			from := open[len(open)-1]
			if open = open[:len(open)-1]; !visit(from, i+1) {
				return
			}
		case '"', '\'':
			// A quote within a word is none.
			if i == 0 || strings.ContainsRune("{[,: ", rune(s[i-1])) {
				i += quotedEnd(s[i:]) - 1
			}
		}
	}
}

// badEscape returns the offset of the first backslash within double quotes that begins no escape, or -1.
func badEscape(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'':
			i += quotedEnd(s[i:]) - 1
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] != '\\' {
					continue
				}
				if i+1 < len(s) && !strings.ContainsRune("0abt\tnvfre \"'/\\N_LPxuU", rune(s[i+1])) {
					return i
				}
				i++
			}
		}
	}
	return -1
}
