// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// Counter names an event worth counting.
type Counter uint8

// Counters.
const (
	CountUnknownToken Counter = iota
	CountBadTag
	CountMalformed
	CountStaleRequest
	CountReplayedTuple
	CountReflected
	CountBadSequence
	CountWrongState
	CountPathBusy
	CountCrossedIgnored
	CountCrossedYielded
	CountUnproven
	CountBadSYNACK
	CountRefused
	CountUnreachable
	CountDuplicateSYN
	CountNoAnswer
	CountPathExpired
	CountInitiated
	CountAccepted
	CountResetHeld
	CountResetIgnored
	CountTimeoutHeld
	CountSuspended
	CountHoldRefused
	CountHoldExpired
	CountAborted

	NumCounters = int(CountAborted) + 1
)

var counters = [NumCounters]string{
	"unknown-token", "bad-tag", "malformed", "stale-request", "replayed-tuple", "reflected", "bad-sequence",
	"wrong-state", "path-busy", "crossed-ignored", "crossed-yielded", "unproven", "bad-syn-ack", "refused", "unreachable",
	"duplicate-syn", "no-answer", "path-expired", "initiated", "accepted", "reset-held", "reset-ignored", "timeout-held",
	"suspended", "hold-refused", "hold-expired", "aborted",
}

func (c Counter) String() string {
	if int(c) < NumCounters {
		return counters[c]
	}
	return "unknown"
}
