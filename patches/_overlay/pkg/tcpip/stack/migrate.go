// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import "gvisor.dev/gvisor/pkg/tcpip"

// SetTransportProtocolPreHandler sets a handler that sees the packets of a
// protocol before they are matched to endpoints. A packet for which it returns
// true goes no further. The checksum of the packet has not been verified.
//
// It must be called only during initialization of the stack. Changing the handler
// while the stack operates is not supported.
func (s *Stack) SetTransportProtocolPreHandler(p tcpip.TransportProtocolNumber, h func(TransportEndpointID, *PacketBuffer) bool) {
	if state := s.transportProtocols[p]; state != nil {
		state.preHandler = h
	}
}

// errorFilter is implemented by endpoints that are registered under several
// identities. Only one of these is current. Errors about another one are ignored.
type errorFilter interface {
	IgnoresErrorFor(TransportEndpointID, TransportError, *PacketBuffer) bool
}
