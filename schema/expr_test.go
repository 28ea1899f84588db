package schema

import (
	"fmt"
	"strings"
	"testing"
)

// inType loads a type as it is written for a value, and returns it with what was found.
func inType(written string) (*TypeExpr, string) {
	source := "kvgen: v1\npackage: p\nbuckets:\n  b:\n    keys:\n      k:\n        pattern: k\n        value: " + written + "\n"
	file, diags := Load("p.kv.yaml", []byte(source))
	var out []string
	for _, d := range diags {
		line := []rune(strings.Split(source, "\n")[d.Line-1])
		out = append(out, fmt.Sprintf("%d <%s> %s: %s (%s)", d.Column-16, string(line[d.Column-1:min(d.EndColumn-1, len(line))]), d.Rule, d.Message, d.Hint))
	}
	return file.Buckets[0].Keys[0].Value, strings.Join(out, "\n")
}

func TestTypesAreTakenApart(t *testing.T) {
	for written, want := range map[string]string{
		"string":                    "string@0",
		"Order":                     "Order?@0",
		"my-type_2":                 "my-type_2?@0",
		`"[]Line"`:                  "list@1 of Line?@3",
		`'[]*Line'`:                 "list@1 of pointer@3 of Line?@4",
		"map[string]string":         "map@0 of string@11",
		`"map[string][]time"`:       "map@1 of list@12 of time@14",
		"time.Duration":             "time Duration@0",
		"gopkg.in/yaml.v3.Node":     "gopkg.in/yaml.v3 Node@0",
		`"*github.com/a/b-c.D"`:     "pointer@1 of github.com/a/b-c D@2",
		"example.org/~x/a+b.d/e.F1": "example.org/~x/a+b.d/e F1@0",
		`"[]\u004Cine"`:             "list@0 of Line?@0", // an escape moves the parts
		"github.com/a/b.unexported": "github.com/a/b unexported@0",
	} {
		e, found := inType(written)
		var parts []string
		for ; e != nil; e = e.Elem {
			text := map[ExprKind]string{ListExpr: "list", MapExpr: "map", PointerExpr: "pointer", BuiltinExpr: e.Builtin, NamedExpr: e.Text.Value + "?"}[e.Kind]
			if e.Kind == GoExpr {
				text = e.Go.ImportPath + " " + e.Go.Name
			}
			parts = append(parts, fmt.Sprintf("%s@%d", text, e.Text.Pos.Column-16))
		}
		if got := strings.Join(parts, " of "); got != want || found != "" {
			t.Errorf("value: %s is %s, want %s; found: %s", written, got, want, found)
		}
	}
}

func TestWhatIsNoTypeIsUnderlined(t *testing.T) {
	const goHint = " (write import/path.Name: github.com/acme/money.Amount)"
	const general = " (write a type such as string, []T, map[string]T, the name of one under types, or import/path.Name)"
	for written, want := range map[string]string{
		`""`:                                    `0 <""> unknown-type: a type is missing here (write the type that it is of: string)`,
		`"[]"`:                                  `3 <"> unknown-type: a type is missing here (write the type that it is of: string)`,
		`"map[int]string"`:                      `1 <map[int]string> unknown-type: "map[int]string" is not a type: the keys of a map are strings (write map[string]T)`,
		`"[][3]int"`:                            `3 <[3]int> unknown-type: "[3]int" is not a type: a list has no length (write []T; min_len and max_len of a field limit it)`,
		"acme/box.Box[int]":                     `0 <acme/box.Box[int]> unknown-type: "acme/box.Box[int]" is not a type: one with type arguments cannot be named (name a Go type that is declared with its arguments: type Orders = List[Order])`,
		"Order Line":                            `0 <Order Line> unknown-type: "Order Line" is not a type (write it without spaces)`,
		"Order?":                                `0 <Order?> unknown-type: "Order?" is not a type` + general,
		"go:example.org/x.T":                    `0 <go:example.org/x.T> invalid-go-type: "go:example.org/x" of "go:example.org/x.T" is not an import path (write it without go: example.org/x.T)`,
		"acme/money":                            `0 <acme/money> invalid-go-type: "acme/money" has no name after the import path` + goHint,
		"github.com/acme":                       `0 <github.com/acme> invalid-go-type: "github.com/acme" has no name after the import path` + goHint,
		".Amount":                               `0 <.Amount> invalid-go-type: "" of ".Amount" is not an import path` + goHint,
		"./money.Amount":                        `0 <./money.Amount> invalid-go-type: "./money" of "./money.Amount" is not an import path` + goHint,
		"/money.Amount":                         `0 </money.Amount> invalid-go-type: "/money" of "/money.Amount" is not an import path` + goHint,
		"a//b.Amount":                           `0 <a//b.Amount> invalid-go-type: "a//b" of "a//b.Amount" is not an import path` + goHint,
		"a/....Amount":                          `0 <a/....Amount> invalid-go-type: "a/..." of "a/....Amount" is not an import path` + goHint,
		"-x.Amount":                             `0 <-x.Amount> invalid-go-type: "-x" of "-x.Amount" is not an import path` + goHint,
		`'a"b.Amount'`:                          `1 <a"b.Amount> invalid-go-type: "a\"b" of "a\"b.Amount" is not an import path` + goHint,
		"acme/money.1st":                        `0 <acme/money.1st> invalid-go-type: "1st" of "acme/money.1st" is not a name in Go` + goHint,
		"acme/money.func":                       `0 <acme/money.func> invalid-go-type: "func" of "acme/money.func" is not a name in Go` + goHint,
		`"` + strings.Repeat("[]", 21) + `int"`: `41 <[]int> unknown-type: a type of more than 20 lists, maps and pointers (declare a type for some of them under types)`,
	} {
		e, got := inType(written)
		if got != want || e != nil {
			t.Errorf("value: %s is %v\nfound %s\nwant  %s", written, e, got, want)
		}
	}
}
