// Collisions: names that two things of a package would share in Go. Nothing is renamed silently, so
// each is an error, at both places.

package schema

import (
	"fmt"
	"slices"
)

// claim is a Go name with what it is generated for.
type claim struct {
	file *File
	pos  Pos
	what string // `key "order" of bucket "orders"`
	fix  string // hint for the one who collides
}

// scope holds the names of a package, a struct or a method set.
type scope struct {
	checker *checker
	claims  map[string]claim
	told    map[[2]claimPlace]bool // pairs of places that are known to collide
}

type claimPlace struct {
	file *File
	pos  Pos
}

func (c *checker) scope() *scope {
	return &scope{c, map[string]claim{}, map[[2]claimPlace]bool{}}
}

// add claims a name, and reports it if it is taken, once for each pair of places.
func (s *scope) add(name string, by claim) {
	if name == "" {
		return
	}
	other, taken := s.claims[name]
	if !taken {
		s.claims[name] = by
		return
	}
	pair := [2]claimPlace{{other.file, other.pos}, {by.file, by.pos}}
	if s.told[pair] {
		return
	}
	s.told[pair] = true
	s.checker.report(by.file, "name-collision", by.pos, fmt.Sprintf("%s and %s would both be %s in Go", by.what, other.what, name), by.fix,
		related(other.file, other.pos, other.what+" is here"))
}

// reserve reports name if it is one that the generated code has anyway.
func (s *scope) reserve(name string, by claim, taken ...string) {
	for _, t := range taken {
		if name == t {
			s.checker.report(by.file, "name-collision", by.pos, fmt.Sprintf("%s would be %s in Go, which is a method that is generated as well; give it a go_name:", by.what, name), by.fix)
		}
	}
}

const goNameHint = "give one of them another name in Go with go_name:"

// placeOf is where a Go name comes from.
func placeOf(name, given Text) Pos {
	if given.IsSet() {
		return given.Pos
	}
	return name.Pos
}

// checkNames finds all collisions of the package that the files make together.
func (c *checker) checkNames() {
	pkg := c.scope()
	for _, f := range c.files {
		validates := ValidatingTypes(f)
		for _, t := range f.Types {
			c.claimType(pkg, f, t, validates[t])
		}
		for _, b := range f.Buckets {
			c.claimBucket(pkg, f, b)
			for _, k := range b.Keys {
				c.claimKey(pkg, f, b, k)
			}
		}
	}
}

func (c *checker) claimType(pkg *scope, f *File, t *Type, validates bool) {
	by := claim{f, placeOf(t.Name, t.GoNameGiven), fmt.Sprintf("type %q", t.Name.Value), goNameHint}
	pkg.add(t.GoName, by)
	switch t.Kind {
	case EnumType:
		pkg.add(t.GoName+"Values", claim{f, by.pos, fmt.Sprintf("the list of words of enum %q", t.Name.Value), goNameHint})
		seen := map[string]bool{} // a word that is given twice is reported as such
		for _, w := range t.Words {
			if w.GoName != "" && !seen[w.Value.Value] {
				pkg.add(t.GoName+w.GoName, claim{f, placeOf(w.Value, w.GoNameGiven), fmt.Sprintf("word %q of enum %q", w.Value.Value, t.Name.Value),
					"give one of them another name in Go: {value: " + w.Value.Value + ", go_name: Other}"})
			}
			seen[w.Value.Value] = true
		}
	case StructType:
		fields := c.scope()
		for _, field := range t.Fields {
			by := claim{f, placeOf(field.Name, field.GoNameGiven), fmt.Sprintf("field %q of type %q", field.Name.Value, t.Name.Value), goNameHint}
			fields.add(field.GoName, by)
			if t.GoName != "" && field.GoName != "" && field.Constraints.Pattern.IsSet() {
				matcher := by
				matcher.what = "the pattern of " + by.what
				pkg.add(PatternVar(t.GoName, field.GoName), matcher)
			}
			if validates {
				by.fix = "for example go_name: " + field.GoName + "Value"
				fields.reserve(field.GoName, by, "Validate")
			}
		}
	}
}

