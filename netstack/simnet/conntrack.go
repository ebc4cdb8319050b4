// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// maxConns bounds a tracking table, as nf_conntrack_max does: a flood of SYNs
// must not eat the memory of the process.
const maxConns = 65536

// Conntrack holds the settings of connection tracking. The zero value is a
// recent Linux with its defaults.
type Conntrack struct {
	// Liberal accepts TCP segments outside of the windows
	// (nf_conntrack_tcp_be_liberal=1).
	Liberal bool
	// NoPickup refuses connections whose SYN was not seen
	// (nf_conntrack_tcp_loose=0).
	NoPickup bool
	// NewMustBeSYN is the rule "ct state new, not SYN: drop". Unlike with
	// NoPickup such a packet is valid, but never makes an entry.
	NewMustBeSYN bool
	// Legacy treats all violations of the windows as INVALID, as Linux did before 6.1.
	// Later kernels only log the harmless ones.
	Legacy bool
	// Timeouts says how long an entry lasts without traffic.
	Timeouts Timeouts
}

// Timeouts are the lifetimes of idle entries. Zero fields mean Linux's defaults.
type Timeouts struct {
	SynSent     time.Duration // 2 min
	SynRecv     time.Duration // 1 min
	Established time.Duration // 5 days
	FinWait     time.Duration // 2 min
	CloseWait   time.Duration // 1 min
	LastAck     time.Duration // 30 s
	TimeWait    time.Duration // 2 min
	Close       time.Duration // 10 s
	Retrans     time.Duration // 5 min; after repeated retransmissions
	Unacked     time.Duration // 5 min; while data is not acknowledged
	UDP         time.Duration // 30 s; until a reply is seen
	UDPStream   time.Duration // 2 min
}

func (t Timeouts) withDefaults() Timeouts {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.SynSent, 2 * time.Minute}, {&t.SynRecv, time.Minute}, {&t.Established, 5 * 24 * time.Hour},
		{&t.FinWait, 2 * time.Minute}, {&t.CloseWait, time.Minute}, {&t.LastAck, 30 * time.Second},
		{&t.TimeWait, 2 * time.Minute}, {&t.Close, 10 * time.Second}, {&t.Retrans, 5 * time.Minute},
		{&t.Unacked, 5 * time.Minute}, {&t.UDP, 30 * time.Second}, {&t.UDPStream, 2 * time.Minute},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return t
}

func (t *Timeouts) of(s tcpState) time.Duration {
	switch s {
	case tcpSynRecv:
		return t.SynRecv
	case tcpEstablished:
		return t.Established
	case tcpFinWait:
		return t.FinWait
	case tcpCloseWait:
		return t.CloseWait
	case tcpLastAck:
		return t.LastAck
	case tcpTimeWait:
		return t.TimeWait
	case tcpClose:
		return t.Close
	}
	return t.SynSent
}

// tuple identifies one direction of a connection by the headers of its packets.
type tuple struct {
	proto    uint8
	src, dst netip.AddrPort
}

func (t tuple) reverse() tuple { return tuple{t.proto, t.dst, t.src} }

// tupleOf returns the tuple of a TCP or UDP packet.
func tupleOf(p *Packet) (tuple, bool) {
	t := tuple{proto: p.Protocol()}
	if t.proto != protoTCP && t.proto != protoUDP || p.isFragment() {
		return t, false
	}
	t.src, t.dst = p.endpoints()
	return t, true
}

// conn is a tracked connection.
type conn struct {
	tuples    [2]tuple // by ctDir; the reply differs from the reverse if translated
	confirmed bool     // in the table
	expires   time.Duration
	replied   bool
	tcp       tcpTracker
}

// connTable is the set of tracked connections.
type connTable struct {
	cfg   Conntrack
	conns map[tuple]*conn // by both tuples
}

func newConnTable(cfg Conntrack) connTable {
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	return connTable{cfg: cfg, conns: make(map[tuple]*conn)}
}

// tracked is the result of tracking a packet.
type tracked struct {
	conn    *conn // nil if there is none
	dir     ctDir
	verdict ctVerdict
	reason  string // of any verdict but ctAccept
}

// isNew reports whether the packet is the first of its connection.
func (tr *tracked) isNew() bool { return tr.conn != nil && !tr.conn.confirmed }

