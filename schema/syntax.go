// Syntax errors of YAML, with the place and the cause. The parser tells a line at most, and often that
// of the mapping around; so the place is searched by reading the text again.

package schema

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// parserMessage takes the error of the parser apart; line is 0 if it has none.
func parserMessage(err error) (message string, line int) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	return message, line
}

// syntaxError tells why the text could not be read as YAML.
func (l *loader) syntaxError(text string, err error) Diagnostic {
	message, told := parserMessage(err)
	if strings.HasPrefix(message, "control characters") {
		return l.controlCharacter(text, message)
	}
	line := l.errorLine(text, message, told)
	if strings.HasPrefix(message, "exceeded max depth") {
		return l.file.Diag("yaml-depth", Pos{line, 1, 1}, fmt.Sprintf("nested deeper than %d levels", maxYAMLDepth), "no schema needs more than a dozen")
	}
	if s, ok := l.unclosedBefore(line, message); ok {
		return s
	}
	if found := unquoted(l.text.line(line)); len(found) > 0 {
		s := found[0]
		if strings.Contains(message, "',' or") && strings.HasSuffix(l.text.line(line)[:s.to], ",") {
			s.to-- // the bracket is open since a line above
		}
		return l.unquotedError(line, s)
	}
	return l.otherError(line, message)
}

// lineReader hands out a text line by line, so that one sees how far a reader has come.
type lineReader struct {
	text string
	at   int
}

func (r *lineReader) Read(p []byte) (int, error) {
	rest := r.text[r.at:]
	if rest == "" {
		return 0, io.EOF
	}
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i+1]
	}
	n := copy(p, rest)
	r.at += n
	return n, nil
}

// errorLine finds the line that the parser could not take: the first one of those it may be whose
// text up to its end has the same error.
func (l *loader) errorLine(text, message string, told int) int {
	reader := &lineReader{text: text}
	var doc yaml.Node
	if yaml.NewDecoder(reader).Decode(&doc) == nil {
		return max(told, 1)
	}
	reached := strings.Count(text[:reader.at], "\n")
	if reader.at == len(text) && !strings.HasSuffix(text, "\n") {
		reached++
	}
	lines := []int{told, told + 1}
	if told == 0 {
		lines = []int{1}
	}
	const around = 5 // the parser looks ahead by a token or two
	for n, found := reached, 0; n > 0 && found < around; n-- {
		if s := strings.TrimSpace(l.text.line(n)); s != "" && s[0] != '#' {
			lines, found = append(lines, n), found+1
		}
	}
	slices.Sort(lines)
	ends := make([]int, 0, len(l.text.lines))
	for i := range len(text) {
		if text[i] == '\n' {
			ends = append(ends, i+1)
		}
	}
	ends = append(ends, len(text))
	for _, n := range slices.Compact(lines) {
		if n < 1 || n > len(ends) {
			continue
		}
		var part yaml.Node
		err := yaml.NewDecoder(strings.NewReader(text[:ends[n-1]])).Decode(&part)
		if err == nil {
			continue
		}
		if same, _ := parserMessage(err); same == message {
			return n
		}
	}
	return min(max(told, 1), len(l.text.lines))
}

func (l *loader) syntaxDiag(pos Pos, message, hint string) Diagnostic {
	return l.file.Diag("yaml-syntax", pos, message, hint)
}

// controlCharacter points at what YAML does not allow in a text.
func (l *loader) controlCharacter(text, message string) Diagnostic {
	for i, r := range text {
		if r >= ' ' && r < 0x7F || r >= 0xA0 && r != 0xFFFE && r != 0xFFFF && r != 0xFEFF || r == '\t' || r == '\n' || r == '\r' {
			continue
		}
		line := 1 + strings.Count(text[:i], "\n")
		start := strings.LastIndexByte(text[:i], '\n') + 1
		return l.syntaxDiag(l.text.span(line, i-start, i-start+utf8.RuneLen(r)), fmt.Sprintf("the control character %U", r),
			fmt.Sprintf("remove it; within double quotes it can be written as \\u%04X", r))
	}
	return l.syntaxDiag(Pos{1, 1, 1}, "the YAML cannot be read: "+message, "")
}

// unquotedError tells of a text that YAML does not read as one.
func (l *loader) unquotedError(line int, s stretch) Diagnostic {
	text := l.text.line(line)
	value := text[s.from:s.to]
	pos := l.text.span(line, s.from, s.to)
	hint := quoteHint("quote it", value)
	switch s.kind {
	case aliasText:
		if strings.HasSuffix(strings.TrimSpace(text[:s.from]), "<<:") {
			return l.file.Diag("yaml-merge", l.text.span(line, strings.Index(text, "<<"), s.from-1), "<< is a YAML merge key, which a schema cannot have",
				"write out what it stands for; keys_from shares the keys of a bucket")
		}
		return l.file.Diag("yaml-alias", pos, quote(value)+" is a YAML alias, which a schema cannot have", quoteHint("if it is a pointer type, quote it", value))
	case anchorText:
		return l.file.Diag("yaml-anchor", pos, quote(value)+" is a YAML anchor, which a schema cannot have", quoteHint("if it is meant as text, quote it", value))
	case flowText:
		what := "a mapping"
		if value[0] == '[' {
			what = "a list"
		}
		return l.syntaxDiag(pos, fmt.Sprintf("%s is not quoted, and YAML reads %c as the start of %s", quote(value), value[0], what), hint)
	case bracketText:
		return l.syntaxDiag(pos, quote(value)+" is not quoted, and within { } or [ ] YAML reads its braces or brackets as its own", hint)
	case reservedText:
		return l.syntaxDiag(pos, fmt.Sprintf("%s begins with %c, which YAML keeps for itself", quote(value), value[0]), hint)
	case colonText:
		return l.syntaxDiag(pos, quote(value)+" has a colon followed by a space, and YAML reads it as another field", hint)
	}
	return l.syntaxDiag(pos, "text follows the closing quote", quoteHint("quote it as a whole", strings.Trim(value, `"'`)))
}

