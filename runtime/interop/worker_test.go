package interop_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// A worker is a process with a client of another language. A request is a line, and so is its
// answer:
//
//	make BUCKET HISTORY        ok              creates a bucket with that client's defaults, and opens it
//	open BUCKET                ok
//	get KEY                    ENTRY, or none
//	put KEY VALUE              ok REVISION
//	create KEY VALUE           ok REVISION
//	update KEY VALUE REVISION  ok REVISION
//	delete KEY                 ok
//	purge KEY                  ok
//	keys                       ok KEY...
//	history KEY                ok ENTRY...
//	watch FILTER               ok              once it is attached; one at a time
//	next                       ENTRY           the next event of the watch, however long it takes
//	unwatch                    ok
//
// An ENTRY is OPERATION KEY REVISION VALUE, the operation put, delete or purge. A VALUE is an x and
// hexadecimal digits. An answer that begins with error says what went wrong.
type worker struct {
	stdin   io.Writer
	answers <-chan string
	stderr  *bytes.Buffer
}

// patience is how long a worker may take for an answer, on a slow machine.
const patience = time.Minute

// A language is one that has a client, and how to start its worker.
type language struct {
	name    string
	command func(t *testing.T) []string
}

func languages() []language { return []language{{"javascript", javascript}, {"c", c}} }

// missing skips the test for want of something that comes from elsewhere, or fails it where
// everything was to be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("KVGEN_REQUIRE_INTEROP") != "" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

func javascript(t *testing.T) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "Node.js, 18 or later, in the PATH: apt-get install nodejs npm")
	}
	modules := cmp.Or(os.Getenv("KVGEN_NODE_MODULES"), filepath.Join("testdata", "node_modules"))
	if modules, err = filepath.Abs(modules); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "@nats-io", "kv")); err != nil {
		missing(t, "the npm package @nats-io/kv: npm ci --prefix runtime/interop/testdata, or its node_modules folder in KVGEN_NODE_MODULES")
	}
	return []string{node, filepath.Join("testdata", "worker.mjs"), modules}
}

func c(t *testing.T) []string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		missing(t, "a C compiler, cc, in the PATH: apt-get install gcc libc6-dev")
	}
	probe := exec.CommandContext(t.Context(), cc, "-E", "-xc", "-")
	probe.Stdin = strings.NewReader("#include <nats/nats.h>\n")
	if probe.Run() != nil {
		missing(t, "the NATS client for C, nats/nats.h where cc looks: apt-get install libnats-dev")
	}
	program := filepath.Join(t.TempDir(), "worker")
	out, err := exec.CommandContext(t.Context(), cc, "-Wall", "-Werror", "-o", program, "testdata/worker.c", "-lnats").CombinedOutput()
	if err != nil {
		t.Fatalf("cc testdata/worker.c: %v\n%s", err, out)
	}
	return []string{program}
}

// start runs a worker for the test.
func start(t *testing.T, command []string, url string) *worker {
	t.Helper()
	cmd := exec.Command(command[0], append(command[1:], url)...)
	w := &worker{stderr: new(bytes.Buffer)}
	cmd.Stderr = w.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := make(chan string)
	w.answers = answers
	stopped := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(answers)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			select {
			case answers <- lines.Text():
			case <-stopped: // a test that failed left an answer
			}
		}
	}()
	t.Cleanup(func() {
		close(stopped)
		_ = stdin.Close() // which ends it
		end := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer end.Stop()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, w.stderr)
		}
	})
	return w
}

// ask returns the answer to a request.
func (w *worker) ask(t *testing.T, request ...any) string {
	t.Helper()
	if _, err := fmt.Fprintln(w.stdin, request...); err != nil {
		t.Fatal(err)
	}
	select {
	case answer, ok := <-w.answers:
		if !ok {
			t.Fatalf("%v: the worker ended", request)
		}
		return answer
	case <-time.After(patience):
		t.Fatalf("%v: no answer within %v", request, patience)
	}
	panic("unreachable")
}

// expect fails the test if the answer is another one.
func (w *worker) expect(t *testing.T, want string, request ...any) {
	t.Helper()
	if got := w.ask(t, request...); got != want {
		t.Fatalf("%v: %s, want %s", request, got, want)
	}
}

// refuses fails the test unless the request fails.
func (w *worker) refuses(t *testing.T, request ...any) {
	t.Helper()
	if got := w.ask(t, request...); !strings.HasPrefix(got, "error ") {
		t.Fatalf("%v: %s, want an error", request, got)
	}
}

// writes returns the revision that a request has written.
func (w *worker) writes(t *testing.T, request ...any) uint64 {
	t.Helper()
	answer := w.ask(t, request...)
	text, ok := strings.CutPrefix(answer, "ok ")
	revision, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil {
		t.Fatalf("%v: %s, want a revision", request, answer)
	}
	return revision
}

// value is how a request and an answer show a value.
func value(data string) string { return "x" + hex.EncodeToString([]byte(data)) }

// word is an operation in requests and answers.
func word(op kvrt.Op) string { return strings.ToLower(op.String()) }

// entry is how an answer shows an entry.
func entry(op, key string, revision uint64, data string) string {
	return fmt.Sprintf("%s %s %d %s", op, key, revision, value(data))
}
