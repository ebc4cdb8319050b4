// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"fmt"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// Cause is why a connection moves.
type Cause uint8

// Causes.
const (
	None        Cause = iota
	PathGone          // the uplink it used is not there any more
	PathDead          // the peer does not answer over it
	Held              // it is held, after a time-out or a RST that is not proven to be the peer's
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

// trouble reports whether c says that the path does not carry data.
func (c Cause) trouble() bool { return c == PathDead || c == Held || c == Unreachable }

// Candidate is an uplink that a connection could use, with its record.
type Candidate struct {
	Uplink
	// Settled is how long the uplink has been there and has not failed. It is negative
	// while the uplink has a penalty because it failed.
	Settled time.Duration
	// Failed is how many attempts to move to the uplink have failed since the last move
	// or change of uplinks.
	Failed int
}

// Situation is the input of a [Policy].
type Situation struct {
	// Uplinks are the uplinks that the connection could use. The uplinks of its present
	// address family come first, then the order of the monitor counts. If there is none,
	// to move means to wait for one.
	Uplinks []Candidate
	// Current is the index of the uplink in use; -1 if that is gone.
	Current int

	// Unanswered is how many retransmissions or keep-alive probes in a row the
	// peer has not answered.
	Unanswered int
	// Unreachable: an ICMP error came since the peer was last heard.
	Unreachable bool
	// Held: the connection is held.
	Held bool
	// Woke: the host has been asleep since the last move.
	Woke bool
	// Hinted: the application said that the path is bad.
	Hinted bool

	// Relapsed: the connection moved out of trouble less than a minute ago. If there is
	// trouble again, that move did not help.
	Relapsed bool
	// Accepted: the peer opened the connection. It can come back by itself, may be
	// behind a NAT that only it can pass, and chose the address of this end.
	Accepted bool
}

// Decision is the answer of a [Policy].
type Decision struct {
	// Cause is None if the connection stays.
	Cause Cause
	// To is an index of Uplinks. If it is Current, the connection moves in place, to a
	// new port: NATs see a new connection.
	To int
	// Again is after how long to ask again if nothing happens until then; 0 for never.
	Again time.Duration
}

// Policy decides whether a connection moves. It is called whenever the situation
// has changed, and must depend on nothing but its argument.
type Policy func(Situation) Decision

// Handover moves a connection when its path is gone or dead. It moves the connection to a
// better uplink once that has stayed for 5 s. It is for downloads, shells and other
// connections that should live rather than be fast.
func Handover(s Situation) Decision {
	return decide(s, limits.HandoverPatience, limits.HandoverSettle, true)
}

// Interactive is Handover with less patience. If there is another uplink, it moves there
// at the first time-out. It moves to a better uplink after 1 s. It is for connections that
// a person waits for.
func Interactive(s Situation) Decision {
	if len(s.Uplinks) == 1 {
		// Each lost segment would be a reason for another port.
		return Handover(s)
	}
	return decide(s, limits.InteractivePatience, limits.InteractiveSettle, false)
}

// Manual never moves a connection.
func Manual(Situation) Decision { return Decision{} }

// decide is Handover and Interactive. With inPlace, a path that seems dead is tried again
// from a new port before the others: a NAT may have forgotten.
func decide(s Situation, patience int, settle time.Duration, inPlace bool) Decision {
	switch {
	case len(s.Uplinks) == 0:
		return Decision{Cause: PathGone}
	case s.Current < 0:
		return Decision{Cause: PathGone, To: s.pick(0)}
	}
	if s.Relapsed && len(s.Uplinks) > 1 {
		// The last move has not helped, so one time-out is enough. After a move in
		// place, time-outs are as long as they were before it.
		patience = 1
	}
	c := s.complaint(patience)
	switch {
	case c == None:
		return s.better(settle)
	case c == Hint, s.Relapsed, !inPlace && (c == PathDead || c == Unreachable):
		return Decision{Cause: c, To: s.pick(s.Current + 1)}
	}
	return Decision{Cause: c, To: s.pick(s.Current)}
}

// complaint returns the trouble with the current path, or None.
func (s Situation) complaint(patience int) Cause {
	// A peer that opened the connection and is silent may have left. If there is another
	// uplink, the fault may be on this side: each uplink gets one attempt.
	mine := !s.Accepted || len(s.Uplinks) > 1 && s.Uplinks[s.pick(0)].Failed == 0
	switch {
	case s.Hinted:
		return Hint
	case s.Woke && !s.Accepted:
		return Woke
	case !mine:
		return None
	case s.Held:
		return Held
	case s.Unreachable && s.Unanswered > 0:
		return Unreachable
	case s.Unanswered >= patience:
		return PathDead
	}
	return None
}

// pick returns the uplink with the fewest failures. Among equals it prefers an uplink
// without a penalty, then the next one from first on.
func (s Situation) pick(first int) int {
	n := len(s.Uplinks)
	best := first % n
	for i := 1; i < n; i++ {
		j := (first + i) % n
		if a, b := s.Uplinks[j], s.Uplinks[best]; a.Failed < b.Failed || a.Failed == b.Failed && a.Settled >= 0 && b.Settled < 0 {
			best = j
		}
	}
	return best
}

// better returns the best uplink that is better than the current one and has settled. All
// uplinks before the current one are of its family.
func (s Situation) better(settle time.Duration) (d Decision) {
	if s.Accepted {
		return d
	}
	for i, u := range s.Uplinks[:s.Current] {
		wait := settle - u.Settled
		if wait <= 0 {
			return Decision{Cause: Preferred, To: i}
		}
		if d.Again == 0 || wait < d.Again {
			d.Again = wait
		}
	}
	return d
}
