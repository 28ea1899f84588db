// Dashboard keeps a local copy of a bucket, and shows it on a page that changes in the browser as the
// bucket does.
//
// Without arguments it changes some values, follows its own page, prints what that is told, and ends.
// With -addr it serves the page until it is interrupted:
//
//	go run ./examples/dashboard -addr 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvgen/kvgen/examples/dashboard/health"
)

func main() {
	addr := flag.String("addr", "", "serve the page on this address until interrupted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string) error {
	js, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	services, err := health.EnsureServices(ctx, js)
	if err != nil {
		return err
	}
	fmt.Println("1. Three services are in the bucket.")
	for _, key := range watched() {
		if _, err := services.Service.Put(ctx, key, health.Service{State: health.StateUp, LatencyMs: 20}); err != nil {
			return err
		}
	}

	fmt.Println("2. A cache holds a copy of them, and a page shows the copy.")
	cache, err := services.Service.Cache(ctx, health.ServiceFilter{})
	if err != nil {
		return err
	}
	defer cache.Close()
	page, closePage, err := servePage(ctx, addr, cache)
	if err != nil {
		return err
	}
	defer closePage()

	if addr != "" {
		fmt.Println("  ", page, "until interrupted")
		return keepChecking(ctx, services)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return show(ctx, services, page)
}

// watched is the services that there are.
func watched() []health.ServiceKey {
	return []health.ServiceKey{{Region: "eu", Name: "api"}, {Region: "eu", Name: "mail"}, {Region: "us", Name: "api"}}
}

// servePage serves the page, on any free port if addr is empty.
func servePage(ctx context.Context, addr string, cache *health.ServiceCache) (url string, stop func(), err error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{
		Handler:           newPage(cache),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return "http://" + l.Addr().String(), func() {
		_ = s.Close() // not Shutdown, which waits for the streams, and they have no end
		<-served
	}, nil
}

// show follows the page's stream, as a browser does, while it changes the bucket.
func show(ctx context.Context, services *health.ServicesBucket, page string) error {
	fmt.Println("3. What a browser is told: all there is, then each change.")
	api, mail := health.ServiceKey{Region: "eu", Name: "api"}, health.ServiceKey{Region: "eu", Name: "mail"}
	for ev, err := range follow(ctx, page) {
		if err != nil {
			return err
		}
		if ev.Name == "contact" {
			continue // it carries the time, and comes once a second
		}
		fmt.Println("  ", ev.Name, ev.Data)
		switch ev.Name {
		case "synced":
			fmt.Println("4. A service goes down, and another one is no longer checked.")
			note := "the certificate ended; <b>Ann</b> is on it"
			if _, err := services.Service.Put(ctx, api, health.Service{State: health.StateDown, Note: &note}); err != nil {
				return err
			}
			if _, err := services.Service.Delete(ctx, mail); err != nil {
				return err
			}
		case "remove":
			return nil
		}
	}
	return nil
}

// keepChecking has something to see for those who look at the page.
func keepChecking(ctx context.Context, services *health.ServicesBucket) error {
	states := health.StateValues()
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
		key := watched()[rand.IntN(len(watched()))]
		checked := health.Service{State: states[rand.IntN(len(states))], LatencyMs: rand.Int32N(500)}
		if _, err := services.Service.Put(ctx, key, checked); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// startServer runs a NATS server in this process, on a free port and in a temporary folder.
func startServer() (jetstream.JetStream, func(), error) {
	dir, err := os.MkdirTemp("", "dashboard")
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
