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

// findIgnores finds the comments. Several of them, one above the other, speak of the same line.
func findIgnores(lines []string) []ignore {
	var out []ignore
	open := 0 // index of the first comment whose line is still to come
	for i, line := range lines {
		rule, ok := ignoredRule(line)
		if ok {
			out = append(out, ignore{rule: rule})
			continue
		}
		for ; open < len(out); open++ {
			out[open].line = i + 1
		}
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

// DropIgnored removes the warnings that a comment above their line silences. Errors stay.
func DropIgnored(files []*File, ds []Diagnostic) []Diagnostic {
	return slices.DeleteFunc(slices.Clone(ds), func(d Diagnostic) bool {
		if d.Severity != Warning {
			return false
		}
		for _, f := range files {
			if f != nil && f.Path == d.File && slices.Contains(f.ignores, ignore{d.Line, d.Rule}) {
				return true
			}
		}
		return false
	})
}
