// The comparison of generate --check.

package main

import (
	"fmt"

	"github.com/rogpeppe/go-internal/diff"
)

// compare prints a unified diff of what generating would change, and fails if there is anything.
func compare(c *console, o *options, changes []change) error {
	out := c.stdout
	if o.format == formatJSON {
		out = c.stderr // standard output is for the array
	}
	stale := 0
	for i := range changes {
		ch := &changes[i]
		if o.verbose {
			fmt.Fprintf(c.stderr, "comparing %s\n", ch.show)
		}
		if ch.same() {
			continue
		}
		stale++
		if o.quiet {
			continue
		}
		if _, err := out.Write(ch.diff()); err != nil {
			return err
		}
	}
	if stale == 0 {
		return nil
	}
	if !o.quiet {
		files := "1 file is"
		if stale > 1 {
			files = fmt.Sprintf("%d files are", stale)
		}
		fmt.Fprintf(c.stderr, "kvgen: %s out of date: run kvgen generate\n", files)
	}
	return errFindings
}

// diff returns the change as a unified diff.
func (ch *change) diff() []byte {
	oldName, newName := "a/"+ch.show, "b/"+ch.show
	if !ch.exists {
		oldName = "/dev/null"
	}
	if ch.remove {
		newName = "/dev/null"
	}
	return diff.Diff(oldName, ch.old, newName, ch.content)
}
