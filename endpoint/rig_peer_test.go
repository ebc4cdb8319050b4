// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// peer is an end of TCP whose segments the test makes, on a host without a stack:
//
//	p := r.mallory().at(2000)
//	p.sends(fSYN, withOptions(offer...))
//	p.wants("answer", fSYNACK)
//	p.sends(fACK)
//	p.wantsNothing("after the handshake")
//
// It counts sequence numbers as TCP does. A segment has the peer's next number and
// acknowledges what the peer has taken, unless the test says otherwise.
type peer struct {
	*rawHost
	local, remote netip.AddrPort
	nxt, rcv      uint32 // SND.NXT, RCV.NXT
}

// mallory is a third host, at 10.6.6.6 and fd00:6::6, without delay. It is a peer of the
// server, from port 666. From now on packets queue at client and server.
func (r *rig) mallory() *peer {
	for _, h := range []*simnet.Host{r.net.Client, r.net.Server} {
		h.SetCoalescing(attackQueueing)
	}
	h := &rawHost{
		tb:    r.tb,
		addr:  netip.MustParseAddr("10.6.6.6"),
		clock: r.net.Clock,
		iface: r.net.NewHost("mallory").NewInterface("eth0"),
		in:    make(map[netip.Addr]int),
		out:   make(map[netip.Addr]int),
	}
	link := r.net.Connect(h.iface, r.net.Core, simnet.LinkConfig{})
	for _, a := range []netip.Addr{h.addr, netip.MustParseAddr("fd00:6::6")} {
		r.net.Core.Route(netip.PrefixFrom(a, a.BitLen()), link)
	}
	h.iface.Attach(h)
	return h.at(666)
}

// at returns a peer of the server on the same host, at another port.
func (h *rawHost) at(port uint16) *peer {
	return &peer{rawHost: h, local: netip.AddrPortFrom(h.addr, port), remote: addr(serverAddr), nxt: 1000}
}

// sends sends a segment and waits until it, and an answer, has arrived.
func (p *peer) sends(flags header.TCPFlags, fields ...field) {
	s := segment{src: p.local, dst: p.remote, seq: p.nxt, ack: p.rcv, flags: flags}.with(fields...)
	if s.src == p.local && s.seq == p.nxt {
		p.nxt += s.length()
	}
	p.plays(s)
}

// plays sends a segment as it is, but for the fields. It waits as sends does.
func (p *peer) plays(s segment, fields ...field) { p.playsTogether(s.with(fields...)) }

// playsTogether sends segments that queue at the host they are for: it looks up the
// connection of the last before it processes the first. It waits as sends does.
func (p *peer) playsTogether(s ...segment) {
	for _, s := range s {
		p.puts(s)
	}
	p.clock.Sleep(answerTime)
}

const (
	// answerTime is how long a peer waits for its segments and the answers to them.
	// There is no delay between it and the server.
	answerTime = time.Millisecond

	// attackQueueing is for how long packets queue at hosts that a peer attacks.
	attackQueueing = 100 * time.Microsecond
)

// wants takes the next segment that has come, which has to have the flags and the fields.
// It fails the test otherwise.
func (p *peer) wants(what string, flags header.TCPFlags, fields ...field) segment {
	p.tb.Helper()
	got := p.next()
	if len(got) == 0 {
		p.tb.Fatalf("%s: nothing has come, want %v", what, flags)
	}
	s := got[0]
	if want := s.with(withFlags(flags)).with(fields...); !reflect.DeepEqual(s, want) {
		p.tb.Fatalf("%s: got\n%vwant\n%v", what, segments(got), want)
	}
	p.rcv = s.seq + s.length()
	return s
}

// wantsNothing fails the test if a segment has come.
func (p *peer) wantsNothing(what string) {
	p.tb.Helper()
	if got := p.takes(); len(got) > 0 {
		p.tb.Errorf("%s: got\n%vwant nothing", what, segments(got))
	}
}

// segments are shown one a line.
type segments []segment

func (l segments) String() string {
	var b strings.Builder
	for _, s := range l {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

// rawHost is a host without a stack. It sends packets as they are, from any address,
// and keeps the packets that it gets.
type rawHost struct {
	tb    testing.TB
	addr  netip.Addr
	iface *simnet.Interface
	clock *simnet.Clock

	mu  sync.Mutex
	got []segment
	// in and out are the bytes of packets that the host has sent from an address of its
	// own, and that have come to it.
	in, out map[netip.Addr]int
}

// staysUnproved fails the test if an address of the host got more than three times the
// bytes that came from there. The host must not have proved any address by then.
func (h *rawHost) staysUnproved() {
	h.tb.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for a, n := range h.out {
		if limit := 3 * h.in[a]; n > limit {
			h.tb.Errorf("%d bytes went to %v, which has proved nothing, want at most %d", n, a, limit)
		}
	}
}

var _ stack.NetworkDispatcher = (*rawHost)(nil)

// puts sends a segment without waiting. A middlebox may call it.
func (h *rawHost) puts(s segment) {
	b := s.encode()
	h.mu.Lock()
	h.in[s.src.Addr()] += len(b)
	h.mu.Unlock()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	defer pkt.DecRef()
	var list stack.PacketBufferList
	list.PushBack(pkt)
	h.iface.WritePackets(list)
}

// takes returns the segments that have come since the last call.
func (h *rawHost) takes() []segment {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// next takes the first of those. It returns all, so that a failure can show them.
func (h *rawHost) next() []segment {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = got[min(1, len(got)):]
	return got
}

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (h *rawHost) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	b := pkt.ToBuffer()
	defer b.Release()
	raw := b.Flatten()
	s := decode(raw)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out[s.dst.Addr()] += len(raw)
	h.got = append(h.got, s)
}

// DeliverLinkPacket implements stack.NetworkDispatcher.
func (*rawHost) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
