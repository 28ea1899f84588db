package kvrt_test

// A connection that breaks while something is written to it: the server has not got that message.

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// fragile makes connections of which one breaks after so many bytes more.
type fragile struct {
	armed  atomic.Bool
	left   atomic.Int64
	broken atomic.Int64
}

func (f *fragile) breakAfter(bytes int64) {
	f.left.Store(bytes)
	f.armed.Store(true)
}

func (f *fragile) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	return fragileConn{conn, f}, err
}

type fragileConn struct {
	net.Conn
	f *fragile
}

func (c fragileConn) Write(data []byte) (int, error) {
	if c.f.armed.Load() {
		if left := c.f.left.Add(-int64(len(data))); left < 0 && c.f.armed.CompareAndSwap(true, false) {
			n, _ := c.Conn.Write(data[:max(0, left+int64(len(data)))])
			c.Conn.Close()
			c.f.broken.Add(1)
			return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
		}
	}
	return c.Conn.Write(data)
}

func TestAConnectionThatBreaksWhileItIsWrittenTo(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	f := &fragile{}
	js := srv.Connect(t, nats.SetCustomDialer(f), nats.ReconnectWait(time.Millisecond))
	s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Transactions: true})
	blob := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, []byte]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[[]byte]()})
	value := bytes.Repeat([]byte("x"), 40_000) // more than nats.go keeps before it writes
	w, err := kvrt.WatchKey(ctx, s.order, orderKey{"watched", 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	revision, err := blob.Put(ctx, orderKey{"a", 1}, value)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func() error{
		"put":    func() error { _, err := blob.Put(ctx, orderKey{"a", 2}, value); return err },
		"update": func() error { _, err := blob.Update(ctx, orderKey{"a", 1}, value, revision); return err },
		"txn": func() error {
			_, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
				for id := range uint64(5) {
					if err := kvrt.NewTxnKV(tx, blob).Put(orderKey{"t", id}, value); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		},
	} {
		f.breakAfter(39_000)
		if err := write(); err != nil || f.armed.Load() {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.breakAfter(130_000)
	many := map[orderKey][]byte{}
	for id := range uint64(300) {
		many[orderKey{"m", id}] = value
	}
	written, err := blob.PutMany(ctx, maps.All(many))
	if f.armed.Load() {
		t.Fatal("the connection did not break")
	}
	unknown := 0
	if bulk, ok := errors.AsType[*kvrt.BulkError[orderKey]](err); ok {
		unknown = len(bulk.Unknown)
		if len(bulk.NotWritten)+len(bulk.Invalid) > 0 {
			t.Error(err)
		}
	}
	if written+unknown != len(many) || unknown > 4 {
		t.Errorf("%d of %d written, %d unknown: %v", written, len(many), unknown, err)
	}
	entries, err := blob.GetMany(ctx, slices.Collect(maps.Keys(many)))
	if err != nil || len(entries) < written {
		t.Errorf("%d there, %d written, %v", len(entries), written, err)
	}
	put(t, s, "watched", 1, 1) // the watch lives on
	for next(t, w).Op != kvrt.Put {
	}
}

// A transaction that is larger than the reconnect buffer, while its connection is down for a while.
func TestALargeTransactionDuringAnOutage(t *testing.T) {
	ctx := within(t, time.Minute)
	srv := kvtest.StartServer(t)
	p := startProxy(t, srv)
	s := ensureShop(t, p.connect(t), kvrt.BucketConfig{Name: "SHOP", Transactions: true})
	blob := kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, []byte]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[[]byte]()})
	value := bytes.Repeat([]byte("x"), 900_000)
	for i := range 6 {
		attempts := 0
		_, err := kvrt.RunTxn(ctx, s.b, func(tx *kvrt.Txn) error {
			attempts++
			for id := range uint64(14) {
				if err := kvrt.NewTxnKV(tx, blob).Put(orderKey{"t", id}, append([]byte{byte(i)}, value...)); err != nil {
					return err
				}
			}
			if attempts == 1 {
				go func() {
					time.Sleep(time.Duration(i) * 3 * time.Millisecond)
					p.setDown(true)
					time.Sleep(100 * time.Millisecond)
					p.setDown(false)
				}()
			}
			return nil
		})
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
		for js := s.b; ; {
			if _, err := js.Status(ctx); err == nil {
				break
			}
		}
	}
}

// Without a connection again, what could not be written is unavailable, and nothing was written.
func TestAConnectionThatBreaksForGood(t *testing.T) {
	srv := kvtest.StartServer(t)
	f := &fragile{}
	value := bytes.Repeat([]byte("x"), 40_000)
	blob := func(js jetstream.JetStream) *kvrt.KV[orderKey, []byte] {
		s := ensureShop(t, js, kvrt.BucketConfig{Name: "SHOP", Transactions: true})
		return kvrt.NewKV(s.b, kvrt.KeySpec[orderKey, []byte]{Encode: orderKey.Encode, Parse: parseOrderKey, Codec: kvrt.Raw[[]byte]()})
	}
	there := blob(srv.Connect(t))
	for name, write := range map[string]func(context.Context, *kvrt.KV[orderKey, []byte]) error{
		"put": func(ctx context.Context, kv *kvrt.KV[orderKey, []byte]) error {
			_, err := kv.Put(ctx, orderKey{"a", 1}, value)
			return err
		},
		"create": func(ctx context.Context, kv *kvrt.KV[orderKey, []byte]) error {
			_, err := kv.Create(ctx, orderKey{"a", 1}, value)
			return err
		},
	} {
		here := blob(srv.Connect(t, nats.SetCustomDialer(f), nats.ReconnectWait(time.Hour)))
		f.breakAfter(39_000)
		err := write(within(t, 300*time.Millisecond), here)
		if !errors.Is(err, kvrt.ErrUnavailable) || errors.Is(err, kvrt.ErrUnknownOutcome) || !kvrt.Retryable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := there.Get(within(t, time.Minute), orderKey{"a", 1}); !errors.Is(err, kvrt.ErrNotFound) {
		t.Error(err)
	}
}
