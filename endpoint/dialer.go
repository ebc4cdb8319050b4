// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/mnet-dev/mnet/netstack"
)

// minPartialTimeout is the least time for an address if there are more addresses to try,
// unless less is left. An even share of a short timeout would fail them all.
const minPartialTimeout = 2 * time.Second

// Resolver finds the addresses of a name; *net.Resolver does. network is "ip",
// "ip4" or "ip6".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer opens connections. It may be copied and used concurrently.
type Dialer struct {
	// Stack is the stack to dial from. It must be set.
	Stack *netstack.Stack

	// LocalAddr is the local address, a *net.TCPAddr; its port, or its IP, may be
	// zero. Nil means that the stack chooses both.
	LocalAddr net.Addr

	// Timeout limits a dial over all addresses that it tries. It runs on the clock of
	// the stack. Zero means no limit other than TCP's own, about two minutes per
	// address.
	Timeout time.Duration

	// Deadline is like Timeout, as a point in time on the clock of the stack. Zero
	// means none.
	Deadline time.Time

	// KeepAliveConfig configures the keep-alive of the new connection. The zero value
	// means that no probes are sent; the net package sends them by default. A Roamer
	// would not notice that the path of a silent connection is dead. So with a Roamer,
	// the zero value means a probe every 10 s, and every second when there is no
	// answer. Any other value counts as it is.
	KeepAliveConfig net.KeepAliveConfig

	// Resolver resolves host names. Nil means that only numeric addresses can be
	// dialled.
	Resolver Resolver

	// Roamer moves the connection by itself. Nil means that nobody does.
	Roamer *Roamer

	// Migration says whether the connection can migrate. Zero means Preferred.
	Migration Policy

	// MigrationOptions say how. The zero value is a good one.
	MigrationOptions MigrationOptions
}

