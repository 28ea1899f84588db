// Patterns: of keys, and the names of buckets with parameters.

package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxKeyLength = 1024
)

// paramTypes are the parameter types that the language has by itself.
var paramTypes = []string{"string", "int", "int32", "int64", "uint", "uint32", "uint64", "bool", "uuid", "date"}

// pattern reads a key pattern; style tells how its scalar is written, for places within it.
func (l *loader) pattern(t Text, style yaml.Style) Pattern {
	p := Pattern{Text: t}
	at := func(from, to int) Pos {
		shift := 0
		switch {
		case style == yaml.DoubleQuotedStyle && !strings.ContainsAny(t.Value, "\\\"\n"), style == yaml.SingleQuotedStyle && !strings.Contains(t.Value, "'"):
			shift = 1
		case style != 0:
			return t.Pos
		}
		column := t.Pos.Column + shift + utf8.RuneCountInString(t.Value[:from])
		return Pos{t.Pos.Line, column, max(column+utf8.RuneCountInString(t.Value[from:to]), column+1)}
	}
	fail := func(from, to int, message, hint string) {
		l.report("invalid-pattern", at(from, to), message, hint)
		p.Tokens = nil
	}
	if t.Value == "" {
		fail(0, 0, "the pattern is empty", `write tokens separated by dots: "order.{tenant}"`)
		return p
	}
	if t.Value == reservedKey {
		l.report("reserved-key", t.Pos, fmt.Sprintf("the key %q is reserved", reservedKey), "choose another pattern")
		return Pattern{Text: t}
	}
	offset, names, length := 0, map[string]bool{}, 0
	for token := range splitTokens(t.Value) {
		end := offset + len(token)
		var tok Token
		open := strings.IndexByte(token, '{')
		if open < 0 {
			tok.Literal = token
			if i := badLiteral(token); token == "" || i >= 0 {
				if token == "" {
					fail(offset, end, "the pattern has an empty token", "tokens are separated by single dots")
				} else {
					fail(offset+i, offset+i+1, fmt.Sprintf("%q cannot stand in a key", token[i:i+1]), "a key has letters, digits and - / _ =")
				}
				return p
			}
			length += len(token) + 1
		} else {
			shut := strings.IndexByte(token, '}')
			if shut < open || strings.ContainsAny(token[shut+1:], "{}") {
				fail(offset, end, fmt.Sprintf("%q is not a token", token), "a token is a literal, or one {parameter} with text before or after it")
				return p
			}
			tok.Prefix, tok.Suffix = token[:open], token[shut+1:]
			for _, affix := range []struct {
				text string
				from int
			}{{tok.Prefix, offset}, {tok.Suffix, offset + shut + 1}} {
				if i := badLiteral(affix.text); i >= 0 {
					fail(affix.from+i, affix.from+i+1, fmt.Sprintf("%q cannot stand in a key", affix.text[i:i+1]), "a key has letters, digits and - / _ =")
					return p
				}
			}
			inner := token[open+1 : shut]
			param := l.param(inner, at(offset+open+1, offset+shut))
			if param == nil {
				p.Tokens = nil
				return p
			}
			if names[param.Name.Value] {
				fail(offset+open+1, offset+shut, fmt.Sprintf("parameter %q occurs twice", param.Name.Value), "give each parameter a name of its own")
				return p
			}
			names[param.Name.Value] = true
			if param.Kind == ParamPath && (end != len(t.Value) || tok.Prefix+tok.Suffix != "") {
				fail(offset+open, offset+shut+1, fmt.Sprintf("{%s} stands for all tokens that follow", inner), "it is a token of its own, and the last one")
				return p
			}
			tok.Param = param
			length += len(tok.Prefix) + len(tok.Suffix) + 2
		}
		p.Tokens = append(p.Tokens, tok)
		offset = end + 1
	}
	if length-1 > maxKeyLength {
		l.report("key-too-long", t.Pos, fmt.Sprintf("keys of the pattern have at least %d bytes", length-1), fmt.Sprintf("a key has at most %d", maxKeyLength))
		p.Tokens = nil
	}
	if len(p.Tokens) == 1 && p.Tokens[0].Prefix == "=" {
		l.report("reserved-key", t.Pos, fmt.Sprintf("the pattern could make the reserved key %q", reservedKey), "choose another prefix")
	}
	return p
}

