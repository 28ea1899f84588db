package schema

import (
	"strings"
	"testing"
)

func TestCollisionsPointAtBothPlaces(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"keys of two buckets": {`
buckets:
  a: {keys: {order: {pattern: a, value: int}}}
  b: {keys: {order: {pattern: b, value: int}}}
`, `
5:14 name-collision: key "order" of bucket "b" and key "order" of bucket "a" would both be OrderKey in Go
  hint: give one of them another name in Go with go_name: or all keys of a bucket with go_prefix:
  shop.kv.yaml:4:14: key "order" of bucket "a" is here
`},
		"a type and the accessor within transactions": {`
types:
  OrderTxnKV: {fields: {id: int}}
  TotalTxnKV: {fields: {id: int}}
buckets:
  a: {transactions: true, keys: {order: {pattern: a, value: OrderTxnKV}}}
  b: {keys: {total: {pattern: a, value: TotalTxnKV}}}
`, `
7:34 name-collision: key "order" of bucket "a" and type "OrderTxnKV" would both be OrderTxnKV in Go
  hint: give one of them another name in Go with go_name: or all keys of a bucket with go_prefix:
  shop.kv.yaml:4:3: type "OrderTxnKV" is here
`},
		"a type and a key": {`
types:
  OrderKey: {fields: {id: int}}
  MotdFilter: {fields: {id: int}}
buckets:
  a: {keys: {order: {pattern: "a.{x}", value: OrderKey}, motd: {pattern: motd, value: MotdFilter}}}
`, `
7:14 name-collision: key "order" of bucket "a" and type "OrderKey" would both be OrderKey in Go
  hint: give one of them another name in Go with go_name: or all keys of a bucket with go_prefix:
  shop.kv.yaml:4:3: type "OrderKey" is here
`},
		"names that become one": {`
types:
  Line: {fields: {user_id: int, userID: int, user-id: {type: int, json: x, go_name: Other}}}
  line: {fields: {x: int}}
`, `
4:33 name-collision: field "userID" of type "Line" and field "user_id" of type "Line" would both be UserID in Go
  hint: give one of them another name in Go with go_name:
  shop.kv.yaml:4:19: field "user_id" of type "Line" is here
5:3 name-collision: type "line" and type "Line" would both be Line in Go
  hint: give one of them another name in Go with go_name:
  shop.kv.yaml:4:3: type "Line" is here
`},
		"the variables of two patterns": {`
types:
  Foo: {fields: {bar_baz: {type: string, pattern: a}}}
  FooBar: {fields: {baz: {type: string, pattern: b}, qux: string}}
`, `
5:21 name-collision: the pattern of field "baz" of type "FooBar" and the pattern of field "bar_baz" of type "Foo" would both be fooBarBazPattern in Go
  hint: give one of them another name in Go with go_name:
  shop.kv.yaml:4:18: the pattern of field "bar_baz" of type "Foo" is here
`},
		"words": {`
types:
  Status: {enum: [on_hold, on-hold, values, {value: x, go_name: OnHold}]}
  StatusX: {enum: [y]}
`, `
4:28 name-collision: word "on-hold" of enum "Status" and word "on_hold" of enum "Status" would both be StatusOnHold in Go
  hint: give one of them another name in Go: {value: on-hold, go_name: Other}
  shop.kv.yaml:4:19: word "on_hold" of enum "Status" is here
4:37 name-collision: word "values" of enum "Status" and the list of words of enum "Status" would both be StatusValues in Go
  hint: give one of them another name in Go: {value: values, go_name: Other}
  shop.kv.yaml:4:3: the list of words of enum "Status" is here
4:65 name-collision: word "x" of enum "Status" and word "on_hold" of enum "Status" would both be StatusOnHold in Go
  hint: give one of them another name in Go: {value: x, go_name: Other}
  shop.kv.yaml:4:19: word "on_hold" of enum "Status" is here
`},
		"methods of a bucket": {`
buckets:
  a: {keys: {bucket: {pattern: a, value: int}, watch: {pattern: b, value: int}, txn: {pattern: c, value: int, go_name: Transaction}}}
`, `
4:14 name-collision: key "bucket" of bucket "a" would be Bucket in Go, which is a method that is generated as well; give it a go_name:
  hint: for example go_name: BucketItem
4:48 name-collision: key "watch" of bucket "a" would be Watch in Go, which is a method that is generated as well; give it a go_name:
  hint: for example go_name: WatchItem
`},
		"methods of keys and types": {`
types:
  A: {fields: {validate: int}}
  B: {fields: {validate: {type: int, min: 1}}}
buckets:
  a:
    keys:
      k:
        pattern: "k.{string}.{encode}.{p_prefix}.{p...}"
        params: {encode: {go_name: Code}}
        value: A
      l: {pattern: l, value: B}
`, `
5:16 name-collision: field "validate" of type "B" would be Validate in Go, which is a method that is generated as well; give it a go_name:
  hint: for example go_name: ValidateValue
10:22 name-collision: parameter "string" of key "k" would be String in Go, which is a method that is generated as well; give it a go_name:
  hint: for example params: {string: {go_name: StringValue}}
10:51 name-collision: the prefix of parameter "p" of key "k" in filters and parameter "p_prefix" of key "k" would both be PPrefix in Go
  hint: give one of them another name in Go: params: {p: {go_name: Other}}
  shop.kv.yaml:10:40: parameter "p_prefix" of key "k" is here
`},
		"accessors of shared keys": {`
buckets:
  orders: {keys: {order: {pattern: order, value: int}}}
  eu: {mirror: {bucket: orders, domain: eu}, keys_from: orders}
  other: {keys: {eu_order: {pattern: a, value: int}}}
`, `
6:18 name-collision: key "eu_order" of bucket "other" and the accessor of key "order" in bucket "eu" would both be EuOrderKV in Go
  hint: give one of them another name in Go with go_name: or all keys of a bucket with go_prefix:
  shop.kv.yaml:5:3: the accessor of key "order" in bucket "eu" is here
`},
		"schemas of one folder": {`
# file: a.kv.yaml
buckets:
  orders: {keys: {order: {pattern: a, value: int}}}
# file: b.kv.yaml
types:
  OpenOrders: {fields: {id: int}}
`, `
4:3 name-collision: type "OpenOrders" and bucket "orders" would both be OpenOrders in Go
  hint: give one of them another name in Go with go_name:
  a.kv.yaml:4:3: bucket "orders" is here
`},
		"what does not collide": {`
types:
  OrdersTxn: {fields: {id: int}}
  OrdersParams: {fields: {id: int}}
  LogCache: {fields: {id: OrdersTxn, other: OrdersParams}}
buckets:
  orders: {keys: {log: {pattern: a, value: LogCache, access: write}}}
  orders_2: {go_prefix: Second, keys: {log: {pattern: a, value: int}}}
`, ""},
	} {
		t.Run(name, func(t *testing.T) { expect(t, test.text, test.want) })
	}
}

