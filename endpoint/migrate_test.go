// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// needPatched skips a test that moves connections where nothing can.
func needPatched(tb testing.TB) {
	tb.Helper()
	if err := netstack.Patched(); err != nil {
		tb.Skip(err)
	}
}

// rig is a client with uplinks and a server, in virtual time that advances
// whenever everybody waits.
type rig struct {
	tb             testing.TB
	net            *simnet.Multihomed
	client, server *netstack.Stack
	up             []*netstack.NIC // the client's, by uplink
	eth            *netstack.NIC   // the server's
	dialer         Dialer
	listen         ListenConfig
}

// wire is the usual one: 50 Mbit/s, 20 ms one way, 256 KiB of queue.
func wire(delay time.Duration) simnet.Wire {
	return simnet.Wire{Delay: delay, Rate: 50_000_000, Queue: 256 << 10}
}

// newRig returns a rig that is closed when tb ends. Its stacks are of the given
// configuration, but for time and randomness.
func newRig(tb testing.TB, cfg simnet.MultihomedConfig, stacks ...netstack.Config) *rig {
	tb.Helper()
	needPatched(tb)
	r, closeRig := openRig(tb, cfg, stacks...)
	tb.Cleanup(closeRig)
	return r
}

func openRig(tb testing.TB, cfg simnet.MultihomedConfig, stacks ...netstack.Config) (r *rig, closeRig func()) {
	tb.Helper()
	if cfg.Uplinks == nil {
		up := simnet.Uplink{Link: simnet.Symmetric(wire(20 * time.Millisecond))}
		cfg.Uplinks = []simnet.Uplink{up, up}
	}
	r = &rig{tb: tb, net: simnet.NewMultihomed(cfg)}
	var config netstack.Config
	if len(stacks) > 0 {
		config = stacks[0]
	}
	r.client, r.up = r.stack(r.net.Client, config)
	var nics []*netstack.NIC
	r.server, nics = r.stack(r.net.Server, config)
	r.eth = nics[0]
	r.dialer = Dialer{Stack: r.client}
	r.listen = ListenConfig{Stack: r.server}
	r.net.Start()
	return r, func() {
		r.client.Close()
		r.server.Close()
		r.net.Close()
	}
}

func (r *rig) stack(h *simnet.Host, config netstack.Config) (*netstack.Stack, []*netstack.NIC) {
	r.tb.Helper()
	opts := r.net.StackOptions(h.Name())
	config.Clock, config.RandSource, config.SecureRNG = r.net.Clock, opts.RandSource, opts.SecureRNG
	s, err := netstack.New(config)
	if err != nil {
		r.tb.Fatal(err)
	}
	h.Bind(s.GVisor())
	var nics []*netstack.NIC
	for _, i := range h.Interfaces() {
		n, err := s.Attach(i, netstack.AttachOptions{
			Addresses: i.Prefixes(),
			Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
		})
		if err != nil {
			r.tb.Fatal(err)
		}
		nics = append(nics, n)
	}
	return s, nics
}

// pair returns a connection from the client's first uplink to the server.
func (r *rig) pair(address string) (c, s *Conn) {
	r.tb.Helper()
	c, s, err := r.connect(address)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { c.Close(); s.Close() })
	return c, s
}

func (r *rig) connect(address string) (c, s *Conn, err error) {
	ln, err := r.listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	accepted := make(chan *Conn, 1)
	go func() {
		defer ln.Close()
		c, _ := ln.(*Listener).AcceptConn()
		accepted <- c
	}()
	d, err := r.dialer.Dial("tcp", address)
	if err != nil {
		ln.Close()
		return nil, nil, err
	}
	if s = <-accepted; s == nil {
		return nil, nil, errors.New("accept failed")
	}
	return d.(*Conn), s, nil
}

// await waits until both ends can migrate.
func (r *rig) await(conns ...*Conn) {
	r.tb.Helper()
	for _, c := range conns {
		if err := c.AwaitMigratable(context.Background()); err != nil {
			r.tb.Fatal(err)
		}
	}
}

const serverAddr = "10.9.0.1:80"

// content writes n reproducible bytes to w and returns their hash.
func content(w io.Writer, seed uint64, n int64) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, err = io.CopyN(io.MultiWriter(w, h), src, n)
	return [sha256.Size]byte(h.Sum(nil)), err
}

type hashed struct {
	n   int64
	sum [sha256.Size]byte
	err error
}

// drainHash reads to the end.
func drainHash(r io.Reader) hashed {
	var h hash.Hash = sha256.New()
	n, err := io.Copy(h, r)
	return hashed{n, [sha256.Size]byte(h.Sum(nil)), err}
}

func addr(s string) netip.AddrPort {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap
	}
	return netip.AddrPortFrom(netip.MustParseAddr(s), 0)
}

// TestMigrateDownload moves the client while it downloads.
func TestMigrateDownload(t *testing.T) {
	r := newRig(t, simnet.MultihomedConfig{Seed: 1})
	c, s := r.pair(serverAddr)
	r.await(c, s)
	const size = 4 << 20
	var want [sha256.Size]byte
	go func() {
		want, _ = content(s, 1, size)
		s.CloseWrite()
	}()
	moved := make(chan error, 1)
	go func() {
		r.net.Clock.Sleep(300 * time.Millisecond)
		moved <- c.Migrate(context.Background(), addr("10.2.0.2"))
	}()
	got := drainHash(c)
	if err := <-moved; err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if got.err != nil || got.n != size || got.sum != want {
		t.Fatalf("got %d bytes, %v, hash equal %v", got.n, got.err, got.sum == want)
	}
	if a := c.LocalAddr().(*net.TCPAddr); a.IP.String() != "10.2.0.2" {
		t.Errorf("local address is %v", a)
	}
	if a := s.RemoteAddr().(*net.TCPAddr); a.IP.String() != "10.2.0.2" {
		t.Errorf("server sees %v", a)
	}
}
