// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// routed is a client and a server on either side of a router.
type routed struct {
	*Network
	client, server *probe
	router         *Router
	up, down       *Link
}

func newRouted(cfg RouterConfig, down LinkConfig) *routed {
	n := New(1)
	r := &routed{Network: n, client: newProbe(n, "client"), server: newProbe(n, "server"), router: n.NewRouter("r", cfg)}
	r.up = n.Connect(r.client.Interface, r.router, LinkConfig{})
	r.down = n.Connect(r.router, r.server.Interface, down)
	for _, a := range []netip.AddrPort{clientAddr, client6} {
		r.router.Route(hostPrefix(a.Addr()), r.up)
	}
	for _, a := range []netip.AddrPort{serverAddr, server6} {
		r.router.Route(hostPrefix(a.Addr()), r.down)
	}
	return r
}

var routerConfig = RouterConfig{
	Addr4:       netip.MustParseAddr("10.0.0.254"),
	Addr6:       netip.MustParseAddr("fd00::254"),
	Unreachable: true,
}

func TestRouterForward(t *testing.T) {
	r := newRouted(routerConfig, LinkConfig{})
	for _, p := range []*Packet{udpPacket(clientAddr, serverAddr, 100), udpPacket(client6, server6, 100)} {
		r.client.send(p)
		r.Clock.RunFor(time.Second)
		got := r.server.one(t)
		want := p.clone()
		if !want.decrementTTL() {
			t.Fatal("no TTL left")
		}
		want.FixChecksums()
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("forwarded %x, want %x", got.Bytes(), want.Bytes())
		}
	}
}

