// Type expressions and the names of Go types.

package schema

import (
	"fmt"
	"go/token"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

type timeDuration = time.Duration

// Builtins are the types that the language has by itself.
var builtinNames = []string{"string", "bytes", "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64",
	"float32", "float64", "time", "duration", "json"}

func (l *loader) typeExpr(what string, n *yaml.Node) *TypeExpr {
	t, ok := l.text(what, n)
	if !ok {
		return nil
	}
	offset := 0
	if n.Style == yaml.DoubleQuotedStyle || n.Style == yaml.SingleQuotedStyle {
		offset = 1
	}
	return l.parseType(t.Value, Pos{t.Pos.Line, t.Pos.Column + offset, t.Pos.EndColumn - offset}, 0)
}

// parseType reads an expression that starts at pos.
func (l *loader) parseType(s string, pos Pos, depth int) *TypeExpr {
	e := &TypeExpr{Text: Text{s, pos}}
	for _, form := range []struct {
		prefix string
		kind   ExprKind
	}{{"[]", ListExpr}, {"map[string]", MapExpr}, {"*", PointerExpr}} {
		rest, ok := strings.CutPrefix(s, form.prefix)
		if !ok {
			continue
		}
		if depth > 20 {
			l.report("unknown-type", pos, "a type nested deeper than 20 levels", "")
			return nil
		}
		e.Kind = form.kind
		e.Elem = l.parseType(rest, Pos{pos.Line, pos.Column + len(form.prefix), pos.EndColumn}, depth+1)
		if e.Elem == nil {
			return nil
		}
		return e
	}
	for _, name := range builtinNames {
		if s == name {
			e.Kind, e.Builtin = BuiltinExpr, name
			return e
		}
	}
	switch {
	case entryName.MatchString(s):
		e.Kind = NamedExpr
		return e
	case strings.HasPrefix(s, "map["):
		l.report("unknown-type", pos, fmt.Sprintf("%q is not a type: the keys of a map are strings", s), "write map[string]T")
		return nil
	case strings.ContainsRune(s, '['):
		l.report("unknown-type", pos, fmt.Sprintf("%q is not a type: a generic type with arguments cannot be named", s), "declare a type in Go with its arguments filled in, and name that; a list is []T")
		return nil
	case strings.Contains(s, "."):
		e.Kind, e.Go = GoExpr, l.goRef(Text{s, pos})
		if e.Go == nil {
			return nil
		}
		return e
	}
	l.report("unknown-type", pos, fmt.Sprintf("%q is not a type", s), "write a type such as string, []T, map[string]T, the name of one under types, or import/path.Name")
	return nil
}

// goRef takes import/path.Name apart.
func (l *loader) goRef(t Text) *GoRef {
	slash := strings.LastIndexByte(t.Value, '/')
	dot := strings.IndexByte(t.Value[slash+1:], '.')
	if i := strings.LastIndexByte(t.Value, '.'); i > slash {
		dot = i - slash - 1
	}
	if dot <= 0 || slash+1+dot+1 >= len(t.Value) || !token.IsIdentifier(t.Value[slash+1+dot+1:]) {
		l.report("invalid-go-type", t.Pos, fmt.Sprintf("%q is not the name of a Go type", t.Value), "write import/path.Name: github.com/acme/money.Amount")
		return nil
	}
	return &GoRef{Text: t, ImportPath: t.Value[:slash+1+dot], Name: t.Value[slash+1+dot+1:]}
}
