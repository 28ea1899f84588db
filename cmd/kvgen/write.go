// Writing: all changes of a call are made, or none. Everything that can be done beforehand is: new
// contents are written under temporary names, and what is there gets a second name, so that only
// renames are left, and renames back if one of them does not succeed.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// apply makes the changes. If it returns an error, the files are what they were.
func apply(changes []change) error {
	var t transaction
	err := t.run(changes)
	if err != nil {
		err = errors.Join(err, t.rollback())
	}
	t.clean(err != nil)
	return err
}

// transaction knows what was done, to undo it.
type transaction struct {
	folders   []string // created, outermost first
	temporary []string
	done      []step
}

// step is a change that is ready to be made.
type step struct {
	*change
	staged string // the new content; empty for a removal
	backup string // the old file; empty if there is none
}

func (t *transaction) run(changes []change) error {
	var steps []step
	for i := range changes {
		ch := &changes[i]
		if ch.same() {
			continue
		}
		s, err := t.stage(ch)
		if err != nil {
			return fmt.Errorf("writing %s: %w", ch.show, err)
		}
		steps = append(steps, s)
	}
	for _, s := range steps {
		if err := s.commit(); err != nil {
			return fmt.Errorf("writing %s: %w", s.show, err)
		}
		t.done = append(t.done, s)
	}
	return nil
}

// stage prepares a change.
func (t *transaction) stage(ch *change) (s step, err error) {
	s.change = ch
	if err := t.makeFolder(filepath.Dir(ch.path)); err != nil {
		return s, err
	}
	mode := fs.FileMode(0)
	if ch.exists {
		info, err := os.Lstat(ch.path)
		if err != nil {
			return s, err
		}
		mode = info.Mode().Perm()
		if s.backup, err = t.keep(ch, mode); err != nil {
			return s, err
		}
	}
	if !ch.remove {
		s.staged, err = t.create(ch.path, ch.content, mode)
	}
	return s, err
}

// makeFolder creates a folder and those above it, remembering which.
func (t *transaction) makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := t.makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	t.folders = append(t.folders, dir)
	return nil
}

// keep gives the old file a second name. Where the file system has no links, it is copied.
func (t *transaction) keep(ch *change, mode fs.FileMode) (string, error) {
	name := t.name(ch.path)
	if os.Link(ch.path, name) == nil {
		return name, nil
	}
	return t.create(ch.path, ch.old, mode)
}

// create writes a temporary file next to path, with the given mode, or if that is 0 with what the
// umask leaves.
func (t *transaction) create(path string, content []byte, mode fs.FileMode) (string, error) {
	name := t.name(path)
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	if mode != 0 {
		err = errors.Join(err, file.Chmod(mode))
	}
	return name, errors.Join(err, file.Close())
}

// name returns a temporary name next to path. Go ignores files whose names begin with a dot.
func (t *transaction) name(path string) string {
	name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".kvgen-%016x.tmp", rand.Uint64()))
	t.temporary = append(t.temporary, name)
	return name
}

// commit makes the change.
func (s step) commit() error {
	if s.remove {
		return os.Remove(s.path)
	}
	return os.Rename(s.staged, s.path)
}

// rollback undoes what was committed, last first.
func (t *transaction) rollback() error {
	var errs []error
	for _, s := range slices.Backward(t.done) {
		var err error
		if s.backup == "" {
			err = os.Remove(s.path)
		} else {
			err = os.Rename(s.backup, s.path)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("putting %s back: %w", s.show, err))
		}
	}
	return errors.Join(errs...)
}

// clean removes temporary files, of which most have become real ones, and after a failure the
// folders that were created.
func (t *transaction) clean(failed bool) {
	for _, name := range t.temporary {
		_ = os.Remove(name)
	}
	if !failed {
		return
	}
	for _, dir := range slices.Backward(t.folders) {
		_ = os.Remove(dir) // only if it is empty
	}
}
