package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// repeat joins n lines that are made of a number.
func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestOfManyErrorsTheFirstThousandAreShownAndThatThereAreMore(t *testing.T) {
	_, diags := check("kvgen: v1\npackage: shop\n" + repeat(5000, "k%d: 1\n"))
	if len(diags) != maxFindings+1 {
		t.Fatalf("%d diagnostics", len(diags))
	}
	last := diags[maxFindings]
	const message = "there are more errors from here on, of which none is shown: 1000 of a file are"
	if last.Rule != "too-many-errors" || last.Message != message || last.Line != 1003 || last.Severity != Error {
		t.Errorf("%+v", last)
	}
	if _, diags := check("kvgen: v1\npackage: shop\n" + repeat(maxFindings, "k%d: 1\n")); len(diags) != maxFindings || diags[maxFindings-1].Rule != "unknown-field" {
		t.Errorf("just as many as are shown: %d diagnostics", len(diags))
	}
}

func TestManyWarningsHideNoErrorAndAreNone(t *testing.T) {
	warnings := "buckets:\n  b:\n    keys:\n" + repeat(3000, "      k%[1]d: {pattern: \"k%[1]d.a-{x}\", value: string}\n")
	_, diags := check(warnings)
	if len(diags) != maxFindings+1 || HasErrors(diags) || diags[maxFindings].Rule != "too-many-warnings" {
		t.Errorf("%d diagnostics, errors: %v", len(diags), HasErrors(diags))
	}
	_, diags = check(warnings + "      last: {pattern: a, value: strin}\n")
	if len(diags) != maxFindings+2 || diags[maxFindings+1].Rule != "unknown-type" {
		t.Errorf("%d diagnostics", len(diags))
	}
	_, diags = check(strings.ReplaceAll(warnings, "      k", "      # kvgen:ignore token-affix\n      k"))
	if len(diags) > 0 {
		t.Errorf("warnings that are silenced count: %d diagnostics, %+v", len(diags), diags[0])
	}
}

func TestTheLimitHoldsForWhatAllStagesFoundInAFile(t *testing.T) {
	var all []Diagnostic
	for _, file := range []string{"a.kv.yaml", "b.kv.yaml"} {
		for i := range maxFindings + 7 {
			all = append(all, Diagnostic{Rule: "unknown-field", File: file, Line: i + 1, Message: "m"})
		}
	}
	once := Limit(Sort(all))
	if len(once) != 2*(maxFindings+1) {
		t.Fatalf("%d diagnostics", len(once))
	}
	more := Limit(Sort(append(once, Diagnostic{Rule: "go-type-missing", File: "b.kv.yaml", Line: 3, Message: "m"})))
	if len(more) != len(once) || !slices.ContainsFunc(more, func(d Diagnostic) bool { return d.Rule == "go-type-missing" }) || more[len(more)-1].Rule != "too-many-errors" || more[len(more)-1].Line != maxFindings {
		t.Errorf("%d diagnostics, the last one is %+v", len(more), more[len(more)-1])
	}
}

