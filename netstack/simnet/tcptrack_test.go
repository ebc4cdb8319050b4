// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Options of the SYNs in these tests.
var (
	synOpts   = []byte{2, 4, 5, 180, 4, 2, 3, 3, 7} // MSS, SACK permitted, window scale 7
	noScale   = []byte{2, 4, 5, 180, 4, 2}
	noOptions []byte
)

func sackOpts(left, right uint32) []byte {
	b := []byte{1, 1, header.TCPOptionSACK, 10}
	b = binary.BigEndian.AppendUint32(b, left)
	return binary.BigEndian.AppendUint32(b, right)
}

const (
	fSYN = header.TCPFlagSyn
	fACK = header.TCPFlagAck
	fFIN = header.TCPFlagFin
	fRST = header.TCPFlagRst
)

// pkt is a segment in one direction and the expected result.
type pkt struct {
	dir  ctDir
	seg  segment
	want ctVerdict
	why  string // part of the reason
}

// c is a segment of the client, s one of the server; seq and ack are relative
// to the hosts' SND.UNA at the start.
func c(flags header.TCPFlags, seq, ack int, win uint16, rest ...any) pkt {
	return newPkt(ctOriginal, flags, seq, ack, win, rest)
}

func s(flags header.TCPFlags, seq, ack int, win uint16, rest ...any) pkt {
	return newPkt(ctReply, flags, seq, ack, win, rest)
}

func newPkt(dir ctDir, flags header.TCPFlags, seq, ack int, win uint16, rest []any) pkt {
	p := pkt{dir: dir, seg: segment{seq: uint32(seq), ack: uint32(ack), win: win, flags: flags}}
	for _, r := range rest {
		switch r := r.(type) {
		case []byte:
			p.seg.opts = r
		case int:
			p.seg.payload = r
		}
	}
	return p
}

func (p pkt) is(v ctVerdict, why string) pkt {
	p.want, p.why = v, why
	return p
}

func (p pkt) invalid(why string) pkt   { return p.is(ctInvalidPacket, why) }
func (p pkt) tolerated(why string) pkt { return p.is(ctIgnored, why) }

// play feeds the packets to a new tracker. cbase and sbase are the sequence
// numbers that the relative ones count from.
func play(t *testing.T, cfg Conntrack, cbase, sbase uint32, pkts []pkt) *tcpTracker {
	t.Helper()
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	var tr tcpTracker
	for i, p := range pkts {
		seg := p.seg
		own, peer := cbase, sbase
		if p.dir == ctReply {
			own, peer = sbase, cbase
		}
		seg.seq += own
		if seg.flags&fACK != 0 {
			seg.ack += peer
		}
		if len(seg.opts) == 12 && seg.opts[2] == header.TCPOptionSACK {
			seg.opts = sackOpts(binary.BigEndian.Uint32(seg.opts[4:])+peer, binary.BigEndian.Uint32(seg.opts[8:])+peer)
		}
		var v ctVerdict
		var why string
		if i == 0 {
			if why = tr.open(&seg, &cfg); why != "" {
				v = ctInvalidPacket
			}
		}
		if why == "" {
			v, why, _ = tr.track(&seg, p.dir, &cfg)
		}
		if (v == ctAccept || v == ctIgnored) && p.dir == ctReply {
			tr.replied = true
		}
		if v != p.want || !strings.Contains(why, p.why) {
			t.Errorf("packet %d (%v, %v seq %d ack %d): verdict %d, %q; want %d, %q; %+v",
				i, p.dir, flagString(p.seg.flags), int32(p.seg.seq), int32(p.seg.ack), v, why, p.want, p.why, tr)
		}
	}
	return &tr
}

const w = 1000 // with scale 7: 128,000 bytes

// opening is a handshake from relative -1, as a migrating connection sends it.
func opening() []pkt {
	return []pkt{
		c(fSYN, -1, 0, 65535, synOpts),
		s(fSYN|fACK, -1, 0, 65535, synOpts),
		c(fACK, 0, 0, w),
	}
}

func after(first []pkt, rest ...pkt) []pkt { return append(append([]pkt(nil), first...), rest...) }

const (
	ackNotSeen  = "ACK is over upper bound"
	overWindow  = "SEQ is over upper bound"
	underWindow = "SEQ is under lower bound"
	delayed     = "ACK is under lower bound"
)

