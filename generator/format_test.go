package generator

import (
	"go/format"
	"testing"
)

// TestFormattingByShapeIsGofmt formats declarations of equal and of nearly equal shapes one after the
// other, so that what was learnt from one is used for the next where that is right, and only there.
func TestFormattingByShapeIsGofmt(t *testing.T) {
	const declarations = `// A is one.
type A struct{
ID int ` + "`json:\"id\"`" + `
Tenant * string
}
// B has other widths.
type B struct{
Identifier int ` + "`json:\"id\"`" + `
T * string
}
type C struct{
ID int ` + "`json:\"id\"`" + `
// A line of its own.
Tenant * string
}
type D = x.Y [int,string]
type E = x.Z [string,bool]
func f () x.Y {
return x.Y {
ID : 1,
Tenant : x.Select (& e,f . Tenant),
}
}
func g () x.Y {
return x.Y {
AB : 1,
Tenants : x.Select (& e,f . Tenants),
}
}
func h () x.Y {
return x.Y {
ÄÖ : 1,
Tenants : x.Select (& e,f . Tenants),
}
}
func i () x.Y {
return x.Y {
"k" : "v:\"{",
"longer" : "v",
}
}
func j () x.Y {
return x.Y {
"longest" : "v",
"longer" : "v",
}
}

// k follows an empty line.
func (k K) k (a,b int) (n int,err error) {
if a < 1E5 && b << 10 + 1 > 0 || a * b != - 5 {
return fmt . Errorf ("%d // not a comment",a),nil
}
switch v := a . (type) {
case X,Y: 
return 1,nil
}
for i,e := range v . All {
c [i] = [] byte {e}
}
return g (a,opts ...)
}
func (l Lm) l (a,b int) (n int,err error) {
if a < 2E5 && b << 10 + 1 > 0 || a * b != - 5 {
return fmt . Errorf ("%d // not a comment",a),nil
}
switch v := a . (type) {
case X,Y: 
return 1,nil
}
for i,e := range v . All {
c [i] = [] byte {e}
}
return g (a,opts ...)
}
const _ = x . One
const _ = x . Two
const (
A1 A = "a"
// About B2.
B22 A = "b"
)
const (
A11 A = "a"
// About B2.
B22 A = "b"
)
var p = x . M ("^[a-z]{1,}$")
var q = x . M ("'")`
	want, err := format.Source([]byte(declarations))
	if err != nil {
		t.Fatal(err)
	}
	f := newFormatter()
	for range 2 { // the second time everything is known
		got, err := f.format([]byte(declarations))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want)+"\n" {
			t.Fatalf("got:\n%s\nwant:\n%s", got, want)
		}
	}
	if n := len(f.spaces); n < 10 || n > 20 {
		t.Errorf("%d shapes: too few are told apart, or nothing is shared", n)
	}
}

func TestFormattingRefusesWhatDoesNotParse(t *testing.T) {
	for _, declarations := range []string{"func f ( {\n}", "type", "func f () {\nreturn \"\n}", "x"} {
		if out, err := newFormatter().format([]byte(declarations)); err == nil {
			t.Errorf("%q gives %q", declarations, out)
		}
	}
	for declarations, want := range map[string]string{
		"\n\nvar x = 1\n// The end.": "var x = 1\n\n// The end.\n",
		"":                           "\n",
	} {
		if out, err := newFormatter().format([]byte(declarations)); err != nil || string(out) != want {
			t.Errorf("%q gives %q, %v", declarations, out, err)
		}
	}
}
