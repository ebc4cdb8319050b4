// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/migrate"
)

// tcb is what a TCP endpoint of a patched gVisor offers. All but
// SetMigrationHandler, MigrationHandler, DeliverMigrationSYN and MigrationLock
// need the endpoint's mutex, which a handler's method has and MigrationLock
// gives.
type tcb interface {
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

// snapshot reads what the machine needs to know. Caller holds the endpoint.
func snapshot(t tcb) (s migrate.TCB) {
	s.SndUna, s.SndNxt, s.RcvNxt, s.RcvAcc, s.TSRecent, s.SRTT, s.Movable = t.MigrationTCB()
	return s
}

func tupleOf(id stack.TransportEndpointID) migrate.Tuple {
	return migrate.Tuple{
		Local:  netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort),
		Remote: netip.AddrPortFrom(addrOf(id.RemoteAddress), id.RemotePort),
	}
}

func idOf(t migrate.Tuple) stack.TransportEndpointID {
	return stack.TransportEndpointID{
		LocalAddress:  tcpip.AddrFromSlice(t.Local.Addr().AsSlice()),
		LocalPort:     t.Local.Port(),
		RemoteAddress: tcpip.AddrFromSlice(t.Remote.Addr().AsSlice()),
		RemotePort:    t.Remote.Port(),
	}
}

func addrOf(a tcpip.Address) netip.Addr {
	ip, _ := netip.AddrFromSlice(a.AsSlice())
	return ip
}
