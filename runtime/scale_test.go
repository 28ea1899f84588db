// What an operation costs for a key as a bucket grows, and how much memory a listing takes.

package kvrt_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	kvrt "github.com/kvgen/kvgen/runtime"
)

var (
	scaleFile     = flag.String("scale", "", "measure up to 1,000,000 keys and write the table to this `file`")
	scaleReplicas = flag.Int("replicas", 1, "of the bucket that -scale is about: 1 or 3")
)

// scaleOrders is a sequence of orders whose values have 128 bytes.
func scaleOrders(from, to int) iter.Seq2[orderKey, order] {
	return func(yield func(orderKey, order) bool) {
		for id := from; id < to; id++ {
			if !yield(benchKey(id), order{Note: fmt.Sprintf("%0*d", 101, id), Total: 100_000}) {
				return
			}
		}
	}
}

// scaleRow is what was measured with a number of keys.
type scaleRow struct {
	keys                                int
	put, keysOf, list, many, get, first time.Duration // for one key
	rawMany, manyNear                   time.Duration // a multi get without this package; GetMany of keys that were written together
	filter                              time.Duration // a listing of 10 keys
	keysHeap, listHeap, plainHeap       int64         // bytes, at most, while listing
	plainKeys, plainList, plainGet      time.Duration // the same with nats.go
}