var trackerTests = []struct {
	name  string
	cfg   Conntrack
	pkts  []pkt
	state tcpState
}{
	{
		name: "data both ways",
		pkts: after(opening(),
			c(fACK, 0, 0, w, 1000), s(fACK, 0, 1000, w, 500), c(fACK, 1000, 500, w)),
		state: tcpEstablished,
	},
	{
		name: "an ACK of data delivered over another path is invalid",
		pkts: after(opening(), s(fACK, 0, 1, w).invalid(ackNotSeen), s(fACK, 0, 0, w)),
	},
	{
		name: "so is a SACK of it",
		pkts: after(opening(), s(fACK, 0, 0, w, sackOpts(500, 501)).invalid(ackNotSeen)),
	},
	{
		name: "a SACK is not looked at if the sender had not permitted it",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, noOptions), s(fSYN|fACK, -1, 0, 65535, synOpts), c(fACK, 0, 0, w),
			s(fACK, 0, 0, w, sackOpts(500, 501)),
		},
	},
	{
		name: "an empty segment ahead covers what was delivered elsewhere",
		pkts: after(opening(), c(fACK, 50000, 0, w), s(fACK, 0, 50000, w), s(fACK, 0, 50001, w).invalid(ackNotSeen)),
	},
	{
		name: "the window of a SYN is not scaled",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts), s(fSYN|fACK, -1, 0, 65535, synOpts),
			c(fACK, 65535, 0, w), c(fACK, 200000, 0, w).invalid(overWindow),
		},
	},
	{
		name: "a scaled window behind the SYN-ACK makes room for the cover",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts), s(fSYN|fACK, -1, 0, 65535, synOpts), s(fACK, 0, 0, 2*w),
			c(fACK, 200000, 0, w), s(fACK, 0, 200000, w),
		},
	},
	{
		name: "a little over the window is let through",
		pkts: after(opening(), c(fACK, 65600, 0, w).tolerated("66 bytes more"), s(fACK, 0, 65600, w)),
	},
	{
		name: "but not by old kernels",
		cfg:  Conntrack{Legacy: true},
		pkts: after(opening(), c(fACK, 65600, 0, w).invalid(overWindow)),
	},
	{
		name: "no window scale on the SYN-ACK: no scaling",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts), s(fSYN|fACK, -1, 0, 65535, noScale), s(fACK, 0, 0, 2*w),
			c(fACK, 200000, 0, w).invalid(overWindow),
		},
	},
	{
		name: "no window scale on the SYN: no scaling",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, noScale), s(fSYN|fACK, -1, 0, 65535, synOpts), s(fACK, 0, 0, 2*w),
			c(fACK, 200000, 0, w).invalid(overWindow),
		},
	},
	{
		name: "a duplicate SYN alone is ignored and does no harm",
		pkts: after(opening(), c(fACK, 50000, 0, w),
			c(fSYN, -1, 0, 65535, synOpts).tolerated("ignored"),
			s(fACK, 0, 50000, w), c(fACK, 50000, 0, w)),
		state: tcpEstablished,
	},
	{
		name: "answered by a SYN-ACK it makes the box forget the cover",
		pkts: after(opening(), c(fACK, 50000, 0, w), s(fACK, 0, 50000, w),
			c(fSYN, -1, 0, 65535, synOpts).tolerated("ignored"),
			s(fSYN|fACK, -1, 0, 65535, synOpts),
			s(fACK, 0, 50000, w).invalid(ackNotSeen)),
		state: tcpSynRecv,
	},
	{
		name: "a duplicate SYN-ACK alone is ignored",
		pkts: after(opening(), c(fACK, 50000, 0, w), s(fSYN|fACK, -1, 0, 65535, synOpts).tolerated("ignored"),
			s(fACK, 0, 50000, w)),
		state: tcpEstablished,
	},
	{
		name: "a second SYN-ACK before the third ACK",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts), s(fSYN|fACK, -1, 0, 65535, synOpts),
			s(fSYN|fACK, -1, 0, 65535, synOpts).tolerated("ignored"), c(fACK, 0, 0, w),
		},
		state: tcpEstablished,
	},
	{
		name: "another SYN before the SYN-ACK starts over",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, noScale), c(fSYN, 99, 0, 65535, synOpts),
			s(fSYN|fACK, -1, 100, 65535, synOpts), c(fACK, 100, 0, w), s(fACK, 0, 100, w),
		},
		state: tcpEstablished,
	},
	{
		name: "data on the SYN and behind the SYN-ACK",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts, 1000), s(fSYN|fACK, -1, 1000, 65535, synOpts),
			s(fACK, 0, 1000, w, 1400), c(fACK, 1000, 1400, w),
		},
		state: tcpEstablished,
	},
	{
		name: "retransmissions from before the window are let through, not by old kernels",
		pkts: after(opening(), c(fACK, 0, 0, w, 60000), s(fACK, 0, 60000, w), c(fACK, 60000, 0, w, 60000), s(fACK, 0, 120000, w),
			c(fACK, 120000, 0, w, 60000), s(fACK, 0, 180000, w), c(fACK, -1000, 0, w, 100).tolerated(underWindow)),
	},
	{
		name: "retransmissions from before the window, old kernel",
		cfg:  Conntrack{Legacy: true},
		pkts: after(opening(), c(fACK, 0, 0, w, 60000), s(fACK, 0, 60000, w), c(fACK, 60000, 0, w, 60000), s(fACK, 0, 120000, w),
			c(fACK, 120000, 0, w, 60000), s(fACK, 0, 180000, w), c(fACK, -1000, 0, w, 100).invalid(underWindow)),
	},
	{
		name: "an ACK long overdue",
		pkts: after(opening(), c(fACK, 0, 0, w, 60000), s(fACK, 0, 60000, 100), c(fACK, 60000, 0, w, 12000), s(fACK, 0, 72000, 100),
			s(fACK, 0, 0, 100).tolerated(delayed)),
	},
	{
		name: "a RST outside of the window is invalid",
		pkts: after(opening(), c(fACK, 0, 0, w, 100), s(fACK, 0, 100, w),
			s(fRST|fACK, -1, 100, 0).invalid("RST with seq")),
		state: tcpEstablished,
	},
	{
		name:  "a RST in the window, but not at its edge, leaves the connection",
		pkts:  after(opening(), s(fACK, 0, 0, w, 100), c(fACK, 0, 100, w), s(fRST, 200, 0, 0)),
		state: tcpEstablished,
	},
	{
		name:  "a RST at RCV.NXT ends it",
		pkts:  after(opening(), s(fACK, 0, 0, w, 100), c(fACK, 0, 100, w), s(fRST, 100, 0, 0)),
		state: tcpClose,
	},
	{
		name:  "a refused connection",
		pkts:  []pkt{c(fSYN, -1, 0, 65535, synOpts), s(fRST|fACK, 0, 0, 0).is(ctKill, "")},
		state: tcpClose,
	},
	{
		name: "an orderly end, and a new connection",
		pkts: after(opening(),
			c(fFIN|fACK, 0, 0, w), s(fACK, 0, 1, w), s(fFIN|fACK, 0, 1, w), c(fACK, 1, 1, w),
			c(fSYN, 1000, 0, 65535, synOpts).is(ctReopen, "")),
		state: tcpTimeWait,
	},
	{
		name: "both close at once",
		pkts: after(opening(),
			c(fFIN|fACK, 0, 0, w), s(fFIN|fACK, 0, 0, w), c(fACK, 1, 1, w), s(fACK, 1, 1, w)),
		state: tcpTimeWait,
	},
	{
		name: "a simultaneous open",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts), s(fSYN, -1, 0, 65535, synOpts),
			c(fSYN|fACK, -1, 0, 65535, synOpts), s(fACK, 0, 0, w),
		},
		state: tcpEstablished,
	},
	{
		name:  "picked up in the middle, windows are not enforced",
		pkts:  []pkt{c(fACK, 0, 0, 10, 100), s(fACK, 5000, 100, 10, 100), s(fACK, 5100, 1000000, 10), c(fACK, 1000000, 5100, 10)},
		state: tcpEstablished,
	},
	{
		name: "not picked up",
		cfg:  Conntrack{NoPickup: true},
		pkts: []pkt{c(fACK, 0, 0, 10, 100).invalid("tcp_loose=0")},
	},
	{
		name: "a FIN, RST or SYN-ACK doesn't begin a connection",
		pkts: []pkt{c(fSYN|fACK, 0, 0, 10).invalid("invalid new")},
	},
	{
		name: "liberal: nothing is out of window",
		cfg:  Conntrack{Liberal: true},
		pkts: after(opening(), s(fACK, 0, 1000000, w), c(fACK, 1000000, 0, w)),
	},
	{
		name: "the client's ACK before any SYN-ACK",
		pkts: []pkt{c(fSYN, -1, 0, 65535, synOpts), c(fACK, 0, 0, w).invalid("invalid in state SYN_SENT")},
	},
	{
		name: "a challenge ACK instead of the SYN-ACK, and the RST it causes",
		pkts: []pkt{
			c(fSYN, -1, 0, 65535, synOpts), s(fACK, 700, 900, w).tolerated("ignored"),
			c(fRST, 900, 0, 0).is(ctAccept, ""),
		},
	},
}

