package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"github.com/kvgen/kvgen/schema"
)

var (
	mutants    = flag.Int("mutants", 150, "how many damaged schemas are generated from")
	mutantSeed = flag.Uint64("mutantseed", 1, "which")
)

// TestDamagedSchemas damages the schemas of other tests as an editor, a merge or a person could, and calls the
// command with each. More of them: go test ./cmd/kvgen -run Damaged -mutants 5000 -mutantseed 2
func TestDamagedSchemas(t *testing.T) {
	whole := schemas(t)
	rules := schema.Rules()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("go.mod", []byte("module example.org/app\n\ngo 1.26\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	valid := 0
	for n := range *mutants {
		r := rand.New(rand.NewPCG(*mutantSeed, uint64(n)))
		text := damage(r, whole)
		if err := os.WriteFile("shop.kv.yaml", []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("mutant %d: "+format+"\n%s", slices.Concat([]any{n}, args, []any{text})...)
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), &console{stdout: &stdout, stderr: &stderr, env: append(os.Environ(), "KVGENCACHE=off")},
			[]string{"generate", "--format", "json", "shop.kv.yaml"})
		var diags []struct {
			Rule, Severity string
			Line, Column   int
		}
		if err := json.Unmarshal(stdout.Bytes(), &diags); err != nil || code != 0 && code != 1 || stderr.Len() > 0 {
			fail("code %d, %v\n%s\n%s", code, err, &stdout, &stderr)
		}
		errors := 0
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		for _, d := range diags {
			if !slices.ContainsFunc(rules, func(r schema.Rule) bool { return r.ID == d.Rule }) {
				fail("of no rule: %+v", d)
			}
			if d.Severity == "error" {
				errors++
			}
			if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Column > utf8.RuneCountInString(lines[d.Line-1])+1 {
				fail("a place outside of the text: %+v", d)
			}
		}
		if (errors > 0) != (code == 1) {
			fail("code %d with %+v", code, diags)
		}
		files, err := filepath.Glob("*.kv.go")
		if err != nil || code == 1 && len(files) > 0 {
			fail("%v beside errors, %v", files, err)
		}
		for _, file := range files {
			valid++
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		if others, err := os.ReadDir("."); err != nil || len(others) != 2 {
			fail("there is %v, %v", others, err)
		}
	}
	if valid == 0 {
		t.Error("no mutant is valid: the test shows half of what it should")
	}
}

// schemas returns the schemas of the golden files and packages.
func schemas(t *testing.T) (all []string) {
	archives, err := filepath.Glob("../../testdata/diagnostics/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".kv.yaml") && !strings.Contains(string(file.Data), "#repeat") {
				all = append(all, string(file.Data))
			}
		}
	}
	for _, pattern := range []string{"../../testdata/golden/*/*.kv.yaml", "../../examples/*/*/*.kv.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatal(pattern, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, slices.Repeat([]string{string(data)}, 10)...) // valid ones
		}
	}
	return all
}

// damage returns one of the schemas with a few changes.
func damage(r *rand.Rand, schemas []string) string {
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	vocabulary := strings.Fields(`string int uint64 bool time duration json bytes uuid date text raw binary proto read write
		true false yes no null ~ 0 1 -1 64 010 1e9 1h 7d 64KiB {} [] '' "" {a} {a...} {a:int} *x &x !!str | > - ? : , . .. / */ $ =
		=kvgen \ main func internal _ type Bucket Watch Txn Key KV v2 optional required min max min_len max_len pattern value
		description ttl history go_name go_prefix access codec keys keys_from fields enum go types buckets mirror sources escape
		none params metadata time.Time []T map[string]T *T`)
	runes := []string{"\x00", "\t", "\r", "\x1b", "\x7f", "\u0085", "\u00a0", "\u2028", "\u202e", "\ufeff", "é", "日", "🚀", "\xff"}
	text := pick(schemas)
	for range 1 + r.IntN(3) {
		lines := strings.Split(text, "\n")
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		at := r.IntN(len(lines[i]) + 1)
		switch r.IntN(10) {
		case 0: // a line is lost
			lines = slices.Delete(lines, i, i+1)
		case 1: // there twice
			lines = slices.Insert(lines, j, lines[i])
		case 2: // indented otherwise
			lines[i] = strings.Repeat(" ", r.IntN(9)) + strings.TrimSpace(lines[i])
		case 3: // elsewhere
			lines[i], lines[j] = lines[j], lines[i]
		case 4: // of another schema
			other := strings.Split(pick(schemas), "\n")
			from := r.IntN(len(other))
			lines = slices.Insert(lines, i, other[from:min(from+1+r.IntN(5), len(other))]...)
		case 5: // the end is missing
			lines = lines[:i+1]
		case 6: // a character too many
			lines[i] = lines[i][:at] + pick(runes) + lines[i][at:]
		case 7: // a word too many
			lines[i] = lines[i][:at] + pick(vocabulary) + lines[i][at:]
		case 8: // another value
			if name, _, ok := strings.Cut(lines[i], ": "); ok {
				lines[i] = name + ": " + pick(vocabulary)
			}
		case 9: // another word, here or everywhere
			if words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n:{}[],\"", r) }); len(words) > 0 {
				old, with := pick(words), pick(append(vocabulary, pick(words)))
				lines = strings.Split(strings.Replace(strings.Join(lines, "\n"), old, with, []int{1, -1}[r.IntN(2)]), "\n")
			}
		}
		if len(lines) == 0 {
			lines = []string{""}
		}
		text = strings.Join(lines, "\n")
	}
	return text
}
