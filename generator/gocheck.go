// Checks of Go types in their place: does a value fit its codec, can a parameter be part of a key,
// is a codec a codec of the key's values?

package generator

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

const (
	protoreflectPath = "google.golang.org/protobuf/reflect/protoreflect"
	runtimePath      = "github.com/kvgen/kvgen/runtime"
)

// checkFile checks the uses of Go types in the keys of a file.
func (r *resolver) checkFile(file *schema.File) {
	for _, b := range file.Buckets {
		for _, k := range b.Keys {
			for _, p := range k.Params() {
				r.checkParam(file, p)
			}
			r.checkValue(file, k)
		}
	}
}

// checkParam refuses a parameter type that is not comparable or has no text form.
func (r *resolver) checkParam(file *schema.File, p *schema.Param) {
	g := r.types.lookup(p.Go)
	if p.Kind != schema.ParamGo || g == nil {
		return
	}
	pos := p.TypeText.Pos
	if pos.Line == 0 {
		pos = p.Name.Pos
	}
	t := g.obj.Type()
	if !types.Comparable(t) {
		r.diags = append(r.diags, file.Diag("key-not-comparable", pos,
			fmt.Sprintf("%s cannot be a parameter of a key: it is %s, which Go cannot compare", g.String(), describe(t)),
			"use a comparable type, such as a string, a number, an array or a struct of them"))
		return
	}
	if missing := missingMethods(t, "MarshalText", "UnmarshalText"); len(missing) > 0 {
		r.diags = append(r.diags, file.Diag("codec-mismatch", pos,
			fmt.Sprintf("%s cannot be a parameter of a key: it has no method %s", g.String(), strings.Join(missing, ", and none ")),
			"a parameter's type implements encoding.TextMarshaler and encoding.TextUnmarshaler"))
	}
}

// checkValue refuses a codec that the value's type does not fit, and warns of what would get lost.
func (r *resolver) checkValue(file *schema.File, k *schema.Key) {
	if k.Value == nil {
		return
	}
	if k.Codec.Kind == schema.CodecGo {
		r.checkCustom(file, k)
		return
	}
	g, ref := r.types.valueObject(k.Value)
	if g == nil {
		if k.Codec.Kind == schema.CodecJSON {
			r.checkElements(file, k.Value)
		}
		return
	}
	t := g.obj.Type()
	pos := k.Codec.Pos
	if pos.Line == 0 {
		pos = ref.Text.Pos
	}
	mismatch := func(codec, lack, hint string) {
		r.diags = append(r.diags, file.Diag("codec-mismatch", pos, fmt.Sprintf("%s does not fit codec %s: %s", g.String(), codec, lack), hint))
	}
	switch kind := r.types.codecKind(k); kind {
	case schema.CodecText:
		if missing := missingMethods(t, "MarshalText", "UnmarshalText"); len(missing) > 0 {
			mismatch("text", "it has no method "+strings.Join(missing, ", and none "), "implement it, or use codec: json")
		}
	case schema.CodecBinary:
		if missing := missingMethods(t, "MarshalBinary", "UnmarshalBinary"); len(missing) > 0 {
			mismatch("binary", "it has no method "+strings.Join(missing, ", and none "), "implement it, or use codec: json")
		}
	case schema.CodecProto:
		if !isProto(t) {
			mismatch("proto", "it is no proto.Message, since it has no method ProtoReflect", "name a type that protoc-gen-go generated")
		}
	case schema.CodecRaw:
		if !isStringOrBytes(t) {
			mismatch("raw", "it is "+describe(t)+", neither a string nor bytes", "use codec: json, text or binary")
		}
	default:
		r.warnLossy(file, k.Value, t)
	}
}

// checkElements warns of Go types within a list, map, pointer or declared type that JSON cannot carry,
// at each place once.
func (r *resolver) checkElements(file *schema.File, e *schema.TypeExpr) {
	for e.Elem != nil {
		e = e.Elem
	}
	if g, _ := r.types.valueObject(e); g != nil && !r.elements[e] {
		r.elements[e] = true
		r.warnLossy(file, e, g.obj.Type())
	}
	if e.Kind != schema.NamedExpr || e.Named == nil || r.declared[e.Named] {
		return
	}
	r.declared[e.Named] = true
	for _, field := range e.Named.Fields {
		if field.Type != nil {
			r.checkElements(file, field.Type)
		}
	}
}

