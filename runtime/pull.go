// Pull requests: how much a consumer asks for ahead of its reader, and with what heartbeats.

package kvrt

import (
	"fmt"
	"time"
)

const (
	pullBatch = 512     // messages asked for ahead of the reader
	copyBatch = 12288   // while a copy of so many is awaited: a third faster (BenchmarkListing)
	pullBytes = 4 << 20 // and their bytes, at least one message

	// While the end of the initial copy is awaited. With deliver policy last_per_subject, the server
	// (2.15, getNextMsg) goes on past a key that has vanished since the consumer was created at the next
	// heartbeat only: 900 such keys take 900 heartbeats.
	holeHeartbeat = time.Millisecond
	holeExpiry    = 100 * time.Millisecond // a request goes on with its heartbeats when the copy is complete
	// A request that ends early may have cost a message while the server skips to the latest revisions
	// (see consumer.skipping), and the consumer with it: it is given more time and room.
	skipExpiry = time.Second
	skipBytes  = 4 * pullBytes
	skipBatch  = 4096 // and fewer messages

	fastHeartbeat = 20 * time.Millisecond // where the last pull brought nothing: the server lags behind
	fastExpiry    = 2 * time.Second
	lagExpiry     = 10 * time.Second // while skipping
	slowHeartbeat = time.Second
	slowExpiry    = 30 * time.Second

	stallAfter = 20 * time.Millisecond // after a message, where there are no heartbeats: see consumer.bare
)

// pull asks for more messages.
func (c *consumer) pull() error {
	heartbeat, expiry := slowHeartbeat, slowExpiry
	switch {
	case c.fast && c.moved:
		heartbeat, expiry = holeHeartbeat, holeExpiry
	case c.fast:
		heartbeat, expiry = fastHeartbeat, fastExpiry
	}
	maxSize := c.maxSize
	if c.skipping {
		maxSize += skipBytes - pullBytes
		switch expiry {
		case holeExpiry:
			expiry = skipExpiry
			if c.bare || c.stalled { // others are served in turn
				expiry = lagExpiry
			}
		case fastExpiry:
			expiry = lagExpiry
		}
	}
	c.moved = false
	batch := max(min(c.ahead()-c.outstanding, c.copyBatch), 1)
	request := fmt.Appendf(nil, `{"batch":%d,"max_bytes":%d`, batch, maxSize)
	if c.fast && !c.stalled && c.pending > uint64(c.copyBatch) {
		c.bare = true
	} else {
		request = fmt.Appendf(request, `,"expires":%d,"idle_heartbeat":%d`, expiry, heartbeat)
	}
	request = append(request, '}')
	if err := c.b.nc.PublishRequest(c.pullSubject(), c.inbox, request); err != nil {
		return connErr(err)
	}
	c.outstanding += batch
	c.pulled = time.Now()
	return nil
}

// ahead is how many messages to have asked for. While the end of the initial copy is awaited, it is no
// more than are to come: a request that has been filled has no more heartbeats.
func (c *consumer) ahead() int {
	if c.fast && c.pending > 0 {
		return int(min(c.pending, uint64(c.copyBatch)))
	}
	return min(pullBatch, c.copyBatch)
}

func (c *consumer) pullSubject() string {
	return c.b.api + "CONSUMER.MSG.NEXT." + c.b.stream + "." + c.name
}

// forgotten reports that the server is about to take the consumer of a slow reader for one that nobody
// uses. It looks at the clock now and then only, which would cost a fast reader more than it is worth.
func (c *consumer) forgotten() bool {
	return c.received%16 == 15 && time.Since(c.pulled) > c.inactive/3
}
