// What a watch asks the server for: little, since there may be thousands of watches on a connection.

package kvrt_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/kvgen/kvgen/runtime/kvtest"
)

func TestAnInitialCopyAsksForNoMoreThanThereIs(t *testing.T) {
	srv := kvtest.StartServer(t)
	s := ensureShop(t, srv.Connect(t), shopConfig())
	for id := range uint64(10) {
		put(t, s, "a", id, 1)
	}
	observer := srv.Connect(t).Conn()
	requests, err := observer.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.KV_SHOP.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := observer.Flush(); err != nil {
		t.Fatal(err)
	}
	cache(t, s, orderFilter{})
	// A request that is not filled has its heartbeats until it expires, and those of an initial copy
	// come every millisecond.
	for _, want := range []struct {
		batch     int
		heartbeat time.Duration
	}{{10, time.Millisecond}, {512, time.Second}} {
		msg, err := requests.NextMsgWithContext(within(t, 30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Batch     int           `json:"batch"`
			Heartbeat time.Duration `json:"idle_heartbeat"`
		}
		if err := json.Unmarshal(msg.Data, &got); err != nil {
			t.Fatal(err)
		}
		if got.Batch != want.batch || got.Heartbeat != want.heartbeat {
			t.Errorf("asked for %d with a heartbeat of %v, want %d and %v", got.Batch, got.Heartbeat, want.batch, want.heartbeat)
		}
	}
}
