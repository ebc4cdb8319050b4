// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"net/netip"
	"time"
)

// Order is what a [Machine] wants done.
type Order struct {
	// Suspend: there is no path; the connection shall wait. Nothing else is set.
	Suspend bool

	// Cause is None if there is nothing to do; else the connection shall move to
	// Uplink.
	Cause  Cause
	Uplink Uplink
	// Leave: the old path is gone; nothing shall be sent on it any more.
	Leave bool
	// Resolve: the peer did not answer where it was; look its name up again.
	Resolve bool
	// Timeout bounds the attempt; 0 means that the handshake's own limits do.
	Timeout time.Duration
}

// Config configures a [Machine].
type Config struct {
	Policy Policy
	// Local is where the connection is.
	Local netip.Addr
	// Accepted: the peer opened the connection.
	Accepted bool
	// Named: the peer has a name that can be looked up again.
	Named bool
}