// warnLossy warns of what encoding/json would leave out or could not read back.
func (r *resolver) warnLossy(file *schema.File, e *schema.TypeExpr, t types.Type) {
	if isProto(t) {
		return
	}
	if lost := lossy(t, map[types.Type]bool{}); lost != "" {
		r.diags = append(r.diags, file.Diag("value-round-trip", e.Text.Pos,
			fmt.Sprintf("%s may not read back as it was written: %s", e.Text.Value, lost),
			"encoding/json cannot store it; give the type MarshalJSON and UnmarshalJSON, or use another codec"))
	}
}

// lossy names the first part of t that encoding/json does not carry both ways, or "".
func lossy(t types.Type, seen map[types.Type]bool) string {
	if seen[t] || hasMethods(t, "MarshalJSON", "UnmarshalJSON") || hasMethods(t, "MarshalText", "UnmarshalText") {
		return ""
	}
	seen[t] = true
	switch u := t.Underlying().(type) {
	case *types.Interface:
		return fmt.Sprintf("%s reads back as another type", describe(t))
	case *types.Chan, *types.Signature:
		return describe(t) + " cannot be stored"
	case *types.Basic:
		if u.Info()&types.IsComplex != 0 || u.Kind() == types.UnsafePointer {
			return describe(t) + " cannot be stored"
		}
	case *types.Pointer:
		return lossy(u.Elem(), seen)
	case *types.Slice:
		return lossy(u.Elem(), seen)
	case *types.Array:
		return lossy(u.Elem(), seen)
	case *types.Map:
		if !isObjectKey(u.Key()) {
			return describe(u.Key()) + " cannot be the key of a JSON object"
		}
		return lossy(u.Elem(), seen)
	case *types.Struct:
		for i := range u.NumFields() {
			f := u.Field(i)
			if strings.Contains(u.Tag(i), `json:"-"`) {
				return fmt.Sprintf("field %s is left out (json:\"-\")", f.Name())
			}
			if !f.Exported() && !f.Embedded() {
				return fmt.Sprintf("field %s is not exported", f.Name())
			}
			if lost := lossy(f.Type(), seen); lost != "" {
				return fmt.Sprintf("in field %s, %s", f.Name(), lost)
			}
		}
	}
	return ""
}

// isObjectKey reports whether encoding/json can make a name of a value, and read it back.
func isObjectKey(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsString|types.IsInteger) != 0 || hasMethods(t, "MarshalText", "UnmarshalText")
}

// checkCustom checks that a package-level value is a codec of the key's value type.
func (r *resolver) checkCustom(file *schema.File, k *schema.Key) {
	g := r.types.lookup(k.Codec.Go)
	if g == nil {
		return
	}
	t := g.obj.Type()
	if b, ok := t.(*types.Basic); ok && b.Kind() == types.Invalid {
		return // declared with what the generated code will declare
	}
	want := r.types.goType(file, k.Value)
	fail := func(lack string) {
		r.diags = append(r.diags, file.Diag("codec-mismatch", k.Codec.Go.Text.Pos,
			fmt.Sprintf("%s is no kvrt.Codec[%s]: %s", g.String(), want, lack),
			fmt.Sprintf("a codec has Encode(value %s) ([]byte, error) and Decode(data []byte) (%s, error)", want, want)))
	}
	for _, method := range []struct{ name, in, out string }{
		{"Encode", want, "[]byte"},
		{"Decode", "[]byte", want},
	} {
		obj, _, ofPointer := types.LookupFieldOrMethod(t, false, nil, method.name)
		f, ok := obj.(*types.Func)
		switch {
		case !ok && obj == nil && ofPointer:
			fail(fmt.Sprintf("its method %s has a pointer receiver, and %s is not a pointer", method.name, g.String()))
			return
		case !ok:
			fail("it has no method " + method.name)
			return
		}
		sig := f.Signature()
		if has := signature(sig); !strings.Contains(has, "invalid type") && has != fmt.Sprintf("func(%s) (%s, error)", method.in, method.out) {
			fail("its " + method.name + " is " + has)
			return
		}
	}
}

// signature is a function's type without parameter names, types with their whole import path.
func signature(sig *types.Signature) string {
	var b strings.Builder
	b.WriteString("func")
	for i, tuple := range []*types.Tuple{sig.Params(), sig.Results()} {
		if i == 1 {
			b.WriteByte(' ')
		}
		b.WriteByte('(')
		for j := range tuple.Len() {
			if j > 0 {
				b.WriteString(", ")
			}
			b.WriteString(types.TypeString(types.Unalias(tuple.At(j).Type()), nil))
		}
		b.WriteByte(')')
	}
	return strings.ReplaceAll(b.String(), "[]uint8", "[]byte")
}

