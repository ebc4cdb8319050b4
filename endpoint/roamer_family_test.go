// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"testing"
	"time"
)

// TestRoamPeerChangesFamily has the client move a connection to the other address family
// and back. The accepting end roams, too: nothing of its own has changed, so it leaves the
// connection alone.
func TestRoamPeerChangesFamily(t *testing.T) {
	r := &roamRig{rig: newRig(t, rigConfig{})}
	r.events.now = r.net.Clock.Elapsed
	roamer, err := NewRoamer(RoamerConfig{Stack: r.server, Observe: r.events.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { roamer.Close() })
	r.listen.Roamer = roamer
	c, s := r.open(serverAddr)
	for _, to := range []struct{ local, remote netip.AddrPort }{
		{addr("fd00:1::2"), netip.MustParseAddrPort("[fd00:9::1]:80")},
		{addr("10.2.0.2"), netip.MustParseAddrPort(serverAddr)},
		{addr("fd00:2::2"), netip.MustParseAddrPort("[fd00:9::1]:80")},
	} {
		if err := c.MigrateTo(t.Context(), to.local, to.remote); err != nil {
			t.Fatal(err)
		}
		if r.sleep(2 * time.Minute); r.events.count() > 0 {
			t.Fatalf("at %v: the accepting end moves: %+v", to.remote, r.events.all)
		}
	}
	bothWays(t, c, s, 64<<10)()
}
