// Resolve: the Go types and values that schemas name, looked up with one package load for all of a
// module's schemas.

package generator

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"github.com/kvgen/kvgen/schema"
)

// GoTypes holds what the Go types and values named by schemas turned out to be.
type GoTypes struct {
	self    string               // import path of the output's package, if one of them told it
	objects map[string]*goObject // by "import/path.Name"; those that can be used
}

// None reports that the schemas name no Go type or value: then nothing but their text decides what is
// generated.
func (g *GoTypes) None() bool { return g.objects == nil }

// goObject is a Go type or value that a schema names.
type goObject struct {
	pkgPath string
	pkgName string
	obj     types.Object
}

// lookup returns what ref names, or nil if it cannot be used.
func (g *GoTypes) lookup(ref *schema.GoRef) *goObject {
	if ref == nil {
		return nil
	}
	return g.objects[refID(ref)]
}

func refID(ref *schema.GoRef) string { return ref.ImportPath + "." + ref.Name }

// Folder is an output folder with the schemas that generate into it.
type Folder struct {
	Dir   string // decides which module and build settings apply to Go types; need not exist
	Files []*schema.File
}

// Resolved is what Resolve finds out for one folder.
type Resolved struct {
	Types *GoTypes
	Diags []schema.Diagnostic
}

// Resolve looks up the Go types and values that the schemas of each output folder name, and checks
// that they can be what the schemas want them to be. It loads packages once for each module that has
// such schemas. The files have been through schema.Check; those with errors are welcome. The results
// are in the order of the folders; there are no findings for those whose module could not be loaded.
// The error is about the environment: no go command, no module.
func Resolve(ctx context.Context, folders []Folder, opts Options) ([]Resolved, error) {
	results := make([]Resolved, len(folders))
	var modules []*module
	var environment error
	for i, folder := range folders {
		results[i].Types = &GoTypes{}
		uses := collectRefs(folder.Files)
		if len(uses) == 0 {
			continue
		}
		dir, existing, err := outputDir(folder.Dir)
		if err != nil {
			environment = errors.Join(environment, err)
			continue
		}
		root := moduleRoot(existing)
		n := slices.IndexFunc(modules, func(m *module) bool { return m.root == root })
		if n < 0 {
			n = len(modules)
			modules = append(modules, &module{root: root, dir: existing})
		}
		modules[n].members = append(modules[n].members, member{folder, dir, uses, &results[i]})
	}
	for _, m := range modules {
		if err := m.resolve(ctx, opts); err != nil {
			environment = errors.Join(environment, err)
		}
	}
	return results, environment
}

// module is a module, or what else decides how the go command sees packages, with the folders in it.
type module struct {
	root    string // tells it from others; "" outside of all modules
	dir     string // a folder in it that exists
	members []member
}

// member is an output folder whose schemas name Go types or values.
type member struct {
	Folder
	abs    string // without symbolic links
	uses   []goUse
	result *Resolved
}

// resolve loads what all folders of the module name, and looks it up for each.
func (m *module) resolve(ctx context.Context, opts Options) error {
	pkgs, err := m.load(ctx, opts)
	if err != nil {
		return err
	}
	byPath := map[string]*packages.Package{}
	for _, pkg := range pkgs {
		byPath[pkg.PkgPath] = pkg
	}
	for _, folder := range m.members {
		r := &resolver{
			types:    &GoTypes{self: selfPath(pkgs, folder.abs), objects: map[string]*goObject{}},
			pkgs:     byPath,
			elements: map[*schema.TypeExpr]bool{},
			declared: map[*schema.Type]bool{},
		}
		for _, use := range folder.uses {
			r.resolve(use)
		}
		for _, file := range folder.Files {
			r.checkFile(file)
		}
		*folder.result = Resolved{r.types, schema.Sort(r.diags)}
	}
	return nil
}

// goUse is a reference to Go code with the file that makes it.
type goUse struct {
	file  *schema.File
	ref   *schema.GoRef
	value bool // a value is named, not a type
}

