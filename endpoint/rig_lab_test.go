// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// labConfig configures a rig in detail.
type labConfig struct {
	simnet.MultihomedConfig
	// client and server lack clock and randomness, which the rig gives.
	client, server netstack.Config
	// nat is put on each uplink, if not nil.
	nat *simnet.NATConfig
	// jumbo makes all links carry packets of 9000 bytes, which makes a test
	// with megabytes in flight a cheaper one.
	jumbo bool
}

// lab is a rig with places to interfere on each uplink.
type lab struct {
	*rig
	nats []*simnet.NAT
	// inner is between the client and the NAT, outer between the NAT and the
	// core, by uplink.
	inner, outer []*gate
}

// delay is the one-way delay of a lab's uplinks unless configured otherwise.
const delay = 20 * time.Millisecond

// bigBuffers let megabytes be in flight.
func bigBuffers() netstack.Config {
	b := netstack.BufferSizes{Min: 4 << 10, Default: 32 << 20, Max: 32 << 20}
	return netstack.Config{SendBuffer: b, ReceiveBuffer: b}
}

// newLab builds a client with two infinitely fast uplinks, unless others are
// given.
func newLab(tb testing.TB, cfg labConfig) *lab {
	tb.Helper()
	needPatched(tb)
	if cfg.Uplinks == nil {
		up := simnet.Uplink{Link: simnet.Symmetric(simnet.Wire{Delay: delay})}
		if cfg.jumbo {
			up.Link.MTU, cfg.Bottleneck.MTU = 9000, 9000
		}
		cfg.Uplinks = []simnet.Uplink{up, up}
	}
	l := &lab{rig: &rig{tb: tb, net: simnet.NewMultihomed(cfg.MultihomedConfig)}}
	for i, up := range l.net.Uplinks {
		in, out := new(gate), new(gate)
		l.inner, l.outer = append(l.inner, in), append(l.outer, out)
		up.Use(in)
		if cfg.nat != nil {
			l.addNAT(i, *cfg.nat)
		}
		up.Use(out)
	}
	l.client, l.up = l.plug(l.net.Client, cfg.client)
	server, nics := l.plug(l.net.Server, cfg.server)
	l.server, l.eth = server, nics[0]
	l.dialer, l.listen = Dialer{Stack: l.client}, ListenConfig{Stack: l.server}
	l.net.Start()
	tb.Cleanup(func() {
		l.client.Close()
		l.server.Close()
		l.net.Close()
	})
	return l
}

// The outer addresses of the NATs, by uplink.
var (
	nat4 = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	nat6 = []netip.Addr{netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:2::1")}
)

func (l *lab) addNAT(i int, cfg simnet.NATConfig) {
	cfg.Addr4, cfg.Addr6 = nat4[i], nat6[i]
	cfg.OnInvalid = func(p simnet.InvalidPacket) { l.tb.Logf("nat %d: %v: %s, passed %v", i, p.Record, p.Reason, p.Passed) }
	n := simnet.NewNAT(cfg)
	l.nats = append(l.nats, n)
	up := l.net.Uplinks[i]
	up.Use(n)
	for _, a := range []netip.Addr{nat4[i], nat6[i]} {
		l.net.Core.Route(netip.PrefixFrom(a, a.BitLen()), up)
	}
}

// plug makes the stack of a host.
func (l *lab) plug(h *simnet.Host, cfg netstack.Config) (*netstack.Stack, []*netstack.NIC) {
	l.tb.Helper()
	opts := l.net.StackOptions(h.Name())
	cfg.Clock, cfg.RandSource, cfg.SecureRNG = l.net.Clock, opts.RandSource, opts.SecureRNG
	s, err := netstack.New(cfg)
	if err != nil {
		l.tb.Fatal(err)
	}
	h.Bind(s.GVisor())
	var nics []*netstack.NIC
	for _, i := range h.Interfaces() {
		n, err := s.Attach(i, netstack.AttachOptions{
			Addresses: i.Prefixes(),
			Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
		})
		if err != nil {
			l.tb.Fatal(err)
		}
		nics = append(nics, n)
	}
	return s, nics
}

// suites restricts both ends.
func (l *lab) suites(s ...migrate.SuiteID) {
	l.dialer.MigrationOptions.Suites, l.listen.MigrationOptions.Suites = s, s
}

// open returns a connection that both ends can migrate.
func (l *lab) open(address string) (c, s *Conn) {
	l.tb.Helper()
	c, s = l.pair(address)
	l.await(c, s)
	return c, s
}

// sleep lets virtual time pass.
func (l *lab) sleep(d time.Duration) { l.net.Clock.Sleep(d) }

// migrate moves c or fails the test.
func (l *lab) migrate(c *Conn, to string) {
	l.tb.Helper()
	if err := c.Migrate(context.Background(), addr(to)); err != nil {
		l.tb.Fatalf("migrate to %s: %v", to, err)
	}
}

// counts returns how often a stack has counted something.
func counts(s *netstack.Stack, c migrate.Counter) uint64 { return s.MigrationStats().Counts[c] }

// readError returns what ends a connection that carries no data.
func (l *lab) readError(c net.Conn) error {
	c.SetReadDeadline(l.net.Clock.Now().Add(patience))
	n, err := c.Read(make([]byte, 1))
	if n != 0 {
		return fmt.Errorf("unexpected data, %v", err)
	}
	return err
}

// connections returns how many TCP endpoints a stack has registered, listeners
// included.
func connections(s *netstack.Stack) int { return len(s.GVisor().RegisteredEndpoints()) }

// gate is a middlebox that a test may change at any time. It starts open.
type gate struct{ f atomic.Pointer[gateFunc] }

type gateFunc func(p *simnet.Packet, at simnet.Hop) simnet.Verdict

// set replaces what the gate does; nil opens it.
func (g *gate) set(f gateFunc) {
	if f == nil {
		g.f.Store(nil)
		return
	}
	g.f.Store(&f)
}

// Process implements simnet.Box.
func (g *gate) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	if f := g.f.Load(); f != nil {
		return (*f)(p, at)
	}
	return simnet.Pass
}

