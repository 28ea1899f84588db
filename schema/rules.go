// Rules: the catalogue that every diagnostic belongs to, with what `kvgen check --explain` tells of it.

package schema

import (
	"slices"
	"strings"
)

// Rule describes a rule that schemas are checked by.
type Rule struct {
	ID          string // "pattern-overlap"
	Severity    Severity
	Summary     string // one sentence
	Explanation string // why there is the rule, and what to do
	Bad         string // part of a schema that breaks this rule and no other; empty where none can be shown
	Good        string // the same part mended
}

// Rules returns the catalogue, sorted by id.
func Rules() []Rule {
	all := slices.Concat(fileRules, nameRules, valueRules, bucketRules, keyRules, goRules)
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	for i := range all {
		all[i].Bad, all[i].Good = strings.TrimPrefix(all[i].Bad, "\n"), strings.TrimPrefix(all[i].Good, "\n")
	}
	return all
}

// Diag makes a diagnostic at a place of the file, with the severity of its rule.
func (f *File) Diag(rule string, pos Pos, message, hint string) Diagnostic {
	return Diagnostic{
		Rule: rule, Severity: severityOf(rule), File: f.Path,
		Line: pos.Line, Column: pos.Column, EndColumn: pos.EndColumn,
		Message: message, Hint: hint,
	}
}

func severityOf(rule string) Severity {
	for _, rules := range [][]Rule{fileRules, nameRules, valueRules, bucketRules, keyRules, goRules} {
		for i := range rules {
			if rules[i].ID == rule {
				return rules[i].Severity
			}
		}
	}
	return Error
}
