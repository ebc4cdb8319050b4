// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import "net/netip"

// Uplink is a way out of the stack. It is comparable: an uplink of which any
// field has changed is another one.
type Uplink struct {
	// Local is the address of the stack that packets leave with.
	Local netip.Addr
	// Via identifies what lies behind that address. Behind the host's own
	// masquerade the address stays while this changes.
	Via string
}

// String returns "10.77.0.2 (wlan0 via 192.168.1.1)", for logs.
func (u Uplink) String() string {
	if u.Via == "" {
		return u.Local.String()
	}
	return u.Local.String() + " (" + u.Via + ")"
}

// Change is what a [Monitor] tells.
type Change struct {
	// Uplinks are all that there are, the best first. It must not be changed.
	Uplinks []Uplink
	// Woke is set if the machine has been asleep: NATs may have forgotten.
	Woke bool
}

// Monitor watches the uplinks.
type Monitor interface {
	// Watch calls f with what there is, before it returns, and again after each
	// change. Calls do not overlap; there is none once stop has returned. f must
	// not call stop.
	Watch(f func(Change)) (stop func(), err error)
}
