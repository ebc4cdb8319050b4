// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

// FirewallConfig describes a [Firewall].
type FirewallConfig struct {
	// Conntrack are the settings of connection tracking.
	Conntrack Conntrack
	// OnInvalid, if not nil, is told of every packet that tracking objects to.
	OnInvalid func(InvalidPacket)
}

// Firewall is a stateful packet filter that protects the inner side (A) of a link.
// Connections can only begin inside. INVALID packets are dropped in both directions.
// Other protocols than TCP and UDP pass outwards. Inwards, an ICMP error passes if it
// is about a connection.
type Firewall struct {
	tracking
}

var _ Box = (*Firewall)(nil)

// NewFirewall returns a firewall that knows no connection.
func NewFirewall(cfg FirewallConfig) *Firewall {
	return &Firewall{tracking{onInvalid: cfg.OnInvalid, table: newConnTable(cfg.Conntrack)}}
}

// Process implements Box.
func (f *Firewall) Process(p *Packet, at Hop) Verdict {
	f.mu.Lock()
	v, objection := f.judge(p, at)
	f.mu.Unlock()
	f.report(objection)
	return v
}

func (f *Firewall) judge(p *Packet, at Hop) (Verdict, *InvalidPacket) {
	tp, ok := tupleOf(p)
	if !ok {
		return f.untracked(p, at), nil
	}
	tr, objection := f.track(p, tp, at)
	switch {
	case tr.conn == nil || tr.verdict == ctInvalidPacket:
		return Drop, objection
	case f.table.mustBeSYN(p, &tr):
		f.stats.NotSYN++
		return Drop, objection
	case tr.isNew():
		if !f.table.confirm(tr.conn, tp.reverse(), at.Now) {
			return f.other(), objection
		}
		f.stats.New++
	}
	f.stats.Passed++
	return Pass, objection
}

func (f *Firewall) untracked(p *Packet, at Hop) Verdict {
	inner, _ := p.quoted()
	if inner == nil {
		if at.Dir == BtoA {
			return f.other()
		}
		f.stats.Passed++
		return Pass
	}
	defer inner.release()
	sent := ctOriginal
	if at.Dir == AtoB {
		sent = ctReply
	}
	if f.table.errorConn(inner, sent, at.Now) == nil {
		return f.other()
	}
	f.stats.ICMPErrors++
	return Pass
}
