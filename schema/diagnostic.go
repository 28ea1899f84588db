package schema

import (
	"cmp"
	"slices"
)

// Severity is the weight of a diagnostic.
type Severity int

const (
	Error   Severity = iota // nothing is generated
	Warning                 // generated, but worth a look
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText writes the severity as its name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Diagnostic is one finding in a schema file.
type Diagnostic struct {
	Rule      string    `json:"rule"` // stable id: "pattern-overlap"
	Severity  Severity  `json:"severity"`
	File      string    `json:"file"`
	Line      int       `json:"line"`   // from 1
	Column    int       `json:"column"` // from 1, in runes
	EndColumn int       `json:"end_column"`
	Message   string    `json:"message"`
	Hint      string    `json:"hint,omitempty"` // how to mend it; without the word "hint"
	Related   []Related `json:"related,omitempty"`
}

// Related is another place that a diagnostic speaks of: the other side of a clash.
type Related struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndColumn int    `json:"end_column"`
	Message   string `json:"message"`
}

// Sort orders diagnostics by place and removes repetitions.
func Sort(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Rule == b.Rule && a.Message == b.Message
	})
}

// HasErrors reports whether one of the diagnostics is an error.
func HasErrors(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}
