// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// drivers are the drivers that all tests run with.
var drivers = []tun.Driver{tun.VNetHdr, tun.Water}

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

// The addresses of both sides of the device.
const (
	host4, stack4 = "10.66.0.1", "10.66.0.2"
	host6, stack6 = "fd66::1", "fd66::2"
)

// rig is a stack and the kernel with a TUN device between them.
type rig struct {
	stack *netstack.Stack
	link  *tun.Link
}

func newRig(t testing.TB, driver tun.Driver, mtu uint32) *rig {
	t.Helper()
	nstest.Need(t)
	link, err := tun.Open(tun.Config{Driver: driver, MTU: mtu})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	if err := link.Configure(prefixes(host4+"/24", host6+"/64"), nil); err != nil {
		t.Fatal(err)
	}
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	opts := netstack.AttachOptions{Addresses: prefixes(stack4+"/24", stack6+"/64")}
	if _, err := s.Attach(link, opts); err != nil {
		t.Fatal(err)
	}
	return &rig{s, link}
}

func prefixes(ps ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(ps))
	for i, p := range ps {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// end is one side of the device: the kernel's TCP or the stack's.
type end struct {
	addr4, addr6 string
	dial         func(ctx context.Context, network, addr string) (net.Conn, error)
	listen       func(ctx context.Context, network, addr string) (net.Listener, error)
}

func (e end) addr(network string) string {
	if network == "tcp6" {
		return e.addr6
	}
	return e.addr4
}

func (r *rig) kernel() end {
	return end{host4, host6, new(net.Dialer).DialContext, new(net.ListenConfig).Listen}
}

// netstack offers migration where gVisor has the hooks for it.
func (r *rig) netstack() end {
	d, lc := &endpoint.Dialer{Stack: r.stack}, &endpoint.ListenConfig{Stack: r.stack}
	return end{stack4, stack6, d.DialContext, lc.Listen}
}

// connect returns the two ends of a connection.
func connect(t testing.TB, network string, from, to end) (client, server net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, err := to.listen(ctx, network, net.JoinHostPort(to.addr(network), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = from.dial(ctx, network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, c := range []net.Conn{client, server} {
		c.SetDeadline(time.Now().Add(patience))
	}
	return client, server
}

// exchange sends n bytes both ways at once and compares the received bytes.
func exchange(t testing.TB, a, b net.Conn, n int64) {
	t.Helper()
	errs := make(chan error, 4)
	for i, way := range [][2]net.Conn{{a, b}, {b, a}} {
		sent := make(chan [sha256.Size]byte, 1)
		go func() {
			sum, err := send(way[0], n, byte(i))
			sent <- sum
			errs <- err
		}()
		go func() {
			h := sha256.New()
			got, err := io.Copy(h, way[1])
			if err == nil && (got != n || [sha256.Size]byte(h.Sum(nil)) != <-sent) {
				err = fmt.Errorf("%d bytes arrive of %d, or others than were sent", got, n)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// send sends n random bytes and the end of the stream, and returns their hash.
func send(c net.Conn, n int64, seed byte) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	random := rand.NewChaCha8([32]byte{seed})
	if _, err := io.Copy(struct{ io.Writer }{c}, io.TeeReader(io.LimitReader(random, n), h)); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), c.(interface{ CloseWrite() error }).CloseWrite()
}
