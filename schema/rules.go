// The catalogue of rules: every diagnostic has the id of one of them.

package schema

import "slices"

// Rule describes a rule that schemas are checked by.
type Rule struct {
	ID          string
	Severity    Severity
	Summary     string
	Explanation string
	Bad, Good   string // lines of a schema
}

// Rules returns the catalogue, sorted by id.
func Rules() []Rule { return slices.Clone(rules) }

var rules = []Rule{
	{"codec-mismatch", Error, "A codec does not fit the type of its values.", "Each codec needs something of the type: text and binary need marshal methods, proto a generated message, raw a string or bytes, a custom codec the methods of kvrt.Codec. The message names what is missing.", "value: int64\ncodec: raw", "value: int64"},
	{"duplicate-field", Error, "A field is given twice.", "Of two values one would be ignored without a word.", "history: 5\nhistory: 6", "history: 5"},
	{"encoding", Error, "The file is not UTF-8.", "Schemas are UTF-8, with or without a byte order mark.", "", ""},
	{"even-replicas", Warning, "An even number of replicas.", "Four replicas survive the loss of as many servers as three.", "replicas: 4", "replicas: 3"},
	{"exclusive-fields", Error, "Fields that exclude each other.", "Only one of them can be in force.", "mirror: {bucket: A}\nsources: [{bucket: B}]", "mirror: {bucket: A}"},
	{"file-name", Error, "The file's name cannot be used for Go files.", "The name before .kv.yaml begins the names of the generated files. Go would leave out files whose names end in an operating system, an architecture or _test.", "shop_linux.kv.yaml", "shop.kv.yaml"},
	{"file-size", Error, "The file is larger than 4 MiB.", "Split the schema.", "", ""},
	{"go-type-invalid", Error, "A Go type cannot be used.", "It is generic, an interface, in a command or internal to another module.", "", ""},
	{"go-type-missing", Error, "A Go type or its package does not exist.", "Correct the path or add its module.", "", ""},
	{"go-type-unexported", Error, "A Go type is not exported.", "Generated code can name exported types only.", "", ""},
	{"history-range", Error, "history is outside 1 to 64.", "The server keeps 1 to 64 revisions of a key.", "history: 100", "history: 64"},
	{"history-ttl", Error, "A key has a ttl in a bucket that keeps history.", "When the newest value expires, the one before would come back.", "history: 5\nttl: 30m on a key", "history: 1"},
	{"invalid-bucket-name", Error, "The bucket's name on the server is not valid.", "It has letters, digits, - and _, and parameters separated by _.", `name: "A.B"`, `name: "A_{env}"`},
	{"invalid-constraint", Error, "A constraint does not fit its field.", "min and max are for numbers and durations, lengths for strings, bytes, lists and maps, pattern for strings.", "{type: bool, min: 1}", "{type: int64, min: 1}"},
	{"invalid-duration", Error, "A duration does not parse.", "Go syntax, or days.", "ttl: 3 days", "ttl: 3d"},
	{"invalid-go-name", Error, "A name is not an exported Go identifier.", "It begins with a capital letter.", "go_name: my-order", "go_name: MyOrder"},
	{"invalid-go-type", Error, "The name of a Go type is malformed.", "import/path.Name", "go: money", "go: github.com/acme/money.Amount"},
	{"invalid-name", Error, "A name of the schema is malformed.", "A letter, followed by letters, digits, _ and -.", "1st: string", "first: string"},
	{"invalid-package", Error, "package is not a Go package name.", "Lower-case letters and digits, and not a keyword.", "package: my-shop", "package: shop"},
	{"invalid-pattern", Error, "A key pattern is malformed.", "Tokens separated by dots; a token is a literal or one {parameter}.", `pattern: "a..b"`, `pattern: "a.{id}"`},
	{"invalid-size", Error, "A size does not parse.", "Bytes, alone or with a unit.", "max_bytes: 1 gig", "max_bytes: 1GiB"},
	{"invalid-wire-name", Error, "The name of a field in JSON cannot be used.", "encoding/json gives - and commas a meaning of their own and ignores names with quotes.", `json: "-"`, "json: SKU"},
	{"key-not-comparable", Error, "A parameter's type is not comparable.", "Key structs are map keys.", "", ""},
	{"key-too-long", Error, "Keys of the pattern are too long.", "A key has at most 1,024 bytes.", "", ""},
	{"keys-from", Error, "keys_from does not name a bucket with keys.", "It names another bucket of the same file that has keys.", "keys_from: orders_eu", "keys_from: orders"},
	{"kvgen-first", Error, "kvgen is not the first field.", "It tells the language version of what follows.", "package: shop\nkvgen: v1", "kvgen: v1\npackage: shop"},
	{"marker-ttl-missing", Error, "A key has a ttl in a bucket without limit_marker_ttl.", "The server takes a TTL for each key only in buckets that keep markers of expired keys.", "ttl: 30m on a key", "limit_marker_ttl: 1h on its bucket"},
	{"memory-without-max-bytes", Warning, "A bucket in memory without max_bytes.", "It can grow until the server has no memory left.", "storage: memory", "storage: memory\nmax_bytes: 64MiB"},
	{"mirror-setting", Error, "A setting that a mirror cannot have.", "A mirror is a read-only copy.", "mirror: {bucket: A}\ntransactions: true", "mirror: {bucket: A}"},
	{"missing-field", Error, "A field that is needed is missing.", "The message says which.", "", ""},
	{"name-collision", Error, "Two things get the same name in Go.", "Give one of them another go_name.", "", ""},
	{"package-mismatch", Error, "Schemas of one folder disagree on the package.", "A folder holds one Go package.", "", ""},
	{"pattern-overlap", Error, "Two patterns of a bucket match the same key.", "A key must belong to one pattern. The message gives an example.", "order.{a} and order.{b}", "order.{a} and total.{b}"},
	{"recursive-type", Error, "A type contains itself.", "It would have no end; put a pointer, list or map in between.", "Node: {fields: {next: Node}}", `Node: {fields: {next: "*Node"}}`},
	{"replicas-range", Error, "replicas is not 1, 3 or 5.", "2 and 4 are accepted with a warning.", "replicas: 7", "replicas: 3"},
	{"reserved-key", Error, "A pattern could make the key =kvgen.", "The runtime uses it for linearizable reads.", `pattern: "=kvgen"`, `pattern: "kvgen"`},
	{"token-affix", Warning, "A token has text before or after its parameter.", "The server can neither filter on such a token nor grant permissions by it.", "user-{id}", "user.{id}"},
	{"ttl-too-short", Error, "A ttl is below one second.", "The server's smallest TTL is a second.", "ttl: 10ms", "ttl: 1s"},
	{"type-form", Error, "A type is not exactly one of struct, enum and Go type.", "Give one of fields, enum and go.", "", ""},
	{"unknown-codec", Error, "There is no such codec.", "json, text, raw, binary, proto, or {go: import/path.Name}.", "codec: jsn", "codec: json"},
	{"unknown-field", Error, "There is no such field.", "The message suggests the one that may be meant.", "histroy: 5", "history: 5"},
	{"unknown-param", Error, "params names a parameter that the pattern does not have.", "", "", ""},
	{"unknown-param-type", Error, "There is no such parameter type.", "string, int, int32, int64, uint, uint32, uint64, bool, uuid, date, an enum of the file or a Go type.", "{id:unit64}", "{id:uint64}"},
	{"unknown-type", Error, "There is no such type.", "A type of the language, one under types, or a Go type.", "value: Ordr", "value: Order"},
	{"unknown-value", Error, "A value is not one of a closed set.", "The hint lists the set.", "storage: disk", "storage: file"},
	{"unknown-version", Error, "The language version is not known.", "kvgen: v1", "kvgen: v2", "kvgen: v1"},
	{"unused-type", Warning, "A type is declared and never used.", "Remove it, or use it.", "", ""},
	{"value-round-trip", Warning, "A Go value may not read back as it was written.", "encoding/json leaves out unexported fields and cannot restore interfaces.", "", ""},
	{"wrong-type", Error, "A value has the wrong form.", "The message says what is expected.", "history: [5]", "history: 5"},
	{"yaml-alias", Error, "A YAML alias.", "Schemas are read line by line.", "value: *Node", `value: "*Node"`},
	{"yaml-anchor", Error, "A YAML anchor.", "Share keys with keys_from.", "a: &x 1", "a: 1"},
	{"yaml-depth", Error, "YAML nested too deeply.", "", "", ""},
	{"yaml-document", Error, "A second YAML document.", "One file holds one schema.", "---", ""},
	{"yaml-merge", Error, "A YAML merge key.", "Share keys with keys_from.", "<<: {a: 1}", "a: 1"},
	{"yaml-syntax", Error, "The YAML cannot be read.", "An unquoted pattern or type is the usual cause.", `pattern: {a}.{b}`, `pattern: "{a}.{b}"`},
	{"yaml-tag", Error, "A YAML tag.", "", "!!int 5", "5"},
}

// Diag makes a diagnostic at a place of the file, with the severity of its rule.
func (f *File) Diag(rule string, pos Pos, message, hint string) Diagnostic {
	d := Diagnostic{Rule: rule, File: f.Path, Line: pos.Line, Column: pos.Column, EndColumn: pos.EndColumn, Message: message, Hint: hint}
	for i := range rules {
		if rules[i].ID == rule {
			d.Severity = rules[i].Severity
		}
	}
	return d
}
