// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/relay"
	"github.com/mnet-dev/mnet/migrate"
)

const (
	interopRTT = 40 * time.Millisecond
	// interopSize is the size of a transfer in bytes: most of a second of the wire.
	interopSize = 8 << 20
	// slower is how much slower the stack may be than two kernels among themselves. The
	// machine is busy with both of them and the wire between.
	slower = 2
	// longestGap is the longest time without data that is no stall. Nothing is lost, so
	// a longer gap is more than one wait for a time-out.
	longestGap = 500 * time.Millisecond
)

// TestKernelPeer has the stack talk to the kernel's TCP, which knows nothing of
// migration, in both roles. The result is plain TCP that is as fast. Nothing waits for
// an answer to an option that the peer does not know.
func TestKernelPeer(t *testing.T) {
	// No loss: recovery from it is not compared.
	wire := kernel.WireConfig{Delay: interopRTT / 2, Rate: 100e6, Queue: 16 << 20}
	w := newWorld(t, kernel.TopologyConfig{Uplinks: [2]kernel.WireConfig{wire, wire}})
	const kernelPort, stackPort = 8000, 8001
	client := w.embed(w.Client, embedConfig{})
	host := w.embed(w.Host, embedConfig{Ports: []uint16{stackPort}})

	accepted := make(chan *endpoint.Conn, 1)
	w.exchangeServer(host.listen(stackPort), func(c net.Conn) { accepted <- c.(*endpoint.Conn) })
	kernelListener, err := w.Host.Listen(w.ctx, "tcp", fmt.Sprintf(":%d", kernelPort))
	w.must(err)
	w.exchangeServer(kernelListener, func(net.Conn) {})

	for _, addr := range []netip.Addr{kernel.HostAddr4, kernel.HostAddr6} {
		family := "IPv4"
		if addr.Is6() {
			family = "IPv6"
		}
		toKernel, toStack := netip.AddrPortFrom(addr, kernelPort), netip.AddrPortFrom(addr, stackPort)
		byKernel := func(to netip.AddrPort) (net.Conn, error) { return w.Client.Dial(w.ctx, "tcp", to.String()) }
		byStack := func(to netip.AddrPort) (net.Conn, error) {
			return client.dialer().DialContext(w.ctx, "tcp", to.String())
		}

		var among pace
		t.Run(family+" kernel to kernel", func(t *testing.T) {
			c, err := byKernel(toKernel)
			w.must(err)
			among = w.exchange(c.(relay.Conn))
			t.Log(among)
		})
		t.Run(family+" kernel to stack", func(t *testing.T) {
			w.promptly(t, func() (net.Conn, error) { return byKernel(toStack) }, func() { (<-accepted).Close() })
			w.asFast(t, among, func() relay.Conn {
				c, err := byKernel(toStack)
				w.must(err)
				notNegotiated(t, <-accepted)
				return c.(relay.Conn)
			})
		})
		t.Run(family+" stack to kernel", func(t *testing.T) {
			w.promptly(t, func() (net.Conn, error) { return byStack(toKernel) }, func() {})
			w.asFast(t, among, func() relay.Conn {
				c, err := byStack(toKernel)
				w.must(err)
				notNegotiated(t, c.(*endpoint.Conn))
				return c.(relay.Conn)
			})
		})
	}
}

// notNegotiated checks that a connection is plain TCP, and says why.
func notNegotiated(t *testing.T, c *endpoint.Conn) {
	t.Helper()
	if m := c.Migration(); m.State != migrate.Plain || m.Reason != migrate.PlainNotOffered {
		t.Errorf("the connection is %v (%v), want plain since the peer did not negotiate", m.State, m.Reason)
	}
}

// promptly checks that a dial takes a single round trip.
func (w *world) promptly(t *testing.T, dial func() (net.Conn, error), dialled func()) {
	t.Helper()
	best := patience
	for range 3 { // of a busy machine, the best
		begin := time.Now()
		c, err := dial()
		best = min(best, time.Since(begin))
		w.must(err)
		dialled()
		c.Close()
	}
	if best >= 2*interopRTT {
		t.Errorf("a dial takes %v, at a round-trip time of %v", best, interopRTT)
	}
}

// TestCurlFromStack has curl download from net/http over the stack.
func TestCurlFromStack(t *testing.T) {
	need(t, "curl")
	w := newWorld(t, kernel.TopologyConfig{})
	host := w.embed(w.Host, embedConfig{Ports: []uint16{80}})
	srv := &http.Server{Handler: http.FileServer(http.Dir(w.dir))}
	served := make(chan struct{})
	l := host.listen(80)
	go func() { srv.Serve(l); close(served) }()
	t.Cleanup(func() { srv.Close(); <-served })
	for _, addr := range []netip.Addr{kernel.HostAddr4, kernel.HostAddr6} {
		from, sum := w.randomFile(fmt.Sprintf("file%d", addr.BitLen()), 20<<20, byte(addr.BitLen()))
		to := from + ".copy"
		_, err := w.run(w.Client, "curl", "--silent", "--show-error", "--fail", "--output", to,
			fmt.Sprintf("http://%v/%s", netip.AddrPortFrom(addr, 80), filepath.Base(from)))
		w.must(err)
		if got := w.fileSum(to); got != sum {
			t.Errorf("%v: hash %s, want %s", addr, got, sum)
		}
	}
}
