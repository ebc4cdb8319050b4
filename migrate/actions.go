// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// ActionKind says what to do.
type ActionKind uint8

// Kinds of actions. They are carried out in the order of the list.
const (
	// ActSendSYN and ActSendSYNACK send on the path on trial, with an
	// unscaled window of 65535 and the options of section 5, Option last.
	ActSendSYN ActionKind = iota
	ActSendSYNACK
	// ActSendWindowUpdate acknowledges Ack at Seq on the path on trial, with a
	// scaled window: step 3.
	ActSendWindowUpdate
	// ActSendACK sends a segment without payload at Seq, with Option, on the
	// current path: steps 4 and 5. It acknowledges all that has arrived.
	ActSendACK
	// ActOpenPath puts Tuple on trial. If that fails the rest of the list is
	// void and PathFailed is to be called.
	ActOpenPath
	// ActDropPath gives up the path on trial.
	ActDropPath
	// ActRebind makes the path on trial the current one; the old one drains.
	// Output is allowed again.
	ActRebind
	// ActDropDrain releases Tuple, which has drained.
	ActDropDrain
	// ActGate stops (On) or allows output on the current path.
	ActGate
	// ActHold enters (On) MIGRATE_WAIT.
	ActHold
	// ActPush sends what may be sent on the current path. With Lost, what has
	// been sent since the move did not arrive.
	ActPush
	// ActAnswer sends a segment without payload on the current path, for the
	// options that ACKOption has.
	ActAnswer
	// ActDone ends the attempt of this end; Err is nil if it succeeded.
	ActDone
	// ActFail ends the connection with Err.
	ActFail
	// ActCount counts.
	ActCount
)

// Action is one thing to do.
type Action struct {
	Kind     ActionKind
	Tuple    Tuple
	Seq, Ack uint32
	Option   []byte
	Rebind   Rebind
	Lost, On bool
	Err      error
	Count    Counter
}

// Rebind is what is known of the new path.
type Rebind struct {
	// PeerRcvNxt is what has arrived at the peer, if HasPeerRcvNxt.
	PeerRcvNxt    uint32
	HasPeerRcvNxt bool
	// RTT is the first sample; 0 if there is none.
	RTT time.Duration
	// KeepCC: the path differs in ports only.
	KeepCC bool
	// OldAlive: the old path worked after the request was made, so that what is
	// in flight there is late at worst.
	OldAlive bool
}

func count(c Counter) Action { return Action{Kind: ActCount, Count: c} }
