// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// SequenceShifter is a middlebox that replaces the initial sequence numbers of both
// ends by random ones, as some firewalls do. It adds an offset of its own to every
// sequence number of a connection. It takes the offset off the ACKs and SACK blocks
// that come back. Connections whose SYN it has not seen pass unchanged.
type SequenceShifter struct {
	rng   *Source
	flows map[tuple][2]uint32 // by the tuple of the SYN: original, reply
}

var _ Box = (*SequenceShifter)(nil)

// NewSequenceShifter returns a shifter whose offsets derive from seed.
func NewSequenceShifter(seed uint64) *SequenceShifter {
	return &SequenceShifter{rng: newSource(seed, "sequence shifter"), flows: make(map[tuple][2]uint32)}
}

// Process implements Box.
func (b *SequenceShifter) Process(p *Packet, _ Hop) Verdict {
	t, ok := p.TCP()
	if !ok {
		return Pass
	}
	tp, _ := tupleOf(p)
	off, ok := b.flows[tp]
	if !ok {
		if back, ok := b.flows[tp.reverse()]; ok {
			shift(p, t, back[1], back[0])
			return Pass
		}
		if classify(t.Flags()) != classSYN {
			return Pass
		}
		if len(b.flows) >= maxConns {
			clear(b.flows)
		}
		off = [2]uint32{uint32(b.rng.Uint64()), uint32(b.rng.Uint64())}
		b.flows[tp] = off
	}
	shift(p, t, off[0], off[1])
	return Pass
}

// shift adds own to a segment's own numbers, and takes peer off its numbers about the
// other end.
func shift(p *Packet, t header.TCP, own, peer uint32) {
	t.SetSequenceNumber(t.SequenceNumber() + own)
	if t.Flags()&header.TCPFlagAck != 0 {
		t.SetAckNumber(t.AckNumber() - peer)
	}
	for _, o := range eachOption(t.Options()) {
		if o[0] != header.TCPOptionSACK {
			continue
		}
		for edge := o[2:]; len(edge) >= 4; edge = edge[4:] {
			binary.BigEndian.PutUint32(edge, binary.BigEndian.Uint32(edge)-peer)
		}
	}
	p.FixChecksums()
}