func (c *checker) claimBucket(pkg *scope, f *File, b *Bucket) {
	what := fmt.Sprintf("bucket %q", b.Name.Value)
	by := claim{f, placeOf(b.Name, b.GoNameGiven), what, goNameHint}
	for _, name := range []string{b.GoName + "Bucket", b.GoName + "BucketEvent", "Open" + b.GoName, "Ensure" + b.GoName, b.GoName + "Config"} {
		pkg.add(name, by)
	}
	if b.Transactions.Value {
		pkg.add(b.GoName+"Txn", by)
	}
	if slices.ContainsFunc(b.NameParts, func(p NamePart) bool { return p.Param != nil }) {
		pkg.add(b.GoName+"Params", by)
	}
	params := c.scope()
	for _, part := range b.NameParts {
		if p := part.Param; p != nil {
			params.add(p.GoName, claim{f, placeOf(p.Name, p.GoNameGiven), fmt.Sprintf("parameter %q of %s", p.Name.Value, what),
				"give one of them another name in Go: params: {" + p.Name.Value + ": {go_name: Other}}"})
		}
	}
	accessors := c.scope()
	for _, k := range b.AllKeys() {
		if b.KeysFrom != nil {
			by := claim{f, by.pos, fmt.Sprintf("the accessor of key %q in bucket %q", k.Name.Value, b.Name.Value), goNameHint}
			name := b.AccessorName(k)
			pkg.add(name+"KV", by)
			if b.Transactions.Value {
				pkg.add(name+"TxnKV", by)
			}
			if b.AccessTo(k) != WriteOnly {
				pkg.add(name+"Cache", by)
			}
			continue
		}
		by := claim{f, placeOf(k.Name, k.GoNameGiven), fmt.Sprintf("key %q of %s", k.Name.Value, what), goNameHint}
		accessors.add(k.FieldName, by)
		by.fix = "for example go_name: " + k.FieldName + "Item"
		accessors.reserve(k.FieldName, by, "Bucket", "Watch", "Txn")
	}
}

func (c *checker) claimKey(pkg *scope, f *File, b *Bucket, k *Key) {
	what := fmt.Sprintf("key %q of bucket %q", k.Name.Value, b.Name.Value)
	by := claim{f, placeOf(k.Name, k.GoNameGiven), what, goNameHint + " or all keys of a bucket with go_prefix:"}
	names := []string{k.GoName + "Key", "Parse" + k.GoName + "Key", k.GoName + "Entry", k.GoName + "Event", k.GoName + "KV"}
	if k.Access != WriteOnly {
		names = append(names, k.GoName+"Cache")
	}
	if b.Transactions.Value {
		names = append(names, k.GoName+"TxnKV")
	}
	if readSomewhere(f, b, k) && len(k.Params()) > 0 {
		names = append(names, k.GoName+"Filter")
	}
	for _, name := range names {
		pkg.add(name, by)
	}
	fields, filter := c.scope(), c.scope()
	for _, p := range k.Params() {
		by := claim{f, placeOf(p.Name, p.GoNameGiven), fmt.Sprintf("parameter %q of key %q", p.Name.Value, k.Name.Value),
			"give one of them another name in Go: params: {" + p.Name.Value + ": {go_name: Other}}"}
		fields.add(p.GoName, by)
		if p.Kind == ParamPath {
			prefix := by
			prefix.what = fmt.Sprintf("the prefix of parameter %q of key %q in filters", p.Name.Value, k.Name.Value)
			filter.add(p.GoName+"Prefix", prefix)
		} else {
			filter.add(p.GoName, by)
		}
		by.fix = "for example params: {" + p.Name.Value + ": {go_name: " + p.GoName + "Value}}"
		fields.reserve(p.GoName, by, "String", "Encode")
	}
}

// readSomewhere reports whether some bucket of the file reads the key.
func readSomewhere(f *File, b *Bucket, k *Key) bool {
	if b.AccessTo(k) != WriteOnly {
		return true
	}
	for _, other := range f.Buckets {
		if other.KeysFrom == b && other.AccessTo(k) != WriteOnly {
			return true
		}
	}
	return false
}
