// Decoding of what a schema has at the top.

package schema

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// version is the version of the language that this package reads.
const version = "v1"

func (l *loader) decodeFile(n *yaml.Node) {
	f := l.file
	seen := l.fields("the schema", n, []fieldReader{
		{"kvgen", l.decodeVersion},
		{"package", l.into(&f.Package)},
		{"description", l.into(&f.Description)},
		{"types", func(_ Text, n *yaml.Node) {
			l.entries("types", n, func(name Text, n *yaml.Node) { f.Types = append(f.Types, l.decodeType(name, n)) })
		}},
		{"buckets", func(_ Text, n *yaml.Node) {
			l.entries("buckets", n, func(name Text, n *yaml.Node) { f.Buckets = append(f.Buckets, l.decodeBucket(name, n)) })
		}},
	})
	if n.Kind != yaml.MappingNode {
		return
	}
	start := Pos{n.Line, n.Column, n.Column + 1}
	if len(n.Content) > 0 {
		start = l.text.place(n.Content[0])
	}
	switch {
	case !seen.has("kvgen"):
		l.report("missing-field", start, "the schema has no kvgen", "begin with kvgen: "+version)
	case seen["kvgen"] != start:
		l.report("kvgen-first", seen["kvgen"], "kvgen is not the first field", "move it to the top: it says in which version of the language the rest is written")
	}
	if !seen.has("package") {
		l.report("missing-field", start, "the schema has no package", "add the name of the Go package: package: shop")
	}
}

func (l *loader) decodeVersion(_ Text, n *yaml.Node) {
	if t, ok := l.scalar("kvgen", "a text", n); ok && t.Value != version {
		l.report("unknown-version", t.Pos, fmt.Sprintf("version %s of the language is not known", quote(t.Value)), "allowed is: "+version)
	}
}
