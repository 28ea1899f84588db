// Inputs: which schema files the paths of the command line stand for.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

const schemaSuffix = ".kv.yaml"

// maxRead is more than Load accepts, so that it can tell, and not more than memory bears.
const maxRead = 4<<20 + 4 // a byte order mark and one too many

// input is a schema file to work on.
type input struct {
	path string // as the user wrote it, cleaned, slash-separated: "internal/kv/shop.kv.yaml"
	abs  string
}

// findInputs returns the schema files of the paths, each once, in the order of the paths. In a call
// without a command, words is set: a path that is no more than a word may be a mistyped command.
func findInputs(paths []string, words bool) ([]input, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var inputs []input
	seen := map[string]bool{}
	for _, path := range paths {
		files, err := expand(path, words)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			abs, err := filepath.Abs(file)
			if err != nil {
				return nil, err
			}
			if !seen[abs] {
				seen[abs] = true
				inputs = append(inputs, input{filepath.ToSlash(file), abs})
			}
		}
	}
	return inputs, nil
}

// expand returns the schema files that one path stands for.
func expand(path string, words bool) ([]string, error) {
	if path == "" {
		return nil, &usageError{"a path is empty", "the current folder is ."}
	}
	slashed := filepath.ToSlash(path)
	if root, ok := strings.CutSuffix(slashed, "..."); ok && (root == "" || strings.HasSuffix(root, "/")) {
		if root == "" {
			root = "."
		}
		return walk(filepath.Clean(filepath.FromSlash(root)), path)
	}
	if strings.Contains(slashed, "/.../") {
		return nil, &usageError{fmt.Sprintf("%s: ... stands at the end of a path only", path), ""}
	}
	clean := filepath.Clean(path)
	info, err := os.Stat(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist) && words && !isPath(path):
		return nil, unknownCommand(path)
	case err != nil:
		return nil, missing(clean, err)
	case info.IsDir():
		files, err := list(clean)
		if err == nil && len(files) == 0 {
			err = noSchemas(clean)
		}
		return files, err
	case !strings.HasSuffix(clean, ".yaml") && !strings.HasSuffix(clean, ".yml"):
		return nil, &usageError{filepath.ToSlash(clean) + " is not a schema", "the name of a schema file ends in " + schemaSuffix}
	}
	return []string{clean}, nil
}

func noSchemas(dir string) error {
	where := "folder " + filepath.ToSlash(dir)
	if dir == "." {
		where = "the current folder"
	}
	return &usageError{"there is no schema in " + where, "the name of a schema file ends in " + schemaSuffix + "; ./... looks into folders below, too"}
}

// missing says that a path cannot be read, and what might have been meant.
func missing(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	message := fmt.Errorf("reading %s: %w", filepath.ToSlash(path), err)
	if !errors.Is(err, fs.ErrNotExist) {
		return message
	}
	dir, name := filepath.Split(path)
	files, _ := list(filepath.Clean(dir)) // no folder, no suggestion
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if near := schema.Suggest(name, files); near != "" {
		return fmt.Errorf("%w: did you mean %s?", message, filepath.ToSlash(filepath.Join(dir, near)))
	}
	return fmt.Errorf("%w: check the path", message)
}

// list returns the schema files of a folder, sorted.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, missingFolder(dir, err)
	}
	var files []string
	for _, entry := range entries {
		if path := filepath.Join(dir, entry.Name()); isSchemaName(entry.Name()) && isFile(path) {
			files = append(files, path)
		}
	}
	return files, nil
}

func missingFolder(dir string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("looking for schemas in folder %s: %w", filepath.ToSlash(dir), err)
}

// isSchemaName reports whether a folder's file is one of its schemas. Hidden files are not: editors
// make some.
func isSchemaName(name string) bool {
	return strings.HasSuffix(name, schemaSuffix) && !strings.HasPrefix(name, ".")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// walk returns the schema files of a folder and all below it, without those folders that hold no
// sources of the project.
func walk(root, path string) ([]string, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	inTestdata := slices.Contains(strings.Split(filepath.ToSlash(abs), "/"), "testdata")
	var files []string
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return missingFolder(file, err)
		case !entry.IsDir():
			if isSchemaName(entry.Name()) && isFile(file) {
				files = append(files, file)
			}
		case file != root && skipped(entry.Name(), inTestdata):
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, &usageError{"there is no schema in " + path, "the name of a schema file ends in " + schemaSuffix}
	}
	return files, nil
}

// skipped reports whether ... leaves a folder out.
func skipped(name string, inTestdata bool) bool {
	switch name {
	case "vendor", "node_modules":
		return true
	case "testdata":
		return !inTestdata
	}
	return name[0] == '.' || name[0] == '_'
}

// read returns the text of a schema file.
func read(in input) ([]byte, error) {
	file, err := os.Open(in.abs)
	if err != nil {
		return nil, missing(filepath.FromSlash(in.path), err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxRead))
	if err != nil {
		return nil, missing(filepath.FromSlash(in.path), err)
	}
	return text, nil
}
