// Generate: the stages after the schema is known to be good.

package generator

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kvgen/kvgen/schema"
)

// Options are the circumstances of a generation.
type Options struct {
	Dir  string   // output folder: decides which module and build settings apply to Go types
	Tags []string // build tags for loading Go types
	Env  []string // environment of the go command; nil for that of the process
}

// File is a generated file, in memory.
type File struct {
	Path    string // base name: "shop.orders.kv.go"
	Source  string // base name of the schema: "shop.kv.yaml"
	Content []byte
}

// Generate returns the files for checked schemas that generate into one folder, ordered as the
// schemas and their buckets are. There must be no errors left in the schemas; types comes from
// Resolve of the same files. It uses all processors.
func Generate(files []*schema.File, types *GoTypes) ([]File, error) {
	type task struct {
		file File
		emit func() *emitter
		err  error
	}
	var tasks []task
	for _, file := range files {
		u := lower(file, types)
		tasks = append(tasks, task{file: File{Path: u.ValuesFile, Source: u.Source}, emit: func() *emitter { return emitValues(&u) }})
		for i := range u.Buckets {
			b := &u.Buckets[i]
			tasks = append(tasks, task{file: File{Path: b.File, Source: u.Source}, emit: func() *emitter { return emitBucket(&u, b) }})
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tasks)) {
		workers.Go(func() {
			f := newFormatter()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return
				}
				t := &tasks[i]
				t.file.Content, t.err = render(f, t.emit())
			}
		})
	}
	workers.Wait()
	out := make([]File, len(tasks))
	for i := range tasks {
		if err := tasks[i].err; err != nil {
			return nil, fmt.Errorf("%s: %w", tasks[i].file.Path, err)
		}
		out[i] = tasks[i].file
	}
	return out, nil
}

// render prints a file and formats it.
func render(f *formatter, e *emitter) ([]byte, error) {
	f.raw.Reset()
	if err := e.Render(&f.raw); err != nil {
		return nil, err
	}
	content, err := f.source(f.raw.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the generated code does not parse: %w", err)
	}
	return content, nil
}

// groupImports puts the imports of the standard library into a group of their own, as goimports does.
func groupImports(content []byte) []byte {
	const start, end = "\nimport (\n", "\n)\n"
	from := bytes.Index(content, []byte(start))
	if from < 0 {
		return content
	}
	from += len(start)
	to := bytes.Index(content[from:], []byte(end))
	if to < 0 {
		return content
	}
	to += from
	var std, others []string
	for line := range strings.SplitSeq(string(content[from:to]), "\n") {
		path := line[strings.IndexByte(line, '"')+1:]
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") {
			others = append(others, line)
		} else {
			std = append(std, line)
		}
	}
	if len(std) == 0 || len(others) == 0 {
		return content
	}
	grouped := strings.Join(std, "\n") + "\n\n" + strings.Join(others, "\n")
	return append(append(bytes.Clone(content[:from]), grouped...), content[to:]...)
}
