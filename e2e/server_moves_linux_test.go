// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
)

// refusal bounds how long an attempt takes that cannot succeed.
const refusal = 5 * time.Second

// TestServerMoveBehindNAT has a server try to move to a client behind a NAT. The server
// has no mapping at the NAT. It learns soon that it cannot reach the client, and
// nothing is lost.
func TestServerMoveBehindNAT(t *testing.T) {
	// Slow, so that a busy machine does not make the round trip longer: it sets the
	// pace of the attempt.
	wire := kernel.WireConfig{Delay: 10 * time.Millisecond, Rate: 10e6, Queue: 32 << 10}
	for _, tc := range []struct {
		name   string
		cfg    kernel.TopologyConfig
		server netip.Addr // tells the family: IPv6 is filtered, but not translated
		want   error
	}{
		{"NAT drops", kernel.TopologyConfig{CloseNATInput: true}, kernel.ServerAddr4, endpoint.ErrNoAnswer},
		{"NAT answers RST", kernel.TopologyConfig{}, kernel.ServerAddr4, endpoint.ErrPeerRefused},
		{"firewall drops", kernel.TopologyConfig{}, kernel.ServerAddr6, endpoint.ErrNoAnswer},
		{"firewall answers ICMP", kernel.TopologyConfig{Reject: true}, kernel.ServerAddr6, endpoint.ErrUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.Uplinks, tc.cfg.ServerPorts = [2]kernel.WireConfig{wire, wire}, []uint16{80}
			w := newWorld(t, tc.cfg)
			client := w.embed(w.Client, embedConfig{})
			server := w.embed(w.Server, embedConfig{Ports: []uint16{80}})
			conn, peer := w.pair(client, server, netip.AddrPortFrom(tc.server, 80))
			flows := w.flows(conn, peer)
			flows.advance(128<<10, patience)

			was := peer.Migration().Current
			begin := time.Now()
			err := peer.Migrate(w.ctx, netip.AddrPort{})
			took := time.Since(begin)
			if !errors.Is(err, tc.want) {
				t.Errorf("the move: %v, want %v", err, tc.want)
			}
			if took > refusal {
				t.Errorf("the move failed after %v, want %v at most", took, refusal)
			}
			t.Logf("after %v: %v", took, err)
			if now := peer.Migration().Current; now != was {
				t.Errorf("the connection is at %v, was at %v", now, was)
			}
			flows.advance(128<<10, patience)

			// The other end can.
			w.must(conn.Migrate(w.timeout(refusal), netip.AddrPort{}))
			w.agree(conn, peer, "the client's move")
			flows.advance(128<<10, patience)
			flows.finish()
		})
	}
}

// TestServerMoveToPublicClient has a server behind its firewall move to a client that
// anybody can reach.
func TestServerMoveToPublicClient(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
	client := w.routedHost(netstack.Config{})
	server := w.embed(w.Server, embedConfig{Ports: []uint16{80}})
	conn, peer := w.pair(client, server, netip.AddrPortFrom(kernel.ServerAddr6, 80))
	flows := w.flows(conn, peer)
	flows.advance(1<<20, patience)
	port := conn.Migration().Current.Remote.Port()
	w.must(peer.Migrate(w.timeout(refusal), netip.AddrPort{}))
	w.agree(conn, peer, "the server's move")
	if now := conn.Migration().Current.Remote; now.Addr() != kernel.ServerAddr6 || now.Port() == port {
		t.Errorf("the client sees the server at %v after its move from port %d", now, port)
	}
	flows.advance(1<<20, patience)
	flows.finish()
}
