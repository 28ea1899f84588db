// Rules of the file: what of YAML a schema may use, and how fields are given.

package schema

var fileRules = []Rule{
	{
		ID:      "duplicate-field",
		Summary: "A field or a name is given twice in one mapping.",
		Explanation: `YAML readers tend to keep the last one and drop the other without a word.
Remove one of them.`,
		Bad: `
buckets:
  orders:
    history: 5
    history: 6
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    history: 6
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "encoding",
		Summary:     "The file is not UTF-8.",
		Explanation: "A schema is UTF-8 text, with or without a byte order mark. Save it as such in your editor.",
	},
	{
		ID:      "exclusive-fields",
		Summary: "Two fields are given of which only one can be in force.",
		Explanation: `A bucket is a mirror or has sources; its keys are its own or those of keys_from; another
account is reached through its domain or its api_prefix; a source is a bucket or a stream.`,
		Bad: `
buckets:
  orders_eu:
    mirror: {bucket: ORDERS, domain: eu}
    sources: [{bucket: ORDERS}]
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders_eu:
    mirror: {bucket: ORDERS, domain: eu}
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "file-name",
		Summary: "The schema's file name cannot begin the names of Go files.",
		Explanation: `shop.kv.yaml gives shop.kv.go and shop.orders.kv.go. The part before .kv.yaml is made of a-z, 0-9,
_ and -. If it ended in an operating system, an architecture or _test, the go command would leave
the generated files out of some builds without a word.`,
		Bad: `
# file: shop_linux.kv.yaml
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
# file: shop-linux.kv.yaml
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "file-size",
		Summary: "The schema is too large.",
		Explanation: `A file has at most 4 MiB, 100,000 names, values, lists and mappings, and 10,000 keys, which count again
in each bucket that shares them with keys_from. A schema of 1,000 keys with a struct each has a fifth of
that. Split a larger one: several schemas of one folder make one package.`,
	},
	{
		ID:          "kvgen-first",
		Summary:     "The field kvgen is not the first one.",
		Explanation: "It tells which version of the language the rest is written in.",
		Bad: `
package: shop
kvgen: v1
`,
		Good: `
kvgen: v1
package: shop
`,
	},
	{
		ID:      "missing-field",
		Summary: "Something that is needed is missing.",
		Explanation: `A schema has kvgen and package, a bucket has keys or keys_from, a key has a pattern and a value, a
struct has a field. A field that is there without a value is missing too.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "too-many-errors",
		Summary:     "A file has so many errors that not all are shown.",
		Explanation: "The first 1,000 are. Mend those: so many often have one cause.",
	},
	{
		ID:          "too-many-warnings",
		Severity:    Warning,
		Summary:     "A file has so many warnings that not all are shown.",
		Explanation: "The first 1,000 are. A comment kvgen:ignore RULE above a line silences one.",
	},
	{
		ID:          "unknown-field",
		Summary:     "There is no such field.",
		Explanation: "A mistyped setting that was ignored would be found out in production.",
		Bad: `
buckets:
  orders:
    histroy: 5
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    history: 5
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "unknown-value",
		Summary:     "A field that takes one of a few words has another one.",
		Explanation: "The hint says which words there are.",
		Bad: `
buckets:
  orders:
    storage: disk
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    storage: file
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "unknown-version",
		Summary:     "The version of the schema language is not known.",
		Explanation: "This kvgen reads v1. A schema of a later version needs a later kvgen.",
		Bad: `
kvgen: v2
package: shop
`,
		Good: `
kvgen: v1
package: shop
`,
	},
	{
		ID:      "wrong-type",
		Summary: "A value has the wrong form: a list for a number, a text for a mapping.",
		Explanation: `Numbers are decimal (10, not 010, 0x10 or 1_000), switches are true and false (not yes, no, on or
off). A pattern or type that begins with { or [ is quoted, since YAML would read a mapping or list.`,
		Bad: `
buckets:
  orders:
    compression: yes
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    compression: true
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "yaml-alias",
		Summary: "A YAML alias is used.",
		Explanation: `Schemas are read by people and tools line by line, so nothing stands for something elsewhere in the
file. A pointer type is quoted: "*Node".`,
		Bad: `
types:
  Node:
    fields:
      next: *Node
`,
		Good: `
types:
  Node:
    fields:
      next: "*Node"
`,
	},
	{
		ID:          "yaml-anchor",
		Summary:     "A YAML anchor is used.",
		Explanation: "Write it out, or share the keys of a bucket with keys_from.",
		Bad: `
buckets:
  orders: &orders
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
  orders_eu:
    mirror: {bucket: orders, domain: eu}
    keys_from: orders
`,
	},
	{
		ID:          "yaml-depth",
		Summary:     "The YAML is nested deeper than 100 levels.",
		Explanation: "No schema needs more than a dozen.",
	},
	{
		ID:          "yaml-document",
		Summary:     "The file has a second YAML document.",
		Explanation: "A file holds one schema. Remove the line with ---, or make a file of what follows.",
		Bad: `
kvgen: v1
package: shop
---
kvgen: v1
package: shop
`,
		Good: `
kvgen: v1
package: shop
`,
	},
	{
		ID:          "yaml-merge",
		Summary:     "A YAML merge key is used.",
		Explanation: "Write it out, or share the keys of a bucket with keys_from.",
		Bad: `
buckets:
  orders:
    <<: {history: 5}
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    history: 5
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "yaml-syntax",
		Summary: "The file cannot be read as YAML.",
		Explanation: `Usual causes are a pattern that is not quoted, a tab for indentation, and text with a colon that is
not quoted.`,
		Bad: `
buckets:
  orders:
    keys:
      order:
        pattern: {tenant}.{id}
        value: int64
`,
		Good: `
buckets:
  orders:
    keys:
      order:
        pattern: "{tenant}.{id}"
        value: int64
`,
	},
	{
		ID:          "yaml-tag",
		Summary:     "A YAML tag is used.",
		Explanation: "The schema language knows what each value has to be.",
		Bad: `
buckets:
  orders:
    history: !!int 5
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    history: 5
    keys:
      total: {pattern: total, value: int64}
`,
	},
}
