// Decoding of buckets and their settings.

package schema

import (
	"fmt"
	"math"
	"strings"

	"gopkg.in/yaml.v3"
)

func (l *loader) decodeBucket(name Text, n *yaml.Node) *Bucket {
	b := &Bucket{Name: name, ServerName: name}
	where := "bucket " + quote(name.Value)
	if lower := strings.ToLower(name.Value); lower != name.Value {
		l.report("invalid-name", name.Pos, where+" is not in lower case, and its name is part of a file name",
			fmt.Sprintf("write %s, and name: %s for the bucket on the server", quote(lower), name.Value))
	}
	nameAt := func(int, int) Pos { return name.Pos }
	var params *yaml.Node
	seen := l.fields(where, n, append([]fieldReader{
		{"name", func(key Text, n *yaml.Node) {
			l.into(&b.ServerName)(key, n)
			nameAt = l.text.inside(n)
		}},
		{"description", l.into(&b.Description)},
		{"go_name", l.into(&b.GoNameGiven)},
		{"go_prefix", l.into(&b.GoPrefix)},
		{"params", func(_ Text, n *yaml.Node) { params = n }},
		{"keys", func(_ Text, n *yaml.Node) {
			l.entries("keys of "+where, n, func(name Text, n *yaml.Node) { b.Keys = append(b.Keys, l.decodeKey(name, n)) })
			if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
				l.report("missing-field", l.text.place(n), where+" has no key", "a bucket has at least one, or keys_from")
			}
		}},
		{"keys_from", l.into(&b.KeysFromName)},
	}, l.settings(b)...))
	switch {
	case seen.has("keys") && seen.has("keys_from"):
		l.report("exclusive-fields", seen["keys_from"], where+" has both keys and keys_from", "give one of them",
			related(l.file, seen["keys"], "keys is here"))
	case !seen.has("keys") && !seen.has("keys_from") && (n.Kind == yaml.MappingNode || isNull(n)):
		l.report("missing-field", name.Pos, where+" has no keys", "add keys:, or keys_from: with the name of another bucket")
	}
	ok := true
	if seen.has("name") || entryName.MatchString(name.Value) {
		ok = l.serverName(b, nameAt)
	}
	if params != nil {
		var all []paramRef
		for _, part := range b.NameParts {
			if p := part.Param; p != nil {
				all = append(all, paramRef{p.Name.Value, &p.GoNameGiven, &p.Description})
			}
		}
		l.params(where, params, all, ok)
	}
	return b
}

// settings are the readers of what configures a bucket on the server.
func (l *loader) settings(b *Bucket) []fieldReader {
	return []fieldReader{
		{"history", func(key Text, n *yaml.Node) {
			v, t := l.integer(key.Value, n)
			if b.History = v; v.IsSet() && (v.Value < 1 || v.Value > 64) {
				l.report("history-range", v.Pos, fmt.Sprintf("history of %s is not within 1 to 64", t.Value), "the server keeps 1 to 64 revisions of a key")
				b.History = Setting[int]{}
			}
		}},
		{"storage", func(key Text, n *yaml.Node) {
			if i, t := l.word("unknown-value", key.Value, n, "file", "memory"); i >= 0 {
				b.Storage = Setting[Storage]{Storage(i), t.Pos}
			}
		}},
		{"replicas", func(key Text, n *yaml.Node) {
			v, t := l.integer(key.Value, n)
			if b.Replicas = v; v.IsSet() && (v.Value < 1 || v.Value > 5) {
				l.report("replicas-range", v.Pos, fmt.Sprintf("%s replicas are not possible", t.Value), "allowed are: 1, 3, 5")
				b.Replicas = Setting[int]{}
			}
		}},
		{"ttl", func(key Text, n *yaml.Node) {
			b.TTL = l.ttl(key.Value, n, "ttl: optional is for keys")
		}},
		{"limit_marker_ttl", func(key Text, n *yaml.Node) { b.LimitMarkerTTL = l.ttl(key.Value, n, "") }},
		{"max_value_size", func(key Text, n *yaml.Node) { b.MaxValueSize = l.size(key.Value, n, maxValueSize) }},
		{"max_bytes", func(key Text, n *yaml.Node) { b.MaxBytes = l.size(key.Value, n, math.MaxInt64) }},
		{"compression", func(key Text, n *yaml.Node) { b.Compression = l.boolean(key.Value, n) }},
		{"placement", func(key Text, n *yaml.Node) { b.Placement = l.decodePlacement(key, n) }},
		{"republish", func(key Text, n *yaml.Node) { b.Republish = l.decodeRepublish(key, n) }},
		{"metadata", func(key Text, n *yaml.Node) { b.Metadata = l.decodeMetadata(key.Value, n) }},
		{"transactions", func(key Text, n *yaml.Node) { b.Transactions = l.boolean(key.Value, n) }},
		{"linearizable", func(key Text, n *yaml.Node) { b.Linearizable = l.boolean(key.Value, n) }},
		{"mirror", func(key Text, n *yaml.Node) { b.Mirror = l.decodeMirror(key, n) }},
		{"sources", func(key Text, n *yaml.Node) {
			l.list(key.Value, "sources: [{bucket: ORDERS}]", n, func(item *yaml.Node) { b.Sources = append(b.Sources, l.decodeSource(item)) })
		}},
		{"access", func(_ Text, n *yaml.Node) { b.Access = l.access(n) }},
	}
}

// maxValueSize is the largest value that a bucket can be limited to: the server's limit of a message
// is an int32, and leaves room for headers.
const maxValueSize = math.MaxInt32 - 4096

