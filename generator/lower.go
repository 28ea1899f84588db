// Lower: from a checked schema to the intermediate representation. Everything is decided here.

package generator

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

// lowerer is the state of lowering one schema.
type lowerer struct {
	file      *schema.File
	types     *GoTypes
	validates map[*schema.Type]bool // types that have something to check
	packages  map[string]string     // imported packages of the user's: name by import path
	ops       map[ability]abilityOps
}

// lower turns a checked schema without errors into the representation of its files.
func lower(file *schema.File, types *GoTypes) unit {
	l := &lowerer{file: file, types: types, packages: map[string]string{}, ops: map[ability]abilityOps{}}
	l.validates = schema.ValidatingTypes(file)
	base := file.Path[strings.LastIndexByte(file.Path, '/')+1:]
	u := unit{
		Source:      base,
		Package:     file.Package.Value,
		GoPath:      types.self,
		Description: file.Description.Value,
		ValuesFile:  file.Name + ".kv.go",
	}
	for _, t := range file.Types {
		u.Types = append(u.Types, l.valueType(t))
	}
	filtered := l.filteredKeys()
	for _, b := range file.Buckets {
		u.Buckets = append(u.Buckets, l.bucket(b, filtered))
	}
	u.Imports = nameImports(l.packages)
	return u
}

// builtin is the Go type of a type that the language has by itself.
func builtin(name string) typeRef {
	ref := typeRef{Kind: builtinType, Name: name, GoName: name}
	switch name {
	case "bytes":
		ref.GoName = "[]byte"
	case "time":
		ref.GoPath, ref.GoName = "time", "Time"
	case "duration":
		ref.GoPath, ref.GoName = "time", "Duration"
	case "json":
		ref.GoPath, ref.GoName = "encoding/json", "RawMessage"
	}
	return ref
}

// typeRef is the Go type of an expression.
func (l *lowerer) typeRef(e *schema.TypeExpr) typeRef {
	switch e.Kind {
	case schema.ListExpr, schema.MapExpr, schema.PointerExpr:
		elem := l.typeRef(e.Elem)
		kind := listType
		switch e.Kind {
		case schema.MapExpr:
			kind = mapType
		case schema.PointerExpr:
			kind = pointerType
			if elem.Kind == pointerType {
				return elem // a message is a pointer already
			}
		}
		return typeRef{Kind: kind, Elem: &elem}
	case schema.NamedExpr:
		ref := typeRef{Kind: declaredType, Name: e.Named.Name.Value, GoName: e.Named.GoName}
		if e.Named.Kind == schema.GoType {
			return l.message(e.Named.Go, ref)
		}
		return ref
	case schema.GoExpr:
		return l.message(e.Go, l.external(e.Go))
	}
	return builtin(e.Builtin)
}

// message makes a pointer of a protocol buffer message, which may not be copied.
func (l *lowerer) message(goRef *schema.GoRef, ref typeRef) typeRef {
	if g := l.types.lookup(goRef); g != nil && isProto(g.obj.Type()) {
		return typeRef{Kind: pointerType, Elem: &ref}
	}
	return ref
}

// external is an existing Go type.
func (l *lowerer) external(goRef *schema.GoRef) typeRef {
	l.use(goRef)
	return typeRef{Kind: externalType, Name: goRef.Text.Value, GoPath: goRef.ImportPath, GoName: goRef.Name}
}

// use imports the package of a Go type or value.
func (l *lowerer) use(goRef *schema.GoRef) {
	if g := l.types.lookup(goRef); g != nil && g.pkgPath != l.types.self {
		l.packages[g.pkgPath] = g.pkgName
	}
}

// valueType is a type that the schema declares.
func (l *lowerer) valueType(t *schema.Type) valueType {
	v := valueType{Name: t.Name.Value, GoName: t.GoName, Description: t.Description.Value, Validates: l.validates[t]}
	switch t.Kind {
	case schema.GoType:
		v.Form, v.Alias, v.Validates = aliasForm, l.external(t.Go), false
	case schema.EnumType:
		v.Form, v.Validates = enumForm, false
		for _, w := range t.Words {
			v.Words = append(v.Words, word{Value: w.Value.Value, GoName: t.GoName + w.GoName, Description: w.Description.Value})
		}
	default:
		for _, f := range t.Fields {
			v.Fields = append(v.Fields, l.field(f))
			if f.Constraints.Pattern.IsSet() {
				v.Patterns = append(v.Patterns, fieldPattern{f.GoName, f.Constraints.Pattern.Value})
			}
		}
	}
	return v
}

func (l *lowerer) field(f *schema.Field) field {
	ref := l.typeRef(f.Type)
	out := field{
		Name: f.Name.Value, GoName: f.GoName, Wire: f.Wire.Value, Optional: f.Optional,
		Type: ref, Description: f.Description.Value, Checks: l.checks(f, ref),
	}
	if f.Optional && ref.Kind != pointerType {
		out.Type = typeRef{Kind: pointerType, Elem: &ref}
	}
	return out
}

