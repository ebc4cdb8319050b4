// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// fragment sends p in pieces if it is an IPv4 packet that a router may
// fragment (RFC 791, 3.2), and reports whether it did.
func (l *Link) fragment(p *Packet, mtu int, now time.Duration) bool {
	if _, ok := l.ends[p.dir].(*Router); !ok || p.IsIPv6() {
		return false
	}
	h := header.IPv4(p.Bytes())
	head := int(h.HeaderLength())
	size := (mtu - head) &^ 7
	if h.Flags()&header.IPv4FlagDontFragment != 0 || size <= 0 {
		return false
	}
	data, base, flags := p.Bytes()[head:], h.FragmentOffset(), h.Flags()
	for off := 0; off < len(data); off += size {
		piece := data[off:min(off+size, len(data))]
		v := buffer.NewViewSize(head + len(piece))
		copy(v.AsSlice(), h[:head])
		copy(v.AsSlice()[head:], piece)
		fh := header.IPv4(v.AsSlice())
		fh.SetTotalLength(uint16(len(fh)))
		more := flags
		if off+size < len(data) {
			more |= header.IPv4FlagMoreFragments
		}
		fh.SetFlagsFragmentOffset(more, base+uint16(off))
		f := newPacket(v)
		f.FixChecksums()
		f.link, f.dir, f.hop = p.link, p.dir, p.hop
		l.transmit(f, now)
	}
	p.release()
	return true
}
