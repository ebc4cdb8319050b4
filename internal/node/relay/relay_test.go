// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the time after which a test that hangs fails.
const patience = 10 * time.Second

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{n, f} {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
	}
	return n.(*net.TCPConn), f.(*net.TCPConn)
}

// join relays between the two returned connections.
func join(t *testing.T) (a, b *net.TCPConn, n *Progress, stop context.CancelCauseFunc, done <-chan error) {
	t.Helper()
	a, a2 := pair(t)
	b, b2 := pair(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	t.Cleanup(func() { cancel(nil) })
	n = new(Progress)
	ended := make(chan error, 1)
	go func() { ended <- Join(ctx, a2, b2, n) }()
	return a, b, n, cancel, ended
}

// TestHalfClose ends one direction, and uses the other afterwards.
func TestHalfClose(t *testing.T) {
	a, b, n, _, done := join(t)
	request, response := strings.Repeat("request", 30_000), strings.Repeat("response", 40_000)
	go func() {
		io.WriteString(a, request)
		a.CloseWrite()
	}()
	if got, err := io.ReadAll(b); err != nil || string(got) != request {
		t.Fatalf("%d bytes arrive of %d, %v", len(got), len(request), err)
	}
	go func() {
		io.WriteString(b, response)
		b.CloseWrite()
	}()
	if got, err := io.ReadAll(a); err != nil || string(got) != response {
		t.Fatalf("%d bytes arrive of %d, %v", len(got), len(response), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got, want := n.AToB.Load(), int64(len(request)); got != want {
		t.Errorf("%d bytes counted of %d", got, want)
	}
	if got, want := n.BToA.Load(), int64(len(response)); got != want {
		t.Errorf("%d bytes counted of %d", got, want)
	}
}

// TestReset passes a RST on: the data so far must not be taken for the whole.
func TestReset(t *testing.T) {
	a, b, n, _, done := join(t)
	io.WriteString(a, "half")
	io.ReadFull(b, make([]byte, 4))
	a.SetLinger(0)
	a.Close()
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a reset: %v", err)
	}
	if err := n.Err(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the other end sees the reset, but the relay says %v", err)
	}
	if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("ends with %v", err)
	}
}

// TestStop ends a relay that would go on.
func TestStop(t *testing.T) {
	a, b, _, stop, done := join(t)
	why := errors.New("enough")
	stop(why)
	if err := <-done; !errors.Is(err, why) || !errors.Is(err, errStopped) {
		t.Errorf("ends with %v", err)
	}
	for _, c := range []net.Conn{a, b} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after the end: %v", err)
		}
	}
}
