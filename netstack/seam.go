// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/migrate"
)

// The seam: what this module and the patched gVisor know of each other. gVisor has
// copies of these interfaces and structs, where their methods are explained
// (migrate_seam.go). The structs are unnamed, so that the copies are the same types.
// Nothing here is a type that an unpatched gVisor lacks, so that this module builds
// against both.

// gvisorStack is what a stack of the patched gVisor offers.
type gvisorStack interface {
	SetTransportProtocolPreHandler(tcpip.TransportProtocolNumber, func(stack.TransportEndpointID, *stack.PacketBuffer) bool)
}

// gvisorEndpoint is what a TCP endpoint of the patched gVisor offers. The methods down
// to MigrationLock may be called at any time. The others need the endpoint's mutex:
// MigrationLock takes it, and gVisor calls a handler with it held.
type gvisorEndpoint interface {
	tcpip.Endpoint

	CheckMigration(handler, acceptor any) (err error)
	SetMigrationHandler(h any) bool
	MigrationHandler() any
	DeliverMigration(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool
	MigrationLock(f func())

	MigrationTCB() (t gvisorTCB)
	MigrationID() stack.TransportEndpointID
	MigrationHeard() tcpip.MonotonicTime
	MigrationWatch(all, acks, proving bool)
	MigrationTimer(d time.Duration)
	MigrationProbe(d time.Duration)

	MigrationOpenPath(local, remote tcpip.FullAddress) (stack.TransportEndpointID, tcpip.Error)
	MigrationAcceptPath(in gvisorSegment) tcpip.Error
	MigrationDropPath()
	MigrationDropDrain(id stack.TransportEndpointID)
	MigrationRebind(r gvisorRebind, in gvisorSegment)
	MigrationGate(on bool)
	MigrationHold()
	MigrationAbort(err tcpip.Error)

	MigrationSendSYN(seq uint32, option []byte)
	MigrationAnswerSYN(a gvisorAnswer, in gvisorSegment) tcpip.Error
	MigrationSendACK(seq uint32, option []byte)
	MigrationAnswer()
	MigrationPush(in gvisorSegment)
}

// gvisorHandler is what gVisor wants of the handler of an endpoint.
type gvisorHandler interface {
	MigrationSYNOption(b []byte, room int) []byte
	MigrationPeerSYN(options []byte)
	MigrationEstablished(o gvisorOpening)
	MigrationACKOption(b []byte, room int, seq uint32) []byte
	MigrationDataOption(b []byte, room int) []byte
	MigrationPeerACK(in gvisorSegment) (reply bool)
	MigrationSYN(in gvisorSegment)
	MigrationProof(in gvisorSegment) (consumed bool)
	MigrationSegment(in gvisorSegment) (consumed bool)
	MigrationReset(in gvisorSegment, err tcpip.Error) (closes bool)
	MigrationTimedOut(err tcpip.Error) (closes bool)
	MigrationUnanswered(heard tcpip.MonotonicTime)
	MigrationUnreachable(seq uint32)
	MigrationPathUnreachable(id stack.TransportEndpointID, seq uint32)
	MigrationAbortOption(b []byte, room int, seq uint32) []byte
	MigrationTimerExpired()
	MigrationClosed()
}

// gvisorAcceptor is what gVisor wants of the acceptor of a listener.
type gvisorAcceptor interface {
	MigrationAccept(ep tcpip.Endpoint, options []byte) (handler any)
}

var (
	_ gvisorHandler  = (*handler)(nil)
	_ gvisorAcceptor = (*acceptor)(nil)
)

// gvisorOpening is how a connection was opened.
type gvisorOpening = struct {
	ISS, IRS     uint32
	Simultaneous bool
}

// gvisorSegment is a segment that has arrived. The zero value stands for none.
type gvisorSegment = struct {
	ID       stack.TransportEndpointID
	NIC      tcpip.NICID
	Received tcpip.MonotonicTime
	Flags    header.TCPFlags
	Seq, Ack uint32
	Len      uint32 // in sequence space
	Window   uint32 // in bytes
	Options  []byte // as they came; valid until the handler returns
}

// gvisorTCB is a [migrate.TCB].
type gvisorTCB = struct {
	SndUna, SndNxt, RcvNxt uint32
	RcvAcc                 uint32
	TSRecent               uint32
	SRTT                   time.Duration
	Movable                bool
	TimeWait               bool
}

// gvisorAnswer is a SYN-ACK and, with Window, an ACK with a scaled window behind it.
type gvisorAnswer = struct {
	Seq, Ack uint32
	Option   []byte
	Window   bool
}

// gvisorRebind is a [migrate.Rebind].
type gvisorRebind = struct {
	PeerRcvNxt    uint32
	HasPeerRcvNxt bool
	RTT           time.Duration
	PeerMSS       uint16
	KeepCC        bool
	OldAlive      bool
}

// Patched returns nil if the gVisor that this program was built with has the migration
// hooks. It returns ErrUnpatched if there are none. If there are other hooks than this
// module's, as after an update of one of the two, the error names a method that differs.
func Patched() error { return patched() }

var patched = sync.OnceValue(func() error {
	ep := (*tcp.Endpoint)(nil)
	if _, ok := any(ep).(interface{ MigrationHandler() any }); !ok {
		return ErrUnpatched
	}
	return compare((*stack.Stack)(nil), ep, (*handler)(nil), (*acceptor)(nil))
})

// compare returns nil if both halves of the seam fit. The error names the first method
// that does not.
func compare(gvStack, gvEndpoint, handler, acceptor any) error {
	_, err := as[gvisorStack](gvStack)
	if err == nil {
		var ep gvisorEndpoint
		if ep, err = as[gvisorEndpoint](gvEndpoint); err == nil {
			err = ep.CheckMigration(handler, acceptor)
		}
	}
	if err != nil {
		return fmt.Errorf("gVisor's migration hooks are those of another version of mnet (%w); %s", err, patchAdvice(debug.ReadBuildInfo()))
	}
	return nil
}

// as returns v as a T.
func as[T any](v any) (t T, err error) {
	// Only the panic of a failed type assertion names the method that v lacks. To
	// look for it by reflection would keep the linker from leaving out methods that
	// are never called.
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	return v.(T), nil
}

// setHandler makes h the handler, or the acceptor, of ep.
func setHandler(ep gvisorEndpoint, h any) error {
	if !ep.SetMigrationHandler(h) {
		return fmt.Errorf("migration: endpoint %w", ErrInUse)
	}
	return nil
}

func tupleOf(id stack.TransportEndpointID) migrate.Tuple {
	return migrate.Tuple{
		Local:  netip.AddrPortFrom(Addr(id.LocalAddress), id.LocalPort),
		Remote: netip.AddrPortFrom(Addr(id.RemoteAddress), id.RemotePort),
	}
}

func idOf(t migrate.Tuple) stack.TransportEndpointID {
	return stack.TransportEndpointID{
		LocalAddress:  Address(t.Local.Addr()),
		LocalPort:     t.Local.Port(),
		RemoteAddress: Address(t.Remote.Addr()),
		RemotePort:    t.Remote.Port(),
	}
}
