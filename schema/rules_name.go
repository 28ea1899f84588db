// Rules of names: in the schema, in Go and on the server.

package schema

var nameRules = []Rule{
	{
		ID:          "duplicate-bucket-name",
		Summary:     "Two buckets of a file have the same name on the server.",
		Explanation: "They would be one bucket with two configurations. Patterns that share a bucket are keys of one entry.",
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
  refunds:
    name: orders
    keys:
      refund: {pattern: refund, value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
      refund: {pattern: refund, value: int64}
`,
	},
	{
		ID:      "invalid-bucket-name",
		Summary: "The name of a bucket on the server is not valid.",
		Explanation: `A bucket's name has letters, digits, - and _, 252 bytes at most. Its parameters take letters, digits
and -; two of them have a _ in between, so that no two sets of values name the same bucket.`,
		Bad: `
buckets:
  sessions:
    name: "SESSIONS.{env}"
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  sessions:
    name: "SESSIONS_{env}"
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "invalid-go-name",
		Summary: "A name cannot be used in Go.",
		Explanation: `go_name and go_prefix are exported identifiers: a capital letter, followed by letters and digits. A
word of an enum that has neither letter nor digit needs a go_name for its constant.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64, go_name: grand-total}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64, go_name: GrandTotal}
`,
	},
	{
		ID:      "invalid-name",
		Summary: "A name of the schema has characters that it cannot have.",
		Explanation: `Names of types, buckets, keys, fields and parameters are a letter, followed by letters, digits, _ and
-. A bucket's name is lower case, since it becomes part of a file name.`,
		Bad: `
buckets:
  Orders:
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    name: Orders
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "invalid-package",
		Summary:     "The package is not a valid name of a Go package.",
		Explanation: "It is made of letters, digits and _, is no keyword of Go, and does not end in _test.",
		Bad: `
kvgen: v1
package: my-shop
`,
		Good: `
kvgen: v1
package: myshop
`,
	},
	{
		ID:      "invalid-subject",
		Summary: "A subject, or another name that the server takes, is not valid.",
		Explanation: `A subject has tokens that are separated by single dots, without white space; * stands for one token and
> for all that follow. In a destination, {{wildcard(1)}} or $1 stands for a token that * took in the source. The
name of a stream or of a JetStream domain is one token.`,
		Bad: `
buckets:
  orders:
    republish: {source: ">", destination: "repub orders.>"}
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    republish: {source: ">", destination: "repub.orders.>"}
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "name-collision",
		Summary: "Two things would have the same name in Go.",
		Explanation: `Key order generates OrderKey, ParseOrderKey, OrderFilter, OrderEntry, OrderEvent, OrderKV and
OrderCache, and OrderTxnKV where the bucket has transactions; bucket orders generates OrdersBucket,
OrdersBucketEvent, OpenOrders, EnsureOrders, OrdersConfig, OrdersParams and OrdersTxn; an enum its
type, a constant for each word and a list of them. All schemas of a folder share these names, and methods such as Bucket, Watch and Txn of a
bucket, String and Encode of a key, and Validate of a type are taken. Nothing is renamed silently:
go_name gives one thing another name, and go_prefix all keys of a bucket, or with keys_from all its
accessors.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
  refunds:
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
  refunds:
    go_prefix: Refund
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "package-mismatch",
		Summary:     "Schemas that generate into one folder have different packages.",
		Explanation: "A folder holds one Go package.",
		Bad: `
# file: shop.kv.yaml
kvgen: v1
package: shop
# file: users.kv.yaml
kvgen: v1
package: users
`,
		Good: `
# file: shop.kv.yaml
kvgen: v1
package: shop
# file: users.kv.yaml
kvgen: v1
package: shop
`,
	},
	{
		ID:          "unknown-param",
		Summary:     "An entry of params names a parameter that is not there.",
		Explanation: "params says more of the parameters that stand in a pattern or in a bucket's name.",
		Bad: `
buckets:
  orders:
    keys:
      order:
        pattern: "order.{id:uint64}"
        params: {number: {description: Counts up.}}
        value: int64
`,
		Good: `
buckets:
  orders:
    keys:
      order:
        pattern: "order.{id:uint64}"
        params: {id: {description: Counts up.}}
        value: int64
`,
	},
}
