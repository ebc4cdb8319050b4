// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/migrate"
)

// The seam is what this module and the patched gVisor know of each other. Both have
// a copy of the interfaces in this file. The signatures use nothing that an unpatched
// gVisor lacks, so that the module builds against both.

// gvisorStack is what a stack of the patched gVisor offers.
type gvisorStack interface {
	SetTransportProtocolPreHandler(tcpip.TransportProtocolNumber, func(stack.TransportEndpointID, *stack.PacketBuffer) bool)
}

// gvisorEndpoint is what a TCP endpoint of the patched gVisor offers. The methods
// before MigrationHeard may be called at any time. The others need the endpoint's
// mutex: MigrationLock takes it, and gVisor calls a handler with it held.
type gvisorEndpoint interface {
	tcpip.Endpoint

	SetMigrationHandler(h any) bool
	MigrationHandler() any
	DeliverMigrationSYN(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool
	MigrationLock(f func())

	MigrationHeard() tcpip.MonotonicTime
	MigrationTCB() (sndUna, sndNxt, rcvNxt, rcvAcc, tsRecent uint32, srtt time.Duration, movable bool)
	MigrationID() stack.TransportEndpointID
	MigrationWatch(all, acks bool)
	MigrationTimer(d time.Duration)
	MigrationGate(on bool)
	MigrationHold(on bool)
	MigrationProbe(d time.Duration)
	MigrationAbort(err tcpip.Error)
	MigrationOpenPath(nicID tcpip.NICID, local, remote tcpip.FullAddress) (stack.TransportEndpointID, tcpip.Error)
	MigrationAcceptPath() tcpip.Error
	MigrationDropPath()
	MigrationDropDrain(id stack.TransportEndpointID)
	MigrationRebind(peerRcvNxt uint32, known, keep, alive bool, rtt int64)
	MigrationSendSYN(isAck bool, seq, ack uint32, option []byte)
	MigrationSendACK(seq, ack uint32, option []byte)
	MigrationPush(lost bool)
	MigrationAnswer()
}

// gvisorHandler is what gVisor wants of the handler of an endpoint.
type gvisorHandler interface {
	MigrationSYNOption(b []byte, room int) []byte
	MigrationPeerSYN(options []byte)
	MigrationEstablished(iss, irs uint32, simultaneous bool)
	MigrationACKOption(b []byte, room int) []byte
	MigrationPeerACK(seq uint32, options []byte) (reply bool)
	MigrationSYN(id stack.TransportEndpointID, seq uint32, options []byte)
	MigrationSegment(id stack.TransportEndpointID, flags header.TCPFlags, seq, ack, length, window uint32, options []byte) (consumed bool)
	MigrationReset(options []byte, seq uint32, err tcpip.Error) (closes bool)
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

// Patched returns nil if the gVisor that this program was built with has the migration
// hooks. It returns ErrUnpatched if there are none. If there are other hooks than this
// module's, as after an update of one of the two, the error names a method that differs.
func Patched() error {
	if _, ok := any((*tcp.Endpoint)(nil)).(interface{ MigrationHandler() any }); !ok {
		return ErrUnpatched
	}
	if err := implements[gvisorStack]((*stack.Stack)(nil)); err != nil {
		return err
	}
	return implements[gvisorEndpoint]((*tcp.Endpoint)(nil))
}

// implements returns nil if v is a T, else a driftError.
func implements[T any](v any) (err error) {
	if _, ok := v.(T); ok {
		return nil
	}
	// Only the panic of a failed type assertion names the method. To look for it by
	// reflection would keep the linker from leaving out methods that nobody calls.
	defer func() { err = driftError{recover().(error)} }()
	_ = v.(T)
	return nil
}

// driftError says that the hooks of gVisor are not those of this module.
type driftError struct{ difference error }

func (e driftError) Error() string {
	return fmt.Sprintf("gVisor's migration hooks are those of another version (%v); %s", e.difference, patchAdvice(debug.ReadBuildInfo()))
}

// setHandler makes h the handler, or the acceptor, of ep.
func setHandler(ep gvisorEndpoint, h any) error {
	if !ep.SetMigrationHandler(h) {
		return fmt.Errorf("migration: endpoint is in use already")
	}
	return nil
}

// snapshot reads what the machine needs to know. Caller holds the endpoint.
func snapshot(ep gvisorEndpoint) (s migrate.TCB) {
	s.SndUna, s.SndNxt, s.RcvNxt, s.RcvAcc, s.TSRecent, s.SRTT, s.Movable = ep.MigrationTCB()
	return s
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
