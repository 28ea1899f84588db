// Checks of keys: parameters, value and codec, and what a key may do in its bucket.

package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkKey completes and checks one key of a bucket.
func (c *checker) checkKey(f *File, b *Bucket, k *Key) {
	for i := range k.Pattern.Tokens {
		if t := &k.Pattern.Tokens[i]; t.Param != nil {
			c.resolveParam(f, t.Param)
			c.warnAffix(f, k, t)
		}
	}
	c.resolve(f, k.Value)
	c.checkCodec(f, k)
	switch {
	case k.accessGiven.Line > 0 && b.Mirror != nil && k.Access != ReadOnly:
		c.report(f, "mirror-setting", k.accessGiven,
			fmt.Sprintf("key %q cannot have access: %s: bucket %q is a mirror, which is not written to", k.Name.Value, k.Access.word(), b.Name.Value),
			"remove it", related(f, b.Mirror.Pos, "the mirror is declared here"))
	case k.accessGiven.Line > 0:
	case b.Mirror != nil:
		k.Access = ReadOnly
	default:
		k.Access = b.Access.Value
	}
}

// resolveParam finds the declared type of a parameter.
func (c *checker) resolveParam(f *File, p *Param) {
	if p.Kind != ParamEnum || p.Enum != nil {
		return
	}
	name := p.TypeText.Value
	t := c.types[f][name]
	switch {
	case t == nil:
		enums := typeNames(f, EnumType, GoType)
		hint := "allowed are " + list(append(slices.Clone(paramTypes), enums...), "and") + "; a Go type is written import/path.Name"
		if slices.Contains(builtinNames, name) {
			hint = fmt.Sprintf("values of type %s can be stored, but not be part of a key; ", name) + hint
		} else {
			hint = didYouMean(name, append(slices.Clone(paramTypes), enums...), hint)
			c.mean(f, name, enums)
		}
		c.report(f, "unknown-param-type", p.TypeText.Pos, fmt.Sprintf("unknown type %q of parameter %q", name, p.Name.Value), hint)
	case t.Kind == EnumType:
		p.Enum = t
	case t.Kind == GoType:
		p.Kind, p.Go = ParamGo, t.Go
	default:
		c.report(f, "unknown-param-type", p.TypeText.Pos, fmt.Sprintf("type %q of parameter %q is a struct, which cannot be part of a key", name, p.Name.Value),
			"give the pattern one parameter for each field that the key needs", related(f, t.Name.Pos, "the type is declared here"))
	}
}

// warnAffix warns of a parameter with text around it.
func (c *checker) warnAffix(f *File, k *Key, t *Token) {
	if t.Prefix+t.Suffix == "" {
		return
	}
	hint := "make them tokens of their own"
	if t.Suffix == "" {
		hint = fmt.Sprintf("make it a token of its own: %q", strings.TrimRight(t.Prefix, "-_/=")+".{"+t.Param.Name.Value+"}")
	}
	c.report(f, "token-affix", tokenPos(&k.Pattern, t),
		fmt.Sprintf("parameter %q shares its token with other text, which the server can neither filter on nor grant permissions by", t.Param.Name.Value), hint)
}

// tokenPos is the place of a parameter's token within its pattern, which a parameter's own place tells.
func tokenPos(p *Pattern, t *Token) Pos {
	name := t.Param.Name.Pos
	if name.Line != p.Text.Pos.Line || name.Column <= p.Text.Pos.Column {
		return p.Text.Pos
	}
	end := name.EndColumn
	if t.Param.TypeText.IsSet() {
		end = t.Param.TypeText.Pos.EndColumn
	}
	return Pos{name.Line, name.Column - 1 - utf8.RuneCountInString(t.Prefix), end + 1 + utf8.RuneCountInString(t.Suffix)}
}

// checkCodec fills in the default codec of a key, and checks that the type fits the one that is given.
// Go types are left to the generator, which sees their methods.
func (c *checker) checkCodec(f *File, k *Key) {
	e := k.Value
	if e == nil || e.Kind == NamedExpr && e.Named == nil {
		return
	}
	if e.Kind == GoExpr || e.Kind == NamedExpr && e.Named.Kind == GoType {
		return
	}
	if k.Codec.Kind == CodecDefault {
		k.Codec.Kind = defaultCodec(e)
		return
	}
	if lack, hint := codecLack(k.Codec.Kind, e); lack != "" {
		c.report(f, "codec-mismatch", k.Codec.Pos, fmt.Sprintf("%s does not fit codec %s: %s", e.Text.Value, k.Codec.Kind.word(), lack), hint)
	}
}

// word is a codec as schemas write it.
func (k CodecKind) word() string {
	return [...]string{"", "json", "text", "raw", "binary", "proto", "go"}[k]
}

// defaultCodec is the codec of a type that is no Go type.
func defaultCodec(e *TypeExpr) CodecKind {
	switch {
	case e.Kind == BuiltinExpr && slices.Contains([]string{"string", "bytes", "json"}, e.Builtin):
		return CodecRaw
	case e.Kind == BuiltinExpr, e.Kind == NamedExpr && e.Named.Kind == EnumType:
		return CodecText
	}
	return CodecJSON
}

// codecLack tells what a type that is no Go type lacks for a codec, or returns "".
func codecLack(codec CodecKind, e *TypeExpr) (lack, hint string) {
	isEnum := e.Kind == NamedExpr && e.Named.Kind == EnumType
	hint = "use codec: " + defaultCodec(e).word()
	if e.Kind == PointerExpr && e.Elem.Kind == GoExpr {
		hint += fmt.Sprintf(", or %s without the pointer as value", e.Elem.Text.Value)
	}
	switch codec {
	case CodecRaw:
		if e.Kind == BuiltinExpr && defaultCodec(e) == CodecRaw || isEnum {
			return "", ""
		}
		return "it is neither string, bytes nor json", hint
	case CodecText:
		if isEnum || e.Kind == BuiltinExpr && e.Builtin != "bytes" && e.Builtin != "json" {
			return "", ""
		}
		return "it has no method MarshalText, and none UnmarshalText", hint
	case CodecBinary:
		if e.Kind == BuiltinExpr && e.Builtin == "time" {
			return "", ""
		}
		return "it has no method MarshalBinary, and none UnmarshalBinary", hint + ", or a Go type that has them as value"
	case CodecProto:
		return "it has no method ProtoReflect of a proto.Message", hint + ", or a type that protoc-gen-go generated as value"
	}
	return "", ""
}