// dropPureACKs drops segments without payload.
func dropPureACKs(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
	if t, ok := p.TCP(); ok && len(t.Payload()) == 0 {
		return simnet.Drop
	}
	return simnet.Pass
}

// tcbReader is the part of a patched endpoint that tells of its state.
type tcbReader interface {
	MigrationLock(func())
	MigrationTCB() (sndUna, sndNxt, rcvNxt, rcvAcc, tsRecent uint32, srtt time.Duration, movable bool)
}

// sequence is what a test wants to know of a connection's TCB.
type sequence struct{ una, nxt, rcv uint32 }

func sequenceOf(c *Conn) (s sequence) {
	ep := c.ep.(tcbReader)
	ep.MigrationLock(func() { s.una, s.nxt, s.rcv, _, _, _, _ = ep.MigrationTCB() })
	return s
}

// stream carries reproducible bytes in one direction of a connection and checks
// that they arrive.
type stream struct {
	src, dst *Conn
	rnd      io.Reader
	sent     hash.Hash
	n        int64
	got      chan hashed
}

// patience is the virtual time after which a test gives up: more than TCP needs
// for anything but keeping quiet.
const patience = 10 * time.Minute

// newStream begins to read from dst.
func newStream(src, dst *Conn, seed byte) *stream {
	s := &stream{src: src, dst: dst, rnd: rand.NewChaCha8([32]byte{seed}), sent: sha256.New(), got: make(chan hashed, 1)}
	go func() { s.got <- drainHash(dst) }()
	return s
}

// send writes n bytes.
func (s *stream) send(tb testing.TB, n int64) {
	tb.Helper()
	clock := s.src.stack.Clock()
	s.src.SetWriteDeadline(clock.Now().Add(patience))
	m, err := io.CopyN(io.MultiWriter(s.src, s.sent), s.rnd, n)
	s.n += m
	if err != nil {
		tb.Errorf("write: %v", err)
	}
}

// sending is send on a goroutine; what it returns waits for its end.
func (s *stream) sending(tb testing.TB, n int64) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.send(tb, n)
	}()
	return func() { <-done }
}

// finish ends the stream and checks what has arrived.
func (s *stream) finish(tb testing.TB) {
	tb.Helper()
	if err := s.src.CloseWrite(); err != nil {
		tb.Errorf("close: %v", err)
	}
	s.check(tb)
}

// check waits for the end of a stream that has been closed.
func (s *stream) check(tb testing.TB) {
	tb.Helper()
	clock := s.src.stack.Clock().(*simnet.Clock)
	timeout := clock.NewTimer(patience)
	defer timeout.Stop()
	var got hashed
	select {
	case got = <-s.got:
	case <-timeout.C:
		tb.Errorf("stuck: %+v", s.src.Migration())
		s.dst.SetReadDeadline(clock.Now())
		got = <-s.got
	}
	if got.err != nil || got.n != s.n || got.sum != [sha256.Size]byte(s.sent.Sum(nil)) {
		tb.Errorf("got %d of %d bytes, %v, or not the bytes sent", got.n, s.n, got.err)
	}
}
