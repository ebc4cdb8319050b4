// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package migrate is the protocol by which an established TCP connection moves to other
// addresses. It has the options, the key exchange, the tokens and the tags. Its
// [Machine] decides for one connection which segments to send and to believe.
//
// The package is pure: it has no goroutine, socket, clock or lock. Time and randomness
// are arguments. The caller gives events to the machine by calling its methods. The
// machine returns what it wants done as a list of actions, and a TCP implementation
// carries them out.
//
// docs/protocol.md is the specification. Its rules have numbers, such as M501, and the
// comments here cite them.
//
// # A connection
//
// [NewMachine] is called before the first SYN of a connection is sent, or taken. The
// options of that handshake go through [Machine.SYNOption] and [Machine.PeerSYN].
// [Machine.Established] then begins the exchange of keys, which rides on segments
// without payload: [Machine.ACKOption] and [Machine.PeerACK]. From the state [Ready]
// on, [Machine.Tokens] has the tokens that the peer may use. The caller keeps them in
// a [Table], and checks requests by a [Verifier] before they cost anything more.
//
// # A migration
//
// The initiator calls [Machine.Start]. At the responder the request goes to
// [Machine.SYN], which keeps nothing of where it came from, and the third ACK to
// [Machine.Proof]. Both name the connection by a token. All other segments of a handshake,
// and those on tuples that the connection has left, go to [Machine.Segment]. A [Secret],
// one for each stack, makes the nonces that prove an initiator's address.
// [Machine.Deadline] says when [Machine.Timer] is to be called.
//
// # Resets and time-outs
//
// [Machine.Reset], [Machine.TimedOut] and [Machine.NoPath] take events that would end a
// connection, or leave it without a path. The machine may have the connection held
// instead, until a migration or the end of the hold.
package migrate
