package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// layout makes empty files in a new folder and works there.
func layout(t *testing.T, files ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, path, "")
	}
	t.Chdir(dir)
}

func TestPathsStandForSchemas(t *testing.T) {
	layout(t, "b.kv.yaml", "a.kv.yaml", "other.yaml", ".#a.kv.yaml", "sub/c.kv.yaml", "sub/deep/d.kv.yaml",
		"testdata/t.kv.yaml", "testdata/x/testdata/u.kv.yaml", "vendor/v.kv.yaml", "node_modules/n.kv.yaml", ".git/g.kv.yaml", "_old/o.kv.yaml")
	tests := []struct {
		paths []string
		want  []string
	}{
		{nil, []string{"a.kv.yaml", "b.kv.yaml"}},
		{[]string{"."}, []string{"a.kv.yaml", "b.kv.yaml"}},
		{[]string{"./sub/"}, []string{"sub/c.kv.yaml"}},
		{[]string{"./b.kv.yaml", "a.kv.yaml"}, []string{"b.kv.yaml", "a.kv.yaml"}},
		{[]string{"a.kv.yaml", ".", "sub/../a.kv.yaml"}, []string{"a.kv.yaml", "b.kv.yaml"}},
		{[]string{"other.yaml"}, []string{"other.yaml"}},
		{[]string{"./..."}, []string{"a.kv.yaml", "b.kv.yaml", "sub/c.kv.yaml", "sub/deep/d.kv.yaml"}},
		{[]string{"..."}, []string{"a.kv.yaml", "b.kv.yaml", "sub/c.kv.yaml", "sub/deep/d.kv.yaml"}},
		{[]string{"sub/..."}, []string{"sub/c.kv.yaml", "sub/deep/d.kv.yaml"}},
		{[]string{"./testdata/..."}, []string{"testdata/t.kv.yaml", "testdata/x/testdata/u.kv.yaml"}},
		{[]string{"./_old/..."}, []string{"_old/o.kv.yaml"}},
	}
	for _, test := range tests {
		inputs, err := findInputs(test.paths, false)
		if err != nil {
			t.Errorf("%v: %v", test.paths, err)
			continue
		}
		var got []string
		for _, in := range inputs {
			got = append(got, in.path)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v stands for %v, want %v", test.paths, got, test.want)
		}
	}
}

func TestPathsThatStandForNothingAreRefused(t *testing.T) {
	layout(t, "shop.kv.yaml", "empty/note.txt")
	tests := []struct {
		path  string
		words bool
		usage bool // else it is the environment
		want  string
	}{
		{"empty", false, true, "there is no schema in folder empty"},
		{"./empty/...", false, true, "there is no schema in ./empty/..."},
		{"empty/note.txt", false, true, "empty/note.txt is not a schema"},
		{"", false, true, "a path is empty"},
		{"./.../kv", false, true, "./.../kv: ... stands at the end of a path only"},
		{"shp.kv.yaml", true, false, "reading shp.kv.yaml: no such file or directory: did you mean shop.kv.yaml?"},
		{"nowhere/at.kv.yaml", true, false, "reading nowhere/at.kv.yaml: no such file or directory: check the path"},
		{"gone/...", false, false, "looking for schemas in folder gone: no such file or directory"},
		{"genrate", false, false, "reading genrate: no such file or directory: check the path"},
		{"genrate", true, true, `"genrate" is neither a command nor a path`},
	}
	for _, test := range tests {
		_, err := findInputs([]string{test.path}, test.words)
		var usage *usageError
		if err == nil || err.Error() != test.want || errors.As(err, &usage) != test.usage {
			t.Errorf("%q: got %v (usage: %v), want %s", test.path, err, usage != nil, test.want)
		}
	}
}
