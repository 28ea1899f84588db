// The checked model of a schema: what Load reads, Check completes, and the generator lowers.
// Values only; nothing here refers to the YAML library.

package schema

import "time"

// Pos is a place in a schema file. Lines and columns start at 1, columns count runes.
type Pos struct {
	Line      int
	Column    int
	EndColumn int // exclusive; equal to Column when nothing is to be underlined
}

// Text is a scalar of the file with its place. The zero Text stands for an absent field.
type Text struct {
	Value string
	Pos   Pos
}

// IsSet reports whether the file gives the field.
func (t Text) IsSet() bool { return t.Pos.Line > 0 }

// Setting is an optional value of the file with the place of its scalar.
type Setting[T any] struct {
	Value T
	Pos   Pos
}

// IsSet reports whether the file gives the setting.
func (s Setting[T]) IsSet() bool { return s.Pos.Line > 0 }

// File is one schema file, which describes one generated Go package.
type File struct {
	Path        string // as diagnostics show it, slash-separated: "shop.kv.yaml", "internal/kv/shop.kv.yaml"
	Name        string // file name before .kv.yaml, first part of every output file's name: "shop"
	Source      []byte // the text, for rendering diagnostics
	Package     Text   // Go package name: "shop"
	Description Text
	Types       []*Type   // in the order of the file
	Buckets     []*Bucket // in the order of the file

	ignores map[ignore]bool // kvgen:ignore comments
}

// TypeKind says which of the three forms a declared type has.
type TypeKind int

const (
	StructType TypeKind = iota // fields:
	EnumType                   // enum:
	GoType                     // go:
)

// Type is an entry of `types`.
type Type struct {
	Name        Text   // map key: "Order"
	GoName      string // "Order"
	GoNameGiven Text   // go_name, if given
	Description Text
	Kind        TypeKind
	Fields      []*Field // StructType, in the order of the file
	Words       []*Word  // EnumType, in the order of the file
	Go          *GoRef   // GoType
}

// Field is a field of a struct type.
type Field struct {
	Name        Text   // map key: "placed_at"
	GoName      string // "PlacedAt"
	GoNameGiven Text
	Wire        Text // name in JSON; Value is always set, Pos is that of `json:` or of the name
	Type        *TypeExpr
	Optional    bool // pointer in Go, omitted when nil
	Description Text
	Constraints Constraints
}

// Constraints limit a field's values; a zero Setting is no limit.
type Constraints struct {
	Min      Setting[string] // canonical Go literal of the field's type: "0", "1.5"; for durations nanoseconds
	Max      Setting[string]
	MinLen   Setting[int]
	MaxLen   Setting[int]
	Pattern  Setting[string] // RE2, not anchored
	Required Setting[bool]
}

// Any reports whether at least one constraint is in force.
func (c Constraints) Any() bool {
	return c.Min.IsSet() || c.Max.IsSet() || c.MinLen.IsSet() || c.MaxLen.IsSet() || c.Pattern.IsSet() || c.Required.Value
}

// Word is one value of an enum.
type Word struct {
	Value       Text   // as stored: "n/a"
	GoName      string // suffix of the constant: "NotAvailable" of StatusNotAvailable
	GoNameGiven Text
	Description Text
}

// ExprKind is the form of a type expression.
type ExprKind int

const (
	BuiltinExpr ExprKind = iota // string, int64, time, json, …
	NamedExpr                   // a name under `types`
	ListExpr                    // []T
	MapExpr                     // map[string]T
	PointerExpr                 // *T
	GoExpr                      // import/path.Name
)

// TypeExpr is a type as written for a value, a field or an element.
type TypeExpr struct {
	Text    Text // "[]Line", with the place of this part
	Kind    ExprKind
	Builtin string    // BuiltinExpr: one of the names of the value table
	Named   *Type     // NamedExpr, after Check; nil if the name is unknown
	Elem    *TypeExpr // ListExpr, MapExpr, PointerExpr
	Go      *GoRef    // GoExpr
}

// GoRef names a Go type or value of the user's.
type GoRef struct {
	Text       Text   // "github.com/acme/money.Amount"
	ImportPath string // "github.com/acme/money"
	Name       string // "Amount"
}

// Access says what an application does with a key.
type Access int

const (
	ReadWrite Access = iota
	ReadOnly
	WriteOnly
)

// Storage is where the server keeps a bucket.
type Storage int

const (
	FileStorage Storage = iota
	MemoryStorage
)

