// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"net/netip"
	"time"
)

// Order is an instruction of a [Machine].
type Order struct {
	// Hold: there is no path, and the connection is to be held. No other field
	// is set.
	Hold bool

	// Cause is None if there is nothing to do. Else the connection has to move to Uplink.
	Cause  Cause
	Uplink Uplink
	// Leave: the old path is gone, and nothing may be sent on it any more.
	Leave bool
	// Resolve: the peer did not answer at its address, and its name has to be looked up
	// again.
	Resolve bool
	// Timeout bounds the attempt. 0 means that the handshake has its own limits only.
	Timeout time.Duration
}

// Config configures a [Machine].
type Config struct {
	Policy Policy
	// Local is the address of the connection.
	Local netip.Addr
	// Accepted: the peer opened the connection.
	Accepted bool
	// Named: the peer has a name that can be looked up again.
	Named bool
}
