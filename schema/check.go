// Check: what the rules say about schemas beyond their syntax. It completes the model on the way, with
// Go names, references and defaults, so that the generator has nothing left to decide.

package schema

import "fmt"

// Check completes the schemas that generate into one folder, and returns everything that is wrong with
// them beyond what Load reported. Schemas that Load found errors in are welcome: what is missing from
// them is passed over.
func Check(files []*File) []Diagnostic {
	c := newChecker()
	for _, f := range files {
		if f != nil {
			c.files = append(c.files, f)
		}
	}
	for _, f := range c.files {
		c.indexTypes(f)
		c.nameAll(f)
	}
	for _, f := range c.files {
		c.checkTypes(f)
		c.checkBuckets(f)
		c.warnUnused(f)
	}
	c.checkFiles()
	c.checkNames()
	var diags []Diagnostic
	for _, f := range c.files {
		diags = append(diags, c.of(f).diags...)
	}
	return Limit(Sort(diags))
}

func newChecker() *checker {
	return &checker{types: map[*File]map[string]*Type{}, found: map[*File]*collected{}, meant: map[*Type]bool{}}
}

// checker is the state of one Check.
type checker struct {
	files []*File
	types map[*File]map[string]*Type // by the names the files give them; the first one of a name
	meant map[*Type]bool             // that a misspelt name probably stands for
	found map[*File]*collected
}

// of returns what was found in a file.
func (c *checker) of(f *File) *collected {
	if c.found[f] == nil {
		c.found[f] = &collected{}
	}
	return c.found[f]
}

func (c *checker) report(f *File, rule string, pos Pos, message, hint string, places ...Related) {
	d := f.Diag(rule, pos, message, hint)
	d.Related = places
	if !f.ignored(d) {
		c.of(f).add(d)
	}
}

// related is another place that a diagnostic speaks of.
func related(f *File, pos Pos, message string) Related {
	return Related{File: f.Path, Line: pos.Line, Column: pos.Column, EndColumn: pos.EndColumn, Message: message}
}

// didYouMean returns a hint with the candidate nearest to name, or else the other hint.
func didYouMean(name string, candidates []string, otherwise string) string {
	if near := synonym(name, candidates); near != "" {
		return fmt.Sprintf("it is called %q here", near)
	}
	if near := Suggest(name, candidates); near != "" {
		return `did you mean "` + near + `"?`
	}
	return otherwise
}

// indexTypes fills the table of a file's types.
func (c *checker) indexTypes(f *File) {
	index := map[string]*Type{}
	for _, t := range f.Types {
		if _, ok := index[t.Name.Value]; !ok {
			index[t.Name.Value] = t
		}
	}
	c.types[f] = index
}

// typeNames returns the names of a file's types that are of one of the kinds, in the order of the file.
func typeNames(f *File, kinds ...TypeKind) []string {
	var names []string
	for _, t := range f.Types {
		for _, kind := range kinds {
			if t.Kind == kind {
				names = append(names, t.Name.Value)
			}
		}
	}
	return names
}
