// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/mnet-dev/mnet/netstack"
)

// DefaultBacklog is how many connections may wait to be accepted, Linux' default. It
// bounds the memory for connections that the application does not accept. Beyond it,
// SYNs are dropped.
const DefaultBacklog = 4096

// ListenConfig makes listeners. It may be copied and used concurrently.
type ListenConfig struct {
	// Stack is the stack to listen on. It must be set.
	Stack *netstack.Stack

	// Backlog is how many connections may wait to be accepted, and how many
	// handshakes may be under way before SYN cookies are used. Zero means
	// DefaultBacklog.
	Backlog int

	// KeepAliveConfig configures the keep-alive of accepted connections. The zero value
	// means that no probes are sent; the net package sends them by default.
	KeepAliveConfig net.KeepAliveConfig

	// Roamer moves accepted connections by itself, when this end's addresses
	// change. Nil means that nobody does.
	Roamer *Roamer

	// Migration says whether accepted connections can migrate. Zero means
	// Preferred.
	Migration Policy

	// MigrationOptions say how. The zero value is a good one.
	MigrationOptions MigrationOptions
}

// Listen listens on address, "host:port", for network, "tcp", "tcp4" or "tcp6",
// and returns a *Listener. The host must be numeric. If it is missing or
// unspecified, connections to all addresses of the stack are accepted, for "tcp"
// of both families. Port 0 means any.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	fail := func(local net.Addr, err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: local, Err: err}
	}
	if lc.Stack == nil {
		return fail(nil, errNoStack)
	}
	if ctx.Err() != nil {
		return fail(nil, context.Cause(ctx))
	}
	local, err := listenAddr(network, address)
	if err != nil {
		return fail(nil, err)
	}
	l := &Listener{stack: lc.Stack, network: network, keepAlive: lc.KeepAliveConfig, roamer: lc.Roamer, migration: lc.Migration, options: lc.MigrationOptions}
	err = lc.Stack.Do(func(gv *stack.Stack) error { return l.listen(gv, local, lc.backlog()) })
	if err != nil {
		return fail(tcpAddr(local), err)
	}
	return l, nil
}

func (lc *ListenConfig) backlog() int {
	if lc.Backlog <= 0 {
		return DefaultBacklog
	}
	return lc.Backlog
}

// listenAddr parses address. As in the net package, the wildcard of "tcp" is
// IPv6's, and takes both families.
func listenAddr(network, address string) (netip.AddrPort, error) {
	family, err := parseNetwork(network)
	if err != nil {
		return netip.AddrPort{}, err
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a := netip.IPv6Unspecified()
	if host != "" {
		if a, err = parseHost(host); err != nil {
			return netip.AddrPort{}, err
		}
		if !inFamily(a, family) && !(family == "4" && a.IsUnspecified()) {
			return netip.AddrPort{}, &net.AddrError{Err: errNoSuitable.Error(), Addr: host}
		}
	}
	if a.IsUnspecified() {
		a = netip.IPv6Unspecified()
		if family == "4" {
			a = netip.IPv4Unspecified()
		}
	}
	return netip.AddrPortFrom(a, port), nil
}

// Listener accepts connections. It implements net.Listener. All methods may be
// called concurrently.
type Listener struct {
	stack     *netstack.Stack
	ep        tcpip.Endpoint
	wq        *waiter.Queue
	network   string
	addr      netip.AddrPort
	keepAlive net.KeepAliveConfig
	roamer    *Roamer
	migration Policy
	options   MigrationOptions

	closed atomic.Bool
	accept direction
}

var _ net.Listener = (*Listener)(nil)

// listen makes the endpoint and starts it. Settings that must precede the first accept
// go between NewEndpoint and Listen.
func (l *Listener) listen(gv *stack.Stack, local netip.AddrPort, backlog int) error {
	proto := tcpip.NetworkProtocolNumber(ipv6.ProtocolNumber)
	if local.Addr().Is4() {
		proto = ipv4.ProtocolNumber
	}
	l.wq = new(waiter.Queue)
	ep, terr := gv.NewEndpoint(tcp.ProtocolNumber, proto, l.wq)
	if terr != nil {
		return syscallError("socket", terr)
	}
	l.ep = ep
	if err := l.start(local, backlog); err != nil {
		ep.Close()
		return err
	}
	return nil
}

func (l *Listener) start(local netip.AddrPort, backlog int) error {
	if err := l.acceptMigration(); err != nil {
		return err
	}
	so := l.ep.SocketOptions()
	// As the net package does: connections of an earlier listener that linger must
	// not keep the port.
	so.SetReuseAddress(true)
	so.SetV6Only(l.network == "tcp6")
	if terr := l.ep.Bind(netstack.FullAddress(local)); terr != nil {
		return syscallError("bind", terr)
	}
	l.accept.init(l.stack.Clock(), l.wq, waiter.ReadableEvents)
	if terr := l.ep.Listen(backlog); terr != nil {
		return syscallError("listen", terr)
	}
	bound, terr := l.ep.GetLocalAddress()
	if terr != nil {
		return syscallError("getsockname", terr)
	}
	l.addr = netip.AddrPortFrom(local.Addr(), bound.Port)
	return nil
}

// Accept waits for a connection and returns it, a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptConn is Accept with the type it returns.
func (l *Listener) AcceptConn() (*Conn, error) {
	ep, wq, err := l.acceptEndpoint()
	if err != nil {
		return nil, l.opError("accept", err)
	}
	if terr := startKeepAlive(ep, l.keepAlive); terr != nil {
		ep.Close()
		return nil, l.opError("accept", syscallError("setsockopt", terr))
	}
	c := newConn(l.stack, ep, wq, l.network)
	c.noMigration = l.migration == Off
	if l.roamer != nil {
		l.roamer.Manage(c)
	}
	return c, nil
}

func (l *Listener) acceptEndpoint() (tcpip.Endpoint, *waiter.Queue, error) {
	l.accept.mu.Lock()
	defer l.accept.mu.Unlock()
	for {
		switch {
		case l.closed.Load():
			return nil, nil, errClosed
		case l.accept.deadline.expired.Load():
			return nil, nil, os.ErrDeadlineExceeded
		}
		ep, wq, terr := l.ep.Accept(nil)
		switch terr.(type) {
		case nil:
			if l.migration == Required && !mayMigrate(ep) {
				ep.Abort()
				continue
			}
			return ep, wq, nil
		case *tcpip.ErrWouldBlock:
			<-l.accept.ready
		case *tcpip.ErrInvalidEndpointState:
			// Not listening any more: the stack has been closed.
			return nil, nil, netstack.ErrClosed
		default:
			return nil, nil, syscallError("accept", terr)
		}
	}
}

// Close stops listening. Blocked Accepts return net.ErrClosed; connections that
// nobody has accepted are reset.
func (l *Listener) Close() error {
	if l.closed.Swap(true) {
		return l.opError("close", errClosed)
	}
	l.accept.wake()
	l.accept.deadline.stop()
	l.accept.mu.Lock()
	defer l.accept.mu.Unlock()
	l.ep.Close()
	return nil
}

// Addr returns the address listened on, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return tcpAddr(l.addr) }

// SetDeadline sets the deadline of Accept, on the clock of the stack. The zero
// time means none.
func (l *Listener) SetDeadline(t time.Time) error {
	if !l.accept.deadline.set(t) {
		return l.opError("set", errClosed)
	}
	return nil
}

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.network, Addr: l.Addr(), Err: err}
}
