// Comments that silence a warning: # kvgen:ignore RULE on the line above.

package schema

import (
	"slices"
	"strings"
)

// ignore is a comment that silences a rule on a line.
type ignore struct {
	line int // that the comment speaks of
	rule string
}

// findIgnores finds the comments; inText says which lines are part of a text, where # begins none. Several
// of them, one above the other, speak of the same line.
func findIgnores(lines []string, inText map[int]bool) map[ignore]bool {
	out := map[ignore]bool{}
	var open []string // rules of comments whose line is still to come
	for i, line := range lines {
		if rule, ok := ignoredRule(line); ok && !inText[i+1] {
			open = append(open, rule)
			continue
		}
		for _, rule := range open {
			out[ignore{i + 1, rule}] = true
		}
		open = open[:0]
	}
	return out
}

// ignoredRule returns the rule of a line that is such a comment. What follows the rule is for readers.
func ignoredRule(line string) (rule string, ok bool) {
	comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
	if !ok {
		return "", false
	}
	words := strings.Fields(comment)
	if len(words) < 2 || words[0] != "kvgen:ignore" {
		return "", false
	}
	return words[1], true
}

// ignored reports whether a comment silences a diagnostic, which it can do with a warning only.
func (f *File) ignored(d Diagnostic) bool {
	return d.Severity == Warning && f.ignores[ignore{d.Line, d.Rule}]
}

// DropIgnored removes the warnings that a comment above their line silences. Errors stay.
func DropIgnored(files []*File, ds []Diagnostic) []Diagnostic {
	return slices.DeleteFunc(slices.Clone(ds), func(d Diagnostic) bool {
		return slices.ContainsFunc(files, func(f *File) bool { return f != nil && f.Path == d.File && f.ignored(d) })
	})
}