// filteredKeys returns the keys that some bucket of the file lists or watches.
func (l *lowerer) filteredKeys() map[*schema.Key]bool {
	filtered := map[*schema.Key]bool{}
	for _, b := range l.file.Buckets {
		for _, k := range b.AllKeys() {
			if len(k.Params()) > 0 && b.AccessTo(k) != schema.WriteOnly {
				filtered[k] = true
			}
		}
	}
	return filtered
}

func (l *lowerer) bucket(b *schema.Bucket, filtered map[*schema.Key]bool) bucketUnit {
	u := bucketUnit{
		Name: b.Name.Value, GoName: b.GoName, File: l.file.Name + "." + b.Name.Value + ".kv.go",
		ServerName: b.ServerName.Value, Description: b.Description.Value, Settings: l.settings(b),
	}
	for _, part := range b.NameParts {
		if p := part.Param; p != nil {
			u.Params = append(u.Params, bucketParam{p.Name.Value, p.GoName, p.Description.Value})
		}
	}
	for _, k := range b.Keys {
		u.Keys = append(u.Keys, l.key(k, filtered[k]))
	}
	for _, k := range b.AllKeys() {
		u.Accessors = append(u.Accessors, l.accessor(b, k))
	}
	return u
}

func (l *lowerer) settings(b *schema.Bucket) settings {
	s := settings{
		Description:    b.Description.Value,
		History:        b.History.Value,
		Replicas:       b.Replicas.Value,
		TTL:            b.TTL.Value,
		LimitMarkerTTL: b.LimitMarkerTTL.Value,
		MaxValueSize:   b.MaxValueSize.Value,
		MaxBytes:       b.MaxBytes.Value,
		Transactions:   b.Transactions.Value,
		Linearizable:   b.Linearizable.Value,
	}
	if b.Storage.IsSet() {
		s.Storage = "file"
		if b.Storage.Value == schema.MemoryStorage {
			s.Storage = "memory"
		}
	}
	if b.Compression.IsSet() {
		s.Compression = &b.Compression.Value
	}
	if p := b.Placement; p != nil {
		s.Placement = &placement{p.Cluster.Value, textValues(p.Tags)}
	}
	if r := b.Republish; r != nil {
		s.Republish = &republish{r.Source.Value, r.Destination.Value, r.HeadersOnly}
	}
	for _, m := range b.Metadata {
		s.Metadata = append(s.Metadata, metadata{m.Key.Value, m.Value.Value})
	}
	slices.SortFunc(s.Metadata, func(a, b metadata) int { return strings.Compare(a.Key, b.Key) })
	if m := b.Mirror; m != nil {
		s.Mirror = &mirror{m.Bucket.Value, m.Domain.Value, m.APIPrefix.Value}
	}
	for _, src := range b.Sources {
		out := source{Bucket: src.Bucket.Value, Stream: src.Stream.Value, Filter: src.Filter.Value, Domain: src.Domain.Value, APIPrefix: src.APIPrefix.Value}
		for _, t := range src.Transforms {
			out.Transforms = append(out.Transforms, transform{t.Source.Value, t.Destination.Value})
		}
		s.Sources = append(s.Sources, out)
	}
	for _, k := range b.AllKeys() {
		if (k.TTL.Value != 0 || k.TTLOptional) && b.AccessTo(k) != schema.ReadOnly {
			s.KeyTTL = true
		}
	}
	return s
}

func textValues(texts []schema.Text) []string {
	var out []string
	for _, t := range texts {
		out = append(out, t.Value)
	}
	return out
}

func (l *lowerer) key(k *schema.Key, filtered bool) keyType {
	out := keyType{
		Name: k.Name.Value, GoName: k.GoName, Pattern: k.Pattern.Text.Value, Plain: k.Plain,
		Description: k.Description.Value, Value: l.typeRef(k.Value), Validate: l.nested(k.Value),
		TTL: k.TTL.Value, Filtered: filtered,
	}
	out.Codec = l.codec(k)
	for _, t := range k.Pattern.Tokens {
		switch last := len(out.Parts) - 1; {
		case t.Param != nil:
			out.Parts = append(out.Parts, part{Param: len(out.Params), Prefix: t.Prefix, Suffix: t.Suffix})
			out.Params = append(out.Params, l.param(t.Param))
		case last >= 0 && out.Parts[last].Literal != "":
			out.Parts[last].Literal += "." + t.Literal
		default:
			out.Parts = append(out.Parts, part{Literal: t.Literal})
		}
	}
	return out
}