// splitTokens splits at the dots that are not within braces.
func splitTokens(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start, depth := 0, 0
		for i := range len(s) {
			switch s[i] {
			case '{':
				depth++
			case '}':
				depth--
			case '.':
				if depth <= 0 {
					if !yield(s[start:i]) {
						return
					}
					start = i + 1
				}
			}
		}
		yield(s[start:])
	}
}

// badLiteral returns the index of the first byte that a key cannot have, or -1.
func badLiteral(s string) int {
	return strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-/_=", r))
	})
}

// param reads what stands between braces: name, name:type or name...
func (l *loader) param(s string, pos Pos) *Param {
	name, typ, typed := strings.Cut(s, ":")
	p := &Param{Kind: ParamString}
	if rest, ok := strings.CutSuffix(name, "..."); ok && !typed {
		name, p.Kind = rest, ParamPath
	}
	if !entryName.MatchString(name) {
		l.report("invalid-pattern", pos, fmt.Sprintf("%q cannot be the name of a parameter", name), "a name is a letter, followed by letters, digits, _ and -")
		return nil
	}
	start := pos.Column
	p.Name = Text{name, Pos{pos.Line, start, start + len(name)}}
	if !typed {
		return p
	}
	p.TypeText = Text{typ, Pos{pos.Line, start + len(name) + 1, max(pos.EndColumn, start+len(name)+2)}}
	switch typ {
	case "string":
	case "int", "int32", "int64":
		p.Kind, p.Builtin = ParamInt, typ
	case "uint", "uint32", "uint64":
		p.Kind, p.Builtin = ParamUint, typ
	case "bool":
		p.Kind = ParamBool
	case "uuid":
		p.Kind = ParamUUID
	case "date":
		p.Kind = ParamDate
	default:
		p.Kind = ParamEnum
		if strings.Contains(typ, ".") {
			p.Kind = ParamGo
			if p.Go = l.goRef(p.TypeText); p.Go == nil {
				return nil
			}
		}
	}
	return p
}

// bucketName takes the bucket's name on the server apart.
func (l *loader) bucketName(b *Bucket) {
	rest := b.ServerName.Value
	invalid := func(message string) {
		l.report("invalid-bucket-name", b.ServerName.Pos, message, "a bucket's name has letters, digits, - and _, and {parameters} separated by _")
		b.NameParts = nil
	}
	names := map[string]bool{}
	filled := ""
	for rest != "" {
		literal, after, more := strings.Cut(rest, "{")
		if strings.ContainsRune(literal, '}') {
			invalid(fmt.Sprintf("%q is not a bucket's name", b.ServerName.Value))
			return
		}
		if literal != "" {
			b.NameParts = append(b.NameParts, NamePart{Literal: literal})
		}
		filled += literal
		if !more {
			break
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok || !entryName.MatchString(name) || names[name] {
			invalid(fmt.Sprintf("%q is not a bucket's name: a parameter is {name}, each once", b.ServerName.Value))
			return
		}
		if len(names) > 0 && !strings.Contains(literal, "_") {
			invalid("two parameters of a bucket's name are not separated by _, so that different values could name the same bucket")
			return
		}
		names[name] = true
		filled += "x"
		b.NameParts = append(b.NameParts, NamePart{Param: &BucketParam{Name: Text{name, b.ServerName.Pos}}})
		rest = tail
	}
	bad := strings.IndexFunc(filled, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
	if filled == "" || bad >= 0 || len(filled) > 252 {
		invalid(fmt.Sprintf("%q is not a bucket's name", b.ServerName.Value))
	}
}
