// Checks of a schema file as such: its name, which becomes part of the names of Go files, and its
// package, which it shares with the other schemas of the folder.

package schema

import (
	"fmt"
	"strings"
)

// checkFiles checks the names and packages of all files.
func (c *checker) checkFiles() {
	first := map[string]*File{} // by name
	var packaged *File          // the first one with a package
	for _, f := range c.files {
		c.checkFileName(f)
		start := Pos{Line: 1, Column: 1, EndColumn: 1}
		if other := first[f.Name]; other != nil {
			c.report(f, "file-name", start,
				fmt.Sprintf("%s and %s would generate the same files into one folder", f.Path, other.Path),
				"rename one of them, or generate them into folders of their own", related(other, start, "the other schema"))
		} else {
			first[f.Name] = f
		}
		if !f.Package.IsSet() {
			continue
		}
		name := f.Package.Value
		if problem := packageNameProblem(name); problem != "" {
			c.report(f, "invalid-package", f.Package.Pos, fmt.Sprintf("%q cannot be the name of a Go package: %s", name, problem), packageHint(name))
			continue
		}
		switch {
		case packaged == nil:
			packaged = f
		case packaged.Package.Value != name:
			c.report(f, "package-mismatch", f.Package.Pos,
				fmt.Sprintf("package %q, but %s, which generates into the same folder, has package %q", name, packaged.Path, packaged.Package.Value),
				"schemas of one folder make one package", related(packaged, packaged.Package.Pos, "the other package is here"))
		}
	}
}

// packageHint is a name of a package that is near to one that is none.
func packageHint(name string) string {
	better := strings.ToLower(strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return -1
	}, name))
	if better == name || packageNameProblem(better) != "" {
		return "by convention it is a short word of lower-case letters: shop"
	}
	return fmt.Sprintf("write %q", better)
}

// checkFileName refuses a name that the go command would leave out of some builds.
func (c *checker) checkFileName(f *File) {
	start := Pos{Line: 1, Column: 1, EndColumn: 1}
	if !isFileName(f.Name) {
		c.report(f, "file-name", start,
			fmt.Sprintf("a schema file cannot be named %q: the part before .kv.yaml is made of a-z, 0-9, _ and -, and begins with a letter or digit", f.Name),
			"rename the file")
		return
	}
	if isDeviceName(f.Name) {
		c.report(f, "file-name", start, fmt.Sprintf("a schema file cannot be named %q: Windows takes %s.kv.go for a device", f.Name, f.Name), "rename the file")
		return
	}
	if n := len(f.Name); n > maxNameLength {
		c.report(f, "file-name", start, fmt.Sprintf("the name of the schema file has %d bytes before .kv.yaml", n),
			fmt.Sprintf("rename the file; at most %d leave room for the names of buckets in those of the generated files", maxNameLength))
		return
	}
	suffix := fileSuffix(f.Name)
	if suffix == "" {
		return
	}
	why := "go would build the generated files for " + suffix + " only"
	if suffix == "test" {
		why = "_test is for files of tests"
	}
	plain := strings.TrimSuffix(f.Name, "_"+suffix)
	c.report(f, "file-name", start, fmt.Sprintf("a schema file cannot be named %q: %s", f.Name, why),
		fmt.Sprintf("rename it, to %s.kv.yaml or %s-%s.kv.yaml", plain, plain, suffix))
}

func isFileName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', i > 0 && (c == '_' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}
