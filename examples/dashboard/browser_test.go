// The page in a browser: headless Chromium shows what the bucket holds, through whatever happens.

package main

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/kvgen/kvgen/examples/dashboard/health"
)

// patience is how long anything may take on a slow machine; nothing waits for its end.
const patience = 60 * time.Second

// browser is a browser with one page open.
type browser struct{ ctx context.Context }

// browse opens a page. Without Chromium it skips the test, or fails it if KVGEN_REQUIRE_CHROMIUM is set.
func browse(t *testing.T, page string) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("KVGEN_REQUIRE_CHROMIUM") == "" {
		t.Skip("chromium is missing: apt-get install chromium")
	}
	if err != nil {
		t.Fatal("KVGEN_REQUIRE_CHROMIUM is set, and chromium is missing: apt-get install chromium")
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium))...)
	t.Cleanup(stop)
	ctx, closePage := chromedp.NewContext(allocator)
	t.Cleanup(closePage)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	b := &browser{ctx}
	b.do(t, chromedp.Navigate(page))
	return b
}

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// evaluate returns the value of a script.
func evaluate[T any](t *testing.T, b *browser, script string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// view is what somebody who looks at the page sees: the status, and the text of each cell.
type view struct {
	Status string
	Rows   [][]string
}

func (b *browser) view(t *testing.T) view {
	t.Helper()
	return evaluate[view](t, b, `({
		Status: document.getElementById("status").dataset.status,
		Rows: [...document.querySelectorAll("#services tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
	})`)
}

// waitFor waits until the page shows what is wanted.
func (b *browser) waitFor(t *testing.T, status string, rows ...[]string) {
	t.Helper()
	want := view{status, rows}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := b.view(t)
		if reflect.DeepEqual(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the page shows %q\nwant %q", got, want)
		}
	}
}

func TestABrowserShowsWhatTheBucketHolds(t *testing.T) {
	d := open(t)
	b := browse(t, d.page)
	b.waitFor(t, "live", []string{"eu", "api", "up", "20 ms", ""})

	note := "the queue is full"
	d.put(t, "api", health.Service{State: health.StateDegraded, LatencyMs: 900, Note: &note})
	b.waitFor(t, "live", []string{"eu", "api", "degraded", "900 ms", note})

	d.put(t, "web", health.Service{State: health.StateUp, LatencyMs: 1})
	d.put(t, "mail", health.Service{State: health.StateDown})
	b.waitFor(t, "live", []string{"eu", "api", "degraded", "900 ms", note}, []string{"eu", "mail", "down", "0 ms", ""}, []string{"eu", "web", "up", "1 ms", ""})

	d.delete(t, "api")
	b.waitFor(t, "live", []string{"eu", "mail", "down", "0 ms", ""}, []string{"eu", "web", "up", "1 ms", ""})
}

func TestABrowserShowsAnyTextAsText(t *testing.T) {
	d := open(t)
	b := browse(t, d.page)
	note := hostile
	d.put(t, "api", health.Service{State: health.StateUp, LatencyMs: 20, Note: &note})
	d.put(t, hostile, health.Service{State: health.StateUp, LatencyMs: 20})
	b.waitFor(t, "live", []string{"eu", hostile, "up", "20 ms", ""}, []string{"eu", "api", "up", "20 ms", hostile})
	if title := evaluate[string](t, b, "document.title"); title != "Services" {
		t.Errorf("the title is %q", title)
	}
	if n := evaluate[int](t, b, "document.querySelectorAll('#services *:not(tr, td)').length"); n != 0 {
		t.Errorf("%d elements came out of values", n)
	}
}

func TestABrowserGoesOnAfterTheServerWasAway(t *testing.T) {
	d := open(t)
	b := browse(t, d.page)
	b.waitFor(t, "live", []string{"eu", "api", "up", "20 ms", ""})
	d.server.Stop()
	b.waitFor(t, "stale", []string{"eu", "api", "up", "20 ms", ""})
	d.start(t)
	b.waitFor(t, "live", []string{"eu", "api", "up", "20 ms", ""})
	d.put(t, "api", health.Service{State: health.StateDown, LatencyMs: 30})
	b.waitFor(t, "live", []string{"eu", "api", "down", "30 ms", ""})
}

func TestABrowserThatWasCutOffMissesNothing(t *testing.T) {
	d := open(t)
	page := httptest.NewServer(newPage(d.cache))
	t.Cleanup(page.Close)
	b := browse(t, page.URL) // closed before the page is, which waits for it
	d.put(t, "mail", health.Service{State: health.StateUp})
	b.waitFor(t, "live", []string{"eu", "api", "up", "20 ms", ""}, []string{"eu", "mail", "up", "0 ms", ""})

	page.CloseClientConnections()
	d.delete(t, "api")
	d.put(t, "mail", health.Service{State: health.StateDown})
	d.put(t, "web", health.Service{State: health.StateUp})
	b.waitFor(t, "live", []string{"eu", "mail", "down", "0 ms", ""}, []string{"eu", "web", "up", "0 ms", ""})
}
