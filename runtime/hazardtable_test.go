package kvrt_test

// The table of hazards in CONTRIBUTING.md: what it names has to exist, or it proves nothing.

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheTestsInTheTableOfHazardsExist(t *testing.T) {
	exists := map[string]bool{}
	for _, folder := range []string{".", "../schema"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
				exists[string(match[1])] = true
			}
		}
	}
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| hazard | here | plain nats.go |\n|---|---|---|\n")
	if !found {
		t.Fatal("CONTRIBUTING.md has no table of hazards")
	}
	rows := 0
	named := map[string]bool{}
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 5 {
			break
		}
		rows++
		if !strings.Contains(cells[2], "`Test") || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("a hazard without a test, or without a word on plain nats.go: %s", row)
		}
		for _, match := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row, -1) {
			named[match[1]] = true
			if !exists[match[1]] {
				t.Errorf("no test %s", match[1])
			}
		}
	}
	if rows < 30 {
		t.Errorf("the table has %d rows", rows)
	}
	// Tests that are about plain nats.go alone are there for the table.
	for name := range exists {
		if strings.HasPrefix(name, "TestPlain") && !named[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}
