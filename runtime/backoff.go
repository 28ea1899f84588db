// Waiting between attempts.

package kvrt

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffBase = 10 * time.Millisecond
	backoffCap  = 500 * time.Millisecond
)

// backoff waits with full jitter: each wait is drawn evenly from zero up to a bound that doubles
// from 10 ms to 500 ms. The zero value is ready.
type backoff struct{ tries int }

// sleep waits, and reports false if ctx ends first.
func (b *backoff) sleep(ctx context.Context) bool {
	bound := backoffCap
	if b.tries < 6 {
		bound = min(bound, backoffBase<<b.tries)
	}
	b.tries++
	return pause(ctx, rand.N(bound))
}

// pause waits for d, and reports false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
