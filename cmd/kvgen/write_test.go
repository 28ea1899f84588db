package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// tree returns the contents of all files below dir, with folders ending in a slash.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			files[filepath.ToSlash(rel)+"/"] = ""
			return nil
		}
		content, err := os.ReadFile(path)
		files[filepath.ToSlash(rel)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func wantTree(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := tree(t, dir)
	for name, content := range want {
		if have, ok := got[name]; !ok || have != content {
			t.Errorf("%s holds %q (there: %v), want %q", name, have, ok, content)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is left over", name)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAllChangesAreMade(t *testing.T) {
	dir := t.TempDir()
	changed, gone := filepath.Join(dir, "changed"), filepath.Join(dir, "gone")
	write(t, changed, "old")
	write(t, gone, "old")
	err := apply([]change{
		{show: "changed", path: changed, exists: true, old: []byte("old"), content: []byte("new")},
		{show: "gone", path: gone, exists: true, old: []byte("old"), remove: true},
		{show: "made", path: filepath.Join(dir, "made"), content: []byte("new")},
		{show: "deep", path: filepath.Join(dir, "a", "b", "deep"), content: []byte("new")},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, map[string]string{"changed": "new", "made": "new", "a/": "", "a/b/": "", "a/b/deep": "new"})
}

// The last change cannot be made: a folder that is not empty is in the way of the rename.
func TestAFailureLeavesTheTreeAsItWas(t *testing.T) {
	dir := t.TempDir()
	changed, gone, blocked := filepath.Join(dir, "changed"), filepath.Join(dir, "gone"), filepath.Join(dir, "blocked")
	write(t, changed, "old")
	write(t, gone, "old")
	if err := os.Mkdir(blocked, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(blocked, "inside"), "theirs")
	before := tree(t, dir)
	past := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(changed, past, past); err != nil {
		t.Fatal(err)
	}
	err := apply([]change{
		{show: "changed", path: changed, exists: true, old: []byte("old"), content: []byte("new")},
		{show: "gone", path: gone, exists: true, old: []byte("old"), remove: true},
		{show: "made", path: filepath.Join(dir, "made"), content: []byte("new")},
		{show: "deep", path: filepath.Join(dir, "a", "b", "deep"), content: []byte("new")},
		{show: "blocked", path: blocked, content: []byte("new")},
	})
	if err == nil {
		t.Fatal("a folder was replaced")
	}
	wantTree(t, dir, before)
	info, err := os.Stat(changed)
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(past) {
		t.Errorf("the file was put back with the time %v", info.ModTime())
	}
}

func TestModesAreKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "old")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := apply([]change{{show: "f", path: path, exists: true, old: []byte("old"), content: []byte("new")}}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v", info.Mode().Perm())
	}
}