// goType spells the Go type of an expression with whole import paths, as package types does.
func (g *GoTypes) goType(file *schema.File, e *schema.TypeExpr) string {
	if e == nil {
		return "?"
	}
	switch e.Kind {
	case schema.ListExpr:
		return "[]" + g.goType(file, e.Elem)
	case schema.MapExpr:
		return "map[string]" + g.goType(file, e.Elem)
	case schema.PointerExpr:
		return "*" + g.goType(file, e.Elem)
	case schema.BuiltinExpr:
		ref := builtin(e.Builtin)
		if ref.GoPath != "" {
			return ref.GoPath + "." + ref.GoName
		}
		return ref.GoName
	case schema.NamedExpr:
		if e.Named == nil {
			return "?"
		}
		if e.Named.Kind == schema.GoType {
			return g.goRef(e.Named.Go)
		}
		return g.self + "." + e.Named.GoName
	}
	return g.goRef(e.Go)
}

func (g *GoTypes) goRef(ref *schema.GoRef) string {
	o := g.lookup(ref)
	if o == nil {
		return "?"
	}
	name := types.TypeString(types.Unalias(o.obj.Type()), nil)
	if isProto(o.obj.Type()) {
		return "*" + name
	}
	return name
}

// valueObject returns the Go type that an expression names directly or as a type of the schema.
func (g *GoTypes) valueObject(e *schema.TypeExpr) (*goObject, *schema.GoRef) {
	ref := e.Go
	if e.Kind == schema.NamedExpr && e.Named != nil && e.Named.Kind == schema.GoType && e.Named.Go != nil {
		ref = &schema.GoRef{Text: e.Text, ImportPath: e.Named.Go.ImportPath, Name: e.Named.Go.Name}
	}
	if o := g.lookup(ref); o != nil {
		return o, ref
	}
	return nil, nil
}

// codecKind is the codec of a key's values, with the default for Go types.
func (g *GoTypes) codecKind(k *schema.Key) schema.CodecKind {
	if k.Codec.Kind != schema.CodecDefault {
		return k.Codec.Kind
	}
	o, _ := g.valueObject(k.Value)
	if o == nil {
		return schema.CodecJSON
	}
	t := o.obj.Type()
	if isProto(t) {
		return schema.CodecProto
	}
	if _, isStruct := t.Underlying().(*types.Struct); !isStruct && len(missingMethods(t, "MarshalText", "UnmarshalText")) == 0 {
		return schema.CodecText
	}
	return schema.CodecJSON
}

// String is the type or value as Go code writes it: money.Amount.
func (o *goObject) String() string { return o.pkgName + "." + o.obj.Name() }

// missingMethods returns those of the names that neither t nor *t has as the method of package
// encoding or encoding/json: func() ([]byte, error) and func([]byte) error.
func missingMethods(t types.Type, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return hasCoding(t, name, true) })
}

func hasMethods(t types.Type, names ...string) bool { return len(missingMethods(t, names...)) == 0 }

func hasCoding(t types.Type, name string, addressable bool) bool {
	obj, _, indirect := types.LookupFieldOrMethod(t, addressable, nil, name)
	f, ok := obj.(*types.Func)
	if !ok || indirect && !addressable {
		return false
	}
	want := "func() ([]byte, error)"
	if strings.HasPrefix(name, "Unmarshal") {
		want = "func([]byte) (error)"
	}
	return signature(f.Signature()) == want
}

// isProto reports whether *t is a generated protocol buffer message.
func isProto(t types.Type) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, "ProtoReflect")
	f, ok := obj.(*types.Func)
	if !ok || f.Signature().Results().Len() != 1 {
		return false
	}
	if _, isStruct := t.Underlying().(*types.Struct); !isStruct {
		return false
	}
	named, ok := types.Unalias(f.Signature().Results().At(0).Type()).(*types.Named)
	return ok && named.Obj().Name() == "Message" && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == protoreflectPath
}

func isStringOrBytes(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0
	case *types.Slice:
		b, ok := u.Elem().(*types.Basic)
		return ok && b.Kind() == types.Byte
	}
	return false
}

// describe says in words what a type is.
func describe(t types.Type) string {
	switch u := t.Underlying().(type) {
	case *types.Struct:
		return "a struct"
	case *types.Slice:
		return "a slice"
	case *types.Array:
		return "an array"
	case *types.Map:
		return "a map"
	case *types.Pointer:
		return "a pointer"
	case *types.Chan:
		return "a channel"
	case *types.Signature:
		return "a function type"
	case *types.Interface:
		if u.Empty() {
			return "any"
		}
		return "an interface"
	case *types.Basic:
		switch {
		case u.Kind() == types.UnsafePointer:
			return "an unsafe.Pointer"
		case strings.HasPrefix(u.Name(), "i"):
			return "an " + u.Name()
		}
		return "a " + u.Name()
	}
	return t.String()
}
