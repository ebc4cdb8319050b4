// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// MaxTokens is the largest number of tokens that a connection publishes.
const MaxTokens = tokenWindow

// Limits of the negotiation (section 9 of the protocol).
const (
	// maxFollowUps stops a peer or middlebox that would make us repeat key halves
	// forever.
	maxFollowUps = 8

	// maxOffers stops a box that drops SYNs with unknown options from making a
	// dial fail (M331). The third SYN goes without, 3 s after the first (RFC 6298).
	maxOffers = 2

	// maxKeyACKs stops a box that drops ACKs with unknown options from stalling the
	// peer (M306).
	maxKeyACKs = 2

	// firstFollowUp stops a burst of repetitions, and maxFollowUp a migration that
	// has to wait for one (M307).
	firstFollowUp = 100 * time.Millisecond
	maxFollowUp   = 2 * time.Second

	// minReplyInterval stops a burst of segments with key halves from using up the
	// answers: all but the first of the burst tell nothing new (M312).
	minReplyInterval = 100 * time.Millisecond

	// lingerTime stops keys of a finished exchange from being kept forever. For so
	// long, an end that has confirmed answers a peer that may not have (M315).
	lingerTime = 10 * time.Second

	// MinSecret stops an application from binding nothing, or a secret that can be
	// guessed (M243). It is in bytes.
	MinSecret = 16
)

// Limits of migrations (section 9 of the protocol).
const (
	// tokenWindow stops lost requests from locking the initiator out. As many in a
	// row may get lost, at as many table entries a connection (M403, M413).
	tokenWindow = 3

	// serialWindow is the same for suites whose token never changes: the half of
	// the ReqNo space that is ahead (RFC 1982).
	serialWindow = 127

	// minSYNRTO stops a storm of SYNs, and maxSYNRTO a wait that no user would
	// wait (M561).
	minSYNRTO = 100 * time.Millisecond
	maxSYNRTO = 8 * time.Second

	// initialRTO is used if no round-trip time is known (RFC 6298).
	initialRTO = time.Second

	// maxSYNSends stops an attempt towards an address that never answers (M562).
	maxSYNSends = 6

	// maxAcceptorSYNSends stops an acceptor from waiting long for an opener behind
	// a NAT or firewall, which never gets the SYNs (M562).
	maxAcceptorSYNSends = 3

	// nonceTick stops a recorded third ACK from being good for long. A nonce counts for
	// 64 to 128 s (M228), and step 4 is repeated for less.
	nonceTick = Time(64 * time.Second)

	// maxAnswered stops copies of requests from taking memory, and answeredTime from
	// taking it for long (M529).
	maxAnswered  = 4
	answeredTime = 10 * time.Second

	// maxCompletions stops an initiator from repeating its third ACK towards a
	// responder that is gone (M564).
	maxCompletions = 8

	// patience is the number of repetitions of the third ACK after which another
	// request may replace one that is about to be complete (M581).
	patience = 2

	// drainTime stops an old tuple and its port from being kept though nothing
	// arrives there (M623). It is also how long a responder that has moved answers
	// the third ACK again (M548).
	drainTime = 3 * time.Second

	// maxDrainTime stops a queue that never gets empty, or a host that goes on sending,
	// from keeping an old tuple forever (M624). It is as long as TIME-WAIT (RFC 9293,
	// section 3.6.1), for the same reason.
	maxDrainTime = 2 * msl

	// maxDrains stops a connection that migrates in a loop from holding ports
	// (M628).
	maxDrains = 4

	// maxBehind is how far a sequence number on a new path can be behind, at most:
	// the largest window there is (RFC 7323, section 2.3). It stops numbers that
	// no window allows (M415, M514, M533).
	maxBehind = 1 << 30

	// maxRounding stops a SEQ that no window allows (M533). A window is rounded up to
	// its scale, 2^14 at most (RFC 7323, section 2.3; M644).
	maxRounding = 1 << 14

	// maxUnscaled is the largest window in bytes before a scaled one has come
	// (M543).
	maxUnscaled = 65535
)

// Limits of holds (section 9 of the protocol).
const (
	// msl is the maximum segment lifetime that Linux and gVisor use.
	msl = 30 * time.Second

	// DefaultHold is how long a connection is held after a RST (M709).
	DefaultHold = 2 * msl

	// MaxHold is the longest hold that can be configured, enough for a laptop whose
	// lid is closed.
	MaxHold = 7 * 24 * time.Hour
)
