// Quickstart walks through the generated package shop against a NATS server in this process, and
// prints what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvgen/kvgen/examples/quickstart/auth"
	"github.com/kvgen/kvgen/examples/quickstart/shop"
	kvrt "github.com/kvgen/kvgen/runtime"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	js, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()

	fmt.Println("1. Ensure creates the buckets that the schema declares.")
	orders, err := shop.EnsureOrders(ctx, js)
	if err != nil {
		return err
	}
	sessions, err := shop.EnsureSessions(ctx, js, shop.SessionsParams{Env: "dev"})
	if err != nil {
		return err
	}
	fmt.Println("   buckets:", orders.Bucket().Name(), "and", sessions.Bucket().Name())

	for _, step := range []func(context.Context, *shop.OrdersBucket) error{putAndGet, list, watch, conflict, count} {
		if err := step(ctx, orders); err != nil {
			return err
		}
	}

	fmt.Println("7. A session expires by itself: its key has a ttl, so Put takes kvrt.TTL.")
	device := shop.SessionKey{User: "ann@acme.com", Device: kvrt.PathOf("laptop", "firefox")}
	if _, err := sessions.Session.Put(ctx, device, auth.Session{Since: time.Now()}, kvrt.TTL(time.Hour)); err != nil {
		return err
	}
	fmt.Println("   stored under", device)
	return nil
}

func putAndGet(ctx context.Context, orders *shop.OrdersBucket) error {
	fmt.Println("2. Put and Get are typed: the key is a struct, the value is an Order.")
	key := shop.OrderKey{Tenant: "acme.com", ID: 7}
	order := shop.Order{ID: 7, Status: shop.StatusPending, Total: 1250, PlacedAt: time.Now(), Lines: []shop.Line{{Sku: "tea", Qty: 2}}}
	revision, err := orders.Order.Put(ctx, key, order)
	if err != nil {
		return err
	}
	entry, err := orders.Order.Get(ctx, key)
	if err != nil {
		return err
	}
	fmt.Printf("   %s at revision %d: %s, %d cents\n", entry.Key, revision, entry.Value.Status, entry.Value.Total)
	order.Lines[0].Qty = 0
	_, err = orders.Order.Put(ctx, key, order)
	fmt.Println("   an invalid one is refused before it is sent:", err)
	if !errors.Is(err, kvrt.ErrInvalidValue) {
		return fmt.Errorf("want ErrInvalidValue, got %w", err)
	}
	_, err = orders.Motd.Put(ctx, "Tea is half price")
	return err
}

func list(ctx context.Context, orders *shop.OrdersBucket) error {
	fmt.Println("3. List one tenant's orders.")
	for _, key := range []shop.OrderKey{{Tenant: "acme.com", ID: 8}, {Tenant: "other", ID: 1}} {
		if _, err := orders.Order.Create(ctx, key, shop.Order{ID: key.ID, Status: shop.StatusPaid, Total: 100}); err != nil {
			return err
		}
	}
	for entry, err := range orders.Order.List(ctx, shop.OrderFilter{Tenant: new("acme.com")}) {
		if err != nil {
			return err
		}
		fmt.Printf("   order %d of %s: %s\n", entry.Key.ID, entry.Key.Tenant, entry.Value.Status)
	}
	return nil
}

func watch(ctx context.Context, orders *shop.OrdersBucket) error {
	fmt.Println("4. Watch delivers what is there, then Synced, then each change.")
	w, err := orders.Order.Watch(ctx, shop.OrderFilter{Tenant: new("acme.com")})
	if err != nil {
		return err
	}
	defer w.Stop()
	for ev := range w.Updates() {
		switch ev.Op {
		case kvrt.Put:
			fmt.Printf("   %v order %d: %s\n", ev.Op, ev.Key.ID, ev.Value.Status)
		case kvrt.Synced:
			fmt.Println("   Synced; now order 7 is deleted")
			if _, err := orders.Order.Delete(ctx, shop.OrderKey{Tenant: "acme.com", ID: 7}); err != nil {
				return err
			}
		case kvrt.Delete:
			fmt.Printf("   %v order %d\n", ev.Op, ev.Key.ID)
			return nil
		}
	}
	return w.Err()
}

func conflict(ctx context.Context, orders *shop.OrdersBucket) error {
	fmt.Println("5. Update takes the revision that was read: a second writer is told.")
	key := shop.TotalKey{Tenant: "acme.com"}
	revision, err := orders.Total.Create(ctx, key, 0)
	if err != nil {
		return err
	}
	if _, err := orders.Total.Update(ctx, key, 1, revision); err != nil {
		return err
	}
	_, err = orders.Total.Update(ctx, key, 2, revision)
	fmt.Println("  ", err)
	if !errors.Is(err, kvrt.ErrConflict) {
		return fmt.Errorf("want ErrConflict, got %w", err)
	}
	_, err = orders.Total.Put(ctx, key, 0)
	return err
}

func count(ctx context.Context, orders *shop.OrdersBucket) error {
	const goroutines, additions = 8, 25
	fmt.Printf("6. Modify loses no update: %d goroutines add 1 to a counter, %d times each.\n", goroutines, additions)
	key := shop.TotalKey{Tenant: "acme.com"}
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for range additions {
				_, err := orders.Total.Modify(ctx, key, func(entry *shop.TotalEntry) error {
					entry.Value++
					return nil
				})
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	entry, err := orders.Total.Get(ctx, key)
	if err != nil {
		return err
	}
	fmt.Printf("   the counter is %d\n", entry.Value)
	if entry.Value != goroutines*additions {
		return fmt.Errorf("updates were lost: %d, want %d", entry.Value, goroutines*additions)
	}
	return nil
}

// startServer runs a NATS server in this process, on a free port and in a temporary folder.
func startServer() (jetstream.JetStream, func(), error) {
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return nil, nil, err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, nil, err
	}
	s.Start()
	stop := func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
	if !s.ReadyForConnections(10 * time.Second) {
		stop()
		return nil, nil, errors.New("the embedded server did not start within 10 seconds")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		stop()
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return js, func() { nc.Close(); stop() }, err
}
