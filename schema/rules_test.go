package schema

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// check loads and checks a text. Lines "# file: NAME" begin a file; one without the line is shop.kv.yaml.
// A file that does not begin with its version and package gets them.
func check(text string) ([]*File, []Diagnostic) {
	type part struct{ name, text string }
	var parts []part
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# file: "); ok {
			parts = append(parts, part{name: strings.TrimSpace(name)})
			continue
		}
		if parts == nil {
			parts = append(parts, part{name: "shop.kv.yaml"})
		}
		parts[len(parts)-1].text += line
	}
	var files []*File
	var diags []Diagnostic
	for _, p := range parts {
		if !strings.Contains(p.text, "kvgen: v") {
			p.text = "kvgen: v1\npackage: shop\n" + p.text
		}
		f, ds := Load(p.name, []byte(p.text))
		files, diags = append(files, f), append(diags, ds...)
	}
	diags = append(diags, Check(files)...)
	return files, Sort(DropIgnored(files, diags))
}

// ruleIDs returns the ids of the rules that were broken, each once.
func ruleIDs(diags []Diagnostic) []string {
	var ids []string
	for _, d := range diags {
		ids = append(ids, d.Rule)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func TestEveryBadExampleBreaksItsRuleAndNoOther(t *testing.T) {
	for _, rule := range Rules() {
		if rule.Bad == "" {
			continue
		}
		_, diags := check(rule.Bad)
		if ids := ruleIDs(diags); !slices.Equal(ids, []string{rule.ID}) {
			t.Errorf("the bad example of %s breaks %v: %+v", rule.ID, ids, diags)
		}
		for _, d := range diags {
			if d.Severity != rule.Severity {
				t.Errorf("%s is reported as %v, and is listed as %v", rule.ID, d.Severity, rule.Severity)
			}
		}
	}
}

func TestNoGoodExampleBreaksARule(t *testing.T) {
	for _, rule := range Rules() {
		if rule.Good == "" {
			continue
		}
		if _, diags := check(rule.Good); len(diags) > 0 {
			t.Errorf("the good example of %s: %+v", rule.ID, diags)
		}
	}
}

func TestEveryRuleIsExplainedAndHasExamplesWhereTheyCanBeShown(t *testing.T) {
	unshown := []string{
		"encoding", "file-size", "key-too-long", "pattern-complexity", "too-many-errors", "too-many-warnings", "yaml-depth", // too long, or not text
		"go-type-invalid", "go-type-missing", "go-type-unexported", "key-not-comparable", "value-round-trip", // need Go code
	}
	seen := map[string]bool{}
	for _, rule := range Rules() {
		if seen[rule.ID] {
			t.Errorf("%s is listed twice", rule.ID)
		}
		seen[rule.ID] = true
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(rule.ID) || rule.Summary == "" || rule.Explanation == "" {
			t.Errorf("%s is not described: %+v", rule.ID, rule)
		}
		if shown := rule.Bad != "" && rule.Good != ""; shown == slices.Contains(unshown, rule.ID) {
			t.Errorf("%s: examples shown is %v", rule.ID, shown)
		}
	}
}

// usedRules finds the ids that the code of a folder reports.
func usedRules(t *testing.T, dir string) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`^[a-z]+(-[a-z]+)+$|^encoding$`)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.Base(name), "rules") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			var callee string
			switch f := call.Fun.(type) {
			case *ast.Ident:
				callee = f.Name
			case *ast.SelectorExpr:
				callee = f.Sel.Name
			}
			if !slices.Contains([]string{"report", "Diag", "word", "fail", "moreOf"}, callee) {
				return true
			}
			for _, arg := range call.Args[:min(2, len(call.Args))] {
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && id.MatchString(s) {
						used[s] = true
					}
				}
			}
			return true
		})
	}
	return used
}

func TestRulesThatAreReportedAreThoseOfTheCatalogue(t *testing.T) {
	used := usedRules(t, ".")
	for id := range usedRules(t, "../generator") {
		used[id] = true
	}
	listed := map[string]bool{}
	for _, rule := range Rules() {
		listed[rule.ID] = true
		if !used[rule.ID] {
			t.Errorf("%s is listed, but nothing reports it", rule.ID)
		}
	}
	for id := range used {
		if !listed[id] {
			t.Errorf("%s is reported, but not listed", id)
		}
	}
}
