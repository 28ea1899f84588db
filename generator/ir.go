// The intermediate representation: what will be generated, with every name, type and operation
// decided. The emitter prints it. Plain values; nothing here refers to the schema it came from.
// Names that belong to Go only are called Go…; patterns, types, codecs and operations are data that
// another language's emitter can read as well.

package generator

import "time"

// unit is everything that one schema becomes.
type unit struct {
	Source      string       // "shop.kv.yaml"
	Package     string       // "shop"
	GoPath      string       // import path of the package: "example.org/app/shop"; empty when nothing needed it
	Description string       // "Orders and their totals."
	ValuesFile  string       // "shop.kv.go"
	Types       []valueType  // in the order of the schema
	Buckets     []bucketUnit // in the order of the schema
	Imports     []importName // sorted by path; the files import those they use
}

// importName says what an imported package is called in the files of a unit.
type importName struct {
	Path     string // "github.com/acme/money"
	Name     string // identifier in the file: "money"
	Explicit bool   // spelt out in the import: the name is an alias, or cannot be seen from the path
}

// typeKind is the form of a type.
type typeKind int

const (
	builtinType  typeKind = iota // string, int64, time, …
	declaredType                 // declared by the schema
	externalType                 // an existing Go type
	listType
	mapType // keys are strings
	pointerType
)

// typeRef is the type of a value, a field or a parameter.
type typeRef struct {
	Kind   typeKind
	Name   string   // as schemas spell it: "uint64", "duration", "Order", "github.com/acme/money.Amount"
	GoPath string   // import path of GoName; empty if it needs no qualifier: "time"
	GoName string   // "uint64", "Duration", "Order", "Amount"
	Elem   *typeRef // of lists, maps and pointers
}

// valueForm is the form of a declared type.
type valueForm int

const (
	structForm valueForm = iota
	enumForm
	aliasForm // another name of an existing Go type
)

// valueType is a type that the schema declares.
type valueType struct {
	Name        string    // "Order"
	GoName      string    // "Order"
	Description string    // "A customer's order."
	Form        valueForm // structForm
	Fields      []field
	Words       []word
	Alias       typeRef // aliasForm: the existing type
	Validates   bool    // it has a Validate method
	Patterns    []fieldPattern
}

// field is a field of a struct.
type field struct {
	Name        string  // as errors call it: "placed_at"
	GoName      string  // "PlacedAt"
	Wire        string  // in JSON: "placed_at"
	Optional    bool    // absent from JSON when nil
	Type        typeRef // optional fields are pointers
	Description string
	Checks      []check // in the order in which they run
}

// fieldPattern is a regular expression that a field's value has to match.
type fieldPattern struct {
	GoName string // of the field: "Sku"
	Regexp string // "^[A-Z]+$"
}

// checkKind is what a check looks at.
type checkKind int

const (
	checkRequired checkKind = iota // not the zero value
	checkMin
	checkMax
	checkMinLen
	checkMaxLen
	checkPattern
	checkNested // enums are known words, structs are valid, at any depth
)

// zeroTest is the way to see whether a value is the zero value of its type.
type zeroTest int

const (
	zeroNil     zeroTest = iota // == nil
	zeroString                  // == ""
	zeroNumber                  // == 0
	zeroBool                    // == false
	zeroTime                    // IsZero()
	zeroReflect                 // through package reflect
)

// check is one condition that a field's value has to meet.
type check struct {
	Kind     checkKind
	Zero     zeroTest // checkRequired
	Deref    bool     // the value is behind a pointer, which is skipped when nil
	Limit    string   // checkMin, checkMax: a literal of the type, durations in nanoseconds: "0", "1.5"
	Length   int      // checkMinLen, checkMaxLen
	Duration bool     // Limit is a duration
	Runes    bool     // the length is that of a string, in runes
	Regexp   string   // checkPattern: for the message
	Nested   *nested  // checkNested
}

// nested is the way down to the parts of a value that check themselves.
type nested struct {
	Kind   nestedKind
	Elem   *nested // of lists, maps and pointers
	GoName string  // of the enum or struct: "Status"
}

type nestedKind int

const (
	nestedEnum nestedKind = iota
	nestedStruct
	nestedList
	nestedMap
	nestedPointer
)

// word is one value of an enum.
type word struct {
	Value       string // "n/a"
	GoName      string // of the constant: "StatusNotAvailable"
	Description string
}

// bucketUnit is one bucket with its keys: one file.
type bucketUnit struct {
	Name        string        // in the schema: "orders"
	GoName      string        // "Orders"
	File        string        // "shop.orders.kv.go"
	ServerName  string        // "ORDERS", "SESSIONS_{env}"
	Params      []bucketParam // of the server's name
	Description string
	Settings    settings
	Keys        []keyType  // those that this bucket declares
	Accessors   []accessor // one for each key of the bucket, declared here or by its origin
}

// bucketParam is a parameter of a bucket's name.
type bucketParam struct {
	Name        string // "env"
	GoName      string // "Env"
	Description string
}

// settings are the bucket's settings; the zero value of one is not named by the schema.
type settings struct {
	Description    string
	History        int           // 10
	Storage        string        // "file", "memory"
	Replicas       int           // 3
	TTL            time.Duration // 72h
	LimitMarkerTTL time.Duration // 1h
	KeyTTL         bool          // a key that can be written carries a TTL of its own
	MaxValueSize   int64         // 65536
	MaxBytes       int64         // 1073741824
	Compression    *bool
	Placement      *placement
	Republish      *republish
	Metadata       []metadata // sorted by key
	Transactions   bool
	Linearizable   bool
	Mirror         *mirror
	Sources        []source
}

