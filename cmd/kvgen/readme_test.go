package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The schema and the program of the README are what a user would paste.
func TestTheReadmeExampleCompiles(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, match := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1) {
		blocks[match[1]] = append(blocks[match[1]], match[2])
	}
	if len(blocks["yaml"]) != 1 || len(blocks["go"]) != 2 {
		t.Fatalf("the README has %d blocks of YAML and %d of Go", len(blocks["yaml"]), len(blocks["go"]))
	}
	layout(t, "shop/shop.kv.yaml")
	write(t, "shop/shop.kv.yaml", blocks["yaml"][0])
	write(t, "shop/shop.go", blocks["go"][0])
	write(t, "main.go", blocks["go"][1])
	write(t, "go.mod", "module example.org/app\n\ngo 1.26\n\nrequire github.com/kvgen/kvgen v0.0.0\n\nreplace github.com/kvgen/kvgen => "+root+"\n")
	write(t, "go.sum", string(sums))

	_, line, ok := strings.Cut(blocks["go"][0], "//go:generate go tool kvgen ")
	if !ok {
		t.Fatal("the README has no line for go generate")
	}
	t.Chdir("shop")
	var stderr bytes.Buffer
	c := &console{stdout: &stderr, stderr: &stderr, env: os.Environ()}
	if code := run(context.Background(), c, strings.Fields(line)); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("kvgen exited with %d and said %s", code, &stderr)
	}
	for _, name := range []string{"shop.kv.go", "shop.orders.kv.go"} {
		if !isFile(name) || !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("%s is not written, or not in the README", name)
		}
	}
	vet := exec.Command("go", "vet", "-mod=mod", "./...")
	vet.Dir = ".."
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}