// find returns the live connection that tp belongs to.
func (ct *connTable) find(tp tuple, now time.Duration) (*conn, ctDir) {
	c := ct.conns[tp]
	if c == nil {
		return nil, 0
	}
	if c.expires <= now {
		ct.remove(c)
		return nil, 0
	}
	if c.tuples[ctOriginal] == tp {
		return c, ctOriginal
	}
	return c, ctReply
}

// track follows the connection of p. With create set, a packet that belongs to
// none yields a new one, which is forgotten unless confirmed.
func (ct *connTable) track(p *Packet, tp tuple, create bool, now time.Duration) tracked {
	c, dir := ct.find(tp, now)
	if c == nil && !create {
		return tracked{}
	}
	tr := tracked{conn: c, dir: dir}
	if tp.proto == protoUDP {
		ct.trackUDP(&tr, tp, now)
		return tr
	}
	ct.trackTCP(&tr, p, tp, now)
	if tr.verdict == ctReopen {
		ct.remove(c)
		return ct.track(p, tp, create, now)
	}
	return tr
}

func (ct *connTable) trackUDP(tr *tracked, tp tuple, now time.Duration) {
	if tr.conn == nil {
		tr.conn = &conn{tuples: [2]tuple{tp, tp.reverse()}}
	}
	timeout := ct.cfg.Timeouts.UDP
	if tr.conn.replied {
		timeout = ct.cfg.Timeouts.UDPStream
	}
	tr.conn.replied = tr.conn.replied || tr.dir == ctReply
	tr.conn.expires = now + timeout
}

func (ct *connTable) trackTCP(tr *tracked, p *Packet, tp tuple, now time.Duration) {
	if tr.reason = malformed(p); tr.reason != "" {
		tr.verdict = ctInvalidPacket
		return
	}
	t, _ := p.TCP()
	s := segmentOf(t)
	if tr.conn == nil {
		c := &conn{tuples: [2]tuple{tp, tp.reverse()}}
		if tr.reason = c.tcp.open(&s, &ct.cfg); tr.reason != "" {
			tr.verdict = ctInvalidPacket
			return
		}
		tr.conn = c
	}
	c := tr.conn
	var timeout time.Duration
	tr.verdict, tr.reason, timeout = c.tcp.track(&s, tr.dir, &ct.cfg)
	switch {
	case tr.verdict == ctInvalidPacket && timeout > 0:
		c.expires = min(c.expires, now+timeout)
	case timeout > 0:
		c.expires = now + timeout
	}
	switch tr.verdict {
	case ctAccept, ctIgnored:
		c.tcp.replied = c.tcp.replied || tr.dir == ctReply
	case ctKill:
		ct.remove(c)
	}
}

// malformed returns why a TCP packet can't be tracked at all, or "".
func malformed(p *Packet) string {
	t, ok := p.TCP()
	switch {
	case !ok:
		return "truncated packet"
	case !p.checksumOK(t):
		return "bad checksum"
	case !saneFlags(t.Flags()):
		return fmt.Sprintf("invalid TCP flag combination %#x", uint8(t.Flags()))
	}
	return ""
}

// confirm puts a new connection into the table, with the tuple its replies will
// have. It reports false if the table is full.
func (ct *connTable) confirm(c *conn, reply tuple, now time.Duration) bool {
	if len(ct.conns) >= 2*maxConns {
		ct.sweep(now)
	}
	if len(ct.conns) >= 2*maxConns {
		return false
	}
	c.tuples[ctReply] = reply
	c.confirmed = true
	ct.conns[c.tuples[ctOriginal]] = c
	ct.conns[reply] = c
	return true
}

func (ct *connTable) remove(c *conn) {
	delete(ct.conns, c.tuples[ctOriginal])
	delete(ct.conns, c.tuples[ctReply])
}

// sweep removes expired entries.
func (ct *connTable) sweep(now time.Duration) {
	for _, c := range ct.conns {
		if c.expires <= now {
			ct.remove(c)
		}
	}
}

// mustBeSYN reports whether the rule NewMustBeSYN forbids p.
func (ct *connTable) mustBeSYN(p *Packet, tr *tracked) bool {
	if !ct.cfg.NewMustBeSYN || !tr.isNew() {
		return false
	}
	t, ok := p.TCP()
	return ok && t.Flags()&(header.TCPFlagSyn|header.TCPFlagAck|header.TCPFlagRst|header.TCPFlagFin) != header.TCPFlagSyn
}
