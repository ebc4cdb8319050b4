// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import "time"

const (
	// MaxMovesPerMinute stops a flapping uplink, or two that are both bad, from
	// keeping a connection in slow start.
	MaxMovesPerMinute = 20

	// FirstBackoff and MaxBackoff are the pauses after all uplinks have been
	// tried in vain, doubling: they stop attempts towards a peer that is gone.
	FirstBackoff = time.Second
	MaxBackoff   = 60 * time.Second

	// FirstTry bounds an attempt as long as there is another uplink to try: a
	// dead one must not delay the rest. It is longer than three handshake
	// segments take on a path with an RTT of 300 ms.
	FirstTry = 2 * time.Second

	// HandoverPatience and InteractivePatience are how many time-outs in a row
	// mean that a path is dead: about 1.4 s and 0.2 s at the least RTO, of 200 ms.
	HandoverPatience    = 3
	InteractivePatience = 1

	// HandoverSettle and InteractiveSettle are how long a better uplink has to
	// stay before a connection that works leaves its own for it.
	HandoverSettle    = 5 * time.Second
	InteractiveSettle = time.Second
)
