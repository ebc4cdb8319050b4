// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"net/netip"
	"time"
)

// Time is an instant of the caller's monotonic clock, in nanoseconds.
type Time int64

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Role is an end's part in the first handshake of the connection. It never changes.
type Role uint8

// Roles.
const (
	Opener   Role = iota // sent the connection's first SYN
	Acceptor             // answered it
)

func (r Role) peer() Role { return r ^ 1 }

// Tuple is the addresses and ports of a connection as this end sees them.
type Tuple struct{ Local, Remote netip.AddrPort }

func (t Tuple) String() string { return t.Local.String() + "->" + t.Remote.String() }

// TCB is the part of the transmission control block (RFC 9293, section 3.3.1) that the
// machine needs at an event.
type TCB struct {
	SndUna, SndNxt, RcvNxt uint32
	// RcvAcc is the right edge of the window that this end has advertised.
	RcvAcc uint32
	// TSRecent is the peer's newest timestamp on the current path (TS.Recent,
	// RFC 7323), if timestamps are in use.
	TSRecent uint32
	// SRTT is the smoothed round-trip time, 0 if unknown.
	SRTT time.Duration
	// Movable reports whether the state allows a move at the request of this end, and a
	// hold (M712).
	Movable bool
	// TimeWait reports whether the connection is in TIME-WAIT, where it moves at the
	// request of the peer only (M732).
	TimeWait bool
}

// MayQuote reports whether an ICMP error that quotes sequence number seq can be about
// a segment that this end sent lately (RFC 5927, section 4.1). That is data in flight,
// an ACK, or a probe, which is below SND.UNA. An attacker who does not see the segments
// may have forged any other.
func (t TCB) MayQuote(seq uint32) bool { return leq(t.SndUna-1, seq) && leq(seq, t.SndNxt) }

// Segment is the part of a received segment that the machine needs.
type Segment struct {
	Tuple         Tuple
	Seq, Ack      uint32
	SYN, ACK, RST bool
	Len           uint32 // in sequence space
	Window        uint32 // in bytes
	Options       []byte // the TCP options as they came
}

// moves reports whether the state allows a move at the request of the peer (M417).
func (t TCB) moves() bool { return t.Movable || t.TimeWait }

// inWindow reports whether sequence number seq is in the receive window (RFC 9293, section
// 3.10.7.4). The right edge counts: there is the next segment of a peer that has used up the
// window.
func (t TCB) inWindow(seq uint32) bool { return seq-t.RcvNxt <= t.RcvAcc-t.RcvNxt }

// leq reports a <= b in sequence space (RFC 9293, section 3.4).
func leq(a, b uint32) bool { return int32(b-a) >= 0 }
