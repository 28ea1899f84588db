package schema

import (
	"fmt"
	"strings"
	"testing"
)

// findings writes diagnostics as tests compare them: place, rule, message, then hint and other places.
func findings(diags []Diagnostic) string {
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintf(&b, "%d:%d %s: %s\n", d.Line, d.Column, d.Rule, d.Message)
		if d.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", d.Hint)
		}
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  %s:%d:%d: %s\n", r.File, r.Line, r.Column, r.Message)
		}
	}
	return b.String()
}

// expect checks a text, of which the first two lines are added, and compares the findings.
func expect(t *testing.T, text, want string) {
	t.Helper()
	_, diags := check(strings.TrimPrefix(text, "\n"))
	if got := findings(diags); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("found:\n%s\nwant:\n%s", got, strings.TrimPrefix(want, "\n"))
	}
}

func TestNothingIsFoundInTheWholeLanguage(t *testing.T) {
	expect(t, `
types:
  Order:
    fields:
      id: uint64
      status: Status
      total: {type: int64, min: 0}
      wait: {type: duration, min: 1s, max: 1d}
      ratio: {type: float64, min: -1.5, max: 1e3}
      note: {type: string, optional: true, min_len: 1, max_len: 80, pattern: "^[A-Z]", required: true}
      lines: {type: "[]Line", max_len: 9}
      labels: {type: "map[string]*Order", max_len: 9}
      parent: {type: Order, optional: true}
      price: Money
  Line:
    fields:
      sku: {type: string, json: SKU}
  Status:
    enum: [pending, {value: n/a, go_name: NotAvailable}, "-1"]
  Money:
    go: github.com/acme/money.Amount
buckets:
  orders:
    name: "ORDERS_{env}_{region}"
    limit_marker_ttl: 1h
    transactions: true
    linearizable: true
    keys:
      order: {pattern: "order.{tenant}.{id:uint64}.{at:date}.{u:uuid}", value: Order, ttl: 1h}
      by_status: {pattern: "status.{s:Status}.{m:Money}.{p...}", value: "[]Order", codec: json}
      motd: {pattern: motd, value: string, codec: text, ttl: optional}
      at: {pattern: at, value: time, codec: binary}
      state: {pattern: state, value: Status, codec: raw}
      custom: {pattern: custom, value: Order, codec: {go: github.com/acme/money.Codec}}
  orders_eu:
    mirror: {bucket: ORDERS, domain: eu}
    access: read
    keys_from: orders
`, "")
}

func TestUnknownTypesComeWithASuggestionOrAListOfThoseThatExist(t *testing.T) {
	expect(t, `
types:
  Order:
    fields:
      lines: "[]Lime"
      x: "map[string]*strin"
  Line:
    fields: {zzzzzz: Qqqqqqqqq}
buckets:
  orders:
    keys:
      a: {pattern: "a.{x:Order}", value: Order}
      b: {pattern: "b.{x:unit}", value: Line}
      c: {pattern: "c.{x:float64}", value: Line}
`, `
6:17 unknown-type: unknown type "Lime"
  hint: did you mean "Line"?
7:23 unknown-type: unknown type "strin"
  hint: did you mean "string"?
9:22 unknown-type: unknown type "Qqqqqqqqq"
  hint: the file declares Order and Line; built-in types are string, bytes, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, time, duration and json; a Go type is written import/path.Name
13:26 unknown-param-type: type "Order" of parameter "x" is a struct, which cannot be part of a key
  hint: give the pattern one parameter for each field that the key needs
  shop.kv.yaml:4:3: the type is declared here
14:26 unknown-param-type: unknown type "unit" of parameter "x"
  hint: did you mean "uint"?
15:26 unknown-param-type: unknown type "float64" of parameter "x"
  hint: values of type float64 can be stored, but not be part of a key; allowed are string, int, int32, int64, uint, uint32, uint64, bool, uuid and date; a Go type is written import/path.Name
`)
}

func TestTypesBelongToTheirFile(t *testing.T) {
	expect(t, `
# file: a.kv.yaml
types:
  Order: {fields: {id: uint64}}
# file: b.kv.yaml
buckets:
  orders:
    keys:
      order: {pattern: order, value: Order}
`, `
6:38 unknown-type: unknown type "Order"
  hint: a.kv.yaml declares it, but a schema uses types of its own file only
`)
}

func TestRecursionIsShownAsACycle(t *testing.T) {
	expect(t, `
types:
  A: {fields: {b: B}}
  B: {fields: {c: C, many: "[]A", named: "map[string]A", perhaps: {type: A, optional: true}}}
  C: {fields: {a: A, self: "*C"}}
`, `
4:19 recursive-type: type "A" contains itself: A → B → C → A
  hint: make it a pointer, "*B", a list or a map, or the field optional
  shop.kv.yaml:5:19: B contains C here
  shop.kv.yaml:6:19: C contains A here
`)
}

