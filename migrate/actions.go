// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// ActionKind is the kind of an action.
type ActionKind uint8

// Kinds of actions. The caller carries them out in the order of the list.
const (
	// ActSendSYN sends step 1 on the path on trial. It has an unscaled window of 65,535
	// and the connection's own options (M503, M504), Option last.
	ActSendSYN ActionKind = iota
	// ActAnswerSYN answers the SYN at hand, on its tuple. Step 2 has the same window
	// and options, and echoes the SYN's timestamp. With On step 3 follows: it
	// acknowledges Ack at Seq + 1, with a scaled window. If the tuple belongs to
	// another connection, the caller drops the rest of the list.
	ActAnswerSYN
	// ActSendACK sends steps 4 and 5: a segment without payload at Seq, with
	// Option, on the current path. It acknowledges all that has arrived.
	ActSendACK
	// ActDropPath gives up the path on trial.
	ActDropPath
	// ActRebind makes the path on trial the current one. The old one drains, a
	// hold ends, and output is allowed again.
	ActRebind
	// ActDropDrain releases Tuple, which has drained.
	ActDropDrain
	// ActGate stops (On) or allows output on the current path.
	ActGate
	// ActHold holds the connection. ActRebind ends the hold.
	ActHold
	// ActPush sends the data that the current path allows.
	ActPush
	// ActAnswer sends a segment without payload on the current path, so that it
	// carries the options of ACKOption.
	ActAnswer
	// ActDone ends the attempt of this end. Err is nil if it succeeded, and then
	// Rebind.RTT is its first sample.
	ActDone
	// ActFail ends the connection with Err.
	ActFail
	// ActCount counts the event Count.
	ActCount
)

// Action is one thing that the machine wants done. Each kind says which of the
// other fields it uses.
type Action struct {
	Kind     ActionKind
	Tuple    Tuple
	Seq, Ack uint32
	Option   []byte
	Rebind   Rebind
	On       bool
	Err      error
	Count    Counter
}

// Rebind is the machine's knowledge of the new path when the connection moves.
type Rebind struct {
	// PeerRcvNxt is the peer's RCV.NXT, if HasPeerRcvNxt (M549).
	PeerRcvNxt    uint32
	HasPeerRcvNxt bool
	// RTT is the first sample of the round-trip time, 0 if there is none.
	RTT time.Duration
	// PeerMSS is the MSS that the peer's SYN told, 0 if the segment at hand is a
	// SYN-ACK, which tells it.
	PeerMSS uint16
	// KeepCC reports that the new path differs from the old one in ports only
	// (M603).
	KeepCC bool
	// OldAlive reports that the old path carried segments after the request was made.
	// Data in flight there is late, not lost (M601).
	OldAlive bool
}

func count(c Counter) Action { return Action{Kind: ActCount, Count: c} }
