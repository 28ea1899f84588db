// Decoding: one reader for each mapping of the language.

package schema

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

func (l *loader) into(what string, target *Text) func(Text, *yaml.Node) {
	return func(_ Text, n *yaml.Node) {
		if t, ok := l.text(what, n); ok {
			*target = t
		}
	}
}

func (l *loader) decodeFile(n *yaml.Node) {
	f := l.file
	var version Text
	var first string
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		first = n.Content[0].Value
	}
	seen := l.mapping("the schema", n, []fieldReader{
		{"kvgen", func(key Text, n *yaml.Node) {
			if first != "kvgen" {
				l.report("kvgen-first", key.Pos, "kvgen is not the first field", "move it to the top")
			}
			if l.into("kvgen", &version)(key, n); version.IsSet() && version.Value != "v1" {
				l.report("unknown-version", version.Pos, fmt.Sprintf("language version %q is not known", version.Value), "write kvgen: v1")
			}
		}},
		{"package", l.into("package", &f.Package)},
		{"description", l.into("description", &f.Description)},
		{"types", func(_ Text, n *yaml.Node) {
			l.entries("types", n, func(name Text, n *yaml.Node) { f.Types = append(f.Types, l.decodeType(name, n)) })
		}},
		{"buckets", func(_ Text, n *yaml.Node) {
			l.entries("buckets", n, func(name Text, n *yaml.Node) { f.Buckets = append(f.Buckets, l.decodeBucket(name, n)) })
		}},
	})
	for _, name := range []string{"kvgen", "package"} {
		if _, ok := seen[name]; !ok && n.Kind == yaml.MappingNode {
			hint := map[string]string{"kvgen": "start with: kvgen: v1", "package": "add the name of the Go package: package: shop"}[name]
			l.report("missing-field", Pos{n.Line, n.Column, n.Column + 1}, name+" is missing", hint)
		}
	}
}

func (l *loader) decodeType(name Text, n *yaml.Node) *Type {
	t := &Type{Name: name}
	where := fmt.Sprintf("type %q", name.Value)
	var forms []string
	seen := l.mapping(where, n, []fieldReader{
		{"description", l.into("description", &t.Description)},
		{"go_name", l.into("go_name", &t.GoNameGiven)},
		{"fields", func(key Text, n *yaml.Node) {
			forms = append(forms, key.Value)
			t.Kind = StructType
			l.entries("fields of "+where, n, func(name Text, n *yaml.Node) { t.Fields = append(t.Fields, l.decodeField(name, n)) })
			if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
				l.report("missing-field", key.Pos, where+" has no field", "a struct has at least one field")
			}
		}},
		{"enum", func(key Text, n *yaml.Node) {
			forms = append(forms, key.Value)
			t.Kind = EnumType
			if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
				l.report("wrong-type", nodePos(n), fmt.Sprintf("enum of %s must be a list of words, not %s", where, kindName(n)), "write enum: [pending, paid]")
				return
			}
			for _, item := range n.Content {
				if w := l.decodeWord(where, item); w != nil {
					t.Words = append(t.Words, w)
				}
			}
		}},
		{"go", func(key Text, n *yaml.Node) {
			forms = append(forms, key.Value)
			t.Kind = GoType
			if text, ok := l.text("go of "+where, n); ok {
				t.Go = l.goRef(text)
			}
		}},
	})
	if len(forms) != 1 && n.Kind == yaml.MappingNode {
		what := "has neither fields, nor enum, nor go"
		pos := name.Pos
		if len(forms) > 1 {
			what = "has " + strings.Join(forms, " and ")
			pos = seen[forms[1]]
		}
		l.report("type-form", pos, where+" "+what, "give exactly one of fields, enum and go")
	}
	return t
}

func (l *loader) decodeWord(where string, n *yaml.Node) *Word {
	w := &Word{}
	if n.Kind == yaml.MappingNode {
		l.mapping("a word of "+where, n, []fieldReader{
			{"value", l.into("value", &w.Value)},
			{"go_name", l.into("go_name", &w.GoNameGiven)},
			{"description", l.into("description", &w.Description)},
		})
		if !w.Value.IsSet() {
			l.report("missing-field", nodePos(n), "a word of "+where+" has no value", "write {value: n/a, go_name: NotAvailable}")
			return nil
		}
		return w
	}
	var ok bool
	w.Value, ok = l.text("a word of "+where, n)
	if !ok {
		return nil
	}
	return w
}

