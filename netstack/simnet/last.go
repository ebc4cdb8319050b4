// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// KeepLast makes each link keep the headers of its last packets, both directions
// together. Links that are connected later do so, too. [Network.Last] returns the
// packets. A packet costs a copy of its headers and no allocation. Zero ends it.
func (n *Network) KeepLast(packets int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keep = packets
	for _, l := range n.links {
		l.keepLast(packets)
	}
}

// Last returns the packets that [Network.KeepLast] has kept, of all links, in the order
// of time. A packet has a record when it was offered to the wire. It has another one if
// a middlebox dropped it or the link went down under it.
func (n *Network) Last() []Record {
	n.mu.Lock()
	links := slices.Clone(n.links)
	n.mu.Unlock()
	type entry struct {
		order uint64
		Record
	}
	var all []entry
	for _, l := range links {
		for _, h := range l.last.Load().snapshot() {
			all = append(all, entry{h.order, h.record(l)})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.order, b.order) })
	records := make([]Record, len(all))
	for i, e := range all {
		records[i] = e.Record
	}
	return records
}

// maxHeaders is the length of the longest headers of IP and TCP, in bytes.
const maxHeaders = header.IPv4MaximumHeaderSize + header.TCPHeaderMaximumSize

// headers are the headers of a packet, and its fate on the link.
type headers struct {
	order uint64 // among the packets of all links
	at    time.Duration
	dir   Direction
	fate  Fate
	size  int // of the packet
	kept  int // bytes of data in use
	data  [maxHeaders]byte
}

func (h *headers) record(l *Link) Record {
	p := newPacket(buffer.NewViewWithData(h.data[:h.kept]))
	defer p.release()
	return newRecord(p, h.size, l, h.dir, h.fate, h.at)
}

// lastPackets is a ring with the last packets of a link. A nil one keeps none.
type lastPackets struct {
	mu   sync.Mutex
	ring []headers
	seen int // packets, forgotten ones included
}

func (l *Link) keepLast(packets int) {
	var k *lastPackets
	if packets > 0 {
		k = &lastPackets{ring: make([]headers, packets)}
	}
	l.last.Store(k)
}

// noteLast keeps p if that is wanted.
func (l *Link) noteLast(p *Packet, d Direction, fate Fate, now time.Duration) {
	k := l.last.Load()
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	h := &k.ring[k.seen%len(k.ring)]
	k.seen++
	h.order, h.at, h.dir, h.fate, h.size = l.net.noted.Add(1), now, d, fate, p.Len()
	h.kept = copy(h.data[:], p.Bytes())
}

// snapshot returns a copy of the ring's contents.
func (k *lastPackets) snapshot() []headers {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ring[:min(k.seen, len(k.ring))])
}
