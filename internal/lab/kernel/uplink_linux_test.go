// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// expectUplink connects without a source address and checks which uplink that takes.
func expectUplink(t *testing.T, topo *kernel.Topology, peers <-chan netip.AddrPort, i int) {
	t.Helper()
	for _, to := range []netip.Addr{kernel.HostAddr4, kernel.HostAddr6} {
		want := outside[i]
		if to.Is6() {
			want = topo.Uplinks[i].Addr6().Addr()
		}
		c := dial(t, topo.Client, to)
		mustPingPong(t, c, 1)
		c.Close()
		if got := next(t, peers).Addr(); got != want {
			t.Errorf("the peer sees %v, want %v, by uplink %d", got, want, i)
		}
	}
}

func TestUplinkGoesAndComes(t *testing.T) {
	for _, how := range []kernel.Failure{kernel.AddressGone, kernel.LinkDown} {
		t.Run(how.String(), func(t *testing.T) {
			topo := newTopology(t, kernel.TopologyConfig{})
			peers := echo(t, topo.Host)
			wifi := topo.Uplinks[0]
			expectUplink(t, topo, peers, 0)
			must(t, wifi.Down(how))
			expectUplink(t, topo, peers, 1)
			if err := wifi.Down(how); err == nil || !strings.Contains(err.Error(), how.String()) {
				t.Errorf("down twice: %v, want an error about %v", err, how)
			}
			must(t, wifi.Up())
			expectUplink(t, topo, peers, 0)
			must(t, wifi.Up())
		})
	}
}

func TestUplinkBlackhole(t *testing.T) {
	topo := newTopology(t, kernel.TopologyConfig{})
	echo(t, topo.Host)
	wifi := topo.Uplinks[0]
	c := dial(t, topo.Client, kernel.HostAddr4)
	mustPingPong(t, c, 1)
	must(t, wifi.Down(kernel.Blackhole))
	_, err := c.Write([]byte{1})
	must(t, err)
	await(t, "the segment is lost", func() bool { return wifi.Wire().Stats(kernel.AtoB).DownDrops > 0 })
	must(t, wifi.Up())
	_, err = io.ReadFull(c, make([]byte, 1)) // retransmitted
	must(t, err)
}

func TestPrefer(t *testing.T) {
	topo := newTopology(t, kernel.TopologyConfig{})
	peers := echo(t, topo.Host)
	must(t, topo.Prefer(1))
	expectUplink(t, topo, peers, 1)
	must(t, topo.Prefer(1))
	expectUplink(t, topo, peers, 1)

	// An uplink that is preferred while it is away is preferred when it comes back.
	must(t, topo.Uplinks[0].Down(kernel.AddressGone))
	must(t, topo.Prefer(0))
	expectUplink(t, topo, peers, 1)
	must(t, topo.Uplinks[0].Up())
	expectUplink(t, topo, peers, 0)

	if err := topo.Prefer(2); err == nil {
		t.Error("a third uplink is no error")
	}
	if err := topo.Uplinks[0].Down(0); err == nil {
		t.Error("an outage of no kind is no error")
	}
}
