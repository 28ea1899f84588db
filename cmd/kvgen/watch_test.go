package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWatchActsOnceAndAfterEachChange(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ticks := make(chan time.Time)
	states := make(chan []stamp, 1)
	acted := make(chan struct{}, 10)
	ended := make(chan struct{})
	states <- []stamp{{path: "a", size: 1}}
	go func() {
		defer close(ended)
		watchLoop(ctx, ticks, func() []stamp { return <-states }, func() { acted <- struct{}{} })
	}()
	<-acted
	tick := func(s ...stamp) {
		states <- s
		ticks <- time.Time{}
	}
	tick(stamp{path: "a", size: 1}) // nothing new
	tick(stamp{path: "a", size: 2})
	<-acted
	tick(stamp{path: "a", size: 2}, stamp{path: "b"})
	<-acted
	tick() // all gone: also a change
	<-acted
	cancel()
	<-ended
	if len(acted) > 0 {
		t.Error("it acted without a change")
	}
}

func TestProgressIsForLongWorkOnATerminal(t *testing.T) {
	tests := []struct {
		name     string
		terminal bool
		takes    time.Duration
		want     string
	}{
		{"short", true, patience / 2, ""},
		{"long", true, 2 * patience, "working ...\r\x1b[K"},
		{"long, in a pipe", false, 2 * patience, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bytes.Buffer
				c := &console{stderr: &b, terminal: test.terminal}
				done := c.progress("working")
				<-time.After(test.takes)
				synctest.Wait()
				done()
				if b.String() != test.want {
					t.Errorf("it printed %q, want %q", b.String(), test.want)
				}
			})
		})
	}
}
