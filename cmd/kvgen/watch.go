// The watch of kvgen generate: generating again when a schema changes. It looks at the files every
// so often instead of asking the system to tell, which works on every file system.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

const watchInterval = 200 * time.Millisecond

// watch generates, and generates again after each change, until ctx ends.
func watch(ctx context.Context, c *console, o *options, paths []string, explicit bool) error {
	if _, err := findInputs(paths, !explicit); err != nil {
		return err
	}
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	look := func() []stamp { return stamps(paths, explicit) }
	watchLoop(ctx, ticker.C, look, func() {
		err := generate(ctx, c, o, paths, explicit)
		// Findings are printed already. All other errors may pass as well while someone is editing.
		if err != nil && !errors.Is(err, errFindings) && ctx.Err() == nil {
			fmt.Fprintf(c.stderr, "kvgen: %s\n", printable(err.Error()))
		}
		if o.verbose && ctx.Err() == nil {
			fmt.Fprintln(c.stderr, "waiting for changes")
		}
	})
	return nil
}

// watchLoop calls act at once, and at each tick that sees something else than the one before.
func watchLoop(ctx context.Context, ticks <-chan time.Time, look func() []stamp, act func()) {
	// What is seen before acting: a change meanwhile is then acted on at the next tick.
	seen := look()
	act()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		if now := look(); !slices.Equal(now, seen) {
			seen = now
			act()
		}
	}
}

// stamp is what a change of a file changes.
type stamp struct {
	path string
	size int64
	time time.Time
	mode fs.FileMode
}

// stamps returns the stamps of the schemas that the paths stand for, none while there are none.
func stamps(paths []string, explicit bool) []stamp {
	inputs, err := findInputs(paths, !explicit)
	if err != nil {
		return nil
	}
	var all []stamp
	for _, in := range inputs {
		s := stamp{path: in.abs}
		if info, err := os.Stat(in.abs); err == nil {
			s.size, s.time, s.mode = info.Size(), info.ModTime(), info.Mode()
		}
		all = append(all, s)
	}
	return all
}
