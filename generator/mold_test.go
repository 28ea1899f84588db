package generator

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kvgen/kvgen/schema"
)

// TestMoldsGiveWhatPrintingGives generates with molds and without.
func TestMoldsGiveWhatPrintingGives(t *testing.T) {
	sources := map[string][]byte{}
	for _, path := range []string{
		"../testdata/golden/everything/everything.kv.yaml", "../examples/quickstart/shop/shop.kv.yaml", "../examples/bank/ledger/ledger.kv.yaml",
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources[path] = text
	}
	// Two keys of one shape, with texts that look like blanks, or that comments and strings change.
	for _, text := range []string{"text", "KVGENBLANKB", "KVGENBLANK", "KVGENBLANK]", "a\n\nb", " ", "*/", "\u2028", "# a", "[a]: b"} {
		sources["keys of "+text] = fmt.Appendf(nil, `kvgen: v1
package: p
types:
  Value: {description: %[1]q, fields: {a: {type: int, min: 1}}}
  Other: {description: %[1]q, fields: {a: {type: int, min: 1}}}
buckets:
  b:
    transactions: true
    description: %[1]q
    keys:
      one:
        pattern: "a.{x}.b.{y...}"
        value: Value
        description: %[1]q
        params: {x: {description: %[1]q}}
      KVGENBLANKC:
        pattern: "KVGENBLANKC.{x}.KVGENBLANKD.{y...}"
        value: Other
        description: %[1]q
        params: {x: {description: %[1]q}}
`, text)
	}
	for name, text := range sources {
		file, diags := schema.Load("s.kv.yaml", text)
		if file == nil || schema.HasErrors(schema.Check([]*schema.File{file})) {
			t.Fatal(name, diags)
		}
		resolved, err := Resolve(t.Context(), []Folder{{Dir: "../testdata/golden/everything", Files: []*schema.File{file}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		u := lower(file, resolved[0].Types)
		known := &molds{byShape: map[string]*mold{}}
		for i := range u.Buckets {
			var outputs [2][]byte
			for j, m := range []*molds{nil, known} {
				a := newAssembler()
				a.begin(&u, m)
				emitBucket(a, &u.Buckets[i])
				if outputs[j], err = a.file(); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(outputs[0], outputs[1]) {
				t.Errorf("%s: printed:\n%s\nwith molds:\n%s", name, outputs[0], outputs[1])
			}
		}
		if strings.HasPrefix(name, "keys of text") && len(known.byShape) != 3 {
			t.Errorf("%d molds: two keys of one shape do not share them", len(known.byShape))
		}
	}
}