func TestGoNamesAndPrefixesAreExportedIdentifiers(t *testing.T) {
	expect(t, `
types:
  A: {go_name: a-b, fields: {x: {type: int, go_name: x}, y: {type: int, go_name: "1y"}}}
  E: {enum: [{value: a, go_name: a b}]}
buckets:
  b: {go_prefix: eu, keys: {k: {pattern: "{e:E}", value: A, go_name: type}}}
`, `
4:16 invalid-go-name: go_name "a-b" of type "A" is not an exported Go identifier
  hint: write "AB"
4:54 invalid-go-name: go_name "x" of field "x" is not an exported Go identifier
  hint: write "X"
4:82 invalid-go-name: go_name "1y" of field "y" is not an exported Go identifier
  hint: begin with a capital letter, and go on with letters and digits
5:34 invalid-go-name: go_name "a b" of the word "a" cannot be part of a Go identifier
  hint: write "AB"
7:18 invalid-go-name: go_prefix "eu" cannot begin exported names in Go
  hint: write "Eu"
7:70 invalid-go-name: go_name "type" of key "k" is not an exported Go identifier
  hint: write "Type"
`)
}

func TestNamesInGoFollowNameGoNameAndPrefix(t *testing.T) {
	files, diags := check(`
buckets:
  orders_eu:
    name: "ORDERS_{data_center}"
    go_prefix: Eu
    keys:
      api_key: {pattern: "a.{user_id}", params: {user_id: {go_name: Owner}}, value: int}
      total: {pattern: b, value: int, go_name: Sum}
`)
	if len(diags) > 0 {
		t.Fatal(findings(diags))
	}
	b := files[0].Buckets[0]
	got := []string{b.GoName, b.NameParts[1].Param.GoName, b.Keys[0].GoName, b.Keys[0].FieldName, b.Keys[0].Params()[0].GoName, b.Keys[1].GoName, b.Keys[1].FieldName}
	if want := "OrdersEu DataCenter EuAPIKey APIKey Owner EuSum Sum"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
