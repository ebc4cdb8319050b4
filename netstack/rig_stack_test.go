// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

func newStack(t testing.TB, cfg Config) *Stack {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// attach attaches link with addresses and a default route of each family.
func attach(t testing.TB, s *Stack, link *PipeEnd, addrs ...string) *NIC {
	t.Helper()
	opts := AttachOptions{Routes: []Route{{Destination: Default4}, {Destination: Default6}}}
	for _, a := range addrs {
		opts.Addresses = append(opts.Addresses, netip.MustParsePrefix(a))
	}
	n, err := s.Attach(link, opts)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// newPair returns two stacks, 10.0.0.1 and 10.0.0.2, with a pipe between them.
func newPair(t testing.TB, cfg Config) (a, b *Stack) {
	t.Helper()
	a, b = newStack(t, cfg), newStack(t, cfg)
	la, lb := Pipe(PipeConfig{})
	attach(t, a, la, "10.0.0.1/24", "fd00::1/64")
	attach(t, b, lb, "10.0.0.2/24", "fd00::2/64")
	return a, b
}

// socket is a bare gVisor endpoint.
type socket struct {
	tcpip.Endpoint
	wq *waiter.Queue
	t  testing.TB
}

func newSocket(t testing.TB, s *Stack, proto tcpip.NetworkProtocolNumber) socket {
	t.Helper()
	wq := new(waiter.Queue)
	ep, terr := s.GVisor().NewEndpoint(tcp.ProtocolNumber, proto, wq)
	if terr != nil {
		t.Fatal(terr)
	}
	t.Cleanup(ep.Close)
	return socket{ep, wq, t}
}

// wait calls f, at once and whenever something happens to the endpoint, until it
// returns true.
func (s socket) wait(f func() bool) {
	s.t.Helper()
	timeout := time.After(patience)
	entry, ch := waiter.NewChannelEntry(waiter.AllEvents)
	s.wq.EventRegister(&entry)
	defer s.wq.EventUnregister(&entry)
	for !f() {
		select {
		case <-ch:
		case <-timeout:
			s.t.Fatalf("nothing more happens to an endpoint in %v", tcp.EndpointState(s.State()))
		}
	}
}

// listen listens on an address.
func listen(t testing.TB, s *Stack, addr string) socket {
	t.Helper()
	ap := netip.MustParseAddrPort(addr)
	l := newSocket(t, s, Protocol(ap.Addr()))
	if terr := l.Bind(FullAddress(ap)); terr != nil {
		t.Fatal(terr)
	}
	if terr := l.Listen(16); terr != nil {
		t.Fatal(terr)
	}
	return l
}

// accept waits for a connection.
func accept(t testing.TB, l socket) (c socket) {
	t.Helper()
	l.wait(func() bool {
		ep, wq, terr := l.Accept(nil)
		if _, ok := terr.(*tcpip.ErrWouldBlock); ok {
			return false
		}
		if terr != nil {
			t.Fatal(terr)
		}
		t.Cleanup(ep.Close)
		c = socket{ep, wq, t}
		return true
	})
	return c
}

// connect connects to an address and waits for the end of the handshake.
func connect(t testing.TB, s *Stack, addr string) socket {
	t.Helper()
	ap := netip.MustParseAddrPort(addr)
	c := newSocket(t, s, Protocol(ap.Addr()))
	if _, ok := c.Connect(FullAddress(ap)).(*tcpip.ErrConnectStarted); !ok {
		t.Fatalf("connect to %s did not start", addr)
	}
	c.wait(func() bool {
		switch state := tcp.EndpointState(c.State()); state {
		case tcp.StateConnecting, tcp.StateSynSent:
			return false
		case tcp.StateEstablished:
		default:
			t.Fatalf("connect to %s ends in %v: %v", addr, state, c.LastError())
		}
		return true
	})
	return c
}

// source returns the source address of a new connection from s to remote, and the name
// of the NIC. They are empty if there is no route.
func source(t testing.TB, s *Stack, remote string) (addr, nic string) {
	t.Helper()
	r := netip.MustParseAddr(remote)
	route, terr := s.GVisor().FindRoute(0, tcpip.Address{}, Address(r), Protocol(r), false)
	if terr != nil {
		return "", ""
	}
	defer route.Release()
	return Addr(route.LocalAddress()).String(), s.GVisor().FindNICNameFromID(route.OutgoingNIC())
}
