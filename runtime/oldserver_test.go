package kvrt_test

// An old server: 2.9, as Debian 12 has it. It runs as a program of its own.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// startOldServer runs server 2.9 for the test and returns its address. The test is skipped where
// there is none.
func startOldServer(t *testing.T) (url string) {
	t.Helper()
	program := os.Getenv("KVGEN_OLD_SERVER")
	if program == "" {
		var err error
		if program, err = exec.LookPath("nats-server"); err != nil {
			t.Skip("needs nats-server 2.9, as in Debian's package nats-server: in the PATH, or named by KVGEN_OLD_SERVER")
		}
	}
	version, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil {
		t.Fatalf("%s --version: %v", program, err)
	}
	if !strings.Contains(string(version), "v2.9.") {
		t.Skipf("needs nats-server 2.9, %s is %s; KVGEN_OLD_SERVER names another one", program, strings.TrimSpace(string(version)))
	}
	dir := t.TempDir()
	cmd := exec.Command(program, "--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", dir,
		"--jetstream", "--store_dir", filepath.Join(dir, "js"), "--log", filepath.Join(dir, "log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(dir, "*.ports"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			var ports struct{ NATS []string }
			data, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) || json.Unmarshal(data, &ports) != nil || len(ports.NATS) == 0 {
				continue // it is being written
			}
			return ports.NATS[0]
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Fatalf("server 2.9 does not start:\n%s", log)
	return ""
}

func connectTo(t *testing.T, url string, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// old is a scene on server 2.9.
func old(t *testing.T, cfg kvrt.BucketConfig) *scene {
	t.Helper()
	url := startOldServer(t)
	return play(t, cfg, connectTo(t, url), connectTo(t, url, quiet))
}

func TestAnOldServerRefusesWhatItCannotDo(t *testing.T) {
	js := connectTo(t, startOldServer(t))
	ctx := within(t, time.Minute)
	ensureShop(t, js, shopConfig())
	for _, c := range []struct {
		feature string
		needs   string
		cfg     kvrt.BucketConfig
		opens   bool // a reader and writer does not depend on it
	}{
		{"transactions", "2.12", kvrt.BucketConfig{Transactions: true}, false},
		{"limit_marker_ttl", "2.11", kvrt.BucketConfig{LimitMarkerTTL: time.Hour}, false},
		{"limit_marker_ttl", "2.11", kvrt.BucketConfig{LimitMarkerTTL: time.Hour, KeyTTL: true}, false},
		{"linearizable", "2.11", kvrt.BucketConfig{Linearizable: true}, false},
		{"compression", "2.10", kvrt.BucketConfig{Compression: new(true)}, true},
		{"metadata", "2.10", kvrt.BucketConfig{Metadata: map[string]string{"team": "x"}}, true},
		{"sources", "2.10", kvrt.BucketConfig{Sources: []kvrt.Source{{Bucket: "OTHER"}}}, false},
	} {
		c.cfg.Name = "SHOP"
		want := fmt.Sprintf("%s needs server %s, this is 2.9.", c.feature, c.needs)
		for _, name := range []string{"SHOP", "NEW"} {
			if _, err := kvrt.Ensure(ctx, js, c.cfg, bindShop, kvrt.WithBucketName(name)); !errors.Is(err, kvrt.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("Ensure %s: %v, want %s", name, err, want)
			}
		}
		_, err := kvrt.Open(ctx, js, c.cfg, bindShop)
		if c.opens && err != nil || !c.opens && (!errors.Is(err, kvrt.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), want)) {
			t.Errorf("Open: %v, want %s", err, want)
		}
	}
	if _, err := js.Stream(ctx, "KV_NEW"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("something was created: %v", err)
	}
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "MORE", Compression: new(false), Republish: &kvrt.Republish{Destination: "repub.>"}, MaxBytes: 1 << 20})
	if got := drift(t, s.b); got != "[]" {
		t.Error(got)
	}
	_, err := s.order.Delete(ctx, orderKey{"a", 1}, kvrt.MarkerTTL(time.Hour))
	if !errors.Is(err, kvrt.ErrUnsupported) || !strings.Contains(err.Error(), "MarkerTTL needs server 2.11") {
		t.Errorf("MarkerTTL: %v", err)
	}
	copied := ensureShop(t, js, kvrt.BucketConfig{Name: "COPY", Mirror: &kvrt.Mirror{Bucket: "MORE"}})
	put(t, s, "a", 1, 5)
	w := watch(t, copied, orderFilter{})
	for ev := next(t, w); ev.Op != kvrt.Put; ev = next(t, w) {
	}
	if e, err := copied.order.Get(ctx, orderKey{"a", 1}); err != nil || e.Value.Total != 5 {
		t.Errorf("a mirror: %+v, %v", e, err)
	}
}
