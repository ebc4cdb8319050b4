// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package limits has the bounds of roaming. Package roam keeps them, and the tests of
// package endpoint check that they hold. They are no settings.
package limits

import "time"

const (
	// MaxMovesPerMinute stops two uplinks that are both bad from keeping a connection in
	// slow start. A connection whose path is gone may move more often, because it cannot
	// send without a path. Then it pauses after each move: FirstBackoff at first,
	// doubling. So an uplink that flaps causes 5 more moves at most.
	MaxMovesPerMinute = 20

	// FirstBackoff and MaxBackoff stop attempts towards a peer that is gone. They are the
	// pauses after all uplinks have been tried without success, doubling, and between moves that
	// did not help or are too many.
	FirstBackoff = time.Second
	MaxBackoff   = 60 * time.Second

	// FirstTry stops a dead uplink from delaying the others: it bounds an attempt while
	// there is another uplink to try. Three handshake segments take less on a path with
	// an RTT of 300 ms. It doubles with each round without success, up to MaxTry, so that a slower
	// path gets its turn.
	FirstTry = 2 * time.Second
	MaxTry   = 16 * time.Second

	// HandoverPatience stops a single loss from moving a connection. That many time-outs
	// in a row mean that a path is dead: about 1.4 s at the least RTO, of 200 ms.
	// InteractivePatience, 0.2 s, applies if there is another uplink.
	HandoverPatience    = 3
	InteractivePatience = 1

	// HandoverSettle and InteractiveSettle stop connections that work from following an
	// uplink that comes and goes: a better uplink has to stay that long.
	HandoverSettle    = 5 * time.Second
	InteractiveSettle = time.Second

	// FirstPenalty and MaxPenalty stop connections from returning to a better uplink that
	// is dead, or comes and goes. They are how long an uplink that has failed has a
	// penalty, doubling.
	FirstPenalty = 10 * time.Second
	MaxPenalty   = 5 * time.Minute

	// Proof stops a relapse from passing for new trouble: a move has helped if there is
	// none for that long.
	Proof = time.Minute
)