func TestConstraintsFitTheTypeOfTheirField(t *testing.T) {
	expect(t, `
types:
  Line:
    fields:
      a: {type: string, min: 1}
      b: {type: bool, min_len: 1}
      c: {type: int8, min: -200, max: 300}
      d: {type: int, min: 1.5}
      e: {type: int, min: 5, max: 3}
      f: {type: "[]string", min_len: 5, max_len: 3}
      g: {type: string, pattern: "("}
      h: {type: int, min: 010, max: 0x10}
      i: {type: duration, min: 5}
      j: {type: float32, max: 1e39}
      k: {type: uint8, min: -1}
      l: {type: "*int", min: 1}
      m: {type: bytes, pattern: a}
      n: {type: float64, min: NaN}
      o: {type: uint64, max: 18446744073709551615}
      p: {type: float64, min: -1_000, max: +5}
`, `
6:30 invalid-constraint: min cannot apply to field "a": its type is string
  hint: min is for numbers and durations
7:32 invalid-constraint: min_len cannot apply to field "b": its type is bool
  hint: min_len is for strings, bytes, lists and maps
8:28 invalid-constraint: min -200 of field "c" does not fit its type int8
  hint: int8 holds -128 to 127
8:39 invalid-constraint: max 300 of field "c" does not fit its type int8
  hint: int8 holds -128 to 127
9:27 invalid-constraint: min 1.5 of field "d" is not a whole number, and its type is int
  hint: write a whole number, or make the field a float64
10:27 invalid-constraint: min 5 of field "e" is above its max 3
  hint: no value could be stored
  shop.kv.yaml:10:35: max is here
11:38 invalid-constraint: min_len 5 of field "f" is above its max_len 3
  hint: no value could be stored
  shop.kv.yaml:11:50: max_len is here
12:34 invalid-constraint: pattern of field "g" is not a regular expression: missing closing ): `+"`(`"+`
  hint: write it in the syntax of RE2, as Go's package regexp has it
13:27 invalid-constraint: min 010 of field "h" is not a decimal number
  hint: write 10
13:37 invalid-constraint: max 0x10 of field "h" is not a decimal number
  hint: write 16
14:32 invalid-constraint: min 5 of field "i" is not a duration
  hint: write 5s
15:31 invalid-constraint: max 1e39 of field "j" does not fit its type float32
16:29 invalid-constraint: min -1 of field "k" does not fit its type uint8
  hint: uint8 holds 0 to 255
17:30 invalid-constraint: min cannot apply to field "l": its type is *int
  hint: min is for numbers and durations; instead of a pointer, use optional: true
18:33 invalid-constraint: pattern cannot apply to field "m": its type is bytes
  hint: pattern is for strings
19:31 invalid-constraint: min NaN of field "n" is not a number
  hint: write it as 1.5, -2 or 1e6
21:31 invalid-constraint: min -1_000 of field "p" is not a decimal number
  hint: write -1000
21:44 invalid-constraint: max +5 of field "p" is not a decimal number
  hint: write 5
`)
}

func TestLimitsBecomeGoLiteralsOfTheirType(t *testing.T) {
	files, diags := check(`
types:
  T:
    fields:
      a: {type: duration, min: 1.5s, max: 7d}
      b: {type: float64, min: -0.0, max: 1e21}
      c: {type: float32, min: 0.1, max: 1.50}
      d: {type: int8, min: -128, max: "127"}
`)
	if len(diags) > 0 {
		t.Fatal(findings(diags))
	}
	want := map[string][2]string{
		"a": {"1500000000", "604800000000000"}, "b": {"0", "1e+21"}, "c": {"0.1", "1.5"}, "d": {"-128", "127"},
	}
	for _, f := range files[0].Types[0].Fields {
		if got := [2]string{f.Constraints.Min.Value, f.Constraints.Max.Value}; got != want[f.Name.Value] {
			t.Errorf("field %s: %v, want %v", f.Name.Value, got, want[f.Name.Value])
		}
	}
}

func TestWireNamesAndWordsAreUniqueAndUsable(t *testing.T) {
	expect(t, `
types:
  Line:
    fields:
      a: string
      b: {type: string, json: a}
      c: {type: string, json: "-"}
      d: {type: string, json: "d,omitempty"}
      e: {type: string, json: "say \"e\""}
      f: {type: string, json: ""}
      g: {type: string, json: "a.b/c d"}
  Status:
    enum: [on_hold, "", on_hold, "!!"]
`, `
7:31 duplicate-wire-name: fields "a" and "b" of type "Line" are both "a" in JSON
  hint: give one of them another name with json:
  shop.kv.yaml:6:7: the other field is here
8:31 invalid-wire-name: field "c" cannot be called "-" in JSON: encoding/json would leave the field out
  hint: use letters, digits and _
9:31 invalid-wire-name: field "d" cannot be called "d,omitempty" in JSON: encoding/json does not take such a name from a struct tag
  hint: use letters, digits and _
10:31 invalid-wire-name: field "e" cannot be called "say \"e\"" in JSON: encoding/json does not take such a name from a struct tag
  hint: use letters, digits and _
11:31 invalid-wire-name: field "f" cannot be called "" in JSON: it is empty
  hint: use letters, digits and _
14:21 invalid-word: enum "Status" has an empty word
  hint: the empty text is the zero value, which no word can be
14:25 duplicate-word: enum "Status" has the word "on_hold" twice
  hint: remove one of them
  shop.kv.yaml:14:12: the first one is here
14:34 invalid-go-name: the word "!!" of enum "Status" has neither letter nor digit to name a Go constant by
  hint: give it a name: {value: …, go_name: Name}
`)
}

