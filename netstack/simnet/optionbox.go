// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"slices"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// OptionAction is the way in which an [OptionBox] treats TCP options.
type OptionAction uint8

// The actions.
const (
	StripOption   OptionAction = iota // overwrite it with No-Operation
	RemoveOption                      // take it out; the rest moves up
	MirrorOption                      // return that of a SYN in the SYN-ACK
	GarbleOption                      // flip a bit of its last byte
	DiscardOption                     // drop the segment that carries it
)

// Segments is a set of kinds of TCP segments.
type Segments uint8

// The kinds of segments. RSTs are of none.
const (
	OnSYN    Segments = 1 << iota
	OnSYNACK          // SYN with ACK
	OnACK             // nothing but an acknowledgment
	OnData            // payload or FIN
	OnAny    = OnSYN | OnSYNACK | OnACK | OnData
)

func segmentsOf(t header.TCP) Segments {
	switch classify(t.Flags()) {
	case classSYN:
		return OnSYN
	case classSYNACK:
		return OnSYNACK
	case classFIN:
		return OnData
	case classACK:
		if len(t.Payload()) == 0 {
			return OnACK
		}
		return OnData
	}
	return 0
}

// OptionBox is a middlebox that tampers with TCP options, in both directions.
// The fields must not change once it is in use.
type OptionBox struct {
	Action OptionAction
	// Kinds are the options concerned.
	Kinds []uint8
	// Segments are the segments concerned. MirrorOption doesn't look at it.
	Segments Segments

	hits   atomic.Uint64
	mirror map[tuple][]byte // options of SYNs, by the tuple of the SYN-ACK
}

var _ Box = (*OptionBox)(nil)

// Hits returns how many segments were changed or dropped.
func (b *OptionBox) Hits() uint64 { return b.hits.Load() }

// Process implements Box.
func (b *OptionBox) Process(p *Packet, _ Hop) Verdict {
	t, ok := p.TCP()
	if !ok {
		return Pass
	}
	kind := segmentsOf(t)
	if b.Action == MirrorOption {
		b.reflect(p, t, kind)
		return Pass
	}
	if b.Segments&kind == 0 {
		return Pass
	}
	opts := slices.Clone(t.Options())
	kept := opts[:0:0]
	hit := false
	for at, o := range eachOption(opts) {
		if !slices.Contains(b.Kinds, o[0]) {
			kept = append(kept, o...)
			continue
		}
		hit = true
		switch b.Action {
		case StripOption:
			for i := range o {
				opts[at+i] = header.TCPOptionNOP
			}
		case GarbleOption:
			if len(o) > 2 {
				o[len(o)-1] ^= 1
			}
		}
	}
	switch {
	case !hit:
		return Pass
	case b.Action == DiscardOption:
		b.hits.Add(1)
		return Drop
	case b.Action == RemoveOption:
		opts = kept
	}
	b.hits.Add(1)
	p.SetTCPOptions(opts)
	return Pass
}

// reflect puts the options of a SYN into its SYN-ACK, in place of the
// responder's own, as far as there is room.
func (b *OptionBox) reflect(p *Packet, t header.TCP, kind Segments) {
	tp, _ := tupleOf(p)
	var mine, others []byte
	for _, o := range eachOption(t.Options()) {
		if slices.Contains(b.Kinds, o[0]) {
			mine = append(mine, o...)
		} else {
			others = append(others, o...)
		}
	}
	switch kind {
	case OnSYN:
		if b.mirror == nil || len(b.mirror) >= maxConns {
			b.mirror = make(map[tuple][]byte)
		}
		b.mirror[tp.reverse()] = mine
	case OnSYNACK:
		if opts := b.mirror[tp]; len(opts) > 0 && p.SetTCPOptions(append(others, opts...)) {
			b.hits.Add(1)
		}
	}
}
