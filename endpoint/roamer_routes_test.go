// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
)

// withdraw removes the default routes of the client.
func (r *roamRig) withdraw() {
	r.tb.Helper()
	for _, n := range r.up {
		for _, d := range []netip.Prefix{netstack.Default4, netstack.Default6} {
			if err := n.RemoveRoute(netstack.Route{Destination: d}); err != nil {
				r.tb.Fatal(err)
			}
		}
	}
}

// TestRoamNoDefaultRoute has a route to the peer alone, from the dial on or after it. The
// connection works, so it is neither held nor moved. It is held while that route is gone.
func TestRoamNoDefaultRoute(t *testing.T) {
	toPeer := netstack.Route{Destination: netip.MustParsePrefix("10.9.0.0/24")}
	for _, early := range []bool{true, false} {
		r := newRoamRig(t, rigConfig{}, RoamerConfig{})
		if err := r.up[0].AddRoute(toPeer); err != nil {
			t.Fatal(err)
		}
		if early {
			r.withdraw()
		}
		c, s := r.open(serverAddr)
		if !early {
			r.withdraw()
		}
		r.sleep(2 * time.Minute)
		if c.Migration().Holding || r.events.count() > 0 {
			t.Errorf("early %v: held %v, events %+v", early, c.Migration().Holding, r.events.all)
		}
		if err := r.up[0].RemoveRoute(toPeer); err != nil {
			t.Fatal(err)
		}
		r.until("held", time.Second, func() bool { return c.Migration().Holding })
		if err := r.up[1].AddRoute(toPeer); err != nil {
			t.Fatal(err)
		}
		r.moved(1, time.Second, roam.PathGone)
		if local, _ := c.addrs(); local.Addr() != addr("10.2.0.2").Addr() {
			t.Errorf("early %v: at %v", early, local)
		}
		bothWays(t, c, s, 64<<10)()
	}
}
