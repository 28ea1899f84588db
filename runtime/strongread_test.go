package kvrt_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

func TestConcurrentReadsShareABarrierThatFollowsThemAll(t *testing.T) {
	ctx := within(t, time.Minute)
	var b kvrt.Barriers
	var begun atomic.Uint64 // barriers whose write has begun
	started, release := make(chan struct{}), make(chan struct{})
	write := func(context.Context) (uint64, error) {
		n := begun.Add(1)
		if n == 1 {
			close(started)
			<-release
		}
		return n, nil
	}
	const readers = 50
	var wg sync.WaitGroup
	var calling atomic.Int64
	read := func() {
		before := begun.Load()
		calling.Add(1)
		if got, err := b.Pass(ctx, write); err != nil || got <= before {
			t.Errorf("barrier %d, and %d had begun before: %v", got, before, err)
		}
	}
	wg.Go(read)
	<-started
	for range readers { // the first barrier is being written: too late for it
		wg.Go(read)
	}
	// One more gives up before its turn.
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.Pass(canceled, write); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for calling.Load() <= readers {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if n := begun.Load(); n > readers {
		t.Errorf("%d barriers for %d reads", n, readers+1)
	}
}

func TestABarrierThatFailsIsWrittenAgainForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var b kvrt.Barriers
		mine := errors.New("mine")
		started, fail := make(chan struct{}), make(chan struct{})
		done := make(chan error)
		go func() {
			_, err := b.Pass(ctx, func(context.Context) (uint64, error) {
				close(started)
				<-fail
				return 0, mine
			})
			done <- err
		}()
		<-started
		// Of those who come meanwhile, one writes for all, and fails as well.
		const others = 8
		failed := false
		waiting := make(chan error)
		for range others {
			go func() {
				revision, err := b.Pass(ctx, func(context.Context) (uint64, error) { // never two at the same time
					if !failed {
						failed = true
						return 0, mine
					}
					return 7, nil
				})
				if err == nil && revision != 7 {
					err = errors.New("the revision of a failed one")
				}
				waiting <- err
			}()
		}
		synctest.Wait() // all of them wait
		close(fail)
		if err := <-done; err != mine {
			t.Error(err)
		}
		n := 0
		for range others {
			switch err := <-waiting; err {
			case nil:
			case mine:
				n++
			default:
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("%d calls failed with the error of one", n)
		}
	})
}

func TestALinearizableReadWhoseBarrierIsNotAnsweredWritesAnother(t *testing.T) {
	ctx := within(t, time.Minute)
	server := kvtest.StartServer(t)
	cfg := kvrt.BucketConfig{Name: "SHOP", Linearizable: true}
	there := ensureShop(t, server.Connect(t), cfg)
	p := startProxy(t, server)
	here := ensureShop(t, p.connect(t), cfg)
	if _, err := there.counter.Put(ctx, counterKey{}, 5); err != nil {
		t.Fatal(err)
	}
	var e kvrt.Entry[counterKey, int64]
	var err error
	loseAnswer(t, p, there, 2, func(deafen func()) {
		deafen()
		e, err = kvrt.GetStrong(ctx, here.counter, counterKey{}, kvrt.Linearizable())
	}, func() {})
	if err != nil || e.Value != 5 {
		t.Fatalf("%+v, %v", e, err)
	}
}
