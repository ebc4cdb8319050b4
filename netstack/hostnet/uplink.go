// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/mnet-dev/mnet/netstack"
)

// Errors of the package. They come wrapped, with the remedy in the text. On systems
// other than Linux, the error is an errors.ErrUnsupported.
var (
	// ErrConfig: the configuration is wrong on every system.
	ErrConfig = netstack.ErrConfig
	// ErrPermission: the process lacks CAP_NET_ADMIN.
	ErrPermission = netstack.ErrPermission
	// ErrInUse: another process has a Share of that device, or a port is redirected
	// already.
	ErrInUse = netstack.ErrInUse
)

// Uplink is a way out of the host. It is the route that packets to the Internet take,
// or another default route that rules of policy routing may send them to. Its interface
// is up, has a carrier, and has an address of the route's family.
type Uplink struct {
	Interface string
	Index     int        // of the interface
	Gateway   netip.Addr // invalid if the destinations are on the link
	Source    netip.Addr // that the host sends from; says the family
	Metric    int        // of the route in its table; a change that keeps the order is not told
}

// String returns "wlan0 via 192.168.1.1 from 192.168.1.7".
func (u Uplink) String() string {
	if !u.Gateway.IsValid() {
		return fmt.Sprintf("%s from %v", u.Interface, u.Source)
	}
	return fmt.Sprintf("%s via %v from %v", u.Interface, u.Gateway, u.Source)
}

// path returns u without the fields that may change while packets go the same way.
func (u Uplink) path() Uplink {
	u.Metric = 0
	return u
}

// samePaths reports whether packets go the same ways, in the same order.
func samePaths(a, b []Uplink) bool {
	return slices.EqualFunc(a, b, func(a, b Uplink) bool { return a.path() == b.path() })
}

// State is the state of the host's uplinks.
type State struct {
	// Uplinks are all uplinks, the one in use before the others of its family. The
	// slice must not be changed.
	Uplinks []Uplink
	// Woke is set if the machine has been asleep, or a virtual machine paused.
	Woke bool

	// Route returns the uplink by which packets from an address of the stack get to a
	// peer, and false if there is none. The peer may be reached without the Internet. A
	// change of a route that was asked for is told, for the latest 1,024 of them. Calls
	// may be concurrent. It is nil if the system cannot tell.
	Route func(from, to netip.Addr) (Uplink, bool)
	// Rerouted is set if the uplink of such a route has changed.
	Rerouted bool
}

// Watcher watches the uplinks of the host, for packets of the host itself.
type Watcher struct {
	// Exclude names interfaces that don't count: the stack's own device.
	Exclude []string
	// Logger gets errors of reading (warn). Nil means no logging.
	Logger *slog.Logger

	from func() origin // nil: the host itself
}

// origin returns whose packets the uplinks are for.
func (w Watcher) origin() origin {
	if w.from == nil {
		return origin{}
	}
	return w.from()
}

// origin says whose packets the uplinks are for. They come in by a device, from the
// sources. Without a source of a family, they come from any of the prefixes. They may
// leave by other uplinks than the host's own packets. Families without either are looked
// at as the host.
type origin struct {
	device   string
	sources  []netip.Addr
	prefixes []netip.Prefix
}