// collectRefs returns all references to Go code, in the order of the files.
func collectRefs(files []*schema.File) []goUse {
	var uses []goUse
	for _, file := range files {
		add := func(ref *schema.GoRef, value bool) {
			if ref != nil {
				uses = append(uses, goUse{file, ref, value})
			}
		}
		addExpr := func(e *schema.TypeExpr) {
			for ; e != nil; e = e.Elem {
				add(e.Go, false)
			}
		}
		for _, t := range file.Types {
			add(t.Go, false)
			for _, f := range t.Fields {
				addExpr(f.Type)
			}
		}
		for _, b := range file.Buckets {
			for _, k := range b.Keys {
				for _, p := range k.Params() {
					add(p.Go, false)
				}
				addExpr(k.Value)
				add(k.Codec.Go, true)
			}
		}
	}
	return uses
}

// resolver is the state of resolving one folder.
type resolver struct {
	types *GoTypes
	pkgs  map[string]*packages.Package // by import path
	diags []schema.Diagnostic

	elements map[*schema.TypeExpr]bool // checked for what JSON cannot carry
	declared map[*schema.Type]bool     // their fields are
}

// load loads the packages of all references. It does not load the output's packages for their own
// sake: where that matters, one of the references belongs to it or to its module.
func (m *module) load(ctx context.Context, opts Options) ([]*packages.Package, error) {
	var paths []string
	for _, folder := range m.members {
		for _, use := range folder.uses {
			if isImportPath(use.ref.ImportPath) {
				paths = append(paths, use.ref.ImportPath)
			}
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if len(paths) == 0 {
		return nil, nil
	}
	config := &packages.Config{
		Context: ctx,
		Mode:    packages.NeedName | packages.NeedTypes | packages.NeedModule | packages.NeedImports,
		Dir:     m.dir,
		Env:     opts.Env,
	}
	if len(opts.Tags) > 0 {
		config.BuildFlags = []string{"-tags=" + strings.Join(opts.Tags, ",")}
	}
	pkgs, err := packages.Load(config, paths...)
	if err != nil {
		return nil, fmt.Errorf("resolving Go types: running the go command in %s: %w", m.dir, err)
	}
	if len(pkgs) == 0 {
		return nil, fmt.Errorf("resolving Go types: the go command finds no package in %s: %s", m.dir, listError(ctx, config, paths))
	}
	for _, pkg := range pkgs {
		if len(pkg.Errors) > 0 && pkg.Name == "" && m.root == "" {
			return nil, fmt.Errorf("resolving Go types: no go.mod in %s or a folder above it: create a module with go mod init, or call kvgen within one", m.dir)
		}
	}
	return pkgs, nil
}

// listError returns what the go command says when it lists no package at all, which package packages
// keeps to itself: for example, that go.mod has to be updated first.
func listError(ctx context.Context, config *packages.Config, paths []string) string {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"list", "-e"}, config.BuildFlags, []string{"--"}, paths)...)
	cmd.Dir, cmd.Env = config.Dir, config.Env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err := cmd.Run()
	said := strings.Join(strings.Fields(strings.TrimPrefix(stderr.String(), "go: ")), " ")
	if said == "" && err != nil {
		said = err.Error()
	}
	return said
}

// moduleRoot returns what tells the module of dir, and its workspace if it has one, from others: the
// paths of their files, or "" if dir belongs to neither.
func moduleRoot(dir string) string {
	var root string
	for _, name := range []string{"go.mod", "go.work"} {
		for at, parent := dir, ""; at != parent; at, parent = filepath.Dir(at), at {
			file := filepath.Join(at, name)
			if _, err := os.Stat(file); err == nil {
				root += file + "\n"
				break
			}
		}
	}
	return root
}

