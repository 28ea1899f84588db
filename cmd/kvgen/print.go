// Diagnostics in text: the place, the message, the line of the schema with the place underlined.

package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/kvgen/kvgen/schema"
)

// Values of --format.
const (
	formatText   = "text"
	formatJSON   = "json"
	formatGitHub = "github"
)

// printDiagnostics prints what was found in the format that was asked for.
func printDiagnostics(c *console, o *options, found findings) error {
	diags := found.diags
	if o.quiet {
		diags = slices.DeleteFunc(slices.Clone(diags), func(d schema.Diagnostic) bool { return d.Severity == schema.Warning })
	}
	switch o.format {
	case formatJSON:
		return printJSON(c.stdout, diags)
	case formatGitHub:
		return printGitHub(c.stdout, diags)
	}
	var b bytes.Buffer
	p := textPrinter{out: &b, color: c.color, lines: map[string][]string{}, texts: found.texts}
	for _, d := range diags {
		p.print(d)
	}
	_, err := c.stderr.Write(b.Bytes())
	return err
}

// Colours of a terminal.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// textPrinter prints diagnostics for people.
type textPrinter struct {
	out   io.Writer
	color bool
	texts map[string][]byte
	lines map[string][]string // the texts in lines, once they are needed
}

func (p *textPrinter) paint(color, s string) string {
	if !p.color || s == "" {
		return s
	}
	return color + s + plain
}

func (p *textPrinter) print(d schema.Diagnostic) {
	color := red
	if d.Severity == schema.Warning {
		color = yellow
	}
	fmt.Fprintf(p.out, "%s %s %s [%s]\n",
		p.paint(bold, place(d.File, d.Line, d.Column)+":"), p.paint(color, d.Severity.String()+":"), printable(d.Message), d.Rule)
	p.excerpt(d.File, schema.Pos{Line: d.Line, Column: d.Column, EndColumn: d.EndColumn}, color)
	if d.Hint != "" {
		fmt.Fprintf(p.out, "   %s %s\n", p.paint(cyan, "hint:"), printable(d.Hint))
	}
	for _, r := range d.Related {
		fmt.Fprintf(p.out, "   %s %s: %s\n", p.paint(cyan, "see"), place(r.File, r.Line, r.Column), printable(r.Message))
		p.excerpt(r.File, schema.Pos{Line: r.Line, Column: r.Column, EndColumn: r.EndColumn}, cyan)
	}
}

// place writes a place as editors and terminals make it a link. A file as a whole has no line.
func place(file string, line, column int) string {
	switch {
	case line <= 0:
		return printable(file)
	case column <= 0:
		return fmt.Sprintf("%s:%d", printable(file), line)
	}
	return fmt.Sprintf("%s:%d:%d", printable(file), line, column)
}

// excerpt prints the line of a place, and below it the underlining.
func (p *textPrinter) excerpt(file string, pos schema.Pos, color string) {
	text, ok := p.texts[file]
	if !ok || pos.Line <= 0 {
		return
	}
	lines, ok := p.lines[file]
	if !ok {
		lines = splitLines(text)
		p.lines[file] = lines
	}
	if pos.Line > len(lines) {
		return
	}
	shown, pad, carets := underline(lines[pos.Line-1], pos.Column, pos.EndColumn)
	number := fmt.Sprint(pos.Line)
	fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf("   %s | %s", number, shown), " \t"))
	if carets != "" {
		fmt.Fprintf(p.out, "   %s | %s%s\n", strings.Repeat(" ", len(number)), pad, p.paint(color, carets))
	}
}

// splitLines splits a schema into lines, as YAML does. A byte order mark is no part of the first.
func splitLines(text []byte) []string {
	ends := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	return strings.Split(ends.Replace(strings.TrimPrefix(string(text), "\ufeff")), "\n")
}

// printable makes a text that comes from a schema or a file's name harmless for a terminal, and one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		return visible(r)
	}, s)
}

// visible replaces what a terminal would obey instead of show, what changes the order of a text, and
// what nobody sees: spaces of no width, and a byte order mark within a text.
func visible(r rune) rune {
	switch {
	case unicode.IsControl(r) && r != '\t', unicode.Is(unicode.Bidi_Control, r),
		r == '\u2028', r == '\u2029', r == '\u200b', r == '\u2060', r == '\ufeff':
		return unicode.ReplacementChar
	}
	return r
}
