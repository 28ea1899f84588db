// Walking mappings and lists: every field is known, given once, and has a value.

package schema

import (
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// fieldReader reads one field of a mapping.
type fieldReader struct {
	name string
	read func(key Text, value *yaml.Node)
}

// given holds the places of the fields that a mapping has, with or without a value, or misspelt.
type given map[string]Pos

// has reports whether one of the fields is there.
func (g given) has(name string) bool {
	_, ok := g[name]
	return ok
}

// fields walks a mapping whose fields are those of the readers. where names it in messages:
// `bucket "orders"`. No value at all counts as a mapping without fields.
func (l *loader) fields(where string, n *yaml.Node, readers []fieldReader) given {
	seen, meant := given{}, given{}
	if !l.isMapping(where, n, readers...) {
		return seen
	}
	l.pairs(where, n, func(key Text, value *yaml.Node) {
		for _, r := range readers {
			if r.name != key.Value {
				continue
			}
			seen[key.Value] = key.Pos
			if isNull(value) {
				l.report("missing-field", key.Pos, fmt.Sprintf("%s of %s has no value", key.Value, where), "give it one, or remove it")
			} else {
				r.read(key, value)
			}
			return
		}
		names := fieldNames(readers)
		near := Suggest(key.Value, names)
		if _, twice := meant[near]; near != "" && !twice {
			meant[near] = key.Pos
		}
		l.report("unknown-field", key.Pos, fmt.Sprintf("unknown field %s in %s", quote(key.Value), where),
			didYouMean(key.Value, names, "allowed are: "+strings.Join(names, ", ")))
	})
	for name, pos := range meant { // so that nobody says it is missing
		if !seen.has(name) {
			seen[name] = pos
		}
	}
	return seen
}

func fieldNames(readers []fieldReader) []string {
	names := make([]string, len(readers))
	for i, r := range readers {
		names[i] = r.name
	}
	return names
}

// isMapping reports whether n can be walked as a mapping, which nothing at all can as well.
func (l *loader) isMapping(where string, n *yaml.Node, readers ...fieldReader) bool {
	if n.Kind == yaml.MappingNode || isNull(n) {
		return true
	}
	hint := "write NAME: VALUE, one to a line, or {NAME: VALUE, …}"
	if len(readers) > 0 {
		hint = "its fields are: " + strings.Join(fieldNames(readers), ", ")
	}
	l.report("wrong-type", l.text.place(n), fmt.Sprintf("%s must be a mapping, not %s", where, kindName(n)), hint)
	return false
}

// pairs walks the pairs of a mapping, and reports keys that are given twice.
func (l *loader) pairs(where string, n *yaml.Node, visit func(key Text, value *yaml.Node)) {
	first := make(map[string]Pos, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content) && !l.full(); i += 2 {
		node := n.Content[i]
		if node.Kind != yaml.ScalarNode || isNull(node) {
			l.report("wrong-type", l.text.place(node), fmt.Sprintf("the name of a field in %s must be a text, not %s", where, kindName(node)), "")
			continue
		}
		key := Text{node.Value, l.text.place(node)}
		if before, twice := first[key.Value]; twice {
			l.report("duplicate-field", key.Pos, fmt.Sprintf("%s is given twice in %s", quote(key.Value), where), "remove one of them",
				related(l.file, before, "the first one is here"))
			continue
		}
		first[key.Value] = key.Pos
		visit(key, n.Content[i+1])
	}
}

var entryName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// entries walks a mapping with names of the schema's own. Entries with an invalid name are visited as
// well, for what else is wrong with them.
func (l *loader) entries(where string, n *yaml.Node, visit func(name Text, value *yaml.Node)) {
	if !l.isMapping(where, n) {
		return
	}
	l.pairs(where, n, func(name Text, value *yaml.Node) {
		if !entryName.MatchString(name.Value) {
			l.report("invalid-name", name.Pos, fmt.Sprintf("%s cannot be a name in %s", quote(name.Value), where),
				"a name is a letter, followed by letters, digits, _ and -")
		}
		if len(name.Value) > maxNameLength {
			l.report("invalid-name", name.Pos, fmt.Sprintf("the name %s in %s has %d bytes", quote(name.Value), where, len(name.Value)),
				fmt.Sprintf("a name has at most %d bytes: it becomes part of names in Go and of files", maxNameLength))
			return
		}
		visit(name, value)
	})
}

// list walks a list with at least one item.
func (l *loader) list(what, example string, n *yaml.Node, visit func(item *yaml.Node)) {
	switch {
	case n.Kind != yaml.SequenceNode:
		l.report("wrong-type", l.text.place(n), fmt.Sprintf("%s must be a list, not %s", what, kindName(n)), "write "+example)
	case len(n.Content) == 0:
		l.report("missing-field", l.text.place(n), what+" is empty", "write "+example)
	}
	if n.Kind != yaml.SequenceNode {
		return
	}
	for _, item := range n.Content {
		if l.full() {
			return
		}
		visit(item)
	}
}
