package generator_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/kvgen/kvgen/generator"
	"github.com/kvgen/kvgen/schema"
)

// hostileSchema puts text into every place of a schema that takes any.
func hostileSchema(text string) []byte {
	q := strconv.QuoteToASCII(text)
	q = regexp.MustCompile(`\\x[0-9a-f]{2}|\\[abfv]`).ReplaceAllStringFunc(q, func(s string) string {
		r, _, _, _ := strconv.UnquoteChar(s, '"')
		return `\u` + strings.ToUpper(strconv.FormatInt(0x10000+int64(r&0xff), 16)[1:])
	})
	return []byte(strings.ReplaceAll(`kvgen: v1
package: hostile
description: TEXT
types:
  T:
    description: TEXT
    fields:
      a: {type: string, description: TEXT, pattern: "x"}
      e: E
  E:
    description: TEXT
    enum: [{value: ok, description: TEXT}, {value: TEXT, go_name: Hostile}]
buckets:
  b:
    name: "B_{env}"
    description: TEXT
    params: {env: {description: TEXT}}
    metadata: {a: TEXT}
    placement: {cluster: TEXT, tags: [TEXT]}
    keys:
      k:
        pattern: "k.{p}.{e:E}"
        description: TEXT
        params: {p: {description: TEXT}}
        value: T
`, "TEXT", q))
}

// shape lists the declarations of a file, and what could act although it looks like text.
func shape(t testing.TB, f generator.File) []string {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, f.Path, f.Content, parser.ParseComments)
	if err != nil {
		t.Fatalf("%v\n%s", err, f.Content)
	}
	var out []string
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			out = append(out, "func "+d.Name.Name)
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					out = append(out, "type "+s.Name.Name)
				case *ast.ValueSpec:
					out = append(out, "value "+s.Names[0].Name)
				}
			}
		}
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			if c.Text != "//" && !strings.HasPrefix(c.Text, "// ") || strings.HasPrefix(c.Text, "// +build") {
				t.Errorf("a comment that may be a directive: %q", c.Text)
			}
		}
	}
	for _, r := range string(f.Content) {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u2028' || r == '\u2029' {
			t.Errorf("%s holds the invisible character %U", f.Path, r)
		}
	}
	again, err := format.Source(f.Content)
	if err != nil || !bytes.Equal(again, f.Content) {
		t.Errorf("gofmt changes the output again:\n%s", f.Content)
	}
	return out
}

var hostileTexts = []string{
	`*/ func init() { panic("x") } /*`, "a\n*/\nfunc init() {}", "`", "\"", "\\", "\n//go:generate rm -rf x", "//go:embed x", "//line a.go:1", "go:build ignore",
	"+build ignore", "export X", "\u2028func init() {}", "\u202eevil", "\r\nfunc init() {}", "\x00", "# heading", "[a]: b", "[a]: http://b\n[c]: http://d", "- list\n- list",
	"  code\n\tcode", "1. one\n2. two", "Deprecated: no", "\ufeff", "${x}", "%s %d %v", "line\n\n\n\nline", "\t", "#", "cgo", "\\# x", "+ build", "// x", "/* x", "\u0085x", "KVGENBLANKA",
}

func checkHostile(t testing.TB, want [][]string, text string) {
	t.Helper()
	file, diags := schema.Load("hostile.kv.yaml", hostileSchema(text))
	if file == nil {
		return
	}
	files := []*schema.File{file}
	diags = append(diags, schema.Check(files)...)
	if schema.HasErrors(diags) {
		return // refused
	}
	resolved, err := generator.Resolve(t.Context(), []generator.Folder{{Dir: ".", Files: files}}, generator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := generator.Generate(files, resolved[0].Types)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for i, f := range out {
		if got := shape(t, f); want != nil && !slices.Equal(got, want[i]) {
			t.Errorf("%q: %s declares %v, want %v", text, f.Path, got, want[i])
		}
	}
}

// harmlessShape is what the hostile schema declares with a text that does no harm.
func harmlessShape(t testing.TB) [][]string {
	var out [][]string
	for _, f := range generate(t, ".", "hostile.kv.yaml", hostileSchema("text")) {
		out = append(out, shape(t, f))
	}
	return out
}

func TestTextOfASchemaIsNeverCode(t *testing.T) {
	want := harmlessShape(t)
	if len(want) != 2 {
		t.Fatal(want)
	}
	for _, text := range hostileTexts {
		checkHostile(t, want, text)
		checkHostile(t, want, "text "+text)
	}
}

func FuzzTextOfASchemaIsNeverCode(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkHostile(t, nil, strings.ToValidUTF8(text, "?"))
	})
}
