package schema

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzLoad holds Load to its word for any text: it returns, without a panic, either a file or errors;
// every place is within the text; and Check accepts what it made.
func FuzzLoad(f *testing.F) {
	for _, rule := range Rules() {
		f.Add("kvgen: v1\npackage: shop\n" + rule.Bad)
		f.Add("kvgen: v1\npackage: shop\n" + rule.Good)
	}
	for _, seed := range []string{
		"", "\ufeff", "---\n...\n", "a: &a [*a]\n", "? {a: b}\n: c\n", "<<: *x", "a: 'it''s", "\t", "{a}.{b}: []x",
		"kvgen: v1\r\npackage: p\r\n", "a: |\n x\n y\n", "a: >-\n\n x\n", "a: \"\\u00e4\\\n  b\"", "!!str a: !<x> b", "a: b\n---\n{", "%YAML 1.1\n---\na: b",
		"kvgen: v1\npackage: p\nbuckets: {b: {name: \"{a}_{b\", keys: {k: {pattern: \"é.{x...}.{y:a.b}\", value: \"[]map[string]*a/b.C\"}}}}",
		"kvgen: v1\npackage: p\nbuckets:\n  b:\n    name: |\n      {a}\n    keys:\n      k:\n        pattern: a\n         .b..c\n        value: \"a\n\n          b\"\n",
		"kvgen: v1\npackage: p\nbuckets: {b: {history: 010, ttl: 3 days, max_bytes: 0x10, metadata: {\U0001F600: [}]}}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		file, diags := Load("a.kv.yaml", []byte(source))
		if file == nil && !HasErrors(diags) {
			t.Fatal("neither a file nor an error")
		}
		if file != nil {
			diags = append(diags, Check([]*File{file})...)
		}
		lines := strings.Split(strings.TrimPrefix(source, "\ufeff"), "\n")
		within := func(line, column, end int) bool {
			return line >= 1 && line <= len(lines) && column >= 1 && column <= end && column <= utf8.RuneCountInString(lines[line-1])+1 &&
				(end <= column+1 || end <= utf8.RuneCountInString(lines[line-1])+1)
		}
		for _, d := range diags {
			if d.Rule == "" || d.Message == "" || d.File != "a.kv.yaml" {
				t.Errorf("an incomplete diagnostic: %+v", d)
			}
			if !within(d.Line, d.Column, d.EndColumn) {
				t.Errorf("a place outside of the text: %+v", d)
			}
			for _, r := range d.Related {
				if !within(r.Line, r.Column, r.EndColumn) {
					t.Errorf("another place outside of the text: %+v in %+v", r, d)
				}
			}
		}
	})
}