func TestRouterTTL(t *testing.T) {
	r := newRouted(routerConfig, LinkConfig{})
	p := udpPacket(clientAddr, serverAddr, 100)
	header.IPv4(p.Bytes()).SetTTL(1)
	p.FixChecksums()
	r.client.send(p)
	r.Clock.RunFor(time.Second)
	r.server.none(t)
	if s := r.router.Stats(); s.TTLExpired != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestRouteLongestPrefixAndMove(t *testing.T) {
	r := newRouted(routerConfig, LinkConfig{})
	third := newProbe(r.Network, "third")
	l := r.Connect(r.router, third.Interface, LinkConfig{})
	send := func() {
		r.client.send(udpPacket(clientAddr, serverAddr, 100))
		r.Clock.RunFor(time.Second)
	}
	r.router.Route(netip.MustParsePrefix("10.9.0.0/16"), l)
	send()
	r.server.one(t) // the /32 is longer
	r.router.Unroute(hostPrefix(serverAddr.Addr()))
	send()
	third.one(t)
	r.router.Route(netip.MustParsePrefix("10.9.0.0/16"), r.down)
	send()
	r.server.one(t)
	third.none(t)
}

func TestUnreachable(t *testing.T) {
	for _, answer := range []bool{true, false} {
		cfg := routerConfig
		cfg.Unreachable = answer
		r := newRouted(cfg, LinkConfig{})
		r.router.Unroute(hostPrefix(serverAddr.Addr()))
		r.router.Unroute(hostPrefix(server6.Addr()))
		for _, p := range []*Packet{udpPacket(clientAddr, serverAddr, 1000), udpPacket(client6, server6, 1400)} {
			r.client.send(p)
			r.Clock.RunFor(time.Second)
			if !answer {
				r.client.none(t)
				continue
			}
			e := r.client.one(t)
			checkError(t, e, p)
			if e.IsIPv6() {
				if h := header.ICMPv6(e.transport()); h.Type() != header.ICMPv6DstUnreachable || h.Code() != header.ICMPv6NetworkUnreachable {
					t.Errorf("type %d code %d", h.Type(), h.Code())
				}
			} else if h := header.ICMPv4(e.transport()); h.Type() != header.ICMPv4DstUnreachable || h.Code() != header.ICMPv4NetUnreachable {
				t.Errorf("type %d code %d", h.Type(), h.Code())
			}
		}
	}
}

// checkError checks that e quotes p, is not too long and has right checksums.
func checkError(t *testing.T, e, p *Packet) {
	t.Helper()
	quote, _ := e.quoted()
	if quote == nil || !bytes.HasPrefix(p.Bytes(), quote.Bytes()) {
		t.Fatalf("the error %x doesn't quote %x", e.Bytes(), p.Bytes())
	}
	if limit := map[bool]int{false: icmpv4MaxLen, true: icmpv6MaxLen}[e.IsIPv6()]; e.Len() != min(limit, p.Len()+e.Len()-quote.Len()) {
		t.Errorf("the error is %d bytes long", e.Len())
	}
	checkSums(t, e)
}

// checkSums checks p's checksums.
func checkSums(t *testing.T, p *Packet) {
	t.Helper()
	want := p.clone()
	want.FixChecksums()
	if !bytes.Equal(p.Bytes(), want.Bytes()) {
		t.Errorf("checksums differ: %x, want %x", p.Bytes(), want.Bytes())
	}
}

func TestPacketTooBig(t *testing.T) {
	for _, blackhole := range []bool{false, true} {
		r := newRouted(routerConfig, LinkConfig{MTU: 1300, PMTUBlackhole: blackhole})
		for _, p := range []*Packet{udpPacket(clientAddr, serverAddr, 1400), udpPacket(client6, server6, 1400)} {
			r.client.send(p)
			r.Clock.RunFor(time.Second)
			r.server.none(t)
			if blackhole {
				r.client.none(t)
				continue
			}
			e := r.client.one(t)
			if e.IsIPv6() {
				if h := header.ICMPv6(e.transport()); h.Type() != header.ICMPv6PacketTooBig || h.MTU() != 1300 {
					t.Errorf("type %d MTU %d", h.Type(), h.MTU())
				}
			} else if h := header.ICMPv4(e.transport()); h.Type() != header.ICMPv4DstUnreachable ||
				h.Code() != header.ICMPv4FragmentationNeeded || h.MTU() != 1300 {
				t.Errorf("type %d code %d MTU %d", h.Type(), h.Code(), h.MTU())
			}
		}
		r.down.SetMTU(1500)
		r.client.send(udpPacket(clientAddr, serverAddr, 1400))
		r.Clock.RunFor(time.Second)
		r.server.one(t)
	}
}

func TestNoErrorAboutError(t *testing.T) {
	r := newRouted(routerConfig, LinkConfig{})
	e := newUnreachable(udpPacket(serverAddr, clientAddr, 100), netip.MustParseAddr("10.9.0.9"))
	r.server.send(e) // to a server that has no route
	r.router.Unroute(hostPrefix(serverAddr.Addr()))
	r.Clock.RunFor(time.Second)
	r.server.none(t)
	r.client.none(t)
}

func TestFragment(t *testing.T) {
	r := newRouted(routerConfig, LinkConfig{MTU: 576})
	p := udpPacket(clientAddr, serverAddr, 1400)
	header.IPv4(p.Bytes()).SetFlagsFragmentOffset(0, 0)
	p.FixChecksums()
	r.client.send(p)
	r.Clock.RunFor(time.Second)
	var data []byte
	got := r.server.take()
	for i, g := range got {
		h := header.IPv4(g.p.Bytes())
		if !h.IsChecksumValid() || g.p.Len() > 576 || h.More() != (i < len(got)-1) || int(h.FragmentOffset()) != len(data) {
			t.Errorf("fragment %d: %d bytes at %d, more=%v", i, g.p.Len(), h.FragmentOffset(), h.More())
		}
		data = append(data, h.Payload()...)
	}
	if !bytes.Equal(data, p.transport()) {
		t.Errorf("%d bytes in %d fragments, want %d", len(data), len(got), len(p.transport()))
	}
}