// Bucket is an entry of `buckets`.
type Bucket struct {
	Name        Text   // map key: "orders"; part of the output's file name
	GoName      string // "Orders"
	GoNameGiven Text
	GoPrefix    Text // precedes every Go name of its keys
	ServerName  Text // bucket on the server, parameters in braces: "SESSIONS_{env}"; Value is always set
	NameParts   []NamePart
	Description Text

	History        Setting[int]
	Storage        Setting[Storage]
	Replicas       Setting[int]
	TTL            Setting[time.Duration]
	LimitMarkerTTL Setting[time.Duration]
	MaxValueSize   Setting[int64] // bytes
	MaxBytes       Setting[int64] // bytes
	Compression    Setting[bool]
	Placement      *Placement
	Republish      *Republish
	Metadata       []MetadataEntry // in the order of the file
	Transactions   Setting[bool]
	Linearizable   Setting[bool]
	Mirror         *Mirror
	Sources        []*Source
	Access         Setting[Access] // default of its keys

	Keys         []*Key  // its own, in the order of the file; of the origin's for KeysFrom, see AllKeys
	KeysFromName Text    // keys_from
	KeysFrom     *Bucket // after Check
}

// NamePart is a piece of a bucket's server name: a literal or a parameter.
type NamePart struct {
	Literal string // "SESSIONS_"
	Param   *BucketParam
}

// BucketParam is a parameter of a bucket's name.
type BucketParam struct {
	Name        Text   // "env"
	GoName      string // "Env"
	GoNameGiven Text   // params: {env: {go_name: …}} on the bucket
	Description Text
}

// Placement is the `placement` of a bucket.
type Placement struct {
	Cluster Text
	Tags    []Text
}

// Republish is the `republish` of a bucket.
type Republish struct {
	Source      Text // key pattern within the bucket: ">"
	Destination Text // "repub.orders.>"
	HeadersOnly bool
}

// MetadataEntry is one pair of `metadata`.
type MetadataEntry struct {
	Key   Text
	Value Text
}

// Mirror is the `mirror` of a bucket.
type Mirror struct {
	Bucket    Text
	Domain    Text
	APIPrefix Text
	Pos       Pos
}

// Source is one of the `sources` of a bucket: of another bucket, or of a stream with transforms.
type Source struct {
	Bucket     Text
	Stream     Text
	Filter     Text
	Domain     Text
	APIPrefix  Text
	Transforms []Transform
	Pos        Pos
}

// Transform maps subjects of a source.
type Transform struct {
	Source      Text
	Destination Text
}

// Key is an entry of `keys`: one pattern of a bucket and the type of its values.
type Key struct {
	Name        Text   // map key: "order"
	GoName      string // with the bucket's go_prefix: "Order", "EuOrder"
	FieldName   string // of the accessor in the bucket struct, without go_prefix: "Order"
	GoNameGiven Text
	Pattern     Pattern
	Description Text
	Value       *TypeExpr
	Codec       Codec
	Access      Access
	TTL         Setting[time.Duration] // Value is 0 for `ttl: optional`
	TTLOptional bool
	Plain       bool // escape: none

	accessGiven Pos // of `access` on the key itself; zero when the bucket's holds
}

// Params returns the pattern's parameters in order.
func (k *Key) Params() []*Param {
	var out []*Param
	for i := range k.Pattern.Tokens {
		if p := k.Pattern.Tokens[i].Param; p != nil {
			out = append(out, p)
		}
	}
	return out
}

// CodecKind is how a value is turned into bytes.
type CodecKind int

const (
	CodecDefault CodecKind = iota // by type; resolved before emission
	CodecJSON
	CodecText
	CodecRaw
	CodecBinary
	CodecProto
	CodecGo // {go: import/path.Name}
)

// Codec is the `codec` of a key.
type Codec struct {
	Kind CodecKind // CodecDefault only while the value is a Go type that is not resolved yet
	Pos  Pos       // zero when the file does not give it
	Go   *GoRef    // CodecGo
}

// Pattern is a key pattern, "order.{tenant}.{id:uint64}".
type Pattern struct {
	Text   Text
	Tokens []Token
}

// Token is one token of a pattern: a literal, or a parameter with optional literal prefix and suffix.
type Token struct {
	Literal string // "order"; empty if Param is set
	Prefix  string // "user-" of "user-{id}"
	Param   *Param
	Suffix  string
}

// ParamKind is the type of a key parameter.
type ParamKind int

const (
	ParamString ParamKind = iota
	ParamInt              // Builtin says which: int, int32, int64
	ParamUint             // uint, uint32, uint64
	ParamBool
	ParamUUID
	ParamDate
	ParamEnum // Enum
	ParamGo   // Go: comparable, encoding.TextMarshaler and TextUnmarshaler
	ParamPath // {x...}
)

// Param is a parameter of a pattern.
type Param struct {
	Name        Text   // "id"
	GoName      string // "ID"
	GoNameGiven Text
	Description Text
	Kind        ParamKind
	TypeText    Text   // as written: "uint64"; the zero Text if not given
	Builtin     string // ParamInt, ParamUint: "uint64"
	Enum        *Type  // ParamEnum
	Go          *GoRef // ParamGo
}
