// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import "testing"

// TestPlan checks the properties of every plan, of any length.
func TestPlan(t *testing.T) {
	for n := range 50 {
		start, steps := plan(n)
		if len(steps) != n {
			t.Fatalf("%d steps, want %d", len(steps), n)
		}
		at := start
		for i, s := range steps {
			if s.from != at {
				t.Fatalf("%d of %d: from %v, but it is at %v", i, n, s.from, at)
			}
			at = s.to
			if s.to.client.addr.Is4() != s.to.server.Is4() {
				t.Errorf("%d of %d: two families: %v", i, n, s.to)
			}
			switch s.initiator {
			case Client:
				if s.to.client.uplink == s.from.client.uplink {
					t.Errorf("%d of %d: the client stays on its link, which goes down", i, n)
				}
			case Server:
				if s.to.client != s.from.client || s.to.server == s.from.server {
					t.Errorf("%d of %d: the server moves from %v to %v", i, n, s.from, s.to)
				}
				if s.to.client.uplink == behindNAT {
					t.Errorf("%d of %d: the server cannot reach the client behind the NAT", i, n)
				}
			}
		}
	}
}

// TestPlanHasAll checks that the default length shows everything there is.
func TestPlanHasAll(t *testing.T) {
	_, steps := plan(6)
	seen := make(map[string]bool)
	for _, s := range steps {
		from, to := s.from.client, s.to.client
		seen[s.initiator] = true
		seen["4 to 6"] = seen["4 to 6"] || from.addr.Is4() && to.addr.Is6()
		seen["6 to 4"] = seen["6 to 4"] || from.addr.Is6() && to.addr.Is4()
		seen["into the NAT"] = seen["into the NAT"] || to.uplink == behindNAT
		seen["out of the NAT"] = seen["out of the NAT"] || from.uplink == behindNAT && to.uplink != behindNAT
		seen["break"] = seen["break"] || s.breakFirst
		seen["make"] = seen["make"] || !s.breakFirst
	}
	for what, ok := range seen {
		if !ok {
			t.Errorf("no migration: %s", what)
		}
	}
	if !seen[Client] || !seen[Server] {
		t.Error("one end never moves")
	}
	if steps[0].initiator != Client || steps[5].initiator != Server {
		t.Error("the client goes first, the server last")
	}
}
