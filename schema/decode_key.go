// Decoding of keys: patterns, values, codecs, and what params says of parameters.

package schema

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

func (l *loader) decodeKey(name Text, n *yaml.Node) *Key {
	k := &Key{Name: name}
	where := "key " + quote(name.Value)
	var params *yaml.Node
	seen := l.fields(where, n, []fieldReader{
		{"pattern", func(key Text, n *yaml.Node) {
			if t, ok := l.scalar(key.Value, "a text", n); ok {
				k.Pattern = l.pattern(t, l.text.inside(n))
			}
		}},
		{"description", l.into(&k.Description)},
		{"value", func(key Text, n *yaml.Node) { k.Value = l.typeExpr(key.Value, n) }},
		{"codec", func(_ Text, n *yaml.Node) { k.Codec = l.codec(n) }},
		{"access", func(_ Text, n *yaml.Node) { s := l.access(n); k.Access, k.accessGiven = s.Value, s.Pos }},
		{"ttl", func(key Text, n *yaml.Node) {
			if n.Kind == yaml.ScalarNode && n.Value == "optional" {
				k.TTLOptional, k.TTL.Pos = true, l.text.place(n)
				return
			}
			k.TTL = l.ttl(key.Value, n, "ttl: optional leaves it to each write")
		}},
		{"escape", func(key Text, n *yaml.Node) {
			i, _ := l.word("unknown-value", key.Value, n, "none")
			k.Plain = i == 0
		}},
		{"go_name", l.into(&k.GoNameGiven)},
		{"params", func(_ Text, n *yaml.Node) { params = n }},
	})
	if n.Kind == yaml.MappingNode || isNull(n) {
		if !seen.has("pattern") {
			l.report("missing-field", name.Pos, where+" has no pattern", `add one: pattern: "order.{tenant}.{id:uint64}"`)
		}
		if !seen.has("value") {
			l.report("missing-field", name.Pos, where+" has no value", "add the type of its values: value: string")
		}
	}
	if params != nil {
		var all []paramRef
		for _, p := range k.Params() {
			all = append(all, paramRef{p.Name.Value, &p.GoNameGiven, &p.Description})
		}
		l.params(where, params, all, k.Pattern.Tokens != nil)
	}
	return k
}

// paramRef is a parameter that params may say more of.
type paramRef struct {
	name        string
	goName      *Text
	description *Text
}

// params reads what is said of parameters that stand in a pattern or in a bucket's name. certain is
// false if those could not be read.
func (l *loader) params(where string, n *yaml.Node, all []paramRef, certain bool) {
	var names []string
	refs := map[string]paramRef{}
	for _, p := range all {
		names = append(names, p.name)
		refs[p.name] = p
	}
	l.entries("params of "+where, n, func(name Text, n *yaml.Node) {
		ref, known := refs[name.Value]
		if !known {
			ref = paramRef{name.Value, &Text{}, &Text{}}
		}
		if !known && certain {
			hint := "it has no parameters"
			if len(names) > 0 {
				hint = "its parameters are: " + strings.Join(first(names), ", ")
			}
			l.report("unknown-param", name.Pos, fmt.Sprintf("%s has no parameter %s", where, quote(name.Value)), didYouMean(name.Value, names, hint))
		}
		about := "parameter " + quote(name.Value)
		if isNull(n) {
			l.report("missing-field", name.Pos, "params of "+where+" say nothing of "+about, "give go_name or description, or remove it")
		}
		l.fields(about, n, []fieldReader{{"go_name", l.into(ref.goName)}, {"description", l.into(ref.description)}})
	})
}

// access reads an access of a key or bucket.
func (l *loader) access(n *yaml.Node) Setting[Access] {
	i, t := l.word("unknown-value", "access", n, "readwrite", "read", "write")
	if i < 0 {
		return Setting[Access]{}
	}
	return Setting[Access]{Access(i), t.Pos}
}

// codec reads the name of a codec, or the mapping that names one of the user's.
func (l *loader) codec(n *yaml.Node) Codec {
	if n.Kind != yaml.MappingNode {
		i, t := l.word("unknown-codec", "codec", n, "json", "text", "raw", "binary", "proto")
		if i < 0 {
			return Codec{}
		}
		return Codec{Kind: CodecJSON + CodecKind(i), Pos: t.Pos}
	}
	c := Codec{Kind: CodecGo, Pos: l.text.place(n)}
	seen := l.fields("codec", n, []fieldReader{{"go", func(key Text, n *yaml.Node) {
		if t, ok := l.scalar("go", "the name of a Go value", n); ok {
			c.Pos, c.Go = t.Pos, l.goRef(t)
		}
	}}})
	if !seen.has("go") {
		l.report("missing-field", c.Pos, "codec has no go", "write codec: {go: import/path.Name}")
	}
	if c.Go == nil {
		return Codec{}
	}
	return c
}
