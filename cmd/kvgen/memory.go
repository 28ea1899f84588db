// Memory: what earlier calls have generated, so that a call in which nothing changed need not do it
// again. It is kept in the user's cache folder and can be deleted at any time. It only ever says that
// all files of an output folder are as they should be; whatever else is the case, kvgen generates.

package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/kvgen/kvgen/generator"
)

// memoryVariable names another folder than kvgen in the user's cache folder, or is "off".
const memoryVariable = "KVGENCACHE"

// maxRecords bounds the memory: a record has some hundred bytes for each file.
const maxRecords = 512

// memory is a folder of records. A nil memory knows nothing.
type memory struct {
	dir  string
	tool []byte // what tells this build of kvgen from others
}

// openMemory returns the memory, or nil if it is off or there is no place for it.
func openMemory(c *console) *memory {
	dir := c.getenv(memoryVariable)
	if dir == "off" {
		return nil
	}
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil
		}
		dir = filepath.Join(cache, "kvgen")
	}
	tool := identifyTool()
	if tool == nil || !filepath.IsAbs(dir) {
		return nil
	}
	return &memory{dir, tool}
}

// identifyTool returns what no other build of kvgen has in common with this one: the beginning of the
// executable, where the linker puts the build's id, its size, its time and its modules.
func identifyTool() []byte {
	path, err := os.Executable()
	if err != nil {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(file, 64<<10)); err != nil {
		return nil
	}
	modules, _ := debug.ReadBuildInfo()
	fmt.Fprintf(hash, "\n%d %d\n%v", info.Size(), info.ModTime().UnixNano(), modules)
	return hash.Sum(nil)
}

// upToDate reports whether the output folder of a project holds what its schemas give.
func (m *memory) upToDate(p *project) bool {
	if m == nil {
		return false
	}
	sources := slices.Concat(p.named, p.findOthers())
	texts := map[string][]byte{}
	for _, s := range sources {
		text, err := read(s.input)
		if err != nil {
			return false
		}
		texts[s.path] = text
	}
	record, err := os.ReadFile(m.record(p, sources, texts))
	if err != nil {
		return false
	}
	var files []generator.File
	for _, file := range generatedFiles(p.abs) {
		if !slices.ContainsFunc(p.named, func(s *source) bool { return s.base() == file.source }) {
			continue
		}
		content, err := os.ReadFile(file.path)
		if err != nil {
			return false
		}
		files = append(files, generator.File{Path: filepath.Base(file.path), Content: content})
	}
	return bytes.Equal(record, contents(files))
}

// remember notes what was generated for a project, whose schemas gave no diagnostic. What a Go type
// is does not stand in the schema, so schemas that name one are generated each time.
func (m *memory) remember(p *project, texts map[string][]byte, files []generator.File) {
	if m == nil || !p.types.None() {
		return
	}
	if os.MkdirAll(m.dir, 0o777) != nil {
		return
	}
	path := m.record(p, slices.Concat(p.named, p.others), texts)
	temporary, err := os.CreateTemp(m.dir, ".record-*")
	if err != nil {
		return
	}
	_, err = temporary.Write(contents(files))
	if cerr := temporary.Close(); err != nil || cerr != nil || os.Rename(temporary.Name(), path) != nil {
		_ = os.Remove(temporary.Name())
		return
	}
	m.forget()
}

// record returns the path of the record for what a project is generated from.
func (m *memory) record(p *project, sources []*source, texts map[string][]byte) string {
	hash := sha256.New()
	hash.Write(m.tool)
	sources = slices.SortedFunc(slices.Values(sources), func(a, b *source) int { return strings.Compare(a.base(), b.base()) })
	for _, s := range sources {
		fmt.Fprintf(hash, "%q %t %d\n", s.base(), slices.Contains(p.named, s), len(texts[s.path]))
		hash.Write(texts[s.path])
	}
	return filepath.Join(m.dir, hex.EncodeToString(hash.Sum(nil)))
}

// contents describes files: a line for each, and one that shows the end.
func contents(files []generator.File) []byte {
	files = slices.SortedFunc(slices.Values(files), func(a, b generator.File) int { return strings.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	for _, file := range files {
		fmt.Fprintf(&b, "%x %q\n", sha256.Sum256(file.Content), file.Path)
	}
	fmt.Fprintf(&b, "%d files\n", len(files))
	return b.Bytes()
}

// forget removes the oldest records when there are too many.
func (m *memory) forget() {
	entries, err := os.ReadDir(m.dir)
	if err != nil || len(entries) <= maxRecords {
		return
	}
	var records []fs.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			records = append(records, info)
		}
	}
	slices.SortFunc(records, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range records[:max(0, len(records)-maxRecords/2)] {
		_ = os.Remove(filepath.Join(m.dir, info.Name()))
	}
}

// pending returns the projects that are not up to date.
func (m *memory) pending(projects []*project) []*project {
	return slices.DeleteFunc(projects, m.upToDate)
}

// rememberAll notes all projects of a call that had no diagnostic.
func (m *memory) rememberAll(projects []*project, found findings, files [][]generator.File) {
	if len(found.diags) > 0 {
		return
	}
	for i, p := range projects {
		m.remember(p, found.texts, files[i])
	}
}
