// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"fmt"
)

// Errors of attempts and of BindKey, and ErrAborted and ErrFenced, which end a connection.
// After the error of an attempt the connection stays where it was.
var (
	ErrNotNegotiated = errors.New("migration not negotiated")
	ErrBusy          = errors.New("another migration of this connection is under way")
	ErrSameTuple     = errors.New("the connection is there already")
	ErrState         = errors.New("connection is in a state that does not migrate")
	ErrNoAnswer      = errors.New("no answer on the new path")
	ErrUnreachable   = errors.New("the peer cannot be reached on the new path")
	ErrPeerRefused   = errors.New("peer refused the migration")
	ErrNotProven     = errors.New("answer on the new path did not prove that it is the peer's")
	ErrYielded       = errors.New("gave way to the peer's migration")
	ErrAborted       = errors.New("connection aborted by the peer")
	ErrFenced        = errors.New("the peer has gone on with another owner of this connection")
	ErrSuite         = errors.New("the negotiated suite does not support this")
)

// errNoEntry is ErrNoAnswer for the acceptor. Its peer may be in a place to which
// only the peer itself can open the way.
var errNoEntry = fmt.Errorf("%w: the peer may be behind a NAT or firewall that admits only what it opened itself", ErrNoAnswer)

// PlainReason is why a connection is plain TCP (M344).
type PlainReason uint8

// Reasons.
const (
	PlainNone             PlainReason = iota // it is not plain
	PlainOff                                 // policy of this end
	PlainNotOffered                          // no option in the peer's SYN or SYN-ACK
	PlainNoRoom                              // no room for the option in the SYN
	PlainSuite                               // peer's suite unknown, not allowed or not the one offered
	PlainMirrored                            // peer's key is our own: a middlebox sent the option back
	PlainWeakKey                             // all-zero shared secret
	PlainInconsistent                        // key half came in two versions
	PlainUnconfirmed                         // Key-Confirm did not match
	PlainNoAnswer                            // follow-ups used up
	PlainSimultaneousOpen                    // roles are ambiguous
	PlainTokenCollision                      // another connection has the same token
	PlainUnpatched                           // the TCP implementation lacks the hooks
	PlainClosed                              // the connection is closed
)

var plainReasons = [...]string{
	"none", "turned off at this end", "peer did not negotiate", "no room in the SYN", "no suite in common",
	"own key came back", "weak key", "key halves disagree", "key confirmation did not match",
	"key exchange not answered", "simultaneous open", "token in use", "gVisor is not patched", "connection closed",
}

func (r PlainReason) String() string {
	if int(r) < len(plainReasons) {
		return plainReasons[r]
	}
	return "unknown"
}
