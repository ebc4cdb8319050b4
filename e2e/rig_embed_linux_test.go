// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"log/slog"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// The addresses of an embedded stack and of its host, on the device between them.
var (
	embedHost  = []netip.Prefix{netip.MustParsePrefix("10.78.0.1/24"), netip.MustParsePrefix("fd78::1/64")}
	embedStack = []netip.Prefix{netip.MustParsePrefix("10.78.0.2/24"), netip.MustParsePrefix("fd78::2/64")}
)

// embedConfig says how a program embeds a stack. The zero value is one that gets out
// by the host's masquerade and moves nothing by itself.
type embedConfig struct {
	Host, Addresses []netip.Prefix // nil means embedHost and embedStack
	Routed          bool           // the network has a route to the stack: no masquerade
	Ports           []uint16       // of the host's addresses that lead to the stack
	Policy          roam.Policy    // nil means that nothing moves by itself
	Stack           netstack.Config
}

// embedded is a stack of this process in a namespace, as a program has it that uses
// the API.
type embedded struct {
	*host.Host
	w      *world
	ns     *kernel.Namespace
	roamer *endpoint.Roamer // that moves connections; nil without a policy
	log    *output
}

const (
	embedDevice = "mnet1"
	// embedQueue is how many packets wait in the kernel until this process is
	// scheduled. On a busy machine the kernel's 500 are too few at 200 Mbit/s.
	embedQueue = 4096
)

// embed puts a stack into a namespace, until the test ends.
func (w *world) embed(ns *kernel.Namespace, cfg embedConfig) *embedded {
	w.t.Helper()
	if cfg.Addresses == nil {
		cfg.Host, cfg.Addresses = embedHost, embedStack
	}
	e := &embedded{w: w, ns: ns, log: new(output)}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("stack in %s:\n%s", ns.Name(), e.log)
		}
	})
	// Sockets and devices are of the namespace of the thread that opens them.
	w.must(ns.Do(func() error { return e.start(cfg) }))
	return e
}

func (e *embedded) start(cfg embedConfig) (err error) {
	hc := host.Config{
		Device:     tun.Config{Name: embedDevice},
		Host:       cfg.Host,
		Addresses:  cfg.Addresses,
		Masquerade: !cfg.Routed,
		Ports:      cfg.Ports,
		Stack:      cfg.Stack,
		Policy:     cfg.Policy,
		Logger:     slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if cfg.Policy == nil {
		hc.Policy = endpoint.Manual
	}
	if e.Host, err = host.Open(e.w.ctx, hc); err != nil {
		return err
	}
	e.w.t.Cleanup(func() {
		if err := e.Close(); err != nil {
			e.w.t.Errorf("stack in %s: close: %v", e.ns.Name(), err)
		}
	})
	if cfg.Policy != nil {
		e.roamer = e.Roamer
	}
	dev, err := netlink.LinkByName(embedDevice)
	if err != nil {
		return err
	}
	return netlink.LinkSetTxQLen(dev, embedQueue)
}

// dialer is one for the stack, with its roamer.
func (e *embedded) dialer() *endpoint.Dialer {
	return &endpoint.Dialer{Stack: e.Stack, Roamer: e.roamer, Timeout: patience}
}

// dial opens a connection that must be able to migrate.
func (e *embedded) dial(addr netip.AddrPort) *endpoint.Conn {
	e.w.t.Helper()
	d := e.dialer()
	d.Migration = endpoint.Required
	c, err := d.DialContext(e.w.ctx, "tcp", addr.String())
	e.w.must(err)
	e.w.t.Cleanup(func() { c.Close() })
	return c.(*endpoint.Conn)
}

// listen listens on a port of the stack.
func (e *embedded) listen(port uint16) *endpoint.Listener {
	e.w.t.Helper()
	lc := endpoint.ListenConfig{Stack: e.Stack, Roamer: e.roamer}
	l, err := lc.Listen(e.w.ctx, "tcp", netip.AddrPortFrom(netip.IPv6Unspecified(), port).String())
	e.w.must(err)
	e.w.t.Cleanup(func() { l.Close() })
	return l.(*endpoint.Listener)
}

// pair opens a connection from a to a port of b, which others reach at addr, and
// returns both ends once either can move it.
func (w *world) pair(a, b *embedded, addr netip.AddrPort) (opener, acceptor *endpoint.Conn) {
	w.t.Helper()
	l := b.listen(addr.Port())
	accepted := make(chan net.Conn, 1)
	go func() {
		defer close(accepted)
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	opener = a.dial(addr)
	c := <-accepted
	if c == nil {
		w.t.Fatal("no connection was accepted")
	}
	w.t.Cleanup(func() { c.Close() })
	acceptor = c.(*endpoint.Conn)
	for _, c := range []*endpoint.Conn{opener, acceptor} {
		w.must(c.AwaitMigratable(w.timeout(patience)))
	}
	return opener, acceptor
}
