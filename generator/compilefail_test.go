package generator_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhatABucketCannotDoDoesNotCompile builds packages that are wrong, and compares what the
// compiler says with the comments at the ends of their lines: no more, no less.
func TestWhatABucketCannotDoDoesNotCompile(t *testing.T) {
	cmd := exec.Command("go", "build", "-gcflags=-e", "./testdata/compilefail/...")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("everything compiles")
	}
	said := map[string]string{} // by place: "testdata/compilefail/keys/keys.go:15"
	message := regexp.MustCompile(`(?m)^(\S+\.go:\d+):\d+: (.*)$`)
	for _, m := range message.FindAllStringSubmatch(string(out), -1) {
		said[filepath.ToSlash(m[1])] = m[2]
	}
	files, err := filepath.Glob("../testdata/compilefail/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(source), "\n") {
			place := fmt.Sprintf("%s:%d", strings.TrimPrefix(filepath.ToSlash(path), "../"), i+1)
			_, want, wrong := strings.Cut(line, "// ERROR: ")
			got, refused := said[place]
			if wrong != refused || !strings.HasPrefix(got, want) {
				t.Errorf("%s: the compiler says %q, want %q", place, got, want)
			}
			delete(said, place)
		}
	}
	if len(said) > 0 {
		t.Errorf("elsewhere: %v\n%s", said, out)
	}
}
