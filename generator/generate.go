// Generate: the stages after the schema is known to be good.

package generator

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/kvgen/kvgen/schema"
)

// Options are the circumstances of a generation.
type Options struct {
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
		file  File
		unit  *unit
		molds *molds
		emit  func(a *assembler)
		err   error
	}
	var tasks []task
	for _, file := range files {
		u := lower(file, types)
		known := &molds{byShape: map[string]*mold{}}
		tasks = append(tasks, task{file: File{Path: u.ValuesFile, Source: u.Source}, unit: &u, molds: known, emit: emitValues})
		for i := range u.Buckets {
			b := &u.Buckets[i]
			emit := func(a *assembler) { emitBucket(a, b) }
			tasks = append(tasks, task{file: File{Path: b.File, Source: u.Source}, unit: &u, molds: known, emit: emit})
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tasks)) {
		workers.Go(func() {
			a := newAssembler() // kept for its memory
			for {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return
				}
				t := &tasks[i]
				a.begin(t.unit, t.molds)
				t.emit(a)
				t.file.Content, t.err = a.file()
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
