// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// MaxTokens is the number of tokens that a connection publishes at most.
const MaxTokens = tokenWindow

// Limits, section 9.
const (
	// maxFollowUps stops a peer or middlebox from making us repeat key halves
	// for ever.
	maxFollowUps = 8

	// maxOffers stops a box that drops SYNs with unknown options from making
	// a dial fail: the third SYN goes without, 3 s after the first (RFC 6298).
	maxOffers = 2

	// maxKeyACKs stops a box that drops ACKs with unknown options from
	// stalling the peer: TCP's own ACKs carry key halves only as long as
	// fewer segments have.
	maxKeyACKs = 2

	// tokenWindow is how many requests may get lost in a row without locking
	// the initiator out, at as many table entries a connection.
	tokenWindow = 3

	// serialWindow is the same for suites whose token never changes: the
	// half of the ReqNo space that is ahead (RFC 1982).
	serialWindow = 127

	// minSYNRTO and maxSYNRTO bound the time before a SYN or SYN-ACK is
	// repeated: no storm, and no wait that no user would wait.
	minSYNRTO = 100 * time.Millisecond
	maxSYNRTO = 8 * time.Second

	// initialRTO is used where no round-trip time is known (RFC 6298).
	initialRTO = time.Second

	// maxSYNSends ends an attempt towards an address that never answers.
	maxSYNSends = 6

	// maxAcceptorSYNSends is the same for the acceptor. An opener behind a NAT or
	// firewall never gets its SYNs, and an acceptor shall know soon.
	maxAcceptorSYNSends = 3

	// maxSYNACKSends ends a provisional path that an unreachable initiator
	// has left behind.
	maxSYNACKSends = 5

	// minSYNACKInterval stops the use of a responder to flood an address with
	// SYN-ACKs.
	minSYNACKInterval = 20 * time.Millisecond

	// maxCompletions bounds how often the initiator repeats its ACK to a
	// responder that says nothing on the new path.
	maxCompletions = 8

	// patience is how many of these pass before another request may replace
	// one that has not been completed.
	patience = 2

	// drainTime is how long nothing may have arrived on an old tuple, at least,
	// when it and its port are released; and how long a responder that has moved
	// answers the initiator's ACK again.
	drainTime = 3 * time.Second

	// maxDrainTime stops a queue that never gets empty, or somebody who sends
	// there, from keeping an old tuple for ever. It is as long as TIME-WAIT
	// (RFC 9293, section 3.6.1), for the same reason.
	maxDrainTime = 2 * msl

	// maxDrains stops a connection that migrates in a loop from holding ports: the
	// tuple that it left first is released.
	maxDrains = 4

	// maxBehind is the farthest that a sequence number on a new path can be
	// behind: the largest window there is (RFC 7323, section 2.3).
	maxBehind = 1 << 30

	// maxUnscaled is the largest window before a scaled one has been seen.
	maxUnscaled = 65535

	// MinSecret stops an application from binding nothing, or what can be guessed,
	// in bytes.
	MinSecret = 16

	// msl is the maximum segment lifetime that Linux and gVisor use.
	msl = 30 * time.Second

	// DefaultHold is the time in MIGRATE_WAIT.
	DefaultHold = 2 * msl

	// MaxHold bounds a configured hold: long enough for a laptop lid.
	MaxHold = 7 * 24 * time.Hour
)