func TestTracker(t *testing.T) {
	for _, tt := range trackerTests {
		for _, base := range []uint32{1 << 20, 0, 1<<32 - 30000, 1<<31 - 30000} {
			t.Run(fmt.Sprintf("%s/%#x", tt.name, base), func(t *testing.T) {
				tr := play(t, tt.cfg, base, base+12345, tt.pkts)
				if tt.state != tcpNone && tr.state != tt.state {
					t.Errorf("ends in %v, want %v", tr.state, tt.state)
				}
			})
		}
	}
}

// TestTrackerMigration plays the handshake by which a connection moves, with
// data in flight in both directions, delivered over the old path or lost.
func TestTrackerMigration(t *testing.T) {
	const win = 32000 // 4,096,000 bytes
	for _, flight := range []int{0, 10e3, 200e3, 1e6, 3.9e6} {
		for _, got := range []int{0, flight / 2, flight} { // bytes that had arrived
			for _, base := range []uint32{1 << 20, 1<<32 - 1e6, 1<<31 - 1e6} {
				t.Run(fmt.Sprintf("%d/%d/%#x", flight, got, base), func(t *testing.T) {
					play(t, Conntrack{Legacy: true}, base, base+4321, []pkt{
						c(fSYN, -1, 0, 65535, synOpts),
						s(fSYN|fACK, -1, 0, 65535, synOpts),
						s(fACK, 0, 0, win),
						c(fACK, flight, 0, win),
						s(fACK, flight, got, win),
						c(fACK, flight, got, win),
						c(fACK, got, got, win, flight-got),
						s(fACK, got, flight, win, flight-got),
						c(fACK, flight, flight, win),
					})
				})
			}
		}
	}
}
