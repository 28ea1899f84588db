// Emission: what all generated files have in common. The emitter decides nothing, it prints.

package generator

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dave/jennifer/jen"
)

// emitter prints a section of a file.
type emitter struct {
	*jen.File
}

func newEmitter(u *unit) *emitter {
	f := jen.NewFilePathName(u.GoPath, u.Package)
	f.NoFormat = true
	for _, i := range u.Imports {
		if i.Explicit {
			f.ImportAlias(i.Path, i.Name)
		} else {
			f.ImportName(i.Path, i.Name)
		}
	}
	return &emitter{f}
}

// kvrt is a name of the runtime.
func kvrt(name string) *jen.Statement { return jen.Qual(runtimePath, name) }

const jetstreamPath = "github.com/nats-io/nats.go/jetstream"

func ctxParam() *jen.Statement { return jen.Id("ctx").Qual("context", "Context") }

// goType prints a type.
func goType(t typeRef) *jen.Statement {
	switch t.Kind {
	case listType:
		return jen.Index().Add(goType(*t.Elem))
	case mapType:
		return jen.Map(jen.String()).Add(goType(*t.Elem))
	case pointerType:
		return jen.Op("*").Add(goType(*t.Elem))
	}
	if t.GoPath != "" {
		return jen.Qual(t.GoPath, t.GoName)
	}
	return jen.Id(t.GoName)
}

// comment prints lines as a comment of their own, each line a comment that cannot be mistaken for
// code or a directive.
func (e *emitter) comment(text string) {
	for _, line := range commentLines(text) {
		e.File.Comment(line)
	}
}

// doc is comment for use within groups.
func doc(g *jen.Group, text string) {
	for _, line := range commentLines(text) {
		g.Comment(line)
	}
}

// described joins a sentence of the generator's own with a description of the schema.
func described(sentence, description string) string {
	switch {
	case description == "":
		return sentence
	case sentence == "":
		return description
	}
	return sentence + "\n" + description
}

// wrapped breaks a sentence of the generator's own into lines that one reads without scrolling.
func wrapped(sentence string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(sentence) {
		switch {
		case column == 0:
		case column+len(word) >= 110:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// commentLines turns text into comment lines, "// …" each. White space is normalised, since gofmt
// would rewrite indented text, and characters that a reader cannot see are replaced.
func commentLines(text string) []string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if text == "" {
		return nil
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if !isPlain(line) {
			line = strings.Join(strings.Fields(strings.Map(visible, line)), " ")
		}
		if line == "" {
			if last := len(lines) - 1; last >= 0 && lines[last] == "//" {
				continue
			}
			lines = append(lines, "//")
			continue
		}
		lines = append(lines, "// "+harmless(line))
	}
	return lines
}

// isPlain reports whether a line consists of printable ASCII with single spaces, as nearly all do.
func isPlain(line string) bool {
	for i := 0; i < len(line); i++ {
		if c := line[i]; c < ' ' || c > '~' || c == ' ' && (i == 0 || i+1 == len(line) || line[i+1] == ' ') {
			return false
		}
	}
	return true
}

// visible replaces control and format characters, among them those that change the direction of text
// and the line separators that are none to Go.
func visible(r rune) rune {
	switch {
	case r == '\t', r == '\r', r == '\u2028', r == '\u2029', r == '\u0085':
		return ' '
	case unicode.Is(unicode.Cf, r), unicode.IsControl(r), r == unicode.ReplacementChar, unicode.Is(unicode.Co, r):
		return '\ufffd'
	}
	return r
}

// harmless keeps a comment line from being read as a build constraint, by gofmt or by the go command,
// and from being a heading or a link definition of a doc comment, which gofmt would move.
func harmless(line string) string {
	for _, directive := range []string{"+build", "#", "["} {
		if rest, ok := strings.CutPrefix(line, directive); ok {
			switch directive {
			case "+build":
				return "+ build" + rest
			case "#":
				return `\#` + rest
			default:
				if strings.Contains(rest, "]:") {
					return `\[` + rest
				}
			}
		}
	}
	return line
}

// duration prints a duration as one would write it: 90 * time.Minute.
func duration(d time.Duration) *jen.Statement {
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}, {time.Millisecond, "Millisecond"}, {time.Microsecond, "Microsecond"}, {time.Nanosecond, "Nanosecond"}} {
		if d%unit.d != 0 {
			continue
		}
		name := jen.Qual("time", unit.name)
		if d == unit.d {
			return name
		}
		return jen.Id(strconv.FormatInt(int64(d/unit.d), 10)).Op("*").Add(name)
	}
	return jen.Lit(0)
}

// size prints a number of bytes as one would write it: 64 << 10.
func size(n int64) *jen.Statement {
	for _, shift := range []int{30, 20, 10} {
		if n > 0 && n&(1<<shift-1) == 0 {
			return jen.Id(strconv.FormatInt(n>>shift, 10)).Op("<<").Lit(shift)
		}
	}
	return jen.Id(strconv.FormatInt(n, 10))
}

// tag prints a struct tag, raw where that shows the text as it is.
func tag(value string) *jen.Statement {
	if strconv.CanBackquote(value) && strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return jen.Id("`" + value + "`")
	}
	return jen.Lit(value)
}
