// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

func newTopology(t *testing.T, cfg kernel.TopologyConfig) *kernel.Topology {
	t.Helper()
	topo, err := newNetwork(t).Topology(cfg)
	must(t, err)
	return topo
}

// The addresses of the client's uplinks that the server sees, behind the NATs.
var outside = [2]netip.Addr{netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("198.51.100.2")}

func TestTopologyReaches(t *testing.T) {
	topo := newTopology(t, kernel.TopologyConfig{ServerPorts: []uint16{echoPort}})
	server, host := echo(t, topo.Server), echo(t, topo.Host)
	for i, u := range topo.Uplinks {
		for _, test := range []struct {
			name     string
			peers    <-chan netip.AddrPort
			from, to netip.Addr
			seen     netip.Addr
		}{
			{"server IPv4", server, u.Addr4().Addr(), kernel.ServerAddr4, outside[i]},
			{"server IPv6", server, u.Addr6().Addr(), kernel.ServerAddr6, u.Addr6().Addr()},
			{"host IPv4", host, u.Addr4().Addr(), kernel.HostAddr4, outside[i]},
			{"host IPv6", host, u.Addr6().Addr(), kernel.HostAddr6, u.Addr6().Addr()},
		} {
			t.Run(u.Dev()+" "+test.name, func(t *testing.T) {
				c := dialFrom(t, topo.Client, test.from, test.to)
				if got := next(t, test.peers).Addr(); got != test.seen {
					t.Errorf("the peer sees %v, want %v", got, test.seen)
				}
				_, err := transfer(c, 1<<20)
				must(t, err)
			})
		}
	}
}

func TestTopologyBulk(t *testing.T) {
	const rate, size = 50e6, 4 << 20
	wire := kernel.WireConfig{Delay: 5 * time.Millisecond, Rate: rate}
	topo := newTopology(t, kernel.TopologyConfig{ServerPorts: []uint16{echoPort}, Uplinks: [2]kernel.WireConfig{wire, wire}})
	echo(t, topo.Server)
	c := dial(t, topo.Client, kernel.ServerAddr4)
	took, err := transfer(c, size)
	must(t, err)
	ideal := time.Duration(float64(size) * 8 / rate * float64(time.Second))
	if took < ideal {
		t.Errorf("%d bytes took %v, faster than the wire's %v", size, took, ideal)
	}
	// Slow start, headers and a busy machine cost time; a wire at a fifth of its
	// rate would be broken.
	if took > 5*ideal {
		t.Errorf("%d bytes took %v, want about %v", size, took, ideal)
	}
	t.Logf("%.1f Mbit/s of %.1f", float64(size)*8/took.Seconds()/1e6, rate/1e6)
}
