// Progress: a line on a terminal while something takes long, and nothing anywhere else.

package main

import (
	"fmt"
	"sync"
	"time"
)

// patience is how long work goes on without a word.
const patience = 500 * time.Millisecond

// progress says what is being done if it takes long, until done is called.
func (c *console) progress(doing string) (done func()) {
	if !c.terminal {
		return func() {}
	}
	var mu sync.Mutex
	shown, over := false, false
	timer := time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			shown = true
			fmt.Fprintf(c.stderr, "%s ...", doing)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if shown {
			fmt.Fprint(c.stderr, "\r\x1b[K") // the line is empty again
		}
	}
}
