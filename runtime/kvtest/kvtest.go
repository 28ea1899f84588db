// Package kvtest runs real NATS servers with JetStream inside a test: on free ports of the
// loopback interface, in temporary folders, and stopped with the test. There is no fake; a server
// is ready in some milliseconds.
package kvtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Start runs a server for the test and returns a connection to its JetStream.
func Start(t testing.TB) jetstream.JetStream {
	t.Helper()
	return StartServer(t).Connect(t)
}

// StartCluster runs a cluster of n servers for the test and returns a connection to its JetStream,
// which knows all of them. A bucket of it may have up to n replicas.
func StartCluster(t testing.TB, n int) jetstream.JetStream {
	t.Helper()
	return StartServers(t, n).Connect(t)
}

// Server is a server that a test can stop and start again.
type Server struct {
	opts    *server.Options
	running *server.Server
}

// StartServer runs a server for the test. configure functions may change its options before it
// starts: accounts, permissions, limits.
func StartServer(t testing.TB, configure ...func(*server.Options)) *Server {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	opts := options(t.TempDir(), ports[0])
	for _, f := range configure {
		f(opts)
	}
	s := &Server{opts: opts}
	t.Cleanup(s.Stop)
	s.Start(t)
	return s
}

func options(dir string, port int) *server.Options {
	return &server.Options{
		Host:      "127.0.0.1",
		Port:      port,
		JetStream: true,
		StoreDir:  dir,
		NoLog:     true,
		NoSigs:    true,
	}
}

// startTimeout is how long a server or cluster may take to be ready, on a slow machine.
const startTimeout = 30 * time.Second

// Start starts the server again after Stop, on the same port and with the same stored data.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) start() error {
	running, err := server.NewServer(s.opts.Clone())
	if err != nil {
		return fmt.Errorf("kvtest: %w", err)
	}
	running.Start()
	s.running = running
	if !running.ReadyForConnections(startTimeout) {
		return fmt.Errorf("kvtest: the server is not ready after %v", startTimeout)
	}
	return nil
}

// Stop stops the server, as an operator would. Its data stays for Start.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// URL returns the address for clients.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.opts.Port) }

// NATS returns the running server itself.
func (s *Server) NATS() *server.Server { return s.running }

// Connect returns a connection of its own to the server's JetStream, closed with the test.
func (s *Server) Connect(t testing.TB, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	return connect(t, s.URL(), opts)
}

func connect(t testing.TB, url string, opts []nats.Option) jetstream.JetStream {
	t.Helper()
	// A test that stops its server wants to be back as soon as it starts again.
	all := append([]nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0)}, opts...)
	nc, err := nats.Connect(url, all...)
	if err != nil {
		t.Fatalf("kvtest: %v", err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("kvtest: %v", err)
	}
	return js
}

// Cluster is a cluster of servers.
type Cluster struct {
	Servers []*Server
}

// StartServers runs a cluster of n servers for the test; one server is no cluster.
func StartServers(t testing.TB, n int) *Cluster {
	t.Helper()
	c, err := Run(t.TempDir(), n)
	if c != nil {
		t.Cleanup(c.Stop)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Run runs a cluster of n servers for a program that is no test, with their data in a folder. Stop
// ends it, also where an error comes with it.
func Run(dir string, n int) (*Cluster, error) {
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	clients, peers := ports[:n], ports[n:]
	var routes string
	for i, port := range peers {
		if i > 0 {
			routes += ","
		}
		routes += fmt.Sprintf("nats://127.0.0.1:%d", port)
	}
	c := &Cluster{}
	for i, port := range peers {
		opts := options(filepath.Join(dir, fmt.Sprint(i)), clients[i])
		if n > 1 {
			opts.ServerName = fmt.Sprintf("n%d", i+1)
			opts.Cluster = server.ClusterOpts{Name: "kvtest", Host: "127.0.0.1", Port: port}
			opts.Routes = server.RoutesFromStr(routes)
		}
		c.Servers = append(c.Servers, &Server{opts: opts})
	}
	for _, s := range c.Servers {
		if err := s.start(); err != nil {
			return c, err
		}
	}
	return c, c.waitReady()
}

// Stop stops all servers.
func (c *Cluster) Stop() {
	for _, s := range c.Servers {
		s.Stop()
	}
}

// WaitReady waits until the running servers have a leader that sees all of them.
func (c *Cluster) WaitReady(t testing.TB) {
	t.Helper()
	if err := c.waitReady(); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) waitReady() error {
	if len(c.Servers) == 1 {
		return nil
	}
	running := 0
	for _, s := range c.Servers {
		if s.running != nil {
			running++
		}
	}
	deadline := time.Now().Add(startTimeout)
	for !c.ready(running) {
		if time.Now().After(deadline) {
			return fmt.Errorf("kvtest: the cluster is not ready after %v", startTimeout)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func (c *Cluster) ready(running int) bool {
	for _, s := range c.Servers {
		if s.running == nil || !s.running.JetStreamIsLeader() {
			continue
		}
		current := 0
		for _, p := range s.running.JetStreamClusterPeers() {
			if p != "" {
				current++
			}
		}
		return current >= running && s.running.NumRoutes() > 0
	}
	return false
}

// Connect returns a connection of its own to the cluster's JetStream, which goes to another server
// when its own stops, and is closed with the test.
func (c *Cluster) Connect(t testing.TB, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	return connect(t, c.URL(), opts)
}

// URL returns the addresses of all servers for clients.
func (c *Cluster) URL() string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

// Ports are taken from below the range out of which systems give ports to outgoing connections and
// to listeners that name none (32768 to 60999 on Linux, 49152 to 65535 elsewhere): a port from there
// may be gone when a server that was stopped comes back for it, and before it is first used.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePorts returns n different ports of the loopback interface that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // after all are taken, so that they differ
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("kvtest: no %d free ports between %d and %d", n, firstPort, lastPort)
}