// unclosedBefore finds a quote or bracket that is opened, and not closed where it should be. The
// parser then stumbles further down.
func (l *loader) unclosedBefore(line int, message string) (Diagnostic, bool) {
	quotes := strings.Contains(message, "unexpected end of stream") || strings.Contains(message, "unexpected document indicator")
	flows := strings.Contains(message, "',' or") || strings.Contains(message, "expected node content")
	if !quotes && !flows && !strings.Contains(message, "expected key") && !strings.Contains(message, "mapping values") {
		return Diagnostic{}, false
	}
	const far = 50 // lines; texts in quotes have few
	for n := max(1, line-far); n <= line; n++ {
		at, open := unclosed(l.text.line(n))
		switch {
		case at < 0:
		case open == '"' || open == '\'':
			if n < line || quotes {
				return l.syntaxDiag(l.text.span(n, at, at+1), fmt.Sprintf("the quote %c is not closed", open), "add the closing quote, or remove this one"), true
			}
		case flows && n == line && len(unquoted(l.text.line(n))) == 0:
			shut := map[byte]string{'{': "}", '[': "]"}[open]
			return l.syntaxDiag(l.text.span(n, at, at+1), fmt.Sprintf("%c is not closed", open), "add the closing "+shut), true
		}
	}
	return Diagnostic{}, false
}

// otherError tells of all that is no matter of quotes and brackets: indentation, colons, escapes.
func (l *loader) otherError(line int, message string) Diagnostic {
	text := l.text.line(line)
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	rest := l.text.span(line, indent, len(strings.TrimRight(text, " \t")))
	if tab := strings.IndexByte(text[:indent], '\t'); tab >= 0 {
		return l.syntaxDiag(l.text.span(line, tab, tab+1), "a tab in the indentation, which YAML does not allow", "indent with spaces")
	}
	switch {
	case strings.HasPrefix(text, "%"):
		return l.syntaxDiag(rest, "a YAML directive, which a schema does not need", "remove the line")
	case strings.Contains(message, "unknown escape"):
		if at := badEscape(text); at >= 0 {
			return l.syntaxDiag(l.text.span(line, at, at+2), fmt.Sprintf("%s is no escape of YAML", quote(text[at:min(at+2, len(text))])),
				`within double quotes, write \\ for a backslash; within single quotes, a backslash is one`)
		}
	case strings.Contains(message, "expected ':'"):
		return l.syntaxDiag(rest, quote(strings.TrimSpace(text))+" is not a field: it has no colon followed by a space", "write NAME: VALUE")
	case strings.Contains(message, "mapping values"):
		return l.misplacedValue(line, indent, rest)
	case strings.Contains(message, "expected key"):
		if text[indent:] != "" && strings.ContainsRune("}]", rune(text[indent])) {
			return l.syntaxDiag(l.text.span(line, indent, indent+1), fmt.Sprintf("%c is not opened", text[indent]), "remove it, or quote the text that it belongs to")
		}
		if strings.HasPrefix(text[indent:], ":") {
			return l.syntaxDiag(rest, "a field without a name", "write NAME: VALUE")
		}
		if strings.HasPrefix(text[indent:], "- ") {
			return l.syntaxDiag(rest, "an item of a list among the fields of a mapping", "write NAME: VALUE, or indent the list below its field")
		}
		if !l.isLevel(line, indent) {
			return l.syntaxDiag(rest, "the indentation of the line is that of no line above", "align it with the fields that it belongs to")
		}
		return l.misplacedValue(line, indent, rest)
	}
	return l.syntaxDiag(rest, "the YAML cannot be read: "+message, "")
}

// misplacedValue tells of a field that stands where none can: the line above is no field, or has a
// value already.
func (l *loader) misplacedValue(line, indent int, rest Pos) Diagnostic {
	for n := line - 1; n > 0; n-- {
		above := strings.TrimSpace(l.text.line(n))
		if above == "" || above[0] == '#' {
			continue
		}
		start := strings.Index(l.text.line(n), above)
		if !strings.Contains(above, ": ") && !strings.HasSuffix(above, ":") {
			return l.syntaxDiag(l.text.span(n, start, start+len(above)), quote(above)+" is not a field: it has no colon followed by a space", "write NAME: VALUE")
		}
		if start < indent {
			return l.syntaxDiag(rest, "the line is indented below a field that has a value already", "align it with the fields that it belongs to")
		}
		break
	}
	return l.syntaxDiag(rest, "a field where none can be", "quote a text with a colon; align fields with those they belong to")
}

// isLevel reports whether a line above, not deeper than those between, has the same indentation.
func (l *loader) isLevel(line, indent int) bool {
	for n := line - 1; n > 0; n-- {
		text := l.text.line(n)
		trimmed := strings.TrimLeft(text, " ")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if at := len(text) - len(trimmed); at <= indent {
			return at == indent
		}
	}
	return false
}