// TestCostPerKey lists growing buckets completely, with little memory. With -scale it makes the table
// of the documentation:
//
//	go test ./runtime -run CostPerKey -timeout 30m -scale ../testdata/scale.md
//	go test ./runtime -run CostPerKey -timeout 30m -replicas 3 -scale ../testdata/scale3.md
func TestCostPerKey(t *testing.T) {
	sizes := []int{2_000, 20_000}
	if *scaleFile != "" {
		sizes = []int{10_000, 30_000, 100_000, 300_000, 1_000_000}
	}
	st := newStage(t, startProcess(t, *scaleReplicas), kvrt.BucketConfig{Name: "SHOP", Replicas: *scaleReplicas})
	ctx := within(t, 20*time.Minute)
	reader, err := kvrt.Open(ctx, st.js, kvrt.BucketConfig{Name: "SHOP"}, bindShop) // single reads after many writes ask the leader
	if err != nil {
		t.Fatal(err)
	}
	var rows []scaleRow
	written := 0
	for id := range uint64(10) {
		put(t, st.shop, "few", id, 1)
	}
	for _, n := range sizes {
		row := scaleRow{keys: n}
		row.put = timed(t, n-written, func() error {
			_, err := st.shop.order.PutMany(ctx, scaleOrders(written, n))
			return err
		})
		written = n
		if *scaleFile != "" {
			timed(t, n, func() error { return keys(ctx, st, n+10) }) // while the servers are still at work with the writes
		}
		row.keysHeap = heapGrowth(func() { row.keysOf = timed(t, n, func() error { return keys(ctx, st, n+10) }) })
		row.listHeap = heapGrowth(func() { row.list = timed(t, n, func() error { return list(ctx, st, n+10) }) })
		sample := make([]orderKey, 1024)
		for i := range sample {
			sample[i] = benchKey(rand.IntN(n))
		}
		row.first = timed(t, len(sample), func() error { _, err := reader.order.GetMany(ctx, sample); return err })
		var many, rawMany []time.Duration
		for range 9 {
			for i := range sample {
				sample[i] = benchKey(rand.IntN(n))
			}
			many = append(many, timed(t, len(sample), func() error { _, err := reader.order.GetMany(ctx, sample); return err }))
			for i := range sample {
				sample[i] = benchKey(rand.IntN(n))
			}
			rawMany = append(rawMany, timed(t, len(sample), func() error { return rawMultiGet(ctx, st.js.Conn(), sample) }))
		}
		slices.Sort(many)
		slices.Sort(rawMany)
		row.many, row.rawMany = many[len(many)/2], rawMany[len(rawMany)/2]
		near := rand.IntN(n - len(sample))
		row.manyNear = timed(t, len(sample), func() error {
			keys := make([]orderKey, len(sample))
			for i := range keys {
				keys[i] = benchKey(near + i)
			}
			_, err := reader.order.GetMany(ctx, keys)
			return err
		})
		row.get = timed(t, 200, func() error {
			for _, key := range sample[:200] {
				if _, err := reader.order.Get(ctx, key); err != nil {
					return err
				}
			}
			return nil
		})
		row.filter = timed(t, 1, func() error { return listFew(ctx, st) })
		if *scaleFile != "" {
			row.plainGet = timed(t, 200, func() error {
				for _, key := range sample[:200] {
					if _, _, err := getByHand(ctx, st.kv, benchKeyName(int(key.ID))); err != nil {
						return err
					}
				}
				return nil
			})
			row.plainHeap = heapGrowth(func() { row.plainList = timed(t, n, func() error { return listByHand(ctx, st, n+10) }) })
			row.plainKeys = timed(t, n, func() error { return keysByHand(ctx, st, n+10) })
		}
		const limit = 64 << 20
		if row.keysHeap > limit || row.listHeap > limit {
			t.Errorf("%d keys: the heap grew by %d bytes for Keys, %d for List", n, row.keysHeap, row.listHeap)
		}
		rows = append(rows, row)
	}
	if *scaleFile != "" {
		if err := os.WriteFile(*scaleFile, []byte(scaleTable(rows)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func listFew(ctx context.Context, st *stage) error {
	got := 0
	for _, err := range st.shop.order.List(ctx, orderFilter{Tenant: new("few")}.selection()) {
		if err != nil {
			return err
		}
		got++
	}
	return counted(got, 10)
}

// rawMultiGet makes the request that a GetMany consists of, and only counts the answer.
func rawMultiGet(ctx context.Context, nc *nats.Conn, keys []orderKey) error {
	subjects := map[string]bool{}
	for _, key := range keys {
		subjects["$KV.SHOP."+benchKeyName(int(key.ID))] = true
	}
	request, err := json.Marshal(map[string]any{"multi_last": slices.Collect(maps.Keys(subjects)), "max_bytes": 8 << 20})
	if err != nil {
		return err
	}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the subscription is ours alone
	if err := nc.PublishRequest("$JS.API.DIRECT.GET.KV_SHOP", inbox, request); err != nil {
		return err
	}
	for got := 0; ; got++ {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return err
		}
		if msg.Header.Get("Status") != "" {
			return counted(got, len(subjects))
		}
	}
}

func timed(t *testing.T, n int, f func() error) time.Duration {
	t.Helper()
	start := time.Now()
	if err := f(); err != nil {
		t.Fatal(err)
	}
	return time.Since(start) / time.Duration(n)
}

// heapGrowth is by how much the heap was larger while f ran, garbage included.
func heapGrowth(f func()) int64 {
	before, most := heap(), int64(0)
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-tick.C:
			metrics.Read(sample)
			most = max(most, int64(sample[0].Value.Uint64()))
		case <-done:
			tick.Stop()
			return max(most-before, 0)
		}
	}
}

func scaleTable(rows []scaleRow) string {
	var b strings.Builder
	title, servers, flags := "", "One server as a process of its own", "-scale ../testdata/scale.md"
	if *scaleReplicas > 1 {
		title, servers, flags = ", three replicas", "Three servers in one process of their own", "-replicas 3 -scale ../testdata/scale3.md"
	}
	fmt.Fprintf(&b, "# Cost for a key as a bucket grows%s\n\n%s, file storage, values of 128 bytes, two cores. Made by\n\n"+
		"    go test ./runtime -run CostPerKey -timeout 30m %s\n\n", title, servers, flags)
	b.WriteString(`Microseconds for one key. The keys that GetMany and Get read are random ones, which are spread over all
of the server's files. The first GetMany after a while has the server (2.15) read all of them and build
an index, each replica its own, which it drops when it has not been used for two minutes. Then it is the
median of nine, as for the request that a GetMany consists of, alone, whose answer is only counted. One
listing after the writes is not timed: the servers are still at work with them.

| keys | PutMany | Keys | nats.go ListKeys | List | nats.go WatchAll | first GetMany of 1,024 | GetMany | its request alone | GetMany of keys written together | Get | nats.go Get |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`)
	us := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e3) }
	for _, r := range rows {
		cells := []string{fmt.Sprint(r.keys)}
		for _, d := range []time.Duration{r.put, r.keysOf, r.plainKeys, r.list, r.plainList, r.first, r.many, r.rawMany, r.manyNear, r.get, r.plainGet} {
			cells = append(cells, us(d))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	b.WriteString(`
A listing of 10 keys selected by a filter, and by how many MB the heap is larger at most while all are
listed, garbage included:

| keys | List of 10, ms | Keys, MB | List, MB | nats.go WatchAll, MB |
|---:|---:|---:|---:|---:|
`)
	for _, r := range rows {
		fmt.Fprintf(&b, "| %d | %.2f | %.0f | %.0f | %.0f |\n", r.keys, r.filter.Seconds()*1e3,
			float64(r.keysHeap)/(1<<20), float64(r.listHeap)/(1<<20), float64(r.plainHeap)/(1<<20))
	}
	plot := func(title string, of func(scaleRow) time.Duration) {
		var x, y []string
		for _, r := range rows {
			x, y = append(x, fmt.Sprint(r.keys)), append(y, us(of(r)))
		}
		highest := slices.MaxFunc(rows, func(a, b scaleRow) int { return int(of(a) - of(b)) })
		fmt.Fprintf(&b, "\n```mermaid\nxychart-beta\n    title %q\n    x-axis \"keys in the bucket\" [%s]\n    y-axis \"microseconds\" 0 --> %.0f\n    line [%s]\n```\n",
			title, strings.Join(x, ", "), 1.5*float64(of(highest))/1e3+1, strings.Join(y, ", "))
	}
	plot("PutMany, for one key", func(r scaleRow) time.Duration { return r.put })
	plot("List, for one key", func(r scaleRow) time.Duration { return r.list })
	plot("GetMany of 1,024 keys that were written together, for one key", func(r scaleRow) time.Duration { return r.manyNear })
	plot("GetMany of 1,024 random keys, for one key", func(r scaleRow) time.Duration { return r.many })
	return b.String()
}