func (l *loader) decodePlacement(key Text, n *yaml.Node) *Placement {
	p := &Placement{}
	seen := l.fields("placement", n, []fieldReader{
		{"cluster", l.into(&p.Cluster)},
		{"tags", func(key Text, n *yaml.Node) {
			l.list(key.Value, "tags: [ssd]", n, func(item *yaml.Node) {
				if t, ok := l.scalar("a tag", "a text", item); ok {
					p.Tags = append(p.Tags, t)
				}
			})
		}},
	})
	if n.Kind == yaml.MappingNode && !seen.has("cluster") && !seen.has("tags") {
		l.report("missing-field", key.Pos, "placement has neither a cluster nor tags", "add cluster: NAME or tags: [NAME], or remove it")
	}
	return p
}

func (l *loader) decodeRepublish(key Text, n *yaml.Node) *Republish {
	r := &Republish{}
	seen := l.fields("republish", n, []fieldReader{
		{"source", l.subject(&r.Source, subjectFilter)},
		{"destination", l.subject(&r.Destination, subjectMapping)},
		{"headers_only", func(key Text, n *yaml.Node) { r.HeadersOnly = l.boolean(key.Value, n).Value }},
	})
	if n.Kind == yaml.MappingNode && !seen.has("destination") {
		l.report("missing-field", key.Pos, "republish has no destination", `add the subject to publish to: destination: "repub.>"`)
	}
	return r
}

func (l *loader) decodeMetadata(what string, n *yaml.Node) []MetadataEntry {
	var out []MetadataEntry
	if !l.isMapping(what, n) {
		return nil
	}
	l.pairs(what, n, func(key Text, n *yaml.Node) {
		if isNull(n) {
			l.report("missing-field", key.Pos, fmt.Sprintf("%s %s has no value", what, quote(key.Value)), `give it one, or remove it; an empty one is ""`)
		} else if v, ok := l.scalar(what+" "+quote(key.Value), "a text", n); ok {
			out = append(out, MetadataEntry{key, v})
		}
	})
	return out
}

func (l *loader) decodeMirror(key Text, n *yaml.Node) *Mirror {
	m := &Mirror{Pos: key.Pos}
	seen := l.fields("mirror", n, []fieldReader{
		{"bucket", l.otherBucket(&m.Bucket)},
		{"domain", l.serverWord(&m.Domain, "a JetStream domain")},
		{"api_prefix", l.subject(&m.APIPrefix, plainSubject)},
	})
	if n.Kind == yaml.MappingNode && !seen.has("bucket") {
		l.report("missing-field", key.Pos, "mirror has no bucket", "name the bucket to copy: mirror: {bucket: ORDERS}")
	}
	l.exclusive("mirror", seen, "domain", "api_prefix")
	return m
}

func (l *loader) decodeSource(n *yaml.Node) *Source {
	s := &Source{Pos: l.text.place(n)}
	seen := l.fields("a source", n, []fieldReader{
		{"bucket", l.otherBucket(&s.Bucket)},
		{"stream", l.serverWord(&s.Stream, "a stream")},
		{"filter", l.subject(&s.Filter, subjectFilter)},
		{"domain", l.serverWord(&s.Domain, "a JetStream domain")},
		{"api_prefix", l.subject(&s.APIPrefix, plainSubject)},
		{"transforms", func(key Text, n *yaml.Node) {
			l.list(key.Value, "transforms: [{source: \"a.>\", destination: \"b.>\"}]", n, func(item *yaml.Node) {
				s.Transforms = append(s.Transforms, l.decodeTransform(item))
			})
		}},
	})
	if (n.Kind == yaml.MappingNode || isNull(n)) && !seen.has("bucket") && !seen.has("stream") {
		l.report("missing-field", s.Pos, "a source names neither a bucket nor a stream", "add bucket: ORDERS")
	}
	l.exclusive("a source", seen, "bucket", "stream")
	l.exclusive("a source", seen, "domain", "api_prefix")
	if !seen.has("stream") {
		l.exclusive("a source", seen, "bucket", "transforms")
	}
	return s
}

func (l *loader) decodeTransform(n *yaml.Node) Transform {
	var t Transform
	seen := l.fields("a transform", n, []fieldReader{{"source", l.subject(&t.Source, subjectFilter)}, {"destination", l.subject(&t.Destination, subjectMapping)}})
	for _, name := range []string{"source", "destination"} {
		if (n.Kind == yaml.MappingNode || isNull(n)) && !seen.has(name) {
			l.report("missing-field", l.text.place(n), "a transform has no "+name, "write {source: \"a.>\", destination: \"b.>\"}")
		}
	}
	return t
}

// otherBucket reads the name of a bucket that is copied.
func (l *loader) otherBucket(target *Text) func(Text, *yaml.Node) {
	return func(key Text, n *yaml.Node) {
		t, ok := l.scalar(key.Value, "a text", n)
		if !ok {
			return
		}
		if *target = t; !isBucketName(t.Value) {
			l.report("invalid-bucket-name", t.Pos, quote(t.Value)+" is not the name of a bucket", "a bucket's name has letters, digits, - and _")
		}
	}
}

// exclusive reports two fields of which a mapping can have only one.
func (l *loader) exclusive(where string, seen given, a, b string) {
	if !seen.has(a) || !seen.has(b) {
		return
	}
	first, second := a, b
	if p, q := seen[a], seen[b]; q.Line < p.Line || q.Line == p.Line && q.Column < p.Column {
		first, second = b, a
	}
	l.report("exclusive-fields", seen[second], fmt.Sprintf("%s has both %s and %s", where, a, b), "give one of them", related(l.file, seen[first], first+" is here"))
}