func TestCodecsFitTheirTypes(t *testing.T) {
	expect(t, `
types:
  Order: {fields: {id: uint64}}
  Status: {enum: [a]}
buckets:
  b:
    keys:
      a: {pattern: a, value: Order, codec: text}
      b: {pattern: b, value: "[]string", codec: raw}
      c: {pattern: c, value: Order, codec: binary}
      d: {pattern: d, value: duration, codec: proto}
      e: {pattern: e, value: bytes, codec: text}
      f: {pattern: f, value: json, codec: raw}
      g: {pattern: g, value: Status, codec: json}
`, `
9:44 codec-mismatch: Order does not fit codec text: it has no method MarshalText, and none UnmarshalText
  hint: use codec: json
10:49 codec-mismatch: []string does not fit codec raw: it is neither string, bytes nor json
  hint: use codec: json
11:44 codec-mismatch: Order does not fit codec binary: it has no method MarshalBinary, and none UnmarshalBinary
  hint: use codec: json, or a Go type that has them as value
12:47 codec-mismatch: duration does not fit codec proto: it has no method ProtoReflect of a proto.Message
  hint: use codec: text, or a type that protoc-gen-go generated as value
13:44 codec-mismatch: bytes does not fit codec text: it has no method MarshalText, and none UnmarshalText
  hint: use codec: raw
`)
}

func TestDefaultCodecsFollowTheType(t *testing.T) {
	files, diags := check(`
types:
  Order: {fields: {id: uint64}}
  Status: {enum: [a]}
  Money: {go: github.com/acme/money.Amount}
buckets:
  b:
    keys:
      a: {pattern: a, value: string}
      b: {pattern: b, value: json}
      c: {pattern: c, value: time}
      d: {pattern: d, value: Order}
      e: {pattern: e, value: Status}
      f: {pattern: f, value: "*int"}
      g: {pattern: g, value: Money}
      h: {pattern: h, value: github.com/acme/money.Amount}
      i: {pattern: i, value: "[]Money"}
`)
	if len(diags) > 0 {
		t.Fatal(findings(diags))
	}
	want := []CodecKind{CodecRaw, CodecRaw, CodecText, CodecJSON, CodecText, CodecJSON, CodecDefault, CodecDefault, CodecJSON}
	for i, k := range files[0].Buckets[0].Keys {
		if k.Codec.Kind != want[i] {
			t.Errorf("key %s has codec %d, want %d", k.Name.Value, k.Codec.Kind, want[i])
		}
	}
}

func TestWhatLoadReportedHasNoConsequences(t *testing.T) {
	for text, want := range map[string]string{
		"types:\n  A: {fields: {x: \"map[int]string\"}}\n  B: {enum: [x]}\nbuckets: {b: {keys: {k: {pattern: k, value: A}}}}\n": "unknown-type",
		"types:\n  B: {enum: [x]}\nbuckets: {b: {keys: {k: {pattern: \"a..{b:B}\", value: int}}}}\n":                            "invalid-pattern",
		"buckets: {b: {keys: {k: {value: Nope.}}}}\n":                                                                           "invalid-go-type missing-field",
		"buckets: {b: {name: a.b, keys: {k: {pattern: k, value: int}}}}\n":                                                      "invalid-bucket-name",
		"types: {B: {fields: {x: int}, enum: [y]}}\n":                                                                           "type-form",
		"types: {A: {enum: [x]}}\nbuckets: {b: {kyes: {k: {pattern: k, value: A}}}}\n":                                          "unknown-field",
		"buckets: {b: {mirror: {}, keys: }}\n":                                                                                  "missing-field",
	} {
		_, diags := check(text)
		if got := strings.Join(ruleIDs(diags), " "); got != want {
			t.Errorf("%s\nbreaks %s, want %s:\n%s", text, got, want, findings(diags))
		}
	}
}

func TestANilFileAndAnEmptyOneAreNoProblem(t *testing.T) {
	if diags := Check([]*File{nil, {Path: "a.kv.yaml", Name: "a"}}); len(diags) > 0 {
		t.Error(findings(diags))
	}
}

func TestAWarningIsSilencedByTheCommentAboveItAndAnErrorIsNot(t *testing.T) {
	expect(t, `
buckets:
  b:
    # kvgen:ignore even-replicas
    replicas: 2
    # kvgen:ignore unknown-type
    keys: {k: {pattern: k, value: Nope}}
`, `
8:35 unknown-type: unknown type "Nope"
  hint: built-in types are string, bytes, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, time, duration and json; a Go type is written import/path.Name
`)
}