// outputDir returns dir as an absolute path and its nearest folder that exists.
func outputDir(dir string) (abs, existing string, err error) {
	abs, err = filepath.Abs(dir)
	if err != nil {
		return "", "", err
	}
	existing = abs
	for {
		info, err := os.Stat(existing)
		if err == nil && info.IsDir() {
			break
		}
		parent := filepath.Dir(existing)
		if parent == existing || err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", "", fmt.Errorf("the output folder %s cannot be used: %w", abs, err)
		}
		existing = parent
	}
	real, err := filepath.EvalSymlinks(existing)
	if err != nil {
		return "", "", err
	}
	return filepath.Join(real, strings.TrimPrefix(abs, existing)), real, nil
}

// selfPath returns the import path of the package in dir, or "" if none of the packages is in the
// same module: then it cannot matter.
func selfPath(pkgs []*packages.Package, dir string) string {
	for _, pkg := range pkgs {
		if pkg.Dir != "" && realDir(pkg.Dir) == dir {
			return pkg.PkgPath
		}
	}
	for _, pkg := range pkgs {
		if pkg.Module == nil || pkg.Module.Dir == "" {
			continue
		}
		root := realDir(pkg.Module.Dir)
		rel, err := filepath.Rel(root, dir)
		if err == nil && filepath.IsLocal(rel) && !hasModuleBetween(root, dir) {
			return path.Join(pkg.Module.Path, filepath.ToSlash(rel))
		}
	}
	return ""
}

