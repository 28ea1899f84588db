// Comments that silence a warning: # kvgen:ignore RULE on the line above.

package schema

import (
	"slices"
	"strings"
)

// ignore is a comment that silences a rule on the next line.
type ignore struct {
	line int // that the comment speaks of
	rule string
}

func findIgnores(lines []string) []ignore {
	var out []ignore
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			if rule, ok := strings.CutPrefix(strings.TrimSpace(rest), "kvgen:ignore "); ok {
				out = append(out, ignore{i + 2, strings.TrimSpace(rule)})
			}
		}
	}
	return out
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
