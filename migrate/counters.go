// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// Counter is an event that is counted.
type Counter uint8

// Counters. Counters of requests count migrate SYNs that were dropped (M410), unless
// they say otherwise.
const (
	CountUnknownToken   Counter = iota // request: no connection has the token
	CountBadTag                        // request: wrong tag
	CountMalformed                     // request: the segment is no TCP segment
	CountStaleRequest                  // request: counter outside of the window
	CountReflected                     // request: this end's own, sent back
	CountBadSequence                   // request: implausible sequence number
	CountWrongState                    // request: the connection cannot migrate now
	CountPathBusy                      // request: the tuple belongs to another connection
	CountCrossedIgnored                // request: ignored in favour of an own one
	CountCrossedYielded                // an own attempt gave way to the peer's request
	CountUnproven                      // SYN-ACK or third ACK without a valid tag or nonce
	CountBadSYNACK                     // segment on the path on trial that answers something else
	CountRefused                       // RST in answer to an own SYN
	CountUnreachable                   // ICMP error about the path on trial
	CountDuplicateSYN                  // request: on the current tuple
	CountNoAnswer                      // an own attempt ended without an answer
	CountFenced                        // a copy of the connection that is behind tried to go on
	CountInitiated                     // moves at the request of this end
	CountAccepted                      // moves at the request of the peer
	CountResetHeld                     // a RST began a hold
	CountResetIgnored                  // RST during a hold, or before the receipt
	CountTimeoutHeld                   // a time-out began a hold
	CountNoPathHeld                    // the lack of a path began a hold
	CountHoldRefused                   // no room for a hold, or none wanted
	CountHoldExpired                   // a hold ended the connection
	CountAborted                       // the peer's application aborted

	NumCounters = int(CountAborted) + 1
)

var counters = [NumCounters]string{
	"unknown-token", "bad-tag", "malformed", "stale-request", "reflected", "bad-sequence",
	"wrong-state", "path-busy", "crossed-ignored", "crossed-yielded", "unproven", "bad-syn-ack", "refused", "unreachable",
	"duplicate-syn", "no-answer", "fenced", "initiated", "accepted", "reset-held", "reset-ignored", "timeout-held",
	"no-path-held", "hold-refused", "hold-expired", "aborted",
}

func (c Counter) String() string {
	if int(c) < NumCounters {
		return counters[c]
	}
	return "unknown"
}