func (l *loader) decodeField(name Text, n *yaml.Node) *Field {
	f := &Field{Name: name, Wire: name}
	where := fmt.Sprintf("field %q", name.Value)
	if n.Kind != yaml.MappingNode {
		f.Type = l.typeExpr("the type of "+where, n)
		return f
	}
	c := &f.Constraints
	raw := func(target *Setting[string]) func(Text, *yaml.Node) {
		return func(key Text, n *yaml.Node) {
			if t, ok := l.text(key.Value, n); ok {
				*target = Setting[string](t)
			}
		}
	}
	length := func(target *Setting[int]) func(Text, *yaml.Node) {
		return func(key Text, n *yaml.Node) {
			if *target = l.integer(key.Value, n); target.Value < 0 {
				l.report("invalid-constraint", target.Pos, key.Value+" is negative", "")
			}
		}
	}
	l.mapping(where, n, []fieldReader{
		{"type", func(_ Text, n *yaml.Node) { f.Type = l.typeExpr("the type of "+where, n) }},
		{"description", l.into("description", &f.Description)},
		{"json", l.into("json", &f.Wire)},
		{"optional", func(_ Text, n *yaml.Node) { f.Optional = l.boolean("optional", n).Value }},
		{"go_name", l.into("go_name", &f.GoNameGiven)},
		{"required", func(_ Text, n *yaml.Node) { c.Required = l.boolean("required", n) }},
		{"min", raw(&c.Min)},
		{"max", raw(&c.Max)},
		{"min_len", length(&c.MinLen)},
		{"max_len", length(&c.MaxLen)},
		{"pattern", raw(&c.Pattern)},
	})
	if f.Type == nil && !slices.ContainsFunc(n.Content, func(n *yaml.Node) bool { return n.Value == "type" }) {
		l.report("missing-field", name.Pos, where+" has no type", "add type: string, or write NAME: TYPE")
	}
	return f
}

