// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/netstack"
)

// TCPInfo is a snapshot of a connection for people to look at, like Linux'
// TCP_INFO.
type TCPInfo struct {
	State string // the name in RFC 9293, section 3.3.2, such as ESTABLISHED

	RTT    time.Duration // smoothed; 0 before the first measurement
	RTTVar time.Duration
	RTO    time.Duration // the retransmission timeout, back-off included

	CongestionWindow int // in segments

	ReceiveQueue int // bytes that have not been read

	// SinceHeard is the time since the last segment of the peer. Unanswered is how many
	// retransmissions and keep-alive probes in a row have not been answered. InFlight
	// is how many bytes were sent and not acknowledged, from sequence number SndUna on.
	// Plain TCP does not tell: SinceHeard is -1.
	SinceHeard time.Duration
	Unanswered int
	InFlight   int
	SndUna     uint32
}

// TCPInfo returns a snapshot.
func (c *Conn) TCPInfo() TCPInfo {
	info := TCPInfo{SinceHeard: -1}
	var o tcpip.TCPInfoOption
	if c.ep.GetSockOpt(&o) == nil {
		info.State = tcp.EndpointState(o.State).String()
		info.RTT, info.RTTVar, info.RTO = o.RTT, o.RTTVar, o.RTO
		info.CongestionWindow = int(o.SndCwnd)
	}
	if n, terr := c.ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption); terr == nil {
		info.ReceiveQueue = n
	}
	if m := netstack.MigrationOf(c.ep); m != nil {
		contact := m.Contact()
		info.SinceHeard = max(c.stack.Clock().Now().Sub(contact.Heard), 0)
		info.Unanswered = contact.Unanswered
		info.InFlight = contact.InFlight
		info.SndUna = contact.SndUna
	}
	return info
}
