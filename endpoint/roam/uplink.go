// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import "net/netip"

// Uplink is a way out of the stack. It is comparable: if one field differs, it is
// another uplink.
type Uplink struct {
	// Local is the address of the stack that packets leave with.
	Local netip.Addr
	// Via is the route behind that address. Where the host masquerades, Local stays
	// the same when the host changes its route, and Via changes.
	Via Route
}

// Route identifies the path that packets take behind an address of the stack. The
// zero value means that the path is not known.
type Route struct {
	Interface string     // that packets leave by: a NIC of the stack, or an interface of the host
	Gateway   netip.Addr // invalid if the destinations are on the link
	Source    netip.Addr // that the host puts in place of the stack's address; invalid if it does not
}

// String returns "wlan0 via 192.168.1.1 from 192.168.1.7", for people.
func (r Route) String() string {
	s := r.Interface
	if r.Gateway.IsValid() {
		s += " via " + r.Gateway.String()
	}
	if r.Source.IsValid() {
		s += " from " + r.Source.String()
	}
	return s
}

// String returns "10.77.0.2 (wlan0 via 192.168.1.1 from 192.168.1.7)", for people.
func (u Uplink) String() string {
	if u.Via == (Route{}) {
		return u.Local.String()
	}
	return u.Local.String() + " (" + u.Via.String() + ")"
}

// Change is the report of a [Monitor].
type Change struct {
	// Uplinks are all uplinks to the Internet, the best first. The slice must not be
	// changed.
	Uplinks []Uplink
	// To returns the uplinks by which packets get to a peer, the best first, as of this
	// change. A peer may be reached without the Internet: on the link, or by a route of its
	// own. Nil means Uplinks, for a peer of the same family. Calls may be concurrent.
	To func(peer netip.Addr) []Uplink
	// Woke is true if the machine has been asleep: NATs may have forgotten.
	Woke bool
}

// Reach returns the uplinks by which packets get to a peer, the best first.
func (c Change) Reach(peer netip.Addr) []Uplink {
	if c.To != nil {
		return c.To(peer)
	}
	var ups []Uplink
	for _, u := range c.Uplinks {
		if u.Local.Is4() == peer.Is4() {
			ups = append(ups, u)
		}
	}
	return ups
}

// Monitor reports the uplinks.
type Monitor interface {
	// Watch calls f with the present uplinks before it returns, and again after each
	// change. Calls do not overlap. There is no call once stop has returned. f must
	// not call stop.
	Watch(f func(Change)) (stop func(), err error)
}
