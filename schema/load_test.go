package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kvgen/kvgen/schema"
)

// diagnose loads and checks a schema and returns "line:column rule" of each finding.
func diagnose(source string) []string {
	file, diags := schema.Load("shop.kv.yaml", []byte(source))
	if file != nil {
		diags = append(diags, schema.Check([]*schema.File{file})...)
	}
	var out []string
	for _, d := range schema.Sort(diags) {
		out = append(out, fmt.Sprintf("%d:%d %s", d.Line, d.Column, d.Rule))
	}
	return out
}

func TestEachProblemIsReportedAtItsPlace(t *testing.T) {
	const head = "kvgen: v1\npackage: shop\n"
	const key = "    keys:\n      a: {pattern: a, value: string}\n"
	for name, test := range map[string]struct{ source, want string }{
		"nothing":                 {"", "1:1 missing-field"},
		"no package":              {"kvgen: v1\n", "1:1 missing-field"},
		"kvgen is not first":      {"package: shop\nkvgen: v1\n", "2:1 kvgen-first"},
		"unknown version":         {"kvgen: v2\npackage: shop\n", "1:8 unknown-version"},
		"twice":                   {head + "package: other\n", "3:1 duplicate-field"},
		"alias":                   {head + "description: *x\n", "3:14 yaml-alias"},
		"second document":         {head + "---\nkvgen: v1\n", "3:1 yaml-document"},
		"unquoted pattern":        {head + "buckets:\n  a:\n    keys:\n      k:\n        pattern: {a}.{b}\n        value: string\n", "7:18 yaml-syntax"},
		"unquoted list":           {head + "types:\n  A:\n    fields:\n      x: []Line\n", "6:10 yaml-syntax"},
		"not UTF-8":               {head + "description: \xff\n", "3:14 encoding"},
		"yes for true":            {head + "buckets:\n  a:\n    compression: yes\n" + key, "5:18 wrong-type"},
		"octal":                   {head + "buckets:\n  a:\n    history: 010\n" + key, "5:14 wrong-type"},
		"history out of range":    {head + "buckets:\n  a:\n    history: 65\n" + key, "5:14 history-range"},
		"size":                    {head + "buckets:\n  a:\n    max_bytes: 1 gig\n" + key, "5:16 invalid-size"},
		"duration":                {head + "buckets:\n  a:\n    ttl: 3 days\n" + key, "5:10 invalid-duration"},
		"column within a pattern": {head + "buckets:\n  a:\n    keys:\n      k: {pattern: \"ä\", value: string}\n", "6:21 invalid-pattern"},
		"path is not last":        {head + "buckets:\n  a:\n    keys:\n      k: {pattern: \"a.{p...}.b\", value: string}\n", "6:23 invalid-pattern"},
		"bucket without keys":     {head + "buckets:\n  a:\n    history: 1\n", "4:3 missing-field"},
		"good":                    {"\ufeff" + head + "buckets:\n  a:\n" + key, ""},
	} {
		if got := strings.Join(diagnose(test.source), ", "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("kvgen: v1\npackage: shop\nbuckets:\n  a:\n    keys:\n      k: {pattern: \"a.{p...}\", value: \"[]string\"}\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {a: b}\n: c\n---\n")
	f.Add("kvgen: v1\npackage: p\ntypes: {A: {fields: {a: A}}, B: {enum: [a, {value: b}]}}\n")
	f.Fuzz(func(t *testing.T, source string) {
		file, diags := schema.Load("a.kv.yaml", []byte(source))
		if file == nil && !schema.HasErrors(diags) {
			t.Fatal("neither a file nor an error")
		}
		if file != nil {
			diags = append(diags, schema.Check([]*schema.File{file})...)
		}
		lines := strings.Count(source, "\n") + 1
		for _, d := range diags {
			if d.Line < 1 || d.Line > lines || d.Column < 1 || d.EndColumn < d.Column {
				t.Fatalf("a place outside of the file: %+v", d)
			}
		}
	})
}