func (l *lowerer) param(p *schema.Param) keyParam {
	out := keyParam{Name: p.Name.Value, GoName: p.GoName, Description: p.Description.Value}
	out.Type = typeRef{Kind: builtinType, Name: p.Builtin, GoName: p.Builtin}
	switch p.Kind {
	case schema.ParamString:
		out.Codec, out.Type.GoName = paramString, "string"
	case schema.ParamInt, schema.ParamUint:
		out.Codec = paramInt
		if p.Kind == schema.ParamUint {
			out.Codec = paramUint
		}
		_, _ = fmt.Sscanf(strings.TrimLeft(p.Builtin, "uint"), "%d", &out.Bits)
	case schema.ParamBool:
		out.Codec, out.Type.GoName = paramBool, "bool"
	case schema.ParamUUID:
		out.Codec, out.Type.GoPath, out.Type.GoName = paramText, "github.com/google/uuid", "UUID"
	case schema.ParamDate:
		out.Codec, out.Type.GoPath, out.Type.GoName = paramDate, runtimePath, "Date"
	case schema.ParamPath:
		out.Codec, out.Type.GoPath, out.Type.GoName = paramPath, runtimePath, "Path"
	case schema.ParamEnum:
		out.Codec, out.Type = paramEnum, typeRef{Kind: declaredType, Name: p.Enum.Name.Value, GoName: p.Enum.GoName}
	case schema.ParamGo:
		out.Codec, out.Type = paramText, l.external(p.Go)
		if g := l.types.lookup(p.Go); g != nil {
			out.ByPointer = !hasCoding(g.obj.Type(), "MarshalText", false)
		}
	}
	if out.Type.Name == "" {
		out.Type.Name = out.Type.GoName
	}
	return out
}

func (l *lowerer) codec(k *schema.Key) codec {
	switch kind := l.types.codecKind(k); kind {
	case schema.CodecGo:
		l.use(k.Codec.Go)
		return codec{codecCustom, k.Codec.Go.ImportPath, k.Codec.Go.Name}
	case schema.CodecBinary:
		return codec{Kind: codecBinary}
	case schema.CodecProto:
		return codec{Kind: codecProto}
	case schema.CodecRaw:
		if k.Value.Kind == schema.BuiltinExpr && k.Value.Builtin == "json" {
			return codec{Kind: codecRawJSON}
		}
		return codec{Kind: codecRaw}
	case schema.CodecText:
		return codec{Kind: textCodec(k.Value)}
	}
	return codec{Kind: codecJSON}
}

// textCodec is the runtime's text codec for a value.
func textCodec(e *schema.TypeExpr) codecKind {
	switch {
	case e.Kind == schema.NamedExpr && e.Named.Kind == schema.EnumType:
		return codecTextString
	case e.Kind != schema.BuiltinExpr:
		return codecText
	}
	switch name := e.Builtin; {
	case name == "bool":
		return codecTextBool
	case strings.HasPrefix(name, "int"):
		return codecTextInt
	case strings.HasPrefix(name, "uint"):
		return codecTextUint
	case strings.HasPrefix(name, "float"):
		return codecTextFloat
	case name == "time":
		return codecTextTime
	case name == "duration":
		return codecTextDuration
	}
	return codecTextString
}

// reserved are the names that generated files use themselves, by import path or as local variables.
var reserved = map[string]string{
	"context": "context", "encoding/json": "json", "errors": "errors", "fmt": "fmt", "iter": "iter", "reflect": "reflect",
	"regexp": "regexp", "time": "time", "unicode/utf8": "utf8",
	"github.com/google/uuid":               "uuid",
	"github.com/nats-io/nats.go/jetstream": "jetstream",
	runtimePath:                            "kvrt",
	runtimePath + "/codec/proto":           "protocodec",
}

// locals are the variables and parameters of generated functions, and what Go declares for all.
var locals = strings.Fields(`a b created ctx d e entry err f filter fn i j js k key l m opts params revision tx v value x y z
	any append bool byte cap clear close comparable complex complex128 complex64 copy delete error false float32 float64
	imag int int16 int32 int64 int8 iota len make max min new nil panic print println real recover rune string true
	uint uint16 uint32 uint64 uint8 uintptr`)

// nameImports gives each imported package a name of its own: the package's, or one with the path
// element before it when that is taken.
func nameImports(packages map[string]string) []importName {
	taken := map[string]bool{}
	for _, name := range locals {
		taken[name] = true
	}
	for _, name := range reserved {
		taken[name] = true
	}
	var out []importName
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		if name, ok := reserved[path]; ok && name == packages[path] {
			continue
		}
		name := packages[path]
		elems := strings.Split(path, "/")
		for i := len(elems) - 2; taken[name] && i >= 0; i-- {
			name = identifier(elems[i]) + name
		}
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		out = append(out, importName{path, name, name != assumedName(path)})
	}
	for path, name := range reserved {
		out = append(out, importName{path, name, name != assumedName(path)})
	}
	slices.SortFunc(out, func(a, b importName) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// identifier keeps of a path element what a Go identifier in lower case may have.
func identifier(elem string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, elem)
}

// assumedName is the package name that goimports expects of an import path.
func assumedName(path string) string {
	elems := strings.Split(path, "/")
	base := elems[len(elems)-1]
	if len(elems) > 1 && len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = elems[len(elems)-2]
	}
	base = strings.TrimPrefix(base, "go-")
	if i := strings.IndexFunc(base, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r >= 0x80)
	}); i >= 0 {
		base = base[:i]
	}
	return base
}
