// Plans: what generating would change in an output folder, decided before anything is written.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvgen/kvgen/generator"
)

// change is what becomes of one file.
type change struct {
	show    string // the path as the user would write it: "gen/shop.kv.go"
	path    string
	exists  bool
	old     []byte
	content []byte
	remove  bool
}

// same reports whether the file is as it shall be.
func (ch *change) same() bool { return !ch.remove && ch.exists && bytes.Equal(ch.old, ch.content) }

// verb says what was done, for -v.
func (ch *change) verb() string {
	switch {
	case ch.remove:
		return "removed"
	case ch.same():
		return "unchanged"
	}
	return "wrote"
}

// plan compares what was generated with the output folder. A file of someone else's in the way is an error.
func plan(p *project, files []generator.File) ([]change, error) {
	produced := map[string]bool{}
	var changes []change
	for _, file := range files {
		produced[file.Path] = true
		ch := change{
			show:    filepath.ToSlash(filepath.Join(p.dir, file.Path)),
			path:    filepath.Join(p.abs, file.Path),
			content: file.Content,
		}
		if err := ch.look(file.Source); err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	for _, file := range generatedFiles(p.abs) {
		name := filepath.Base(file.path)
		ours := slices.ContainsFunc(p.named, func(s *source) bool { return s.base() == file.source })
		if !ours || produced[name] {
			continue
		}
		ch := change{show: filepath.ToSlash(filepath.Join(p.dir, name)), path: file.path, remove: true}
		if err := ch.look(file.source); err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.show, b.show) })
	return changes, nil
}

// look reads the file that is there, and makes sure that it may be replaced.
func (ch *change) look(source string) error {
	info, err := os.Lstat(ch.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("comparing %s: %w", ch.show, err)
	case info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%s is in the way: it is a symbolic link, which kvgen does not follow; move it, or use --out", ch.show)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is in the way: it is not a regular file; move it, or use --out", ch.show)
	}
	ch.old, err = os.ReadFile(ch.path)
	if err != nil {
		return fmt.Errorf("comparing %s: %w", ch.show, err)
	}
	ch.exists = true
	switch owner := sourceOf(ch.old); owner {
	case source:
		return nil
	case "":
		return fmt.Errorf("%s is in the way: kvgen did not generate it; move it, or use --out", ch.show)
	default:
		return fmt.Errorf("%s is in the way: it was generated from %s; remove it if that schema is gone, or use --out", ch.show, owner)
	}
}
