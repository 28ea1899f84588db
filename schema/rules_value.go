// Rules of values: declared types, their fields and constraints, and codecs.

package schema

var valueRules = []Rule{
	{
		ID:      "codec-mismatch",
		Summary: "A type does not fit its codec.",
		Explanation: `raw stores strings, bytes and json as they are; text is for single values, and for Go types with
MarshalText and UnmarshalText; binary needs MarshalBinary and UnmarshalBinary; proto a generated
message; json takes everything. A codec of your own is a package-level value with the methods of
kvrt.Codec[T]. A Go type in a key pattern has MarshalText and UnmarshalText.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64, codec: raw}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64, codec: text}
`,
	},
	{
		ID:          "duplicate-wire-name",
		Summary:     "Two fields of a struct have the same name in JSON.",
		Explanation: "encoding/json would leave both out.",
		Bad: `
types:
  Line:
    fields:
      sku: string
      code: {type: string, json: sku}
`,
		Good: `
types:
  Line:
    fields:
      sku: string
      code: {type: string, json: code}
`,
	},
	{
		ID:          "duplicate-word",
		Summary:     "An enum has a word twice.",
		Explanation: "Remove one of them.",
		Bad: `
types:
  Status:
    enum: [pending, paid, pending]
`,
		Good: `
types:
  Status:
    enum: [pending, paid]
`,
	},
	{
		ID:      "invalid-constraint",
		Summary: "A constraint does not fit its field.",
		Explanation: `min and max are for numbers and durations, and within what the type holds; min_len and max_len for
strings (runes), bytes, lists and maps (elements); pattern, a regular expression in RE2 syntax that
is not anchored, for strings. A least value above the greatest would let nothing through.`,
		Bad: `
types:
  Line:
    fields:
      qty: {type: int8, min: 1, max: 300}
`,
		Good: `
types:
  Line:
    fields:
      qty: {type: int16, min: 1, max: 300}
`,
	},
	{
		ID:          "invalid-wire-name",
		Summary:     "A field cannot have that name in JSON.",
		Explanation: "encoding/json gives - and the comma a meaning of their own, and ignores names with quotes in them.",
		Bad: `
types:
  Line:
    fields:
      sku: {type: string, json: "sku,omitempty"}
`,
		Good: `
types:
  Line:
    fields:
      sku: {type: string, json: sku, optional: true}
`,
	},
	{
		ID:          "invalid-word",
		Summary:     "An enum has an empty word.",
		Explanation: "The empty text is the zero value of the type, which is how a missing word is told.",
		Bad: `
types:
  Status:
    enum: ["", paid]
`,
		Good: `
types:
  Status:
    enum: [unpaid, paid]
`,
	},
	{
		ID:          "recursive-type",
		Summary:     "A struct contains itself.",
		Explanation: "A value would have no end. A pointer, a list, a map or an optional field can be empty, and ends it.",
		Bad: `
types:
  Node:
    fields:
      next: Node
`,
		Good: `
types:
  Node:
    fields:
      next: "*Node"
`,
	},
	{
		ID:          "reserved-type",
		Summary:     "A declared type has the name of a built-in type.",
		Explanation: "The name alone means the built-in type wherever it is used, so the declared one could not be.",
		Bad: `
types:
  time:
    fields:
      hour: int
`,
		Good: `
types:
  TimeOfDay:
    fields:
      hour: int
`,
	},
	{
		ID:          "type-form",
		Summary:     "A type is not exactly one of struct, enum and Go type.",
		Explanation: "Give one of fields, enum and go.",
		Bad: `
types:
  Status:
    description: How far an order is.
`,
		Good: `
types:
  Status:
    description: How far an order is.
    enum: [pending, paid]
`,
	},
	{
		ID:      "unknown-codec",
		Summary: "There is no such codec.",
		Explanation: `The codecs are json, text, raw, binary and proto, and {go: import/path.Name} for one of your
own.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64, codec: plain}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64, codec: text}
`,
	},
	{
		ID:      "unknown-type",
		Summary: "There is no such type.",
		Explanation: `A type is a built-in one, the name of one under types of the same file, []T, map[string]T or *T of
them, or a Go type: import/path.Name.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: integer}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int}
`,
	},
	{
		ID:          "unused-type",
		Severity:    Warning,
		Summary:     "A type is declared, and nobody uses it.",
		Explanation: "It may be a leftover. A file without buckets is not meant: it is there for its types.",
		Bad: `
types:
  Order:
    fields:
      id: uint64
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
types:
  Order:
    fields:
      id: uint64
buckets:
  orders:
    keys:
      order: {pattern: "order.{id:uint64}", value: Order}
`,
	},
}
