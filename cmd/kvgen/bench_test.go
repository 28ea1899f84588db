package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// manyPatterns is a schema of n key patterns, ten to a bucket, each with a value type of six fields.
func manyPatterns(n int) []byte {
	var b bytes.Buffer
	b.WriteString("kvgen: v1\npackage: many\n\ntypes:\n")
	for i := range n {
		fmt.Fprintf(&b, `  Order%d:
    description: Order%d is what a customer of shop %d wants.
    fields:
      status: {type: string, min_len: 1}
      total: {type: int64, min: 0, description: In cents.}
      placed_at: time
      lines: "[]string"
      attributes: "map[string]string"
      note: {type: string, optional: true}
`, i, i, i)
	}
	b.WriteString("\nbuckets:\n")
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&b, "  orders%d:\n    history: 5\n    keys:\n", i/10)
		}
		fmt.Fprintf(&b, "      order%d:\n        pattern: \"order%d.{tenant}.{id:uint64}\"\n        value: Order%d\n", i, i, i)
	}
	return b.Bytes()
}

// BenchmarkGenerate runs the command as a process, as go:generate does. fresh writes all files,
// unchanged finds them as they should be. Reported beside the time: the lines that are generated, the
// most memory that the process had, and, once for each N, how long the Go compiler takes for them
// with the packages that they import built before. A thousand patterns in one package take the compiler
// minutes and gigabytes, which -short leaves out.
//
//	go test ./cmd/kvgen -run '^$' -bench Generate -short
func BenchmarkGenerate(b *testing.B) {
	tool := filepath.Join(b.TempDir(), "kvgen")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	cache := b.TempDir()
	for _, n := range []int{1, 10, 100, 1000} {
		// A folder of this module, so that the output can be compiled.
		dir, err := os.MkdirTemp("../../testdata", "bench")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.WriteFile(filepath.Join(dir, "many.kv.yaml"), manyPatterns(n), 0o666); err != nil {
			b.Fatal(err)
		}
		run := func(b *testing.B) (megabytes float64) {
			cmd := exec.Command(tool, "generate", dir)
			cmd.Env = append(os.Environ(), memoryVariable+"="+cache)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				b.Fatalf("%v\n%s", err, out)
			}
			usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok || runtime.GOOS != "linux" { // the unit differs elsewhere
				return 0
			}
			return float64(usage.Maxrss) / 1024
		}
		clean := func(b *testing.B) {
			generated, err := filepath.Glob(filepath.Join(dir, "*.kv.go"))
			if err != nil {
				b.Fatal(err)
			}
			for _, path := range generated {
				if err := os.Remove(path); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run(fmt.Sprintf("fresh/N=%d", n), func(b *testing.B) {
			var megabytes float64
			for range b.N {
				b.StopTimer()
				clean(b)
				b.StartTimer()
				megabytes = max(megabytes, run(b))
			}
			b.ReportMetric(megabytes, "MB")
			b.ReportMetric(float64(lines(b, dir)), "lines")
		})
		b.Run(fmt.Sprintf("unchanged/N=%d", n), func(b *testing.B) {
			run(b)
			b.ResetTimer()
			for range b.N {
				run(b)
			}
		})
		b.Run(fmt.Sprintf("compile/N=%d", n), func(b *testing.B) {
			if n > 100 && testing.Short() {
				b.SkipNow()
			}
			run(b)
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				// Another file makes another package, which is not in the build cache.
				text := fmt.Sprintf("package many\n\nconst run = %d\n", time.Now().UnixNano()+int64(i))
				if err := os.WriteFile(filepath.Join(dir, "run.go"), []byte(text), 0o666); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				cmd := exec.Command("go", "build", "./"+filepath.Base(dir))
				cmd.Dir = filepath.Dir(dir)
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}

func lines(b *testing.B, dir string) int {
	generated, err := filepath.Glob(filepath.Join(dir, "*.kv.go"))
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, path := range generated {
		content, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		n += bytes.Count(content, []byte("\n"))
	}
	return n
}