func (l *loader) decodeBucket(name Text, n *yaml.Node) *Bucket {
	b := &Bucket{Name: name, ServerName: name}
	where := fmt.Sprintf("bucket %q", name.Value)
	if strings.ToLower(name.Value) != name.Value {
		l.report("invalid-name", name.Pos, fmt.Sprintf("%s is not in lower case; its name is part of a file name", where), fmt.Sprintf("write %q, and name: for the bucket on the server", strings.ToLower(name.Value)))
	}
	var params *yaml.Node
	seen := l.mapping(where, n, []fieldReader{
		{"name", l.into("name", &b.ServerName)},
		{"description", l.into("description", &b.Description)},
		{"go_name", l.into("go_name", &b.GoNameGiven)},
		{"go_prefix", l.into("go_prefix", &b.GoPrefix)},
		{"params", func(_ Text, n *yaml.Node) { params = n }},
		{"history", func(_ Text, n *yaml.Node) {
			if b.History = l.integer("history", n); b.History.IsSet() && (b.History.Value < 1 || b.History.Value > 64) {
				l.report("history-range", b.History.Pos, fmt.Sprintf("history of %d", b.History.Value), "the server keeps 1 to 64 revisions of a key")
			}
		}},
		{"storage", func(_ Text, n *yaml.Node) {
			if i, t := l.word("unknown-value", "storage", n, "file", "memory"); i >= 0 {
				b.Storage = Setting[Storage]{Storage(i), t.Pos}
			}
		}},
		{"replicas", func(_ Text, n *yaml.Node) {
			if b.Replicas = l.integer("replicas", n); b.Replicas.IsSet() && (b.Replicas.Value < 1 || b.Replicas.Value > 5) {
				l.report("replicas-range", b.Replicas.Pos, fmt.Sprintf("%d replicas", b.Replicas.Value), "allowed are: 1, 3, 5")
			}
		}},
		{"ttl", func(_ Text, n *yaml.Node) { b.TTL = l.ttl("ttl", n) }},
		{"limit_marker_ttl", func(_ Text, n *yaml.Node) { b.LimitMarkerTTL = l.ttl("limit_marker_ttl", n) }},
		{"max_value_size", func(_ Text, n *yaml.Node) { b.MaxValueSize = l.size("max_value_size", n, math.MaxInt32-4096) }},
		{"max_bytes", func(_ Text, n *yaml.Node) { b.MaxBytes = l.size("max_bytes", n, math.MaxInt64) }},
		{"compression", func(_ Text, n *yaml.Node) { b.Compression = l.boolean("compression", n) }},
		{"placement", func(_ Text, n *yaml.Node) {
			b.Placement = &Placement{}
			l.mapping("placement", n, []fieldReader{
				{"cluster", l.into("cluster", &b.Placement.Cluster)},
				{"tags", func(_ Text, n *yaml.Node) {
					l.list("tags", n, func(n *yaml.Node) {
						if t, ok := l.text("a tag", n); ok {
							b.Placement.Tags = append(b.Placement.Tags, t)
						}
					})
				}},
			})
		}},
		{"republish", func(key Text, n *yaml.Node) {
			b.Republish = &Republish{}
			l.mapping("republish", n, []fieldReader{
				{"source", l.into("source", &b.Republish.Source)},
				{"destination", l.into("destination", &b.Republish.Destination)},
				{"headers_only", func(_ Text, n *yaml.Node) { b.Republish.HeadersOnly = l.boolean("headers_only", n).Value }},
			})
			if b.Republish.Destination.Value == "" {
				l.report("missing-field", key.Pos, "republish has no destination", "add destination: repub.>")
			}
		}},
		{"metadata", func(_ Text, n *yaml.Node) {
			if n.Kind != yaml.MappingNode {
				l.report("wrong-type", nodePos(n), "metadata must be a mapping, not "+kindName(n), "")
				return
			}
			l.pairs("metadata", n, func(key Text, n *yaml.Node) {
				if v, ok := l.text("metadata "+strconv.Quote(key.Value), n); ok {
					b.Metadata = append(b.Metadata, MetadataEntry{key, v})
				}
			})
		}},
		{"transactions", func(_ Text, n *yaml.Node) { b.Transactions = l.boolean("transactions", n) }},
		{"linearizable", func(_ Text, n *yaml.Node) { b.Linearizable = l.boolean("linearizable", n) }},
		{"mirror", func(key Text, n *yaml.Node) {
			b.Mirror = &Mirror{Pos: key.Pos}
			l.mapping("mirror", n, []fieldReader{
				{"bucket", l.into("bucket", &b.Mirror.Bucket)},
				{"domain", l.into("domain", &b.Mirror.Domain)},
				{"api_prefix", l.into("api_prefix", &b.Mirror.APIPrefix)},
			})
			if b.Mirror.Bucket.Value == "" {
				l.report("missing-field", key.Pos, "mirror has no bucket", "name the bucket to copy")
			}
			if b.Mirror.Domain.IsSet() && b.Mirror.APIPrefix.IsSet() {
				l.report("exclusive-fields", b.Mirror.APIPrefix.Pos, "mirror has both domain and api_prefix", "give one of them")
			}
		}},
		{"sources", func(_ Text, n *yaml.Node) {
			l.list("sources", n, func(n *yaml.Node) { b.Sources = append(b.Sources, l.decodeSource(n)) })
		}},
		{"access", func(_ Text, n *yaml.Node) { b.Access = l.access(n) }},
		{"keys", func(_ Text, n *yaml.Node) {
			l.entries("keys of "+where, n, func(name Text, n *yaml.Node) { b.Keys = append(b.Keys, l.decodeKey(name, n)) })
		}},
		{"keys_from", l.into("keys_from", &b.KeysFromName)},
	})
	if pos, both := seen["keys_from"]; both {
		if _, keys := seen["keys"]; keys {
			l.report("exclusive-fields", pos, where+" has both keys and keys_from", "give one of them")
		}
	} else if len(b.Keys) == 0 && n.Kind == yaml.MappingNode {
		l.report("missing-field", name.Pos, where+" has no key", "add keys:, or keys_from: with the name of another bucket")
	}
	l.bucketName(b)
	if params != nil {
		var all []paramRef
		for _, p := range b.NameParts {
			if p.Param != nil {
				all = append(all, paramRef{p.Param.Name.Value, &p.Param.GoNameGiven, &p.Param.Description})
			}
		}
		l.params(where, params, all)
	}
	return b
}

func (l *loader) list(what string, n *yaml.Node, visit func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		l.report("wrong-type", nodePos(n), fmt.Sprintf("%s must be a list, not %s", what, kindName(n)), "")
		return
	}
	for _, item := range n.Content {
		visit(item)
	}
}

func (l *loader) access(n *yaml.Node) Setting[Access] {
	i, t := l.word("unknown-value", "access", n, "readwrite", "read", "write")
	if i < 0 {
		return Setting[Access]{}
	}
	return Setting[Access]{Access(i), t.Pos}
}

