// What comparisons with hand-written code need: servers in a process of their own, so that only the
// client's work is in the figures, and turns that alternate, so that a busy machine troubles both.

package kvrt_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

const (
	serveVariable = "KVGEN_SERVE" // how many servers the process runs, instead of tests
	serveFolder   = "KVGEN_SERVE_FOLDER"
)

// serve runs servers until the standard input ends, and prints their addresses.
func serve(servers string) error {
	n, err := strconv.Atoi(servers)
	if err != nil {
		return err
	}
	c, err := kvtest.Run(os.Getenv(serveFolder), n)
	if c != nil {
		defer c.Stop()
	}
	if err != nil {
		return err
	}
	fmt.Println(c.URL())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startProcess runs n servers in a process of its own, which ends with the test, and returns their
// addresses. A race that the detector finds among the servers themselves is printed, and fails nothing.
func startProcess(t testing.TB, n int) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprint(serveVariable, "=", n), serveFolder+"="+t.TempDir(), "GORACE=exitcode=0")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	url, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// stage is what both sides of a comparison use: one connection, one bucket.
type stage struct {
	js   jetstream.JetStream
	shop *shop
	kv   jetstream.KeyValue
}

func newStage(t testing.TB, url string, cfg kvrt.BucketConfig) *stage {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s := ensureShop(t, js, cfg)
	return &stage{js, s, plain(t, s)}
}

// onEach runs a benchmark on one server and on three, with the bucket replicated to all.
func onEach(b *testing.B, run func(b *testing.B, st *stage)) {
	for _, replicas := range []int{1, 3} {
		b.Run(fmt.Sprint("R", replicas), func(b *testing.B) {
			run(b, newStage(b, startProcess(b, replicas), kvrt.BucketConfig{Name: "SHOP", Replicas: replicas}))
		})
	}
}

// contender is one way to do something.
type contender struct {
	name  string
	units int // operations in a turn
	turn  func() error
}

var onlyContender = flag.String("only", "", "benchmark the contender of this `name` alone, to profile it")

// compare has all contenders take b.N turns alternately, and reports of each the median time and the
// allocations of this process for one operation, and how many times as long the others take as the
// first one.
func compare(b *testing.B, all ...contender) {
	b.Helper()
	if *onlyContender != "" {
		all = slices.DeleteFunc(all, func(c contender) bool { return c.name != *onlyContender })
	}
	const warm = 2
	durations := make([][]time.Duration, len(all))
	allocations := make([]uint64, len(all))
	var before, after runtime.MemStats
	for i := range b.N + warm {
		for turn := range all {
			at := (turn + i) % len(all)
			runtime.ReadMemStats(&before)
			start := time.Now()
			if err := all[at].turn(); err != nil {
				b.Fatalf("%s: %v", all[at].name, err)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if i >= warm {
				durations[at] = append(durations[at], took)
				allocations[at] += after.Mallocs - before.Mallocs
			}
		}
	}
	var first float64
	for at, c := range all {
		slices.Sort(durations[at])
		each := float64(durations[at][b.N/2]) / float64(c.units)
		b.ReportMetric(each, c.name+"-ns")
		b.ReportMetric(float64(allocations[at])/float64(b.N*c.units), c.name+"-allocs")
		if at == 0 {
			first = each
		} else {
			b.ReportMetric(each/first, "x-"+c.name)
		}
	}
	b.ReportMetric(0, "ns/op") // of a round of all, which says nothing
}

// repeated makes a turn of f, n times.
func repeated(n int, f func() error) (int, func() error) {
	return n, func() error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

func counted(got, want int) error {
	if got != want {
		return fmt.Errorf("%d instead of %d", got, want)
	}
	return nil
}
