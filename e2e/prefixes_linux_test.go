// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// The network that uses the first choice of addresses: its hosts have these addresses,
// and so do the client's neighbour and name server.
var (
	usedPrefixes   = []string{"10.77.0.23/24", "fd77:6d6e:6574::23/64"}
	neighbourAddrs = slices.Concat(host.DefaultHost, host.DefaultAddresses)
)

// useFirstChoice gives the client an address of that network, as DHCP does, on its first
// uplink.
func (w *world) useFirstChoice() {
	w.t.Helper()
	for _, p := range usedPrefixes {
		w.must(w.Client.AddAddress("wifi0", netip.MustParsePrefix(p)))
	}
}

// neighbour gives the router of the first uplink the very addresses that a node would
// choose first, and a service on each. reached dials them from the client.
func (w *world) neighbour() (reached func(what string)) {
	w.t.Helper()
	var services []string
	for _, p := range neighbourAddrs {
		bits := 24
		if p.Addr().Is6() {
			bits = 64
		}
		w.must(w.NATs[0].AddAddress("lan0", netip.PrefixFrom(p.Addr(), bits)))
		services = append(services, w.echo(w.NATs[0], netip.AddrPortFrom(p.Addr(), 53).String()))
	}
	return func(what string) {
		w.t.Helper()
		for _, s := range services {
			c, err := w.Client.Dial(w.timeout(5*time.Second), "tcp", s)
			if err != nil {
				w.t.Errorf("%s: neighbour %s: %v", what, s, err)
				continue
			}
			w.echoed(what+": neighbour "+s, c, 5*time.Second)
			c.Close()
		}
	}
}

// TestFirstChoiceInUse starts a node in a network that uses the addresses of the first
// choice. The host reaches its neighbours, and the stack the Internet.
func TestFirstChoiceInUse(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
	w.server("--serve", "80="+w.echo(w.Server, "127.0.0.1:8000"))
	reached := w.neighbour()
	w.useFirstChoice()
	reached("before")
	client := w.client()
	for _, server := range []netip.Addr{kernel.ServerAddr4, kernel.ServerAddr6} {
		to := netip.AddrPortFrom(server, 80)
		w.echoed(to.String(), w.dial(w.Client, w.service(client, "forward", "0="+to.String())), patience)
	}
	reached("beside the node")
	for _, p := range w.status(client).Addresses {
		if slices.Contains(host.DefaultAddresses, p) {
			t.Errorf("the stack has %v", p)
		}
	}
}

// TestFirstChoiceComesInUse has the network change to one that uses the node's addresses.
// Connections go on from others, and the host reaches its new neighbours.
func TestFirstChoiceComesInUse(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
	w.server("--serve", "80="+w.echo(w.Server, "127.0.0.1:8000"))
	reached := w.neighbour()
	client := w.client()
	conns := make(map[string]func(string))
	for _, server := range []netip.Addr{kernel.ServerAddr4, kernel.ServerAddr6} {
		to := netip.AddrPortFrom(server, 80).String()
		c := w.dial(w.Client, w.service(client, "forward", "0="+to))
		w.echoed("before", c, patience)
		conns[to] = func(what string) { w.echoed(what+": connection to "+to, c, 5*time.Second) }
	}
	w.migratable(client, len(conns))

	w.useFirstChoice()
	w.eventually("other addresses", patience, func() error {
		st := w.status(client)
		if st.Chosen && len(st.Addresses) == 2 && !slices.ContainsFunc(st.Addresses, func(p netip.Prefix) bool { return slices.Contains(host.DefaultAddresses, p) }) {
			return nil
		}
		return fmt.Errorf("host %v, stack %v", st.Host, st.Addresses)
	})
	for _, echoed := range conns {
		echoed("in the new network")
	}
	reached("in the new network")
	for _, c := range w.status(client).Connections {
		if c.Initiated != 1 || c.LastMove == nil || c.LastMove.Error != "" {
			t.Errorf("connection to %s: %d moves, the last %+v", c.Peer, c.Initiated, c.LastMove)
		}
	}
}

// migratable waits until a node has n connections, and all can migrate.
func (w *world) migratable(p *peer, n int) {
	w.t.Helper()
	w.eventually("migratable", patience, func() error {
		conns := w.status(p).Connections
		for _, c := range conns {
			if !c.Migratable {
				return fmt.Errorf("%+v", c)
			}
		}
		if len(conns) != n {
			return fmt.Errorf("%d connections, want %d", len(conns), n)
		}
		return nil
	})
}