func (l *loader) decodeSource(n *yaml.Node) *Source {
	s := &Source{Pos: nodePos(n)}
	l.mapping("a source", n, []fieldReader{
		{"bucket", l.into("bucket", &s.Bucket)},
		{"stream", l.into("stream", &s.Stream)},
		{"filter", l.into("filter", &s.Filter)},
		{"domain", l.into("domain", &s.Domain)},
		{"api_prefix", l.into("api_prefix", &s.APIPrefix)},
		{"transforms", func(_ Text, n *yaml.Node) {
			l.list("transforms", n, func(n *yaml.Node) {
				var t Transform
				l.mapping("a transform", n, []fieldReader{{"source", l.into("source", &t.Source)}, {"destination", l.into("destination", &t.Destination)}})
				s.Transforms = append(s.Transforms, t)
			})
		}},
	})
	if s.Bucket.IsSet() == s.Stream.IsSet() {
		l.report("exclusive-fields", s.Pos, "a source names either a bucket or a stream", "give exactly one of bucket and stream")
	} else if s.Bucket.IsSet() && len(s.Transforms) > 0 {
		l.report("exclusive-fields", s.Pos, "transforms are for a source with stream", "use filter with a bucket")
	}
	return s
}

// paramRef is a parameter that `params` may say more of.
type paramRef struct {
	name        string
	goName      *Text
	description *Text
}

func (l *loader) params(where string, n *yaml.Node, all []paramRef) {
	l.entries("params of "+where, n, func(name Text, n *yaml.Node) {
		names := make([]string, len(all))
		for i, p := range all {
			names[i] = p.name
			if p.name == name.Value {
				l.mapping(fmt.Sprintf("parameter %q", name.Value), n, []fieldReader{{"go_name", l.into("go_name", p.goName)}, {"description", l.into("description", p.description)}})
				return
			}
		}
		hint := ""
		if s := Suggest(name.Value, names); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		l.report("unknown-param", name.Pos, fmt.Sprintf("%s has no parameter %q", where, name.Value), hint)
	})
}

func (l *loader) decodeKey(name Text, n *yaml.Node) *Key {
	k := &Key{Name: name}
	where := fmt.Sprintf("key %q", name.Value)
	var params *yaml.Node
	seen := l.mapping(where, n, []fieldReader{
		{"pattern", func(_ Text, n *yaml.Node) {
			if t, ok := l.text("pattern", n); ok {
				k.Pattern = l.pattern(t, n.Style)
			}
		}},
		{"description", l.into("description", &k.Description)},
		{"value", func(_ Text, n *yaml.Node) { k.Value = l.typeExpr("value", n) }},
		{"codec", func(_ Text, n *yaml.Node) { k.Codec = l.codec(n) }},
		{"access", func(_ Text, n *yaml.Node) { s := l.access(n); k.Access, k.accessGiven = s.Value, s.Pos }},
		{"ttl", func(_ Text, n *yaml.Node) {
			if n.Kind == yaml.ScalarNode && n.Value == "optional" {
				k.TTLOptional, k.TTL = true, Setting[timeDuration]{0, nodePos(n)}
				return
			}
			k.TTL = l.ttl("ttl", n)
		}},
		{"escape", func(_ Text, n *yaml.Node) {
			i, _ := l.word("unknown-value", "escape", n, "none")
			k.Plain = i == 0
		}},
		{"go_name", l.into("go_name", &k.GoNameGiven)},
		{"params", func(_ Text, n *yaml.Node) { params = n }},
	})
	for _, field := range []string{"pattern", "value"} {
		if _, ok := seen[field]; !ok && n.Kind == yaml.MappingNode {
			l.report("missing-field", name.Pos, fmt.Sprintf("%s has no %s", where, field), map[string]string{
				"pattern": `add pattern: "order.{tenant}.{id:uint64}"`, "value": "add value: with a type"}[field])
		}
	}
	if params != nil {
		var all []paramRef
		for _, p := range k.Params() {
			all = append(all, paramRef{p.Name.Value, &p.GoNameGiven, &p.Description})
		}
		l.params(where, params, all)
	}
	return k
}

func (l *loader) codec(n *yaml.Node) Codec {
	if n.Kind == yaml.MappingNode {
		c := Codec{Kind: CodecGo, Pos: nodePos(n)}
		l.mapping("codec", n, []fieldReader{{"go", func(_ Text, n *yaml.Node) {
			if t, ok := l.text("go", n); ok {
				c.Go = l.goRef(t)
			}
		}}})
		return c
	}
	i, t := l.word("unknown-codec", "codec", n, "json", "text", "raw", "binary", "proto")
	if i < 0 {
		return Codec{}
	}
	return Codec{Kind: CodecKind(i) + CodecJSON, Pos: t.Pos}
}
