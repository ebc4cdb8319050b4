// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// natRig is a connection from the client to the third host, through the first NAT.
type natRig struct {
	*kernel.Topology
	nat          *kernel.Namespace
	client, host net.Conn
	outside      netip.AddrPort         // of the mapping
	segment      atomic.Pointer[[]byte] // the last with data that the client sent
}

func newNATRig(t *testing.T, cfg kernel.TopologyConfig) *natRig {
	t.Helper()
	r := &natRig{}
	cfg.Uplinks[0].Tap = func(d kernel.Direction, p []byte) bool {
		if d == kernel.AtoB && hasData(p) {
			c := slices.Clone(p)
			r.segment.Store(&c)
		}
		return true
	}
	r.Topology = newTopology(t, cfg)
	r.nat = r.NATs[0]
	ln, err := r.Host.Listen(newContext(t), "tcp", endpoint(kernel.HostAddr4))
	must(t, err)
	defer ln.Close()
	r.client = dial(t, r.Client, kernel.HostAddr4)
	r.host, err = ln.Accept()
	must(t, err)
	must(t, r.host.(*net.TCPConn).SetLinger(0))
	t.Cleanup(func() { r.host.Close() })
	r.outside = r.host.RemoteAddr().(*net.TCPAddr).AddrPort()
	return r
}

// say sends a byte from one end and waits for it at the other.
func say(t *testing.T, from, to net.Conn) {
	t.Helper()
	_, err := from.Write([]byte{1})
	must(t, err)
	_, err = io.ReadFull(to, make([]byte, 1))
	must(t, err)
}

func TestNATTranslates(t *testing.T) {
	r := newNATRig(t, kernel.TopologyConfig{})
	inside := r.client.LocalAddr().(*net.TCPAddr).AddrPort()
	if r.outside.Addr() != outside[0] || r.outside.Port() != inside.Port() {
		t.Errorf("the host sees %v, want %v and port %d", r.outside, outside[0], inside.Port())
	}
	say(t, r.client, r.host)
	say(t, r.host, r.client)

	want := kernel.Conntrack{
		Protocol:         unix.IPPROTO_TCP,
		Source:           inside,
		Destination:      netip.AddrPortFrom(kernel.HostAddr4, echoPort),
		ReplySource:      netip.AddrPortFrom(kernel.HostAddr4, echoPort),
		ReplyDestination: r.outside,
	}
	all, err := r.nat.Conntracks()
	must(t, err)
	if !slices.Contains(all, want) {
		t.Errorf("the NAT tracks %v, want %v", all, want)
	}
}

func TestNAT66(t *testing.T) {
	network := newNetwork(t)
	inside, nat, far := newNamespace(t, network, "inside"), newNamespace(t, network, "nat"), newNamespace(t, network, "far")
	must(t, network.Veth(inside, "eth0", nat, "lan0", kernel.VethConfig{}))
	must(t, network.Veth(far, "eth0", nat, "wan0", kernel.VethConfig{}))
	must(t, inside.AddAddress("eth0", netip.MustParsePrefix("fd00:1::2/64")))
	must(t, nat.AddAddress("lan0", netip.MustParsePrefix("fd00:1::1/64")))
	wan := netip.MustParsePrefix("fd00:2::1/64")
	must(t, nat.AddAddress("wan0", wan))
	farAddr := netip.MustParsePrefix("fd00:2::2/64") // has no route to the inside
	must(t, far.AddAddress("eth0", farAddr))
	must(t, inside.AddRoute(kernel.Route{To: kernel.Default6, Via: netip.MustParseAddr("fd00:1::1"), Dev: "eth0"}))
	must(t, nat.Masquerade("wan0", kernel.NATConfig{IPv6: true}))
	peers := echo(t, far)
	mustPingPong(t, dial(t, inside, farAddr.Addr()), 1)
	if got := next(t, peers).Addr(); got != wan.Addr() {
		t.Errorf("the peer sees %v, want %v", got, wan.Addr())
	}
}

