package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/kvgen/kvgen/schema"
)

var update = flag.Bool("update", false, "write the texts of diagnostics")

// repeated is a line of a file that stands for many: #repeat N TEXT, with # for the number in the text.
var repeated = regexp.MustCompile(`(?m)^#repeat (\d+) (.*)\n`)

// lay writes the files of an archive into a folder of the test's own, and makes it the current one. The last
// file, want, is left out.
func lay(t *testing.T, archive *txtar.Archive) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, file := range archive.Files {
		if file.Name == "want" {
			continue
		}
		content := repeated.ReplaceAllStringFunc(string(file.Data), func(line string) string {
			m := repeated.FindStringSubmatch(line)
			n, _ := strconv.Atoi(m[1])
			var b strings.Builder
			for i := range n {
				b.WriteString(strings.ReplaceAll(m[2], "#", strconv.Itoa(i)) + "\n")
			}
			return b.String()
		})
		if err := os.MkdirAll(filepath.Dir(file.Name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file.Name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// middleCut leaves out the middle of a text of very many lines.
func middleCut(text string) string {
	const ends = 8
	lines := strings.SplitAfter(text, "\n")
	if n := len(lines) - 2*ends; n > 300 {
		return strings.Join(lines[:ends], "") + fmt.Sprintf("(%d lines)\n", n) + strings.Join(lines[len(lines)-ends:], "")
	}
	return text
}

// TestTheTextOfEveryRuleIsWhatItsGoldenFileHas reads as a list of what users see: for each rule, schemas that
// break it, and the whole text that check prints of them.
func TestTheTextOfEveryRuleIsWhatItsGoldenFileHas(t *testing.T) {
	folder, err := filepath.Abs("../../testdata/diagnostics")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, rule := range schema.Rules() {
		known[rule.ID+".txtar"] = true
		t.Run(rule.ID, func(t *testing.T) {
			path := filepath.Join(folder, rule.ID+".txtar")
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatalf("a rule needs a file with schemas that break it: %v", err)
			}
			lay(t, archive)
			var stdout, stderr bytes.Buffer
			run(t.Context(), &console{stdout: &stdout, stderr: &stderr, env: os.Environ()}, []string{"check", "./..."})
			got := middleCut(stderr.String())
			if !strings.Contains(got, fmt.Sprintf(" [%s]\n", rule.ID)) || stdout.Len() > 0 {
				t.Errorf("the rule is not broken:\n%s%s", &stdout, got)
			}
			last := &archive.Files[len(archive.Files)-1]
			if *update {
				if last.Name != "want" {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					last = &archive.Files[len(archive.Files)-1]
				}
				last.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if last.Name != "want" || string(last.Data) != got {
				t.Errorf("got\n%s\nwant\n%s\ngo test ./cmd/kvgen -run TextOfEveryRule -update writes it", got, last.Data)
			}
		})
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !known[file.Name()] {
			t.Errorf("%s is of no rule", file.Name())
		}
	}
}
