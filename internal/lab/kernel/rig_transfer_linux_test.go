// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// echoPort is where echo listens.
const echoPort = 7

// kernelHost is the echo of the third host.
var kernelHost = netip.AddrPortFrom(kernel.HostAddr4, echoPort)

func endpoint(a netip.Addr) string { return netip.AddrPortFrom(a, echoPort).String() }

// echo serves connections in the namespace, and tells whose they are. They end with
// the test's, which are aborted before.
func echo(t *testing.T, ns *kernel.Namespace) (peers <-chan netip.AddrPort) {
	t.Helper()
	ln, err := ns.Listen(newContext(t), "tcp", ":"+strconv.Itoa(echoPort))
	must(t, err)
	seen := make(chan netip.AddrPort, 16)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			a := c.RemoteAddr().(*net.TCPAddr).AddrPort()
			seen <- netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
			serving.Go(func() {
				io.Copy(c, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return seen
}

func dial(t *testing.T, ns *kernel.Namespace, to netip.Addr) net.Conn {
	t.Helper()
	return dialFrom(t, ns, netip.Addr{}, to)
}

// dialFrom connects from an address. The connection is aborted with the test, so
// that it leaves no socket behind.
func dialFrom(t *testing.T, ns *kernel.Namespace, from, to netip.Addr) net.Conn {
	t.Helper()
	var d net.Dialer
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c, err := ns.DialWith(newContext(t), &d, "tcp", endpoint(to))
	must(t, err)
	must(t, c.(*net.TCPConn).SetLinger(0))
	must(t, c.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { c.Close() })
	return c
}

// pingPong sends a few bytes to and fro, and returns the shortest time it took.
func pingPong(c net.Conn, rounds int) (time.Duration, error) {
	best := time.Hour
	buf := make([]byte, 1)
	for range rounds {
		start := time.Now()
		if _, err := c.Write(buf); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return best, nil
}

func mustPingPong(t *testing.T, c net.Conn, rounds int) time.Duration {
	t.Helper()
	rtt, err := pingPong(c, rounds)
	must(t, err)
	return rtt
}

// transfer sends size bytes through the echo and returns how long it took.
func transfer(c net.Conn, size int64) (time.Duration, error) {
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyN(c, zeros{}, size)
		sent <- err
	}()
	n, err := io.CopyN(io.Discard, c, size)
	if err != nil {
		c.Close()
		return 0, errors.Join(fmt.Errorf("after %d of %d bytes: %w", n, size, err), <-sent)
	}
	return time.Since(start), <-sent
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func next(t *testing.T, peers <-chan netip.AddrPort) netip.AddrPort {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case p := <-peers:
		return p
	case <-ctx.Done():
		t.Fatal("the server saw no connection")
		return netip.AddrPort{}
	}
}