// What a file must not hold too much of; each would take too much time or memory, or make more code
// than anybody compiles.
func TestASchemaThatIsTooLargeIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ source, rule, message string }{
		"values":        {"types: {S: {enum: [" + strings.Repeat("a,", maxYAMLNodes) + "a]}}\n", "file-size", "the file has more than 100000 values"},
		"far too many":  {"types: {S: {enum: [" + strings.Repeat("a,", 3*maxYAMLNodes) + "a]}}\n", "file-size", "the file has far more than 100000 values"},
		"keys":          {"buckets:\n  b:\n    keys:\n" + repeat(maxAccessors+1, "      k%[1]d: {pattern: k%[1]d, value: int}\n"), "file-size", `with bucket "b" the file has more than 10000 keys; those that keys_from shares count in each bucket`},
		"shared keys":   {"buckets:\n  b:\n    keys:\n" + repeat(200, "      k%[1]d: {pattern: k%[1]d, value: int}\n") + repeat(50, "  c%d: {keys_from: b}\n"), "file-size", `with bucket "c49" the file has more than 10000 keys; those that keys_from shares count in each bucket`},
		"a name":        {"types: {" + strings.Repeat("a", 101) + ": {enum: [a]}}\n", "invalid-name", `the name "` + strings.Repeat("a", 80) + `"… in types has 101 bytes`},
		"a word":        {"types: {S: {enum: [" + strings.Repeat("a", 1025) + "]}}\n", "invalid-word", `a word of enum "S" has 1025 bytes`},
		"a wire name":   {"types: {S: {fields: {a: {type: int, json: " + strings.Repeat("a", 1025) + "}}}}\n", "invalid-wire-name", `field "a" cannot be called "` + strings.Repeat("a", 102) + `…" in JSON: it has 1025 bytes, and may have 1024`},
		"a constraint":  {"types: {S: {fields: {a: {type: string, pattern: \"" + strings.Repeat("a", 4097) + "\"}}}}\n", "invalid-constraint", `pattern of field "a" has 4097 bytes`},
		"a type":        {"types: {S: {fields: {a: \"" + strings.Repeat("[]", 512) + "T\"}}}\n", "unknown-type", "a type of 1025 bytes"},
		"repeated text": {"types: {S: {fields: {a: {type: string, pattern: \"((a{100}){100}){100}\"}}}}\n", "invalid-constraint", "pattern of field \"a\" is not a regular expression: invalid repeat count: `{100}`"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := check(test.source)
			if len(diags) != 1 || diags[0].Rule != test.rule || diags[0].Message != test.message {
				t.Errorf("%d diagnostics: %+v", len(diags), diags[:min(2, len(diags))])
			}
		})
	}
}

func TestPatternsThatTakeTooLongToCompareAreRefused(t *testing.T) {
	// The texts around the parameters fit each other, so that every pair of automata is searched through.
	source := "buckets:\n  b:\n    keys:\n"
	for i := range 300 {
		source += fmt.Sprintf("      k%d: {pattern: \"{x}%s.k%d\", value: int}\n", i, strings.Repeat("a", 900-i), i)
	}
	_, diags := check(source)
	if !HasErrors(diags) {
		t.Fatalf("%d diagnostics", len(diags))
	}
	for _, d := range diags {
		if d.Severity == Error && d.Rule != "pattern-complexity" {
			t.Errorf("%+v", d)
		}
	}
}

func TestMessagesOfMuchTextAreCut(t *testing.T) {
	var c collected
	c.add(Diagnostic{Message: strings.Repeat("ä", maxMessage), Hint: strings.Repeat("x", maxMessage)})
	if d := c.diags[0]; d.Message != strings.Repeat("ä", maxMessage/2)+"…" || len(d.Hint) != maxMessage {
		t.Errorf("%d and %d bytes", len(d.Message), len(d.Hint))
	}
	names := strings.Fields(repeat(1000, "name%d "))
	if got := list(names, "and"); !strings.HasSuffix(got, ", name23 and 976 more") {
		t.Error(got)
	}
	if got := list(names[:25], "and"); !strings.HasSuffix(got, ", name23 and name24") {
		t.Error(got)
	}
}

func TestAnIgnoringCommentWithinATextIsNone(t *testing.T) {
	for source, want := range map[string]int{
		"description: |\n  text\n  # kvgen:ignore token-affix\n":           1,
		"description: |2\n    text\n  # kvgen:ignore token-affix\n":        1,
		"description: >-\n\n  # kvgen:ignore token-affix\n":                1,
		"description: \"text \\\" '\n  # kvgen:ignore token-affix\n  \"\n": 1,
		"description: 'it''s \" text\n  # kvgen:ignore token-affix\n  '\n": 1,
		"description: |\n  text\n# kvgen:ignore token-affix\n":             0,
		"description: \"text\"\n# kvgen:ignore token-affix\n":              0,
		"description: text\n  # kvgen:ignore token-affix\n":                0,
	} {
		// The pattern stands on the line below.
		source = "kvgen: v1\npackage: shop\n" + source + "buckets: {b: {keys: {k: {pattern: \"k.a-{x}\", value: string}}}}\n"
		if _, diags := check(source); len(diags) != want {
			t.Errorf("%s: %d warnings, want %d: %+v", source, len(diags), want, diags)
		}
	}
}