// TestForgottenMappingResets: a NAT that has forgotten answers for the client.
func TestForgottenMappingResets(t *testing.T) {
	r := newNATRig(t, kernel.TopologyConfig{})
	say(t, r.client, r.host)
	must(t, r.nat.FlushConntrack())
	all, err := r.nat.Conntracks()
	must(t, err)
	if slices.ContainsFunc(all, func(c kernel.Conntrack) bool { return c.Protocol == unix.IPPROTO_TCP }) {
		t.Errorf("after a flush the NAT tracks %v", all)
	}
	_, err = r.host.Write([]byte{1})
	must(t, err)
	if _, err := r.host.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the host reads: %v, want a reset by the NAT", err)
	}
}

// TestClosedInputIsSilent: the connection goes on when the client makes a new
// mapping.
func TestClosedInputIsSilent(t *testing.T) {
	r := newNATRig(t, kernel.TopologyConfig{CloseNATInput: true})
	say(t, r.client, r.host)
	must(t, r.nat.FlushConntrack())
	_, err := r.host.Write([]byte{1}) // dropped by the NAT
	must(t, err)
	say(t, r.client, r.host)
	_, err = io.ReadFull(r.client, make([]byte, 1)) // retransmitted
	must(t, err)
}

// TestStrictConntrack: a segment out of the window is dropped and counted, and one
// within it is not.
func TestStrictConntrack(t *testing.T) {
	r := newNATRig(t, kernel.TopologyConfig{})
	say(t, r.client, r.host)
	sent := *r.segment.Load()

	inject(t, r.Client, sent) // a retransmission
	say(t, r.client, r.host)  // which the wire has delivered when this arrives
	if d, c := invalid(t, r.nat); d != 0 || c != 0 {
		t.Fatalf("%d invalid packets dropped, %d counted, before there was one", d, c)
	}

	inject(t, r.Client, shiftSequence(sent, 1<<30))
	await(t, "the NAT drops the segment", func() bool { d, _ := invalid(t, r.nat); return d > 0 })
	if d, c := invalid(t, r.nat); d != 1 || c != 1 {
		t.Errorf("%d invalid packets dropped, %d counted, want one", d, c)
	}
	if d, c := invalid(t, r.NATs[1]); d != 0 || c != 0 {
		t.Errorf("the other NAT dropped %d invalid packets and counted %d", d, c)
	}
	say(t, r.client, r.host)
}

func invalid(t *testing.T, ns *kernel.Namespace) (dropped, counted uint64) {
	t.Helper()
	dropped, err := ns.InvalidDropped()
	must(t, err)
	counted, err = ns.ConntrackInvalid()
	must(t, err)
	return dropped, counted
}

func TestInvalidDroppedNeedsFirewall(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "plain")
	if n, err := ns.InvalidDropped(); err == nil {
		t.Errorf("%d dropped by a firewall that is not there", n)
	}
}

// hasData recognises a TCP segment over IPv4 with data.
func hasData(p []byte) bool {
	if p[0]>>4 != 4 || p[9] != tcp {
		return false
	}
	header := int(p[0]&0xf) * 4
	return header+int(p[header+12]>>4)*4 < len(p)
}

// shiftSequence returns the TCP segment with another sequence number, and the
// checksum that goes with it.
func shiftSequence(p []byte, by uint32) []byte {
	p = slices.Clone(p)
	segment := p[int(p[0]&0xf)*4:]
	binary.BigEndian.PutUint32(segment[4:], binary.BigEndian.Uint32(segment[4:])+by)
	clear(segment[16:18])
	binary.BigEndian.PutUint16(segment[16:], tcpChecksum(p))
	return p
}

// inject sends an IPv4 packet as it is.
func inject(t *testing.T, ns *kernel.Namespace, p []byte) {
	t.Helper()
	must(t, ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])})
	}))
}
