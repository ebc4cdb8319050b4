// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The seam: what endpoints and handlers know of each other. The module of the handler
// has copies of these interfaces and structs. The structs are unnamed, so that the
// copies are the same types. Nothing here is a type that an unpatched gVisor lacks, so
// that the module can be built against both.

// migrationHandler decides for one connection. Its methods are called with e.mu held
// unless they say otherwise. They must not block. They may call the Migration* methods
// of the endpoint, except MigrationLock.
type migrationHandler interface {
	// MigrationSYNOption appends the option for the SYN or SYN-ACK of a new
	// connection to b, which has room for that many more bytes.
	MigrationSYNOption(b []byte, room int) []byte
	// MigrationPeerSYN takes the options of the peer's SYN-ACK.
	MigrationPeerSYN(options []byte)
	// MigrationEstablished tells that the connection is established.
	MigrationEstablished(o migrationOpening)
	// MigrationACKOption appends to the options of a segment without payload, at
	// sequence number seq.
	MigrationACKOption(b []byte, room int, seq uint32) []byte
	// MigrationDataOption appends to the options of any other segment while the
	// endpoint proves. A NIC may copy the option to each part of the segment (GSO).
	MigrationDataOption(b []byte, room int) []byte
	// MigrationPeerACK takes a segment without payload and with options. An ACK is
	// sent if it returns true.
	MigrationPeerACK(in migrationSegment) (reply bool)
	// MigrationSYN takes a migrate SYN that DeliverMigration has queued.
	MigrationSYN(in migrationSegment)
	// MigrationProof takes an ACK that DeliverMigration has queued. TCP does not see
	// the segment if it returns true, or if it did not come on the current tuple.
	MigrationProof(in migrationSegment) (consumed bool)
	// MigrationSegment takes a segment that arrived on another tuple than the
	// current one, or on any while the handler watches. TCP does not see the
	// segment if it returns true.
	MigrationSegment(in migrationSegment) (consumed bool)
	// MigrationReset takes a RST in the window on the current tuple, and the error that
	// it stands for. It returns whether the connection closes. One that is not at
	// RCV.NXT (RFC 5961, section 3.2) has to prove that it is meant.
	MigrationReset(in migrationSegment, err tcpip.Error) (closes bool)
	// MigrationTimedOut returns whether the connection closes because its data is
	// not acknowledged or its keepalives are not answered.
	MigrationTimedOut(err tcpip.Error) (closes bool)
	// MigrationUnanswered is told that the peer does not answer: the
	// retransmission timer has expired, or a second keepalive probe is sent. heard
	// is the time of the peer's last acceptable segment with an ACK.
	MigrationUnanswered(heard tcpip.MonotonicTime)
	// MigrationUnreachable is told of an ICMP error about the current tuple, with
	// the sequence number that it quotes. It is called without e.mu, or by a
	// goroutine that holds it already.
	MigrationUnreachable(seq uint32)
	// MigrationPathUnreachable is told of an ICMP error about another tuple, in the
	// same way.
	MigrationPathUnreachable(id stack.TransportEndpointID, seq uint32)
	// MigrationAbortOption appends to the options of the RST with which this end
	// aborts.
	MigrationAbortOption(b []byte, room int, seq uint32) []byte
	// MigrationTimerExpired is called when the time set by MigrationTimer is up.
	MigrationTimerExpired()
	// MigrationClosed is called once, when the endpoint lets go of its tuples.
	MigrationClosed()
}

// migrationAcceptor gives handlers to the connections of a listener.
type migrationAcceptor interface {
	// MigrationAccept returns the handler of an endpoint about to answer a SYN with
	// these options, nil for plain TCP.
	MigrationAccept(ep tcpip.Endpoint, options []byte) (handler any)
}

// migrationOpening is how a connection was opened. In a simultaneous open (RFC 9293,
// section 3.5) the roles of the ends are ambiguous.
type migrationOpening = struct {
	ISS, IRS     uint32
	Simultaneous bool
}

// migrationSegment is a segment that has arrived. A handler passes it on to what it
// does about the segment. The zero value stands for none: the handler acts by itself.
type migrationSegment = struct {
	ID       stack.TransportEndpointID
	NIC      tcpip.NICID
	Received tcpip.MonotonicTime
	Flags    header.TCPFlags
	Seq, Ack uint32
	Len      uint32 // in sequence space
	Window   uint32 // in bytes
	Options  []byte // as they came; valid until the handler returns
}

// migrationTCB is a part of the transmission control block (RFC 9293, section 3.3.1).
type migrationTCB = struct {
	SndUna, SndNxt, RcvNxt uint32
	RcvAcc                 uint32        // right edge of the advertised window
	TSRecent               uint32        // TS.Recent (RFC 7323) of the current path
	SRTT                   time.Duration // 0 if no round-trip time has been measured
	Movable                bool          // the state allows migration
	TimeWait               bool          // the state is TIME-WAIT
}

// migrationAnswer answers a migrate SYN.
type migrationAnswer = struct {
	Seq, Ack uint32 // of the SYN-ACK
	Option   []byte // of the SYN-ACK
	Window   bool   // an ACK with a scaled window follows
}

// migrationRebind is what is known about the new path of a connection that moves.
type migrationRebind = struct {
	// PeerRcvNxt: everything below has arrived at the peer, if HasPeerRcvNxt.
	PeerRcvNxt    uint32
	HasPeerRcvNxt bool
	// RTT is the first sample; 0 if timestamps have to tell it.
	RTT time.Duration
	// PeerMSS is the MSS of the peer's SYN, 0 if the segment at hand tells it.
	PeerMSS uint16
	// KeepCC: the paths differ in their ports only. Congestion control, RTT and
	// MSS are kept.
	KeepCC bool
	// OldAlive: the old path still works. Data in flight there will arrive.
	OldAlive bool
}

// CheckMigration returns nil if a handler and an acceptor are what endpoints want.
// Else the error names a method that is missing or has another signature. It may be
// called on a nil endpoint.
func (*Endpoint) CheckMigration(handler, acceptor any) (err error) {
	// Only the panic of a failed type assertion names the method.
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	_ = handler.(migrationHandler)
	_ = acceptor.(migrationAcceptor)
	return nil
}
