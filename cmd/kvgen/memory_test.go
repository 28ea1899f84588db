package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvgen/kvgen/generator"
)

// TestWhatIsRememberedIsNotGeneratedAgain changes a generated file and its record alike: only a call
// that generates would put the file right.
func TestWhatIsRememberedIsNotGeneratedAgain(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.kv.yaml"), manyPatterns(1), 0o666); err != nil {
		t.Fatal(err)
	}
	generate := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		c := &console{stdout: &out, stderr: &out, env: []string{memoryVariable + "=" + cache}}
		if code := run(t.Context(), c, append(args, dir)); code != exitOK {
			t.Fatalf("exit code %d\n%s", code, &out)
		}
	}
	generate()
	path := filepath.Join(dir, "shop.orders0.kv.go")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := append(bytes.Clone(good), "// changed\n"...)
	if err := os.WriteFile(path, changed, 0o666); err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	values, err := os.ReadFile(filepath.Join(dir, "shop.kv.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := contents([]generator.File{{Path: "shop.orders0.kv.go", Content: changed}, {Path: "shop.kv.go", Content: values}})
	if err := os.WriteFile(records[0], text, 0o666); err != nil {
		t.Fatal(err)
	}
	is := func(want []byte) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v\n%s", err, got)
		}
	}
	generate()
	is(changed)
	generate("--stdout")
	is(changed)
	generate("-v")
	is(good)
	// A record that was cut off is none.
	if err := os.WriteFile(path, changed, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(records[0], text[:len(text)-1], 0o666); err != nil {
		t.Fatal(err)
	}
	generate()
	is(good)
}

func TestTheMemoryForgetsTheOldest(t *testing.T) {
	m := &memory{dir: t.TempDir()}
	start := time.Now()
	for i := range maxRecords + 1 {
		path := filepath.Join(m.dir, fmt.Sprint(i))
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, start, start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
		if i == maxRecords-1 {
			m.forget()
		}
	}
	if entries, _ := os.ReadDir(m.dir); len(entries) != maxRecords+1 {
		t.Fatalf("%d records: forgotten too early", len(entries))
	}
	m.forget()
	entries, _ := os.ReadDir(m.dir)
	if len(entries) != maxRecords/2 {
		t.Fatalf("%d records are left", len(entries))
	}
	if _, err := os.Stat(filepath.Join(m.dir, fmt.Sprint(maxRecords))); err != nil {
		t.Error(err)
	}
}
