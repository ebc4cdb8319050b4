// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Fate is a wire's treatment of a packet.
type Fate uint8

// The fates of a packet.
const (
	FateSent Fate = iota
	FateLost
	FateQueueFull
	FateTooBig
	FateDown
	FateDropped // by a middlebox; a Recorder does not see that
)

func (f Fate) String() string {
	return [...]string{"sent", "lost", "queue full", "too big", "down", "dropped"}[f]
}

// Record is one packet seen by a [Recorder].
type Record struct {
	Time     time.Duration // virtual, since the start
	From, To string        // names of the link's ends
	Dir      Direction
	Fate     Fate // always FateSent if a Recorder used as a box saw it
	Src, Dst netip.AddrPort
	Protocol uint8
	Len      int // bytes, with the IP header

	// For TCP only.
	Flags    header.TCPFlags
	Seq, Ack uint32
	Window   uint16 // as in the header, not scaled
	Options  []byte
	Payload  int // bytes
}

// Recorder keeps a trace of packets and a digest of it. It records at a wire
// ([Link.Record]) or, as a [Box], at its place among the boxes of a link.
type Recorder struct {
	mu      sync.Mutex
	limit   int
	records []Record
	count   uint64
	sum     hash.Hash
}

var _ Box = (*Recorder)(nil)

// NewRecorder returns a recorder that keeps the first limit records. The digest
// and the count cover all of them.
func NewRecorder(limit int) *Recorder {
	return &Recorder{limit: limit, sum: sha256.New()}
}

// Process implements Box.
func (r *Recorder) Process(p *Packet, at Hop) Verdict {
	r.record(p, at.link, at.Dir, FateSent, at.Now)
	return Pass
}

func (r *Recorder) record(p *Packet, l *Link, d Direction, fate Fate, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	var head [10]byte
	binary.BigEndian.PutUint64(head[:], uint64(now))
	head[8], head[9] = byte(d), byte(fate)
	r.sum.Write(head[:])
	r.sum.Write(p.Bytes())
	if len(r.records) < r.limit {
		r.records = append(r.records, newRecord(p, p.Len(), l, d, fate, now))
	}
}

// newRecord returns the record of a packet of size bytes. p holds at least the headers.
func newRecord(p *Packet, size int, l *Link, d Direction, fate Fate, now time.Duration) Record {
	rec := Record{
		Time:     now,
		From:     l.ends[d].Name(),
		To:       l.ends[d.Reverse()].Name(),
		Dir:      d,
		Fate:     fate,
		Protocol: p.Protocol(),
		Len:      size,
	}
	rec.Src, rec.Dst = p.endpoints()
	if t, ok := p.TCP(); ok {
		rec.Flags = t.Flags()
		rec.Seq, rec.Ack = t.SequenceNumber(), t.AckNumber()
		rec.Window = t.WindowSize()
		rec.Options = append([]byte(nil), t.Options()...)
		rec.Payload = size - (p.Len() - len(t)) - int(t.DataOffset())
	}
	return rec
}

// Count returns how many packets were seen.
func (r *Recorder) Count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Records returns a copy of the records kept.
func (r *Recorder) Records() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Record(nil), r.records...)
}

// Digest returns a hash of the times, directions, fates and bytes of all
// packets seen. Equal digests mean equal traces.
func (r *Recorder) Digest() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return hex.EncodeToString(r.sum.Sum(nil))
}

// String returns the records, one a line.
func (r *Recorder) String() string {
	var b strings.Builder
	for _, rec := range r.Records() {
		fmt.Fprintln(&b, rec)
	}
	return b.String()
}

// String returns the record as one line, in the manner of tcpdump.
func (r Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%12.6f %s>%s %v > %v %s", r.Time.Seconds(), r.From, r.To, r.Src, r.Dst, r.summary(absolute, absolute))
	if r.Fate != FateSent {
		fmt.Fprintf(&b, " (%v)", r.Fate)
	}
	return b.String()
}

// summary returns the record without time, addresses and fate. seq renders the sequence
// numbers of the sender, and ack the receiver's.
func (r Record) summary(seq, ack func(uint32) int64) string {
	if r.Protocol != protoTCP {
		return fmt.Sprintf("proto %d len %d", r.Protocol, r.Len)
	}
	s := fmt.Sprintf("%s seq %d", flagString(r.Flags), seq(r.Seq))
	if r.Flags&header.TCPFlagAck != 0 {
		s += fmt.Sprintf(" ack %d", ack(r.Ack))
	}
	s += fmt.Sprintf(" win %d", r.Window)
	if o := optionString(r.Options, ack); o != "" {
		s += " [" + o + "]"
	}
	if r.Payload > 0 {
		s += fmt.Sprintf(" len %d", r.Payload)
	}
	return s
}

// absolute renders sequence numbers as they are.
func absolute(n uint32) int64 { return int64(n) }

func flagString(f header.TCPFlags) string {
	var names []string
	for _, n := range []struct {
		flag header.TCPFlags
		name string
	}{
		{header.TCPFlagSyn, "SYN"}, {header.TCPFlagFin, "FIN"}, {header.TCPFlagRst, "RST"},
		{header.TCPFlagPsh, "PSH"}, {header.TCPFlagAck, "ACK"},
	} {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, "-")
}