// Dial is DialContext without a context.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to address, "host:port", over network, "tcp", "tcp4" or
// "tcp6", and returns a *Conn. If the host has several addresses they are tried
// one after the other, and the error of the first is returned. Once ctx is done
// it returns the context's cause in an *net.OpError; a connection that has been
// returned is not affected.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	opError := func(local, remote net.Addr, err error) error {
		return &net.OpError{Op: "dial", Net: network, Source: local, Addr: remote, Err: err}
	}
	if d.Stack == nil {
		return nil, opError(nil, nil, errNoStack)
	}
	ctx, deadline, cancel := d.withTimeout(ctx)
	defer cancel()

	targets, err := d.resolve(ctx, network, address)
	if err != nil {
		return nil, opError(nil, nil, err)
	}
	var firstErr error
	for i, remote := range targets {
		c, err := d.dialSingle(ctx, network, remote, partialTimeout(d.left(ctx, deadline), len(targets)-i))
		if err == nil {
			c.peers.Store(&targets)
			c.name = d.peerName(network, address)
			if d.Roamer != nil {
				d.Roamer.Manage(c)
			}
			return c, nil
		}
		if firstErr == nil || ctx.Err() != nil {
			firstErr = opError(d.LocalAddr, tcpAddr(remote), err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, firstErr
}

// withTimeout returns a context that also ends by the Dialer's own timeout or deadline.
// It also returns that point in time on the clock of the stack, or zero.
func (d *Dialer) withTimeout(ctx context.Context) (context.Context, time.Time, context.CancelFunc) {
	clock := d.Stack.Clock()
	deadline := d.Deadline
	if d.Timeout > 0 {
		if t := clock.Now().Add(d.Timeout); deadline.IsZero() || t.Before(deadline) {
			deadline = t
		}
	}
	if deadline.IsZero() {
		return ctx, deadline, func() {}
	}
	ctx, cancel := withClockTimeout(ctx, clock, deadline.Sub(clock.Now()))
	return ctx, deadline, cancel
}

// withClockTimeout is context.WithTimeoutCause on another clock.
func withClockTimeout(ctx context.Context, clock tcpip.Clock, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if timeout <= 0 {
		cancel(errDialTime)
		return ctx, func() {}
	}
	timer := clock.AfterFunc(timeout, func() { cancel(errDialTime) })
	return ctx, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

// left returns how much time is left before the deadline of the context or the
// other one, or 0 if there is neither.
func (d *Dialer) left(ctx context.Context, deadline time.Time) time.Duration {
	var left time.Duration
	if t, ok := ctx.Deadline(); ok {
		left = max(time.Until(t), 1)
	}
	if !deadline.IsZero() {
		if l := max(deadline.Sub(d.Stack.Clock().Now()), 1); left == 0 || l < left {
			left = l
		}
	}
	return left
}

// partialTimeout divides the time left among n addresses, as the net package does.
func partialTimeout(left time.Duration, n int) time.Duration {
	if left == 0 || n == 1 {
		return left
	}
	return min(max(left/time.Duration(n), minPartialTimeout), left)
}

// resolve returns the addresses to try.
func (d *Dialer) resolve(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	family, err := parseNetwork(network)
	if err != nil {
		return nil, err
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	local, err := d.local()
	if err != nil {
		return nil, err
	}
	addrs, err := d.lookup(ctx, family, host)
	if err != nil {
		return nil, err
	}
	var targets []netip.AddrPort
	for _, a := range addrs {
		a = a.Unmap()
		sameFamily := !local.Addr().IsValid() || local.Addr().Is4() == a.Is4()
		if inFamily(a, family) && sameFamily {
			targets = append(targets, netip.AddrPortFrom(a, port))
		}
	}
	if len(targets) == 0 {
		return nil, &net.AddrError{Err: errNoSuitable.Error(), Addr: host}
	}
	return targets, nil
}

func (d *Dialer) lookup(ctx context.Context, family, host string) ([]netip.Addr, error) {
	if host == "" {
		// As in the net package: the local system.
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	if a, err := parseHost(host); err == nil {
		return []netip.Addr{a}, nil
	} else if _, ok := err.(*net.AddrError); ok {
		return nil, err
	}
	if d.Resolver == nil {
		return nil, &net.DNSError{Err: "no resolver configured", Name: host, IsNotFound: true}
	}
	return d.Resolver.LookupNetIP(ctx, "ip"+family, host)
}

// local returns LocalAddr; the zero AddrPort if it is nil.
func (d *Dialer) local() (netip.AddrPort, error) {
	switch a := d.LocalAddr.(type) {
	case nil:
		return netip.AddrPort{}, nil
	case *net.TCPAddr:
		if a == nil {
			return netip.AddrPort{}, nil
		}
		ip, _ := netip.AddrFromSlice(a.IP)
		return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port)), nil
	default:
		return netip.AddrPort{}, &net.AddrError{Err: "mismatched local address type", Addr: a.String()}
	}
}

// dialSingle connects to remote within timeout, if that is not 0.
func (d *Dialer) dialSingle(ctx context.Context, network string, remote netip.AddrPort, timeout time.Duration) (*Conn, error) {
	if timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = withClockTimeout(ctx, d.Stack.Clock(), timeout)
		defer cancel()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if d.Roamer != nil {
		d.Roamer.prepare(remote.Addr())
	}
	c, err := d.start(network, remote)
	if err != nil {
		return nil, err
	}
	if err := c.awaitConnected(ctx); err != nil {
		c.ep.Close()
		return nil, err
	}
	// Not earlier: gVisor does not start the timer when the handshake is done.
	if terr := startKeepAlive(c.ep, d.keepAlive()); terr != nil {
		c.ep.Close()
		return nil, syscallError("setsockopt", terr)
	}
	if d.Migration == Required { // M345
		if err := c.awaitMigratable(ctx); err != nil {
			c.ep.Abort()
			return nil, err
		}
	}
	return c, nil
}

// start makes the endpoint of an active open and sends its SYN. Settings that must
// precede the SYN go between newEndpoint and Connect.
func (d *Dialer) start(network string, remote netip.AddrPort) (*Conn, error) {
	local, err := d.local()
	if err != nil {
		return nil, err
	}
	var c *Conn
	err = d.Stack.Do(func(gv *stack.Stack) error {
		c, err = newEndpoint(d.Stack, gv, netstack.Protocol(remote.Addr()), network)
		if err != nil {
			return err
		}
		if err := attachMigration(c, d.Migration, d.migrationOptions()); err != nil {
			c.ep.Close()
			return err
		}
		if err := d.connect(c.ep, local, remote); err != nil {
			c.ep.Close()
			return err
		}
		return nil
	})
	return c, err
}

// roamKeepAlive finds out within a quarter of a minute that a NAT has forgotten, with
// one probe in ten seconds while all is well.
var roamKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: time.Second, Count: 9}

func (d *Dialer) keepAlive() net.KeepAliveConfig {
	if d.Roamer != nil && d.KeepAliveConfig == (net.KeepAliveConfig{}) {
		return roamKeepAlive
	}
	return d.KeepAliveConfig
}

func (d *Dialer) migrationOptions() MigrationOptions {
	o := d.MigrationOptions
	if d.Roamer != nil && o.HoldOnTimeout == 0 {
		o.HoldOnTimeout = DefaultRoamHold
	}
	return o
}

func (d *Dialer) connect(ep tcpip.Endpoint, local, remote netip.AddrPort) error {
	if local != (netip.AddrPort{}) {
		if terr := ep.Bind(netstack.FullAddress(local)); terr != nil {
			return syscallError("bind", terr)
		}
	}
	terr := ep.Connect(netstack.FullAddress(remote))
	if _, started := terr.(*tcpip.ErrConnectStarted); terr != nil && !started {
		return syscallError("connect", terr)
	}
	return nil
}

// newEndpoint makes a TCP endpoint and the Conn around it.
func newEndpoint(s *netstack.Stack, gv *stack.Stack, proto tcpip.NetworkProtocolNumber, network string) (*Conn, error) {
	wq := new(waiter.Queue)
	ep, terr := gv.NewEndpoint(tcp.ProtocolNumber, proto, wq)
	if terr != nil {
		return nil, syscallError("socket", terr)
	}
	return newConn(s, ep, wq, network), nil
}

// awaitConnected waits for the end of the handshake.
func (c *Conn) awaitConnected(ctx context.Context) error {
	for {
		switch tcp.EndpointState(c.ep.State()) {
		case tcp.StateConnecting, tcp.StateSynSent, tcp.StateSynRecv:
		case tcp.StateError:
			terr := c.ep.LastError()
			if terr == nil {
				terr = &tcpip.ErrConnectionAborted{}
			}
			return syscallError("connect", terr)
		default:
			// Established, or closed by the peer since.
			return nil
		}
		select {
		case <-c.wr.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