type placement struct {
	Cluster string   // "east"
	Tags    []string // "ssd"
}

type republish struct {
	Source      string // ">"
	Destination string // "repub.orders.>"
	HeadersOnly bool
}

type metadata struct{ Key, Value string } // "team", "checkout"

type mirror struct{ Bucket, Domain, APIPrefix string } // "ORDERS", "eu", ""

type source struct {
	Bucket, Stream, Filter, Domain, APIPrefix string
	Transforms                                []transform
}

type transform struct{ Source, Destination string }

// keyType is one key pattern with everything that is declared once for it.
type keyType struct {
	Name        string // "order"
	GoName      string // "Order": OrderKey, OrderFilter, OrderEntry, OrderEvent, ParseOrderKey
	Pattern     string // "order.{tenant}.{id:uint64}"
	Plain       bool   // parameters are not escaped
	Parts       []part // pieces of the pattern, in order
	Params      []keyParam
	Description string
	Value       typeRef
	Codec       codec
	Validate    *nested       // what of a value checks itself; nil for nothing
	TTL         time.Duration // of every write: 30m; 0 for none
	Filtered    bool          // some accessor of the package lists or watches by filter
}

// part is a piece of a pattern: one or more literal tokens, or a parameter.
type part struct {
	Literal string // "order", "a.b"
	Param   int    // index in Params when Literal is empty
	Prefix  string // "user-"
	Suffix  string
}

// paramCodec is the way a parameter is written in a key.
type paramCodec string

const (
	paramString paramCodec = "String"
	paramInt    paramCodec = "Int"
	paramUint   paramCodec = "Uint"
	paramBool   paramCodec = "Bool"
	paramDate   paramCodec = "Date"
	paramPath   paramCodec = "Path"
	paramEnum   paramCodec = "Enum"
	paramText   paramCodec = "Text" // through the type's text form
)

// keyParam is a parameter of a key pattern.
type keyParam struct {
	Name        string // "id"
	GoName      string // "ID"
	Description string
	Codec       paramCodec
	Type        typeRef // uint64
	Bits        int     // of numbers: 32, 64; 0 for the machine's word
	ByPointer   bool    // paramText: only a pointer to the type has the methods
}

// codecKind is how a value is turned into bytes.
type codecKind string

const (
	codecJSON         codecKind = "JSON"
	codecRaw          codecKind = "Raw"
	codecRawJSON      codecKind = "RawJSON"
	codecTextBool     codecKind = "TextBool"
	codecTextInt      codecKind = "TextInt"
	codecTextUint     codecKind = "TextUint"
	codecTextFloat    codecKind = "TextFloat"
	codecTextString   codecKind = "TextString"
	codecTextTime     codecKind = "TextTime"
	codecTextDuration codecKind = "TextDuration"
	codecText         codecKind = "TextMarshaler"
	codecBinary       codecKind = "Binary"
	codecProto        codecKind = "Proto"
	codecCustom       codecKind = "custom"
)

// codec is the codec of a key's values.
type codec struct {
	Kind   codecKind // "JSON"
	GoPath string    // codecCustom: import path of the value; empty for the package itself
	GoName string    // codecCustom: "Session"
}

// accessor gives access to the keys of one pattern in one bucket.
type accessor struct {
	GoName    string // "OrderKV", "OrdersEuOrderKV"
	FieldName string // in the bucket struct: "Order"
	Bucket    string // "ORDERS"
	Key       string // GoName of the key: "Order"
	Pattern   string // "order.{tenant}.{id:uint64}"
	Singleton bool   // the pattern has no parameter
	Text      string // the key's description
	Value     typeRef
	Ops       []operation
	CacheName string      // "OrderCache"; empty where the key cannot be read
	TxnName   string      // in transactions: "OrderTxnKV"; empty where the bucket has none
	TxnOps    []operation // without context
}

// argument is a parameter of an operation, after the context.
type argument int

const (
	argKey      argument = iota
	argKeys              // in a slice
	argKeySeq            // keys in a sequence
	argEntrySeq          // keys with values in a sequence
	argFilter
	argValue
	argRevision
	argModify // changes an entry
	argMake   // makes a value
)

// result is what an operation gives, apart from an error.
type result int

const (
	resultEntry     result = iota
	resultEntryMap         // entries by key
	resultDone             // nothing but an error
	resultWritten          // number of entries, named in the signature
	resultKeys             // sequence of keys
	resultEntries          // sequence of entries
	resultCount            // number of keys
	resultWatcher          // of the key's events
	resultCache            // local copy
	resultEvent            // of one revision
	resultEvents           // all revisions
	resultRevision         // of the write, named in the signature
	resultRevised          // of the write
	resultEntryMade        // entry, and whether this call created it
)

// operation is one method of an accessor: it makes one call of the runtime.
type operation struct {
	Name    string // "Get"
	Doc     string // "Get returns …"
	Args    []argument
	Options string // variadic options: "ReadOption"; empty for none
	Result  result
	Call    string // of the runtime's KV: "Get"
	Func    bool   // Call is a function with the KV as its second argument, which is compiled where it is used only
	Pass    []argument
}
