// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// through sends a packet over a link with the box and returns the packet that arrives.
func through(t *testing.T, box Box, p *Packet, back bool) *Packet {
	t.Helper()
	n, a, b, l := pipe(LinkConfig{})
	l.Use(box)
	from, to := a, b
	if back {
		from, to = b, a
	}
	from.send(p)
	n.Clock.RunFor(time.Second)
	got := to.take()
	if len(got) == 0 {
		return nil
	}
	checkSums(t, got[0].p)
	return got[0].p
}

func TestOptionBox(t *testing.T) {
	in := []byte{2, 4, 5, 180, 16, 4, 8, 9, 1, 3, 3, 7}
	for _, tt := range []struct {
		name string
		box  *OptionBox
		want []byte
		hits uint64
	}{
		{"strip", &OptionBox{Action: StripOption, Kinds: []uint8{16}, Segments: OnSYN},
			[]byte{2, 4, 5, 180, 1, 1, 1, 1, 1, 3, 3, 7}, 1},
		{"remove", &OptionBox{Action: RemoveOption, Kinds: []uint8{16, 99}, Segments: OnAny},
			[]byte{2, 4, 5, 180, 3, 3, 7, 0}, 1},
		{"garble", &OptionBox{Action: GarbleOption, Kinds: []uint8{16}, Segments: OnSYN},
			[]byte{2, 4, 5, 180, 16, 4, 8, 8, 1, 3, 3, 7}, 1},
		{"discard", &OptionBox{Action: DiscardOption, Kinds: []uint8{16}, Segments: OnSYN}, nil, 1},
		{"other kind", &OptionBox{Action: DiscardOption, Kinds: []uint8{15}, Segments: OnSYN}, in, 0},
		{"other segment", &OptionBox{Action: DiscardOption, Kinds: []uint8{16}, Segments: OnSYNACK | OnACK | OnData}, in, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, ends := range [][2]netip.AddrPort{{clientAddr, serverAddr}, {client6, server6}} {
				tt.box.hits.Store(0)
				p := tcpPacket(ends[0], ends[1], segment{seq: 5, win: 9, flags: fSYN, opts: in, payload: 11})
				var got []byte
				if q := through(t, tt.box, p, false); q != nil {
					h, _ := q.TCP()
					got = h.Options()
					if len(h.Payload()) != 11 || h.SequenceNumber() != 5 || h.WindowSize() != 9 {
						t.Errorf("the rest of the segment changed: %x", []byte(h))
					}
				}
				if !bytes.Equal(got, tt.want) || tt.box.Hits() != tt.hits {
					t.Errorf("options %v after %d hits, want %v after %d", got, tt.box.Hits(), tt.want, tt.hits)
				}
			}
		})
	}
}

func TestOptionBoxSegments(t *testing.T) {
	opts := []byte{15, 2}
	for _, tt := range []struct {
		seg  segment
		want Segments
	}{
		{segment{flags: fSYN, opts: opts}, OnSYN},
		{segment{flags: fSYN | fACK, opts: opts}, OnSYNACK},
		{segment{flags: fACK, opts: opts}, OnACK},
		{segment{flags: fACK, opts: opts, payload: 1}, OnData},
		{segment{flags: fFIN | fACK, opts: opts}, OnData},
		{segment{flags: fRST, opts: opts}, 0},
	} {
		for _, on := range []Segments{OnSYN, OnSYNACK, OnACK, OnData} {
			box := &OptionBox{Action: DiscardOption, Kinds: []uint8{15}, Segments: on}
			dropped := through(t, box, tcpPacket(clientAddr, serverAddr, tt.seg), true) == nil
			if dropped != (on == tt.want) {
				t.Errorf("%s with %d bytes dropped by %b: %v", flagString(tt.seg.flags), tt.seg.payload, on, dropped)
			}
		}
	}
}

func TestMirror(t *testing.T) {
	for _, tt := range []struct{ server, want []byte }{
		{[]byte{2, 4, 5, 180}, []byte{2, 4, 5, 180, 15, 3, 42, 0}},
		{[]byte{2, 4, 5, 180, 15, 3, 99}, []byte{2, 4, 5, 180, 15, 3, 42, 0}},
	} {
		box := &OptionBox{Action: MirrorOption, Kinds: []uint8{15}}
		through(t, box, tcpPacket(clientAddr, serverAddr, segment{flags: fSYN, opts: []byte{15, 3, 42}}), false)
		got := through(t, box, tcpPacket(serverAddr, clientAddr, segment{flags: fSYN | fACK, opts: tt.server}), true)
		if h, _ := got.TCP(); !bytes.Equal(h.Options(), tt.want) {
			t.Errorf("SYN-ACK with %v, want %v", h.Options(), tt.want)
		}
	}
}

// TestSequenceShifter checks that hosts get along with shifted numbers, SACK
// blocks included, and that the numbers are shifted indeed.
func TestSequenceShifter(t *testing.T) {
	cfg := access
	cfg.AtoB.Loss = 0.02
	p := NewPair(3, cfg)
	inner, outer := NewRecorder(1000), NewRecorder(1000)
	p.Link.Record(inner)
	p.Link.Use(NewSequenceShifter(7), outer)
	a, b := newStack(t, p.A), newStack(t, p.B)
	at := netip.AddrPortFrom(PairB4.Addr(), 80)
	transfer(t, p.Network, dial(t, a, netip.Addr{}, at), listen(t, b, at), payload(1<<20), time.Minute)

	syn := func(r *Recorder) Record {
		for _, rec := range r.Records() {
			if rec.Flags&fSYN != 0 {
				return rec
			}
		}
		t.Fatal("no SYN recorded")
		return Record{}
	}
	if syn(inner).Seq == syn(outer).Seq {
		t.Error("the SYN's number was not shifted")
	}
	sacks := 0
	for _, rec := range inner.Records() {
		for _, o := range eachOption(rec.Options) {
			if o[0] == 5 {
				sacks++
			}
		}
	}
	if sacks == 0 {
		t.Error("no SACK block was tested")
	}
	if s := p.Link.Stats(AtoB); s.Sent > 1000 {
		t.Errorf("%d packets for 1 MiB: recovery doesn't understand the SACKs", s.Sent)
	}
}
