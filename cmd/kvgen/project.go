// Projects: the schemas of a call, joined by the folder that they generate into, from text to
// checked model. Schemas of one output folder share a Go package and are looked at together.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvgen/kvgen/generator"
	"github.com/kvgen/kvgen/schema"
)

// project is an output folder with the schemas that generate into it.
type project struct {
	dir    string // as the user would write it: "gen"
	abs    string // without symbolic links
	named  []*source
	others []*source      // not in the call, but part of the same package
	files  []*schema.File // of those in the call, once they are loaded
	diags  []schema.Diagnostic
	types  *generator.GoTypes
}

// source is one schema on its way to a model.
type source struct {
	input
	file *schema.File // nil if the YAML cannot be used
}

func (s *source) base() string { return filepath.Base(s.abs) }

// findings are the diagnostics of a call with the texts that they speak of.
type findings struct {
	diags []schema.Diagnostic
	texts map[string][]byte // by path as shown
}

// analyse loads and checks the schemas of a call, and resolves the Go types that they name. An error
// is one of usage or of the environment.
func analyse(ctx context.Context, c *console, o *options, projects []*project) (findings, error) {
	found := findings{texts: map[string][]byte{}}
	var environment error
	var loaded []*project
	var folders []generator.Folder
	for _, p := range projects {
		if err := p.load(found.texts); err != nil {
			environment = errors.Join(environment, err)
			continue
		}
		p.diags = append(p.diags, schema.Check(p.all())...)
		loaded = append(loaded, p)
		folders = append(folders, generator.Folder{Dir: p.abs, Files: p.files})
	}
	done := c.progress("loading Go types")
	resolved, err := generator.Resolve(ctx, folders, generator.Options{Tags: o.tagList(), Env: c.env})
	done()
	for i, p := range loaded {
		p.types = resolved[i].Types
		p.diags = append(p.diags, resolved[i].Diags...)
		found.diags = append(found.diags, p.own(schema.DropIgnored(p.all(), p.diags))...)
	}
	found.diags = schema.Limit(schema.Sort(found.diags))
	return found, errors.Join(environment, err)
}

// group joins schemas by output folder, sorted by folder.
func group(inputs []input, out string) ([]*project, error) {
	byFolder := map[string]*project{}
	for _, in := range inputs {
		dir := filepath.Dir(filepath.FromSlash(in.path))
		if out != "" {
			dir = filepath.Clean(out)
		}
		abs, err := realFolder(dir)
		if err != nil {
			return nil, err
		}
		p := byFolder[abs]
		if p == nil {
			p = &project{dir: dir, abs: abs}
			byFolder[abs] = p
		}
		s := &source{input: in}
		if i := slices.IndexFunc(p.named, func(other *source) bool { return other.base() == s.base() }); i >= 0 {
			return nil, &usageError{
				fmt.Sprintf("%s and %s would write the same files in %s", p.named[i].path, in.path, filepath.ToSlash(dir)),
				"rename one of them, or generate them into different folders",
			}
		}
		p.named = append(p.named, s)
	}
	projects := make([]*project, 0, len(byFolder))
	for _, p := range byFolder {
		projects = append(projects, p)
	}
	slices.SortFunc(projects, func(a, b *project) int { return strings.Compare(a.abs, b.abs) })
	return projects, nil
}

// realFolder returns the absolute path of a folder without symbolic links. The folder need not exist.
func realFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return abs, nil
	case err != nil:
		return "", fmt.Errorf("writing to folder %s: %w", filepath.ToSlash(dir), err)
	case !info.IsDir():
		return "", fmt.Errorf("writing to folder %s: it is a file; name a folder, which is created if it does not exist", filepath.ToSlash(dir))
	}
	return filepath.EvalSymlinks(abs)
}

// load loads the schemas of a project, and those that are part of the same package.
func (p *project) load(texts map[string][]byte) error {
	for _, s := range p.named {
		diags, err := s.load(texts)
		if err != nil {
			return err
		}
		p.diags = append(p.diags, diags...)
		if s.file != nil {
			p.files = append(p.files, s.file)
		}
	}
	for _, s := range p.findOthers() {
		// One that cannot be read is no part of the package, and not what the call is about.
		if _, err := s.load(texts); err == nil && s.file != nil {
			p.others = append(p.others, s)
		}
	}
	return nil
}

// all returns the schemas of the package, in the call or not, once they are loaded.
func (p *project) all() []*schema.File {
	all := slices.Clone(p.files)
	for _, s := range p.others {
		all = append(all, s.file)
	}
	return all
}

// load reads the schema. Its text is kept for the diagnostics that speak of it.
func (s *source) load(texts map[string][]byte) ([]schema.Diagnostic, error) {
	text, err := read(s.input)
	if err != nil {
		return nil, err
	}
	texts[s.path] = text
	file, diags := schema.Load(s.path, text)
	s.file = file
	return diags, nil
}

// findOthers returns the schemas that are not in the call although files in the output folder come
// from them. They are in a folder with one that is: that is where their go:generate line stands.
func (p *project) findOthers() []*source {
	var others []*source
	seen := map[string]bool{}
	for _, s := range p.named {
		seen[s.base()] = true
	}
	for _, file := range generatedFiles(p.abs) {
		if seen[file.source] {
			continue
		}
		for _, s := range p.named {
			in := input{
				path: filepath.ToSlash(filepath.Join(filepath.Dir(filepath.FromSlash(s.path)), file.source)),
				abs:  filepath.Join(filepath.Dir(s.abs), file.source),
			}
			if isFile(in.abs) {
				seen[file.source] = true
				others = append(others, &source{input: in})
				break
			}
		}
	}
	return others
}

// own leaves out what concerns only schemas that are not in the call.
func (p *project) own(diags []schema.Diagnostic) []schema.Diagnostic {
	if len(p.others) == 0 {
		return diags
	}
	named := map[string]bool{}
	for _, s := range p.named {
		named[s.path] = true
	}
	return slices.DeleteFunc(diags, func(d schema.Diagnostic) bool {
		return !named[d.File] && !slices.ContainsFunc(d.Related, func(r schema.Related) bool { return named[r.File] })
	})
}
