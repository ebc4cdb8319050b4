// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/netstack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tcpConn is the common part of *net.TCPConn and *Conn.
type tcpConn interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
	SetNoDelay(bool) error
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
	SetKeepAlive(bool) error
	SetKeepAlivePeriod(time.Duration) error
	SetKeepAliveConfig(net.KeepAliveConfig) error
}

var (
	_ tcpConn = (*net.TCPConn)(nil)
	_ tcpConn = (*Conn)(nil)
)

// tcpListener is the common part of *net.TCPListener and *Listener.
type tcpListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// tcpNet is a network in which a test dials and listens: the loopback of the kernel,
// or two stacks.
type tcpNet struct {
	dial   func(ctx context.Context, network, address string, local net.Addr) (net.Conn, error)
	listen func(network, address string) (net.Listener, error)
	// The addresses of the listening side, and one that nobody has.
	host4, host6, nobody string
}

// kernelNet is the host's own TCP over the loopback interface.
func kernelNet(testing.TB) *tcpNet {
	return &tcpNet{
		dial: func(ctx context.Context, network, address string, local net.Addr) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: local}).DialContext(ctx, network, address)
		},
		listen: net.Listen,
		host4:  "127.0.0.1",
		host6:  "::1",
		nobody: "192.0.2.1",
	}
}

// jumboPipe carries long packets, which makes a test with megabytes a cheaper one.
var jumboPipe = netstack.PipeConfig{MTU: 9000}

// pipeNet is two stacks with a pipe between them.
func pipeNet(tb testing.TB) *tcpNet {
	client, server := newStacks(tb, netstack.Config{}, jumboPipe)
	return &tcpNet{
		dial:   stackDial(client),
		listen: stackListen(server),
		host4:  server4.Addr().String(),
		host6:  server6.Addr().String(),
		nobody: "192.0.2.1",
	}
}

func stackDial(s *netstack.Stack) func(context.Context, string, string, net.Addr) (net.Conn, error) {
	return func(ctx context.Context, network, address string, local net.Addr) (net.Conn, error) {
		return (&Dialer{Stack: s, LocalAddr: local}).DialContext(ctx, network, address)
	}
}

func stackListen(s *netstack.Stack) func(string, string) (net.Listener, error) {
	return func(network, address string) (net.Listener, error) {
		return (&ListenConfig{Stack: s}).Listen(context.Background(), network, address)
	}
}

var (
	client4 = netip.MustParsePrefix("10.0.0.1/24")
	client6 = netip.MustParsePrefix("fd00::1/64")
	server4 = netip.MustParsePrefix("10.0.0.2/24")
	server6 = netip.MustParsePrefix("fd00::2/64")
)

// newStacks returns two stacks with a pipe between them, closed when tb ends.
func newStacks(tb testing.TB, cfg netstack.Config, pipe netstack.PipeConfig) (client, server *netstack.Stack) {
	tb.Helper()
	a, b := netstack.Pipe(pipe)
	client = newStack(tb, cfg)
	server = newStack(tb, cfg)
	for _, n := range []struct {
		s    *netstack.Stack
		link *netstack.PipeEnd
		addr []netip.Prefix
	}{{client, a, []netip.Prefix{client4, client6}}, {server, b, []netip.Prefix{server4, server6}}} {
		_, err := n.s.Attach(n.link, netstack.AttachOptions{
			Addresses: n.addr,
			Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return client, server
}

func newStack(tb testing.TB, cfg netstack.Config) *netstack.Stack {
	tb.Helper()
	s, err := netstack.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// connect dials l in w and returns both ends, closed when tb ends.
func (tn *tcpNet) connect(tb testing.TB, l net.Listener, network string) (dialled, accepted tcpConn) {
	tb.Helper()
	type result struct {
		c   net.Conn
		err error
	}
	accept := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		accept <- result{c, err}
	}()
	d, err := tn.dial(context.Background(), network, l.Addr().String(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	r := <-accept
	if r.err != nil {
		tb.Fatal(r.err)
	}
	tb.Cleanup(func() { r.c.Close() })
	return d.(tcpConn), r.c.(tcpConn)
}

// pair returns two connected ends in w.
func (tn *tcpNet) pair(tb testing.TB) (dialled, accepted tcpConn) {
	tb.Helper()
	l, err := tn.listen("tcp", net.JoinHostPort(tn.host4, "0"))
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return tn.connect(tb, l, "tcp")
}
