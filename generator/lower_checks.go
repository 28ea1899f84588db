// Checks: the constraints of fields, as conditions that generated Validate methods test.

package generator

import (
	"go/types"
	"math"
	"strconv"

	"github.com/kvgen/kvgen/schema"
)

// nested is the way down to the parts of a value that check themselves, or nil.
func (l *lowerer) nested(e *schema.TypeExpr) *nested {
	switch e.Kind {
	case schema.NamedExpr:
		if !l.validates[e.Named] {
			return nil
		}
		if e.Named.Kind == schema.EnumType {
			return &nested{Kind: nestedEnum, GoName: e.Named.GoName}
		}
		return &nested{Kind: nestedStruct, GoName: e.Named.GoName}
	case schema.ListExpr, schema.MapExpr, schema.PointerExpr:
		elem := l.nested(e.Elem)
		if elem == nil {
			return nil
		}
		kind := nestedList
		switch e.Kind {
		case schema.MapExpr:
			kind = nestedMap
		case schema.PointerExpr:
			kind = nestedPointer
		}
		return &nested{Kind: kind, Elem: elem}
	}
	return nil
}

// checks lists the conditions of a field in the order in which they are tested.
func (l *lowerer) checks(f *schema.Field, ref typeRef) []check {
	var out []check
	c := f.Constraints
	add := func(ch check) {
		ch.Deref = f.Optional && ref.Kind != pointerType
		out = append(out, ch)
	}
	if c.Required.Value {
		zero := zeroNil
		if !f.Optional {
			zero = l.zeroTest(f.Type)
		}
		out = append(out, check{Kind: checkRequired, Zero: zero})
	}
	name := f.Type.Builtin
	if c.Min.IsSet() && !isLeast(name, c.Min.Value) {
		add(check{Kind: checkMin, Limit: c.Min.Value, Duration: name == "duration"})
	}
	if c.Max.IsSet() && !isGreatest(name, c.Max.Value) {
		add(check{Kind: checkMax, Limit: c.Max.Value, Duration: name == "duration"})
	}
	runes := name == "string"
	if c.MinLen.IsSet() && c.MinLen.Value > 0 {
		add(check{Kind: checkMinLen, Length: c.MinLen.Value, Runes: runes})
	}
	if c.MaxLen.IsSet() {
		add(check{Kind: checkMaxLen, Length: c.MaxLen.Value, Runes: runes})
	}
	if c.Pattern.IsSet() {
		add(check{Kind: checkPattern, Regexp: c.Pattern.Value})
	}
	if n := l.nested(f.Type); n != nil {
		if f.Optional && ref.Kind != pointerType {
			n = &nested{Kind: nestedPointer, Elem: n}
		}
		out = append(out, check{Kind: checkNested, Nested: n})
	}
	return out
}

// zeroTest is the way to see that a field which is no pointer has its zero value.
func (l *lowerer) zeroTest(e *schema.TypeExpr) zeroTest {
	switch e.Kind {
	case schema.BuiltinExpr:
		switch e.Builtin {
		case "string":
			return zeroString
		case "bytes", "json":
			return zeroNil
		case "bool":
			return zeroBool
		case "time":
			return zeroTime
		}
		return zeroNumber
	case schema.NamedExpr:
		if e.Named.Kind == schema.EnumType {
			return zeroString
		}
		if e.Named.Kind == schema.GoType {
			return l.goZeroTest(e.Named.Go)
		}
		return zeroReflect
	case schema.GoExpr:
		return l.goZeroTest(e.Go)
	}
	return zeroNil
}

func (l *lowerer) goZeroTest(ref *schema.GoRef) zeroTest {
	g := l.types.lookup(ref)
	if g == nil {
		return zeroReflect
	}
	switch u := g.obj.Type().Underlying().(type) {
	case *types.Slice, *types.Map, *types.Pointer:
		return zeroNil
	case *types.Basic:
		switch {
		case u.Info()&types.IsString != 0:
			return zeroString
		case u.Info()&types.IsNumeric != 0:
			return zeroNumber
		case u.Info()&types.IsBoolean != 0:
			return zeroBool
		}
	}
	if isProto(g.obj.Type()) {
		return zeroNil
	}
	return zeroReflect
}

// isLeast reports whether no value of an integer type is below the limit: the test would be one
// that cannot fail.
func isLeast(name, limit string) bool {
	switch name {
	case "uint", "uint8", "uint16", "uint32", "uint64":
		return limit == "0"
	case "int8":
		return limit == strconv.Itoa(math.MinInt8)
	case "int16":
		return limit == strconv.Itoa(math.MinInt16)
	case "int32":
		return limit == strconv.Itoa(math.MinInt32)
	case "int64", "int", "duration":
		return limit == strconv.FormatInt(math.MinInt64, 10)
	}
	return false
}

// isGreatest reports whether no value of an integer type is above the limit.
func isGreatest(name, limit string) bool {
	switch name {
	case "int8":
		return limit == strconv.Itoa(math.MaxInt8)
	case "int16":
		return limit == strconv.Itoa(math.MaxInt16)
	case "int32":
		return limit == strconv.Itoa(math.MaxInt32)
	case "int64", "int", "duration":
		return limit == strconv.FormatInt(math.MaxInt64, 10)
	case "uint8":
		return limit == strconv.Itoa(math.MaxUint8)
	case "uint16":
		return limit == strconv.Itoa(math.MaxUint16)
	case "uint32":
		return limit == strconv.Itoa(math.MaxUint32)
	case "uint64", "uint":
		return limit == strconv.FormatUint(math.MaxUint64, 10)
	}
	return false
}
