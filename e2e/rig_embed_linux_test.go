// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
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
	Policy          roam.Policy    // nil means that there is no roamer
	Stack           netstack.Config
}

// embedded is a stack of this process in a namespace, as a program has it that uses
// the API.
type embedded struct {
	w      *world
	ns     *kernel.Namespace
	stack  *netstack.Stack
	nic    *netstack.NIC
	roamer *endpoint.Roamer // nil without a policy
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

func (e *embedded) start(cfg embedConfig) error {
	link, err := tun.Open(tun.Config{Name: embedDevice})
	if err != nil {
		return err
	}
	e.w.t.Cleanup(link.Close)
	if err := link.Configure(cfg.Host, nil); err != nil {
		return err
	}
	dev, err := netlink.LinkByName(embedDevice)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetTxQLen(dev, embedQueue); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Stack.Logger = log
	if e.stack, err = netstack.New(cfg.Stack); err != nil {
		return err
	}
	e.onClose(e.stack.Close)
	e.nic, err = e.stack.Attach(link, netstack.AttachOptions{Addresses: cfg.Addresses, Routes: []netstack.Route{
		{Destination: netstack.Default4, Gateway: cfg.Host[0].Addr()},
		{Destination: netstack.Default6, Gateway: cfg.Host[1].Addr()},
	}})
	if err != nil {
		return err
	}
	monitor, err := e.share(cfg, log)
	if err != nil || cfg.Policy == nil {
		return err
	}
	e.roamer, err = endpoint.NewRoamer(endpoint.RoamerConfig{Stack: e.stack, Monitor: monitor, Policy: cfg.Policy, Logger: log})
	if err != nil {
		return err
	}
	e.onClose(e.roamer.Close)
	return nil
}

// share has the host forward for the stack, and returns what tells the stack's
// uplinks.
func (e *embedded) share(cfg embedConfig, log *slog.Logger) (roam.Monitor, error) {
	if cfg.Routed {
		return endpoint.StackMonitor(e.stack), nil
	}
	sc := hostnet.ShareConfig{Device: embedDevice}
	for _, p := range cfg.Addresses {
		if slices.Contains(sc.Masquerade, p.Masked()) {
			continue // a further address of a family
		}
		sc.Masquerade = append(sc.Masquerade, p.Masked())
		for _, port := range cfg.Ports {
			sc.Redirects = append(sc.Redirects, hostnet.Redirect{Port: port, To: netip.AddrPortFrom(p.Addr(), port)})
		}
	}
	sh, err := hostnet.NewShare(sc)
	if err != nil {
		return nil, err
	}
	e.onClose(sh.Close)
	host := sharedHost{sh, hostnet.Watcher{Exclude: []string{embedDevice}, Logger: log}, log}
	if cfg.Policy == nil {
		stop, err := host.Watch(func(hostnet.State) {})
		if err == nil {
			e.w.t.Cleanup(stop)
		}
		return nil, err
	}
	return endpoint.HostMonitor(e.stack, host), nil
}

// onClose has something closed at the end of the test.
func (e *embedded) onClose(closing func() error) {
	e.w.t.Cleanup(func() {
		if err := closing(); err != nil {
			e.w.t.Errorf("stack in %s: close: %v", e.ns.Name(), err)
		}
	})
}

// sharedHost is an endpoint.HostWatcher: an uplink forwards before anybody is told
// of it.
type sharedHost struct {
	*hostnet.Share
	watcher hostnet.Watcher
	log     *slog.Logger
}

func (h sharedHost) Watch(f func(hostnet.State)) (stop func(), err error) {
	return h.watcher.Watch(func(s hostnet.State) {
		if err := h.Forward(s.Uplinks); err != nil {
			h.log.Warn("forward", "err", err)
		}
		f(s)
	})
}

// dialer is one for the stack, with its roamer.
func (e *embedded) dialer() *endpoint.Dialer {
	return &endpoint.Dialer{Stack: e.stack, Roamer: e.roamer, Timeout: patience}
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
	lc := endpoint.ListenConfig{Stack: e.stack, Roamer: e.roamer}
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