func realDir(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// hasModuleBetween reports whether dir, below root, belongs to a module of its own.
func hasModuleBetween(root, dir string) bool {
	for ; dir != root && len(dir) > len(root); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

// isImportPath keeps what the go command would take for a pattern, a flag or a file away from it.
func isImportPath(s string) bool {
	for elem := range strings.SplitSeq(s, "/") {
		if elem == "" || elem[0] == '.' || elem[0] == '-' || strings.Contains(elem, "...") {
			return false
		}
	}
	return !strings.ContainsAny(s, "@=\\:*?\"'`<>|\x00 \t\r\n") && s != "C"
}

// resolve looks one reference up and keeps it if it can be used.
func (r *resolver) resolve(use goUse) {
	ref := use.ref
	fail := func(rule, message, hint string) {
		r.diags = append(r.diags, use.file.Diag(rule, ref.Text.Pos, message, hint))
	}
	pkg := r.pkgs[ref.ImportPath]
	if pkg == nil {
		fail("go-type-missing", fmt.Sprintf("%q is not an import path", ref.ImportPath), "write the path as in an import declaration, without a version")
		return
	}
	if pkg.Name == "" || pkg.Types == nil {
		fail("go-type-missing", fmt.Sprintf("package %q cannot be loaded: %s", ref.ImportPath, firstError(pkg)), r.missingHint(pkg))
		return
	}
	if message, hint := r.unusable(pkg); message != "" {
		fail("go-type-invalid", message, hint)
		return
	}
	obj := pkg.Types.Scope().Lookup(ref.Name)
	switch {
	case !token.IsExported(ref.Name):
		fail("go-type-unexported", fmt.Sprintf("%s is not exported by package %q", ref.Name, ref.ImportPath), suggestExported(pkg, ref.Name, use.value))
		return
	case obj == nil:
		fail("go-type-missing", fmt.Sprintf("package %q has no %s", ref.ImportPath, ref.Name), suggestExported(pkg, ref.Name, use.value))
		return
	}
	if problem, hint := unfit(obj, use.value); problem != "" {
		fail("go-type-invalid", fmt.Sprintf("%s.%s %s", pkg.Name, ref.Name, problem), hint)
		return
	}
	r.types.objects[refID(ref)] = &goObject{ref.ImportPath, pkg.Name, obj}
}

// unusable tells why a generated file cannot import pkg, if so.
func (r *resolver) unusable(pkg *packages.Package) (message, hint string) {
	self := r.types.self
	if pkg.PkgPath == self {
		return "", ""
	}
	if pkg.Name == "main" {
		return fmt.Sprintf("%q is a command (package main), which cannot be imported", pkg.PkgPath), "move the type to a package of its own"
	}
	elems := strings.Split(pkg.PkgPath, "/")
	for i, elem := range slices.Backward(elems) {
		root := strings.Join(elems[:i], "/")
		if elem != "internal" {
			continue
		}
		if self == "" || self != root && !strings.HasPrefix(self, root+"/") {
			return fmt.Sprintf("%q is internal: the package that is generated here may not import it", pkg.PkgPath), "move the type out of internal, or generate into a folder that may import it"
		}
		break
	}
	for _, imp := range pkg.Imports {
		if self != "" && imp.PkgPath == self {
			return fmt.Sprintf("%q imports %q, the package that is generated here: Go has no import cycles", pkg.PkgPath, self),
				"move the type to a package that does not need the generated one, or generate into the package of the type"
		}
	}
	return "", ""
}

// unfit tells why obj is not a type, or not a value, that generated code can name.
func unfit(obj types.Object, value bool) (problem, hint string) {
	if value {
		switch obj.(type) {
		case *types.Var, *types.Const:
			return "", ""
		}
		return "is " + kindOf(obj) + ", and a codec is a package-level variable", fmt.Sprintf("declare one, as in: var %sCodec …", obj.Name())
	}
	name, ok := obj.(*types.TypeName)
	if !ok {
		return "is " + kindOf(obj) + ", not a type", "name the type of its values"
	}
	t := types.Unalias(name.Type())
	generic, ok := name.Type().(interface{ TypeParams() *types.TypeParamList })
	if ok && generic.TypeParams().Len() > 0 && typeArgs(name.Type()) == 0 {
		return "is generic", fmt.Sprintf("declare a type with its arguments filled in, and name that: type … = %s[…]", name.Name())
	}
	switch u := t.Underlying().(type) {
	case *types.Interface:
		return "is an interface, of which no value can be read back", "name a type that implements it"
	case *types.Basic:
		if u.Kind() == types.Invalid {
			return "is not a valid type: its package does not compile", "correct it; what is made of a type that is generated here can be a field of a struct, and that be named"
		}
		if u.Kind() == types.UnsafePointer {
			return "is an address, which cannot be stored", "name a type of data"
		}
	case *types.Chan, *types.Signature:
		return "is " + describe(t) + ", which cannot be stored", "name a type of data"
	}
	return "", ""
}

func typeArgs(t types.Type) int {
	if t, ok := t.(interface{ TypeArgs() *types.TypeList }); ok {
		return t.TypeArgs().Len()
	}
	return 0
}

func kindOf(obj types.Object) string {
	switch obj.(type) {
	case *types.Func:
		return "a function"
	case *types.Var:
		return "a variable"
	case *types.Const:
		return "a constant"
	}
	return "a type"
}

// firstError returns what the go command said of a package, in one line.
func firstError(pkg *packages.Package) string {
	if len(pkg.Errors) == 0 {
		return "it has no Go files"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(pkg.Errors[0].Msg), "\n")
	line, _, _ = strings.Cut(line, "; to add")
	return line
}

func (r *resolver) missingHint(pkg *packages.Package) string {
	if len(pkg.Errors) > 0 && strings.Contains(pkg.Errors[0].Msg, "build constraints exclude") {
		return "give the build tags that it needs with --tags"
	}
	if len(pkg.Errors) > 0 && strings.Contains(pkg.Errors[0].Msg, "missing go.sum entry") {
		return "run: go mod tidy"
	}
	for _, other := range r.pkgs {
		if m := other.Module; m != nil && m.Main && strings.HasPrefix(pkg.PkgPath, m.Path+"/") {
			return "create the package, or correct its path"
		}
	}
	first, _, _ := strings.Cut(pkg.PkgPath, "/")
	if !strings.Contains(first, ".") {
		return "correct the path: it is not one of the standard library"
	}
	return "correct the path, or add its module: go get " + pkg.PkgPath
}
