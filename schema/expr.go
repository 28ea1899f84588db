// Type expressions and the names of Go types.

package schema

import (
	"fmt"
	"go/token"
	"strings"

	"gopkg.in/yaml.v3"
)

// builtinNames are the types that the language has by itself.
var builtinNames = []string{"string", "bytes", "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64",
	"float32", "float64", "time", "duration", "json"}

// maxTypeDepth is how deep lists, maps and pointers nest in one expression.
const maxTypeDepth = 20

// typeExpr reads a type as it is written for a value or a field.
func (l *loader) typeExpr(what string, n *yaml.Node) *TypeExpr {
	if n.Kind == yaml.SequenceNode {
		hint := `a list type is written with quotes: "[]T"`
		if len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode {
			hint = `a list type is written with quotes: "[]` + n.Content[0].Value + `"`
		}
		l.report("wrong-type", l.text.place(n), what+" must be a type, not a list", hint)
		return nil
	}
	t, ok := l.scalar(what, "a type", n)
	if !ok {
		return nil
	}
	if len(t.Value) > maxTypeLength {
		l.report("unknown-type", t.Pos, fmt.Sprintf("a type of %d bytes", len(t.Value)), fmt.Sprintf("it may have %d; declare a type for some of it under types", maxTypeLength))
		return nil
	}
	return l.parseType(t.Value, 0, l.text.inside(n))
}

// parseType reads the expression that begins at offset start of s.
func (l *loader) parseType(s string, start int, at func(from, to int) Pos) *TypeExpr {
	outer, depth := &TypeExpr{}, 0
	for e := outer; ; e, depth = e.Elem, depth+1 {
		rest := s[start:]
		pos := at(start, len(s))
		e.Text = Text{rest, pos}
		prefix := ""
		switch {
		case strings.HasPrefix(rest, "[]"):
			prefix, e.Kind = "[]", ListExpr
		case strings.HasPrefix(rest, "map[string]"):
			prefix, e.Kind = "map[string]", MapExpr
		case strings.HasPrefix(rest, "*"):
			prefix, e.Kind = "*", PointerExpr
		default:
			if !l.namedType(e) {
				return nil
			}
			return outer
		}
		if depth == maxTypeDepth {
			l.report("unknown-type", pos, fmt.Sprintf("a type of more than %d lists, maps and pointers", maxTypeDepth), "declare a type for some of them under types")
			return nil
		}
		start += len(prefix)
		e.Elem = &TypeExpr{}
	}
}

// namedType reads a type that is neither list, map nor pointer.
func (l *loader) namedType(e *TypeExpr) bool {
	s, pos := e.Text.Value, e.Text.Pos
	for _, name := range builtinNames {
		if s == name {
			e.Kind, e.Builtin = BuiltinExpr, name
			return true
		}
	}
	if entryName.MatchString(s) {
		e.Kind = NamedExpr
		return true
	}
	message, hint := quote(s)+" is not a type", "write a type such as string, []T, map[string]T, the name of one under types, or import/path.Name"
	switch meant := synonym(s, builtinNames); {
	case meant != "":
		hint = fmt.Sprintf("it is called %q here", meant)
	case s == "":
		message, hint = "a type is missing here", "write the type that it is of: string"
	case strings.HasPrefix(s, "map["):
		message, hint = message+": the keys of a map are strings", "write map[string]T"
	case strings.HasPrefix(s, "["):
		message, hint = message+": a list has no length", "write []T; min_len and max_len of a field limit it"
	case strings.ContainsAny(s, "["):
		message, hint = message+": one with type arguments cannot be named", "name a Go type that is declared with its arguments: type Orders = List[Order]"
	case strings.ContainsAny(s, " \t"):
		hint = "write it without spaces"
	case strings.ContainsAny(s, "./"):
		e.Kind, e.Go = GoExpr, l.goRef(e.Text)
		return e.Go != nil
	}
	l.report("unknown-type", pos, message, hint)
	return false
}

// goRef takes import/path.Name apart, and reports what is neither.
func (l *loader) goRef(t Text) *GoRef {
	hint := "write import/path.Name: github.com/acme/money.Amount"
	if bare, ok := strings.CutPrefix(t.Value, "go:"); ok {
		hint = "write it without go: " + strings.TrimSpace(bare)
	}
	dot := strings.LastIndexByte(t.Value, '.')
	if dot < strings.LastIndexByte(t.Value, '/') || dot < 0 {
		l.report("invalid-go-type", t.Pos, quote(t.Value)+" has no name after the import path", hint)
		return nil
	}
	importPath, name := t.Value[:dot], t.Value[dot+1:]
	switch {
	case !isImportPath(importPath):
		l.report("invalid-go-type", t.Pos, fmt.Sprintf("%s of %s is not an import path", quote(importPath), quote(t.Value)), hint)
	case !token.IsIdentifier(name):
		l.report("invalid-go-type", t.Pos, fmt.Sprintf("%s of %s is not a name in Go", quote(name), quote(t.Value)), hint)
	default:
		return &GoRef{Text: t, ImportPath: importPath, Name: name}
	}
	return nil
}

// isImportPath reports whether s can be an import path: elements of ASCII letters, digits and some
// punctuation. Neither a folder, a pattern nor a flag of the go command is one.
func isImportPath(s string) bool {
	for _, elem := range strings.Split(s, "/") {
		if elem == "" || elem[0] == '-' || elem[0] == '.' || strings.HasSuffix(elem, ".") || strings.Contains(elem, "...") {
			return false
		}
		for _, r := range elem {
			if r >= 0x80 || !isKeyRune(r) && !strings.ContainsRune(".~+", r) || r == '=' {
				return false
			}
		}
	}
	return true
}
