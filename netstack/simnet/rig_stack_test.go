// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// newStack returns a stack for h, destroyed at the end of the test.
func newStack(t testing.TB, h *Host) *stack.Stack {
	t.Helper()
	st := stackOf(t, h)
	t.Cleanup(st.Destroy)
	return st
}

// stackOf is newStack for tests that destroy the stack themselves.
func stackOf(t testing.TB, h *Host) *stack.Stack {
	t.Helper()
	st := stack.New(h.net.StackOptions(h.name))
	if err := h.Plug(st); err != nil {
		t.Fatal(err)
	}
	return st
}

// sock is a TCP socket used without blocking.
type sock struct {
	t  testing.TB
	ep tcpip.Endpoint
}

func fullAddr(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{Addr: toTCPIP(a.Addr()), Port: a.Port()}
}

func newSock(t testing.TB, st *stack.Stack, v6 bool) sock {
	t.Helper()
	proto := ipv4.ProtocolNumber
	if v6 {
		proto = ipv6.ProtocolNumber
	}
	ep, err := st.NewEndpoint(tcp.ProtocolNumber, proto, new(waiter.Queue))
	if err != nil {
		t.Fatal(err)
	}
	return sock{t, ep}
}

func listen(t testing.TB, st *stack.Stack, at netip.AddrPort) sock {
	t.Helper()
	s := newSock(t, st, at.Addr().Is6())
	if err := s.ep.Bind(fullAddr(at)); err != nil {
		t.Fatal(err)
	}
	if err := s.ep.Listen(16); err != nil {
		t.Fatal(err)
	}
	return s
}

// dial starts a connection from the address from, or any if that isn't valid.
func dial(t testing.TB, st *stack.Stack, from netip.Addr, to netip.AddrPort) sock {
	t.Helper()
	s := newSock(t, st, to.Addr().Is6())
	if from.IsValid() {
		if err := s.ep.Bind(fullAddr(netip.AddrPortFrom(from, 0))); err != nil {
			t.Fatal(err)
		}
	}
	err := s.ep.Connect(fullAddr(to))
	if _, ok := err.(*tcpip.ErrConnectStarted); !ok {
		t.Fatal(err)
	}
	return s
}

// accept returns a connection if there is one.
func (s sock) accept() (sock, bool) {
	ep, _, err := s.ep.Accept(nil)
	return sock{s.t, ep}, err == nil
}

// write returns how much of p the socket took.
func (s sock) write(p []byte) int {
	s.t.Helper()
	n, err := s.ep.Write(bytes.NewReader(p), tcpip.WriteOptions{})
	switch err.(type) {
	case nil, *tcpip.ErrWouldBlock, *tcpip.ErrNotConnected:
		return int(n)
	}
	s.t.Fatalf("write: %v", err)
	return 0
}

// read appends the available bytes to buf, and reports the end of the stream.
func (s sock) read(buf *bytes.Buffer) (eof bool) {
	s.t.Helper()
	for {
		_, err := s.ep.Read(buf, tcpip.ReadOptions{})
		switch err.(type) {
		case nil:
			continue
		case *tcpip.ErrWouldBlock:
			return false
		case *tcpip.ErrClosedForReceive:
			return true
		}
		s.t.Fatalf("read: %v", err)
	}
}
