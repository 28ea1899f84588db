// The values file: the types that the schema declares, in plain Go that imports no NATS.

package generator

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dave/jennifer/jen"

	"github.com/kvgen/kvgen/schema"
)

// emitValues prints the package documentation and the declared types.
func emitValues(a *assembler) {
	description := orElse(a.u.Description, fmt.Sprintf("Package %s is generated from %s.", a.u.Package, a.u.Source))
	a.comment = commentLines(description)
	for i := range a.u.Types {
		t := &a.u.Types[i]
		a.print(func(e *emitter) {
			switch t.Form {
			case aliasForm:
				e.comment(orElse(t.Description, t.GoName+" is a type of its own package."))
				e.Type().Id(t.GoName).Op("=").Add(goType(t.Alias))
			case enumForm:
				e.enum(t)
			default:
				e.structType(t)
			}
		})
	}
}

func orElse(text, fallback string) string {
	if strings.TrimSpace(text) == "" {
		return fallback
	}
	return text
}

func (e *emitter) enum(t *valueType) {
	e.comment(orElse(t.Description, t.GoName+" is one of the words below."))
	e.Type().Id(t.GoName).String()
	e.comment(fmt.Sprintf("The words of %s.", t.GoName))
	e.Const().DefsFunc(func(g *jen.Group) {
		for _, w := range t.Words {
			doc(g, w.Description)
			g.Id(w.GoName).Id(t.GoName).Op("=").Lit(w.Value)
		}
	})
	names := func(g *jen.Group) {
		for _, w := range t.Words {
			g.Id(w.GoName)
		}
	}
	e.comment(fmt.Sprintf("%sValues returns all words, in the order of the schema.", t.GoName))
	e.Func().Id(t.GoName + "Values").Params().Index().Id(t.GoName).Block(
		jen.Return(jen.Index().Id(t.GoName).ValuesFunc(names)),
	)
	e.comment("Valid reports whether v is one of the words. A value that was read may be another one, written by a\nlater version of the schema.")
	e.Func().Params(jen.Id("v").Id(t.GoName)).Id("Valid").Params().Bool().Block(
		jen.Switch(jen.Id("v")).Block(
			jen.CaseFunc(names).Block(jen.Return(jen.True())),
		),
		jen.Return(jen.False()),
	)
}

func (e *emitter) structType(t *valueType) {
	e.comment(orElse(t.Description, fmt.Sprintf("%s is a value type of the schema.", t.GoName)))
	e.Type().Id(t.GoName).StructFunc(func(g *jen.Group) {
		for i := range t.Fields {
			f := &t.Fields[i]
			doc(g, f.Description)
			wire := f.Wire
			if f.Optional {
				wire += ",omitempty"
			}
			g.Id(f.GoName).Add(goType(f.Type)).Add(tag("json:" + strconv.Quote(wire)))
		}
	})
	for _, p := range t.Patterns {
		e.Var().Id(patternVar(t, p.GoName)).Op("=").Qual("regexp", "MustCompile").Call(jen.Lit(p.Regexp))
	}
	if t.Validates {
		e.validate(t)
	}
}

// patternVar is the variable of a field's compiled pattern: orderSkuPattern.
func patternVar(t *valueType, field string) string {
	return schema.PatternVar(t.GoName, field)
}

func (e *emitter) validate(t *valueType) {
	e.comment("Validate returns an error that names the first field which breaks a constraint of the schema, or nil.\nEvery write calls it.")
	e.Func().Params(jen.Id("v").Id(t.GoName)).Id("Validate").Params().Error().BlockFunc(func(g *jen.Group) {
		for i := range t.Fields {
			f := &t.Fields[i]
			for j := range f.Checks {
				emitCheck(g, t, f, &f.Checks[j])
			}
		}
		g.Return(jen.Nil())
	})
}

