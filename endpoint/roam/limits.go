// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import "time"

const (
	// MaxMovesPerMinute stops two uplinks that are both bad from keeping a
	// connection in slow start. A connection whose path is gone may move more often,
	// as it would wait without any; but only with pauses after its last move from
	// FirstBackoff on, doubling: an uplink that flaps causes 5 more at most.
	MaxMovesPerMinute = 20

	// FirstBackoff and MaxBackoff are the pauses after all uplinks have been
	// tried in vain, and between moves that did not help, or are too many, doubling:
	// they stop attempts towards a peer that is gone.
	FirstBackoff = time.Second
	MaxBackoff   = 60 * time.Second

	// FirstTry bounds an attempt as long as there is something else to try: what
	// is dead must not delay the rest. It is longer than three handshake segments
	// take on a path with an RTT of 300 ms. It doubles with each round in vain up
	// to MaxTry, or else a path that is slower than that would never get its turn.
	FirstTry = 2 * time.Second
	MaxTry   = 16 * time.Second

	// HandoverPatience and InteractivePatience are how many time-outs in a row
	// mean that a path is dead: about 1.4 s and 0.2 s at the least RTO, of 200 ms.
	HandoverPatience    = 3
	InteractivePatience = 1

	// HandoverSettle and InteractiveSettle are how long a better uplink has to
	// stay before a connection that works leaves its own for it.
	HandoverSettle    = 5 * time.Second
	InteractiveSettle = time.Second

	// FirstPenalty and MaxPenalty are how long an uplink that has failed is in
	// disgrace, doubling: they stop connections from returning to a better uplink
	// that is dead, or comes and goes.
	FirstPenalty = 10 * time.Second
	MaxPenalty   = 5 * time.Minute

	// Proof is how long a move has to have lasted to have been a good one. Trouble
	// before that is a relapse.
	Proof = time.Minute
)
