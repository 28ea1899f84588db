package schema

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// underlined writes diagnostics with what their place underlines: line, column, text, rule, message,
// then the hint and the other places.
func underlined(source string, diags []Diagnostic) string {
	lines := strings.Split(strings.TrimPrefix(source, "\ufeff"), "\n")
	mark := func(line, column, end int) string {
		runes := []rune(lines[line-1])
		return fmt.Sprintf("%d:%d <%s>", line, column, string(runes[column-1:min(end-1, len(runes))]))
	}
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintf(&b, "%s %s: %s\n", mark(d.Line, d.Column, d.EndColumn), d.Rule, d.Message)
		if d.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", d.Hint)
		}
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  %s %s\n", mark(r.Line, r.Column, r.EndColumn), r.Message)
		}
	}
	return b.String()
}

// expectLoad loads a text and compares the diagnostics.
func expectLoad(t *testing.T, source, want string) *File {
	t.Helper()
	source, want = strings.TrimPrefix(source, "\n"), strings.TrimPrefix(want, "\n")
	file, diags := Load("shop.kv.yaml", []byte(source))
	if got := underlined(source, diags); got != want {
		t.Errorf("loading\n%s\nfound:\n%s\nwant:\n%s", source, got, want)
	}
	return file
}

func TestTheModelHoldsWhatTheFileSays(t *testing.T) {
	file := expectLoad(t, `
kvgen: v1
package: shop
description: Orders.
types:
  Order:
    description: An order.
    fields:
      id: uint64
      note: {type: "*string", json: NOTE, optional: true, description: d, go_name: Remark, min_len: 1, max_len: 9, pattern: "^a", required: true}
      total: {type: "map[string][]github.com/acme/money.Amount", min: 0, max: 1.5}
  Status:
    enum: [pending, {value: n/a, go_name: NotAvailable, description: d}, true, 010]
  Money:
    go: gopkg.in/money.v2.Amount
    go_name: Cash
buckets:
  orders:
    name: "A_{env}-x_{region}"
    description: d
    go_name: Orders
    go_prefix: Eu
    params: {env: {go_name: Stage, description: e}}
    history: 10
    storage: memory
    replicas: 3
    ttl: 7d
    limit_marker_ttl: 1h30m
    max_value_size: 64KiB
    max_bytes: 1GB
    compression: true
    placement: {cluster: east, tags: [ssd, fast]}
    republish: {source: ">", destination: "r.>", headers_only: true}
    metadata: {team: checkout, Üb-er: ""}
    transactions: true
    linearizable: false
    access: read
    keys:
      order:
        pattern: "order.user-{tenant}!.{id:uint64}"
        value: Order
`, `
39:38 <!> invalid-pattern: '!' cannot stand in a key
  hint: a key has letters, digits and - / _ =
`)
	b := file.Buckets[0]
	var parts []string
	for _, p := range b.NameParts {
		if p.Param != nil {
			parts = append(parts, fmt.Sprintf("{%s at %d go_name %q description %q}", p.Param.Name.Value, p.Param.Name.Pos.Column, p.Param.GoNameGiven.Value, p.Param.Description.Value))
		}
		parts = append(parts, p.Literal)
	}
	order, status, money := file.Types[0], file.Types[1], file.Types[2]
	note, total := order.Fields[1], order.Fields[2]
	for what, pair := range map[string][2]any{
		"file":        {[]string{file.Name, file.Path, file.Package.Value, file.Description.Value}, []string{"shop", "shop.kv.yaml", "shop", "Orders."}},
		"type":        {[]any{order.Name.Value, order.Kind, order.Description.Value, order.Name.Pos}, []any{"Order", StructType, "An order.", Pos{5, 3, 8}}},
		"wire":        {[]Text{order.Fields[0].Wire, note.Wire}, []Text{{"id", Pos{8, 7, 9}}, {"NOTE", Pos{9, 37, 41}}}},
		"field":       {[]any{note.Optional, note.Description.Value, note.GoNameGiven.Value, note.Type.Kind, note.Type.Elem.Builtin}, []any{true, "d", "Remark", PointerExpr, "string"}},
		"constraints": {[]any{note.Constraints.MinLen.Value, note.Constraints.MaxLen.Value, note.Constraints.Pattern.Value, note.Constraints.Required.Value, total.Constraints.Min.Value, total.Constraints.Max.Value}, []any{1, 9, "^a", true, "0", "1.5"}},
		"go type":     {[]any{total.Type.Elem.Elem.Go.ImportPath, total.Type.Elem.Elem.Go.Name, total.Type.Elem.Elem.Text.Pos}, []any{"github.com/acme/money", "Amount", Pos{10, 35, 63}}},
		"words":       {[]any{status.Kind, status.Words[1].GoNameGiven.Value, status.Words[2].Value.Value, status.Words[3].Value.Value}, []any{EnumType, "NotAvailable", "true", "010"}},
		"named":       {[]any{money.Kind, money.Go.ImportPath, money.Go.Name, money.GoNameGiven.Value}, []any{GoType, "gopkg.in/money.v2", "Amount", "Cash"}},
		"name parts":  {parts, []string{"A_", `{env at 15 go_name "Stage" description "e"}`, "", "-x_", `{region at 23 go_name "" description ""}`, ""}},
		"settings":    {[]any{b.History.Value, b.Storage.Value, b.Replicas.Value, b.TTL.Value, b.LimitMarkerTTL.Value, b.MaxValueSize.Value, b.MaxBytes.Value, b.Access.Value}, []any{10, MemoryStorage, 3, 7 * 24 * time.Hour, 90 * time.Minute, int64(65536), int64(1e9), ReadOnly}},
		"switches":    {[]any{b.Compression.Value, b.Transactions.Value, b.Linearizable.Value, b.Linearizable.IsSet(), b.Republish.HeadersOnly}, []any{true, true, false, true, true}},
		"placement":   {[]any{b.Placement.Cluster.Value, len(b.Placement.Tags), b.Placement.Tags[1].Value}, []any{"east", 2, "fast"}},
		"metadata":    {[]any{len(b.Metadata), b.Metadata[1].Key.Value, b.Metadata[1].Value.Value}, []any{2, "Üb-er", ""}},
		"names":       {[]string{b.GoNameGiven.Value, b.GoPrefix.Value, b.ServerName.Value}, []string{"Orders", "Eu", "A_{env}-x_{region}"}},
		"bad pattern": {b.Keys[0].Pattern, Pattern{Text: Text{"order.user-{tenant}!.{id:uint64}", Pos{39, 18, 52}}}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestKeysAndCopiesAreRead(t *testing.T) {
	file := expectLoad(t, `
kvgen: v1
package: shop
buckets:
  a:
    mirror: {bucket: ORDERS, domain: eu}
    keys_from: b
  b:
    sources:
      - {bucket: ORDERS, filter: "order.>", api_prefix: "$JS.eu.API"}
      - {stream: EVENTS, transforms: [{source: "e.>", destination: "$KV.b.>"}]}
    keys:
      k:
        pattern: x-{a}.{b:int32}.{c:Status}.{d:github.com/acme/id.ID}.{e...}
        value: github.com/acme/auth.Session
        codec: {go: github.com/acme/auth.Codec}
        ttl: optional
        escape: none
        access: write
        params: {a: {go_name: Alpha}, e: {description: the rest}}
        go_name: Kay
        description: d
      l: {pattern: "{u:uuid}.{d:date}.{b:bool}.{n:uint}.{s:string}", value: time, codec: binary, ttl: 90s}
`, "")
	a, b := file.Buckets[0], file.Buckets[1]
	k, l := b.Keys[0], b.Keys[1]
	params := k.Params()
	kinds := func(k *Key) (out []ParamKind) {
		for _, p := range k.Params() {
			out = append(out, p.Kind)
		}
		return out
	}
	for what, pair := range map[string][2]any{
		"mirror":  {[]any{a.Mirror.Bucket.Value, a.Mirror.Domain.Value, a.KeysFromName.Value, a.ServerName}, []any{"ORDERS", "eu", "b", Text{"a", Pos{4, 3, 4}}}},
		"sources": {[]any{b.Sources[0].Filter.Value, b.Sources[0].APIPrefix.Value, b.Sources[1].Stream.Value, b.Sources[1].Transforms[0].Destination.Value}, []any{"order.>", "$JS.eu.API", "EVENTS", "$KV.b.>"}},
		"key":     {[]any{k.TTLOptional, k.TTL.Value, k.TTL.IsSet(), k.Plain, k.Access, k.accessGiven.Line, k.GoNameGiven.Value, k.Description.Value}, []any{true, time.Duration(0), true, true, WriteOnly, 18, "Kay", "d"}},
		"codec":   {[]any{k.Codec.Kind, k.Codec.Go.Name, k.Codec.Pos}, []any{CodecGo, "Codec", Pos{15, 21, 47}}},
		"kinds":   {kinds(k), []ParamKind{ParamString, ParamInt, ParamEnum, ParamGo, ParamPath}},
		"others":  {kinds(l), []ParamKind{ParamUUID, ParamDate, ParamBool, ParamUint, ParamString}},
		"types":   {[]any{params[1].Builtin, params[2].TypeText, params[3].Go.ImportPath, l.Params()[3].Builtin}, []any{"int32", Text{"Status", Pos{13, 37, 43}}, "github.com/acme/id", "uint"}},
		"params":  {[]any{params[0].GoNameGiven.Value, params[4].Description.Value, params[0].Name.Pos}, []any{"Alpha", "the rest", Pos{13, 21, 22}}},
		"token":   {[]any{k.Pattern.Tokens[0].Prefix, l.Codec.Kind, l.TTL.Value}, []any{"x-", CodecBinary, 90 * time.Second}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestWhatIsMissingAtTheTopIsReportedAtTheFirstField(t *testing.T) {
	expectLoad(t, "", "1:1 <> missing-field: the file is empty\n  hint: begin with kvgen: v1\n")
	expectLoad(t, "# only a comment\n---\n", "1:1 <> missing-field: the file is empty\n  hint: begin with kvgen: v1\n")
	expectLoad(t, "description: x\n", `
1:1 <description> missing-field: the schema has no kvgen
  hint: begin with kvgen: v1
1:1 <description> missing-field: the schema has no package
  hint: add the name of the Go package: package: shop
`)
	expectLoad(t, "package: shop\nkvgen: v2\n", `
2:1 <kvgen> kvgen-first: kvgen is not the first field
  hint: move it to the top: it says in which version of the language the rest is written
2:8 <v2> unknown-version: version "v2" of the language is not known
  hint: allowed is: v1
`)
	expectLoad(t, "- a\n", "1:1 <-> wrong-type: the schema must be a mapping, not a list\n  hint: its fields are: kvgen, package, description, types, buckets\n")
	expectLoad(t, "\ufeffkvgen: v1\npackage: shop\n", "")
}

func TestFieldsAreKnownGivenOnceAndHaveAValue(t *testing.T) {
	expectLoad(t, `
kvgen: v1
package: shop
colour: red
buckets:
  orders:
    histroy: 5
    zzz: 1
    ttl: 1h
    ttl: 2h
    storage:
    keys:
      k: {pattern: k, value: int, codec: ~}
      l:
      m: {patern: x}
  empty:
    keys:
  nothing:
  orders: {}
types:
  A: {fields: {a: , b: {}, b: int}}
  B: {fields: {}}
  C: {}
  D: {enum: [a], go: x.Y}
  E: {enum: []}
`, `
3:1 <colour> unknown-field: unknown field "colour" in the schema
  hint: allowed are: kvgen, package, description, types, buckets
6:5 <histroy> unknown-field: unknown field "histroy" in bucket "orders"
  hint: did you mean "history"?
7:5 <zzz> unknown-field: unknown field "zzz" in bucket "orders"
  hint: allowed are: name, description, go_name, go_prefix, params, keys, keys_from, history, storage, replicas, ttl, limit_marker_ttl, max_value_size, max_bytes, compression, placement, republish, metadata, transactions, linearizable, mirror, sources, access
9:5 <ttl> duplicate-field: "ttl" is given twice in bucket "orders"
  hint: remove one of them
  8:5 <ttl> the first one is here
10:5 <storage> missing-field: storage of bucket "orders" has no value
  hint: give it one, or remove it
12:35 <codec> missing-field: codec of key "k" has no value
  hint: give it one, or remove it
13:7 <l> missing-field: key "l" has no pattern
  hint: add one: pattern: "order.{tenant}.{id:uint64}"
13:7 <l> missing-field: key "l" has no value
  hint: add the type of its values: value: string
14:7 <m> missing-field: key "m" has no value
  hint: add the type of its values: value: string
14:11 <patern> unknown-field: unknown field "patern" in key "m"
  hint: did you mean "pattern"?
16:5 <keys> missing-field: keys of bucket "empty" has no value
  hint: give it one, or remove it
17:3 <nothing> missing-field: bucket "nothing" has no keys
  hint: add keys:, or keys_from: with the name of another bucket
18:3 <orders> duplicate-field: "orders" is given twice in buckets
  hint: remove one of them
  5:3 <orders> the first one is here
20:16 <a> missing-field: field "a" has no type
  hint: add one: a: {type: string}, or short, a: string
20:21 <b> missing-field: field "b" has no type
  hint: add one: b: {type: string}, or short, b: string
20:28 <b> duplicate-field: "b" is given twice in fields of type "A"
  hint: remove one of them
  20:21 <b> the first one is here
21:7 <fields> missing-field: type "B" has no field
  hint: a struct has at least one: id: uint64
22:3 <C> type-form: type "C" has neither fields, nor enum, nor go
  hint: give exactly one of fields, enum and go
23:18 <go> type-form: type "D" has enum and go
  hint: give exactly one of fields, enum and go
  23:7 <enum> enum is here
24:13 <[]> missing-field: enum is empty
  hint: write enum: [pending, paid]
`)
}

func TestAWrongTypeIsToldInPlainWords(t *testing.T) {
	expectLoad(t, `
kvgen: v1
package: [shop]
types:
  A: {fields: [a]}
  B: {fields: {b: [string], c: {type: []}, d: {type: int, min: [1], optional: 1}}}
  C: {enum: {a: b}}
  D: {enum: [{}, [x], ~]}
  E: Order
buckets:
  a:
    history: [1]
    ttl: {}
    max_bytes: [1]
    storage: [file]
    compression: {a: b}
    placement: east
    metadata: {a: [b], c: }
    sources: {bucket: a}
    keys:
      k: {pattern: {tenant}, value: {a: b}, codec: [json]}
      l: []
`, `
2:10 <[shop]> wrong-type: package must be a text, not a list
  hint: if it is meant as text, quote it: "[shop]"
4:15 <[a]> wrong-type: fields of type "A" must be a mapping, not a list
  hint: write NAME: VALUE, one to a line, or {NAME: VALUE, …}
5:19 <[string]> wrong-type: field "b" must be a type, not a list
  hint: a list type is written with quotes: "[]string"
5:39 <[]> wrong-type: field "c" must be a type, not a list
  hint: a list type is written with quotes: "[]T"
5:64 <[1]> wrong-type: min must be a number or a duration, not a list
5:79 <1> wrong-type: optional must be true or false, not "1"
  hint: write true
6:13 <{a: b}> wrong-type: enum must be a list, not a mapping
  hint: write enum: [pending, paid]
7:14 <{}> missing-field: a word of type "D" has no value
  hint: write {value: n/a, go_name: NotAvailable}
7:18 <[x]> wrong-type: a word of type "D" must be a text, not a list
  hint: if it is meant as text, quote it: "[x]"
7:23 <~> missing-field: a word of type "D" has no value
  hint: give it one, or remove it; for the text null, write "null"
8:6 <Order> wrong-type: type "E" must be a mapping, not "Order"
  hint: its fields are: description, go_name, fields, enum, go
11:14 <[1]> wrong-type: history must be a number, not a list
12:10 <{}> wrong-type: ttl must be a duration, not a mapping
13:16 <[1]> wrong-type: max_bytes must be a size, not a list
14:14 <[file]> wrong-type: storage must be file or memory, not a list
15:18 <{a: b}> wrong-type: compression must be true or false, not a mapping
16:16 <east> wrong-type: placement must be a mapping, not "east"
  hint: its fields are: cluster, tags
17:19 <[b]> wrong-type: metadata "a" must be a text, not a list
  hint: if it is meant as text, quote it: "[b]"
17:24 <c> missing-field: metadata "c" has no value
  hint: give it one, or remove it; an empty one is ""
18:14 <{bucket: a}> wrong-type: sources must be a list, not a mapping
  hint: write sources: [{bucket: ORDERS}]
20:20 <{tenant}> wrong-type: pattern must be a text, not a mapping
  hint: if it is meant as text, quote it: "{tenant}"
20:37 <{a: b}> wrong-type: value must be a type, not a mapping
20:52 <[json]> wrong-type: codec must be json, text, raw, binary or proto, not a list
21:10 <[]> wrong-type: key "l" must be a mapping, not a list
  hint: its fields are: pattern, description, value, codec, access, ttl, escape, go_name, params
`)
}

func TestNamesAreMadeOfLettersDigitsUnderscoresAndHyphens(t *testing.T) {
	expectLoad(t, `
kvgen: v1
package: shop
types:
  Größe: {fields: {_a: int, a.b: int, 1: int}}
buckets:
  Orders: {keys: {a b: {pattern: a, value: int}}}
  ok-1_x: {keys: {A-b_1: {pattern: a, value: int}}}
  "": {keys: {k: {pattern: k, value: nope., codec: jsn}}}
`, `
4:3 <Größe> invalid-name: "Größe" cannot be a name in types
  hint: a name is a letter, followed by letters, digits, _ and -
4:20 <_a> invalid-name: "_a" cannot be a name in fields of type "Größe"
  hint: a name is a letter, followed by letters, digits, _ and -
4:29 <a.b> invalid-name: "a.b" cannot be a name in fields of type "Größe"
  hint: a name is a letter, followed by letters, digits, _ and -
4:39 <1> invalid-name: "1" cannot be a name in fields of type "Größe"
  hint: a name is a letter, followed by letters, digits, _ and -
6:3 <Orders> invalid-name: bucket "Orders" is not in lower case, and its name is part of a file name
  hint: write "orders", and name: Orders for the bucket on the server
6:19 <a b> invalid-name: "a b" cannot be a name in keys of bucket "Orders"
  hint: a name is a letter, followed by letters, digits, _ and -
8:3 <""> invalid-name: "" cannot be a name in buckets
  hint: a name is a letter, followed by letters, digits, _ and -
8:38 <nope.> invalid-go-type: "" of "nope." is not a name in Go
  hint: write import/path.Name: github.com/acme/money.Amount
8:52 <jsn> unknown-codec: codec cannot be "jsn"
  hint: did you mean "json"? allowed are: json, text, raw, binary, proto
`)
}

func TestPlacesInALongLineCountRunes(t *testing.T) {
	var metadata strings.Builder
	for i := range 200 {
		fmt.Fprintf(&metadata, "k%d: äöü, ", i)
	}
	source := "{kvgen: v1, package: p, buckets: {b: {metadata: {" + metadata.String() + "x: ß}, keys: {k: {pattern: ä, value: []}}}}}\n"
	expectLoad(t, source, fmt.Sprintf(`
1:%d <ä> invalid-pattern: 'ä' cannot stand in a key
  hint: a key has letters, digits and - / _ =
1:%d <[]> wrong-type: value must be a type, not a list
  hint: a list type is written with quotes: "[]T"
`, 1+len([]rune(source[:strings.LastIndex(source, "ä")])), 1+len([]rune(source[:strings.Index(source, "[]")]))))
}

func TestLengthsAndCodecsAreCheckedAsFarAsTheyStandAlone(t *testing.T) {
	expectLoad(t, `
kvgen: v1
package: p
types:
  A: {fields: {a: {type: string, min_len: -1, max_len: 2147483648}, b: {type: string, min_len: 0, max_len: 2147483647}, c: {type: string, max_len: 010}}}
buckets:
  b:
    keys:
      k: {pattern: k, value: int, codec: {}}
      l: {pattern: l, value: int, codec: {go: nothing}}
      m: {pattern: m, value: int, codec: {of: x.Y, go: x.Y}}
      n: {pattern: n, value: int, escape: url, access: none}
      o: {{a: b}: c, ~: d, pattern: o, value: int}
`, `
4:43 <-1> invalid-constraint: min_len of -1 is no length
  hint: a length is 0 to 2147483647
4:56 <2147483648> invalid-constraint: max_len of 2147483648 is no length
  hint: a length is 0 to 2147483647
4:148 <010> wrong-type: max_len must be a number, not "010"
  hint: write 10
8:42 <{}> missing-field: codec has no go
  hint: write codec: {go: import/path.Name}
9:47 <nothing> invalid-go-type: "nothing" has no name after the import path
  hint: write import/path.Name: github.com/acme/money.Amount
10:43 <of> unknown-field: unknown field "of" in codec
  hint: allowed are: go
11:43 <url> unknown-value: escape cannot be "url"
  hint: allowed are: none
11:56 <none> unknown-value: access cannot be "none"
  hint: allowed are: readwrite, read, write
12:11 <{a: b}> wrong-type: the name of a field in key "o" must be a text, not a mapping
12:22 <~> wrong-type: the name of a field in key "o" must be a text, not nothing
`)
}