// emitCheck prints one condition of a field.
func emitCheck(g *jen.Group, t *valueType, f *field, c *check) {
	if c.Kind == checkNested {
		emitNested(g, c.Nested, nestedAt{value: jen.Id("v").Dot(f.GoName), path: f.Name})
		return
	}
	value := func() *jen.Statement {
		v := jen.Id("v").Dot(f.GoName)
		if c.Deref {
			return jen.Op("*").Add(v)
		}
		return v
	}
	var condition, result *jen.Statement
	fail := func(format string, args ...jen.Code) *jen.Statement {
		if len(args) == 0 {
			return jen.Qual("errors", "New").Call(jen.Lit(f.Name + ": " + format))
		}
		return jen.Qual("fmt", "Errorf").Call(append([]jen.Code{jen.Lit(f.Name + ": " + format)}, args...)...)
	}
	switch c.Kind {
	case checkRequired:
		condition, result = isZero(value(), c.Zero), fail("is required")
	case checkMin:
		condition, result = value().Op("<").Add(limitLit(c)), fail("%v is below "+limitText(c), value())
	case checkMax:
		condition, result = value().Op(">").Add(limitLit(c)), fail("%v is above "+limitText(c), value())
	case checkMinLen:
		condition, result = length(value(), c).Op("<").Lit(c.Length), fail(fmt.Sprintf("length %%d is below %d", c.Length), length(value(), c))
	case checkMaxLen:
		condition, result = length(value(), c).Op(">").Lit(c.Length), fail(fmt.Sprintf("length %%d is above %d", c.Length), length(value(), c))
	case checkPattern:
		pattern := patternVar(t, f.GoName)
		condition = jen.Op("!").Id(pattern).Dot("MatchString").Call(value())
		result = fail("does not match %v", jen.Id(pattern))
	}
	if c.Deref {
		condition = jen.Id("v").Dot(f.GoName).Op("!=").Nil().Op("&&").Add(condition)
	}
	g.If(condition).Block(jen.Return(result))
}

func isZero(value *jen.Statement, test zeroTest) *jen.Statement {
	switch test {
	case zeroString:
		return value.Op("==").Lit("")
	case zeroNumber:
		return value.Op("==").Lit(0)
	case zeroBool:
		return jen.Op("!").Add(value)
	case zeroTime:
		return value.Dot("IsZero").Call()
	case zeroReflect:
		return jen.Qual("reflect", "ValueOf").Call(value).Dot("IsZero").Call()
	}
	return value.Op("==").Nil()
}

func length(value *jen.Statement, c *check) *jen.Statement {
	if c.Runes {
		return jen.Qual("unicode/utf8", "RuneCountInString").Call(value)
	}
	return jen.Len(value)
}

// limitLit is the limit to compare with.
func limitLit(c *check) *jen.Statement {
	if c.Duration {
		return durationLimit(c)
	}
	return jen.Id(c.Limit)
}

// limitText is the limit in messages.
func limitText(c *check) string {
	if n, err := strconv.ParseInt(c.Limit, 10, 64); err == nil && c.Duration {
		return time.Duration(n).String()
	}
	return c.Limit
}

func durationLimit(c *check) *jen.Statement {
	n, err := strconv.ParseInt(c.Limit, 10, 64)
	if err != nil || n == 0 {
		return jen.Id(c.Limit)
	}
	return duration(time.Duration(n))
}

// nestedAt is where a nested check stands: a value, and its path in messages.
type nestedAt struct {
	value   *jen.Statement
	pointer bool   // value is a pointer, not nil
	path    string // format of the path: "lines[%d]"
	args    []jen.Code
	depth   int
}

// emitNested prints the way down to values that check themselves.
func emitNested(g *jen.Group, n *nested, at nestedAt) {
	fail := func(format string, arg jen.Code) *jen.Statement {
		args := append([]jen.Code{jen.Lit(at.path + format)}, at.args...)
		return jen.Return(jen.Qual("fmt", "Errorf").Call(append(args, arg)...))
	}
	deref := func() *jen.Statement {
		if at.pointer {
			return jen.Op("*").Add(at.value.Clone())
		}
		return at.value.Clone()
	}
	switch n.Kind {
	case nestedEnum:
		g.If(jen.Op("!").Add(at.value.Clone()).Dot("Valid").Call()).Block(fail(": %q is not a word of "+n.GoName, deref()))
	case nestedStruct:
		g.If(jen.Err().Op(":=").Add(at.value.Clone()).Dot("Validate").Call(), jen.Err().Op("!=").Nil()).Block(fail(".%w", jen.Err()))
	case nestedPointer:
		inner := at
		inner.value, inner.pointer = deref(), true
		g.If(deref().Op("!=").Nil()).BlockFunc(func(g *jen.Group) { emitNested(g, n.Elem, inner) })
	default:
		verb := "[%d]"
		index := "i"
		if n.Kind == nestedMap {
			verb, index = "[%q]", "k"
		}
		suffix := strings.Repeat("x", at.depth) // i, ix, ixx: as deep as the schema nests lists
		index, element := index+suffix, "e"+suffix
		inner := nestedAt{value: jen.Id(element), path: at.path + verb, args: append(append([]jen.Code{}, at.args...), jen.Id(index)), depth: at.depth + 1}
		g.For(jen.List(jen.Id(index), jen.Id(element)).Op(":=").Range().Add(deref())).BlockFunc(func(g *jen.Group) { emitNested(g, n.Elem, inner) })
	}
}
