// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"fmt"
	"time"
)

// Cause is why a connection moves.
type Cause uint8

// Causes.
const (
	None        Cause = iota
	PathGone          // the uplink it used is not there any more
	PathDead          // the peer does not answer over it
	Held              // it waits, after a time-out or a RST that is not proved to be the peer's
	Unreachable       // an ICMP error came, and the peer does not answer
	Woke              // the machine was asleep
	Preferred         // a better uplink has appeared, and stayed
	Hint              // the application asked for it
)

var causes = [...]string{"none", "path gone", "path dead", "held", "unreachable", "woke", "better path", "hint"}

// String returns the cause in words.
func (c Cause) String() string {
	if int(c) < len(causes) {
		return causes[c]
	}
	return fmt.Sprintf("Cause(%d)", c)
}

// Situation is what a [Policy] decides by.
type Situation struct {
	// Uplinks that the connection could use: those of its present address
	// family first, then by the order that the monitor gave. Never empty.
	Uplinks []Uplink
	// Current is the index of the one that it uses; -1 if that is gone.
	Current int
	// Settled is how long Uplinks has been as it is.
	Settled time.Duration

	// Unanswered is how many retransmissions or keep-alive probes in a row the
	// peer has not answered.
	Unanswered int
	// Unreachable: an ICMP error came since the peer was last heard of.
	Unreachable bool
	// Held: the connection is in MIGRATE_WAIT.
	Held bool
	// Woke: the machine has been asleep since the last move.
	Woke bool
	// Hinted: the application said that the path is bad.
	Hinted bool

	// Tried is how many attempts have failed since the last move or change of
	// Uplinks. A policy that wants to move goes on to the next uplink by it.
	Tried int
	// Accepted: the peer opened the connection. It can come back by itself, and
	// may be behind a NAT that only it can pass.
	Accepted bool
}

// Decision is what a [Policy] answers.
type Decision struct {
	// Cause is None to stay.
	Cause Cause
	// To is an index of Uplinks. If it is Current, the connection moves in place,
	// to a new port: NATs see a new connection.
	To int
	// Again is when to ask again if nothing happens until then; 0 for never.
	Again time.Duration
}

// Policy decides whether a connection moves. It is called whenever the situation
// has changed, and must depend on nothing but its argument.
type Policy func(Situation) Decision

// Handover moves a connection when its path is gone or dead, and back to a better
// one, once that has proved stable. It is for downloads, shells and all else that
// wants to live rather than to be fast.
func Handover(s Situation) Decision {
	return decide(s, HandoverPatience, HandoverSettle, true)
}

// Interactive is Handover with less patience: it changes over to another uplink,
// if there is one, at the first sign of trouble, and goes to better ones sooner.
// It is for what a person waits for.
func Interactive(s Situation) Decision {
	return decide(s, InteractivePatience, InteractiveSettle, false)
}

// Manual never moves a connection.
func Manual(Situation) Decision { return Decision{} }

// decide is Handover and Interactive. inPlace says that a path which seems dead
// is tried again from a new port, before others: a NAT may have forgotten.
func decide(s Situation, patience int, settle time.Duration, inPlace bool) Decision {
	n := len(s.Uplinks)
	if s.Current < 0 {
		return Decision{Cause: PathGone, To: s.Tried % n}
	}
	again := func(c Cause, inPlace bool) Decision {
		first := s.Current
		if !inPlace {
			first++
		}
		return Decision{Cause: c, To: (first + s.Tried) % n}
	}
	// A peer that opened the connection and is silent may have left. With another
	// uplink the fault may be on this side.
	mine := !s.Accepted || n > 1
	switch {
	case s.Hinted:
		return again(Hint, false)
	case s.Woke && !s.Accepted:
		return again(Woke, true)
	case s.Held && mine:
		return again(Held, true)
	case s.Unreachable && s.Unanswered > 0 && mine:
		return again(Unreachable, inPlace)
	case s.Unanswered >= patience && mine:
		return again(PathDead, inPlace)
	case s.Current > 0 && s.Uplinks[0].Local.Is4() == s.Uplinks[s.Current].Local.Is4():
		if s.Settled < settle {
			return Decision{Again: settle - s.Settled}
		}
		return Decision{Cause: Preferred, To: 0}
	}
	return Decision{}
}
