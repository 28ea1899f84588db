package main

import (
	"bytes"
	"testing"

	"github.com/kvgen/kvgen/schema"
)

// sample returns findings of every form: two places, a hint, no place at all, hostile text.
func sample() findings {
	return findings{
		texts: map[string][]byte{
			"a.kv.yaml": []byte("\ufeffone\rtwo three\r\n"),
			"b.kv.yaml": []byte("kvgen: v1\n"),
		},
		diags: []schema.Diagnostic{
			{Rule: "file-name", File: "a.kv.yaml", Message: "a bad name"},
			{Rule: "first-rule", File: "a.kv.yaml", Line: 1, Column: 1, EndColumn: 4, Message: "100% \"wrong\"", Hint: "do: this, or that"},
			{
				Rule: "second-rule", Severity: schema.Warning, File: "a.kv.yaml", Line: 2, Column: 5, EndColumn: 10, Message: "doubtful\n::error::x",
				Related: []schema.Related{{File: "b.kv.yaml", Line: 1, Column: 8, EndColumn: 10, Message: "the other one is here"}},
			},
		},
	}
}

func printed(t *testing.T, o options, color bool) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	c := &console{stdout: &out, stderr: &err, color: color}
	if err := printDiagnostics(c, &o, sample()); err != nil {
		t.Fatal(err)
	}
	return out.String(), err.String()
}

func TestTextShowsBothPlacesAndHints(t *testing.T) {
	const want = `a.kv.yaml: error: a bad name [file-name]
a.kv.yaml:1:1: error: 100% "wrong" [first-rule]
   1 | one
     | ^^^
   hint: do: this, or that
a.kv.yaml:2:5: warning: doubtful ::error::x [second-rule]
   2 | two three
     |     ^^^^^
   see b.kv.yaml:1:8: the other one is here
   1 | kvgen: v1
     |        ^^
`
	stdout, stderr := printed(t, options{format: formatText}, false)
	if stderr != want || stdout != "" {
		t.Errorf("got\n%s\nwant\n%s\nstandard output: %q", stderr, want, stdout)
	}
}

func TestQuietLeavesWarningsOut(t *testing.T) {
	const want = `a.kv.yaml: error: a bad name [file-name]
a.kv.yaml:1:1: error: 100% "wrong" [first-rule]
   1 | one
     | ^^^
   hint: do: this, or that
`
	if _, stderr := printed(t, options{format: formatText, quiet: true}, false); stderr != want {
		t.Errorf("got\n%s\nwant\n%s", stderr, want)
	}
}

func TestColoursAreTheOnlyDifferenceOnATerminal(t *testing.T) {
	_, colored := printed(t, options{format: formatText}, true)
	_, plainText := printed(t, options{format: formatText}, false)
	if colored == plainText {
		t.Fatal("there are no colours")
	}
	for _, code := range []string{bold, red, yellow, cyan, plain} {
		colored = string(bytes.ReplaceAll([]byte(colored), []byte(code), nil))
	}
	if colored != plainText {
		t.Errorf("got\n%s\nwant\n%s", colored, plainText)
	}
}

func TestJSONIsOneArrayOfAllFields(t *testing.T) {
	const want = `[
  {
    "rule": "file-name",
    "severity": "error",
    "file": "a.kv.yaml",
    "line": 0,
    "column": 0,
    "end_column": 0,
    "message": "a bad name"
  },
  {
    "rule": "first-rule",
    "severity": "error",
    "file": "a.kv.yaml",
    "line": 1,
    "column": 1,
    "end_column": 4,
    "message": "100% \"wrong\"",
    "hint": "do: this, or that"
  },
  {
    "rule": "second-rule",
    "severity": "warning",
    "file": "a.kv.yaml",
    "line": 2,
    "column": 5,
    "end_column": 10,
    "message": "doubtful\n::error::x",
    "related": [
      {
        "file": "b.kv.yaml",
        "line": 1,
        "column": 8,
        "end_column": 10,
        "message": "the other one is here"
      }
    ]
  }
]
`
	stdout, stderr := printed(t, options{format: formatJSON}, false)
	if stdout != want || stderr != "" {
		t.Errorf("got\n%s\nwant\n%s\nstandard error: %q", stdout, want, stderr)
	}
}

func TestGitHubAnnotationsCannotBeBrokenByText(t *testing.T) {
	const want = `::error file=a.kv.yaml,title=file-name::a bad name
::error file=a.kv.yaml,line=1,col=1,endColumn=4,title=first-rule::100%25 "wrong"%0Ahint: do: this, or that
::warning file=a.kv.yaml,line=2,col=5,endColumn=10,title=second-rule::doubtful%0A::error::x%0Asee b.kv.yaml:1:8: the other one is here
`
	if stdout, _ := printed(t, options{format: formatGitHub}, false); stdout != want {
		t.Errorf("got\n%s\nwant\n%s", stdout, want)
	}
	if got := escapeProperty("a,b:c%d\n"); got != "a%2Cb%3Ac%25d%0A" {
		t.Errorf("a property is written %q", got)
	}
}
