package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is the command when a script calls kvgen.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kvgen": main})
}

func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB").Output()
	if err != nil {
		t.Fatal(err)
	}
	values := strings.Split(strings.TrimSpace(string(settings)), "\n")
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/script",
		Setup: func(env *testscript.Env) error {
			for i, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB"} {
				env.Setenv(name, values[i])
			}
			env.Setenv("KVGEN_ROOT", root)
			env.Setenv("GOTOOLCHAIN", "local")
			env.Setenv("KVGENCACHE", "off")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"age":   age,
			"aged":  aged,
			"lacks": lacks,
		},
		Condition: func(condition string) (bool, error) {
			if condition != "root" {
				return false, fmt.Errorf("unknown condition %q", condition)
			}
			return os.Geteuid() == 0, nil
		},
		// To write new texts into the scripts; look at the difference.
		UpdateScripts: os.Getenv("KVGEN_UPDATE_SCRIPTS") != "",

		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits CODE COMMAND [ARG...] runs a command that ends with the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exited with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func longAgo() time.Time { return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }

// age FILE... makes files look old, so that one sees later whether they were written.
func age(ts *testscript.TestScript, neg bool, args []string) {
	for _, arg := range args {
		ts.Check(os.Chtimes(ts.MkAbs(arg), longAgo(), longAgo()))
	}
}

// aged FILE... holds if nobody wrote the files since.
func aged(ts *testscript.TestScript, neg bool, args []string) {
	for _, arg := range args {
		info, err := os.Stat(ts.MkAbs(arg))
		ts.Check(err)
		if old := info.ModTime().Equal(longAgo()); old == neg {
			ts.Fatalf("%s was written: %v", arg, !old)
		}
	}
}

// lacks DIR PATTERN... holds if the folder has no file of the patterns; * matches leading dots too.
func lacks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: lacks DIR PATTERN...")
	}
	for _, pattern := range args[1:] {
		found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), pattern))
		ts.Check(err)
		if len(found) > 0 {
			ts.Fatalf("there is %v", found)
		}
	}
}

func TestAWatchGeneratesAgainWhenTheSchemaChanges(t *testing.T) {
	layout(t)
	write(t, "shop.kv.yaml", "kvgen: v1\npackage: shop\nbuckets:\n  orders:\n    keys:\n      one: {pattern: one, value: string}\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stderr, w := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		c := &console{stdout: io.Discard, stderr: w, env: os.Environ()}
		exit <- run(ctx, c, []string{"--watch", "-v"})
		w.Close()
	}()
	lines := bufio.NewScanner(stderr)
	await := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("it never said %q", want)
	}
	await("wrote shop.orders.kv.go")
	await("waiting for changes")
	write(t, "shop.kv.yaml", "kvgen: v1\npackage: shop\nbuckets:\n  orders:\n    keys:\n      changed: {pattern: one, value: string}\n")
	await("wrote shop.orders.kv.go")
	await("waiting for changes")
	content, err := os.ReadFile("shop.orders.kv.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte("ChangedKV")) {
		t.Error("the change is not in the generated file")
	}
	cancel()
	if _, err := io.Copy(io.Discard, stderr); err != nil {
		t.Fatal(err)
	}
	if code := <-exit; code != exitOK {
		t.Errorf("it exited with %d", code)
	}
}
