// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// anEvent bounds how long a connection takes to follow a change of the routes. It would
// take three time-outs to notice that the path is dead.
const anEvent = time.Second

// peerNetworks are the networks of the server and of the third host.
var peerNetworks = []string{"192.0.2.128/26", "192.0.2.192/26", "2001:db8:5::/64", "2001:db8:6::/64"}

// routePeers has the client reach the peers' networks by an uplink.
func (w *world) routePeers(u *kernel.Uplink) {
	w.t.Helper()
	for _, n := range peerNetworks {
		to := netip.MustParsePrefix(n)
		via := u.Gateway4()
		if to.Addr().Is6() {
			via = u.Gateway6()
		}
		w.must(w.Client.AddRoute(kernel.Route{To: to, Via: via, Dev: u.Dev()}))
	}
}

// noDefaultRoute removes the client's default routes over a device.
func (w *world) noDefaultRoute(dev string) {
	w.t.Helper()
	w.must(w.Client.Do(func() error {
		link, err := netlink.LinkByName(dev)
		if err != nil {
			return err
		}
		routes, err := netlink.RouteList(link, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, r := range routes {
			if ones, _ := r.Dst.Mask.Size(); ones > 0 {
				continue
			}
			if err := netlink.RouteDel(&r); err != nil {
				return err
			}
		}
		return nil
	}))
}

// peersByRoute are connections of the client's node to the server, and of the client's
// kernel to the third host, which the same routes lead to.
type peersByRoute struct {
	w            *world
	client       *peer
	conns, kerns map[netip.Addr]net.Conn
}

func (w *world) peersByRoute(client *peer) *peersByRoute {
	w.t.Helper()
	p := &peersByRoute{w, client, make(map[netip.Addr]net.Conn), make(map[netip.Addr]net.Conn)}
	for server, other := range map[netip.Addr]netip.Addr{kernel.ServerAddr4: kernel.HostAddr4, kernel.ServerAddr6: kernel.HostAddr6} {
		p.conns[server] = w.dial(w.Client, w.service(client, "forward", "0="+netip.AddrPortFrom(server, 80).String()))
		p.kerns[other] = w.dial(w.Client, w.echo(w.Host, netip.AddrPortFrom(other, 0).String()))
	}
	return p
}

// echoed fails the test unless all connections of the node work, and have the path.
func (p *peersByRoute) echoed(what, dev string) {
	p.w.t.Helper()
	for server, c := range p.conns {
		p.w.echoed(fmt.Sprintf("%s: connection to %v", what, server), c, anEvent)
	}
	p.w.migratable(p.client, len(p.conns))
	for _, c := range p.w.status(p.client).Connections {
		if c.State == "MIGRATE-WAIT" || !strings.HasPrefix(c.Path, dev+" ") {
			p.w.t.Errorf("%s: connection to %s is in %s, by %q, want %s", what, c.Peer, c.State, c.Path, dev)
		}
	}
}

// kernel is echoed for the control: the same by the kernel's TCP.
func (p *peersByRoute) kernel(what string) {
	p.w.t.Helper()
	for other, c := range p.kerns {
		p.w.echoed(fmt.Sprintf("%s: kernel's connection to %v", what, other), c, anEvent)
	}
}

// TestNoDefaultRoute has routes to the peers only. The connections go on where the
// kernel's do, without a move.
func TestNoDefaultRoute(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("from the start %v", early), func(t *testing.T) {
			w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
			w.server("--serve", "80="+w.echo(w.Server, "127.0.0.1:8000"))
			w.routePeers(w.Uplinks[0])
			withdraw := func() {
				for _, u := range w.Uplinks {
					w.noDefaultRoute(u.Dev())
				}
			}
			if early {
				withdraw()
			}
			client := w.client()
			p := w.peersByRoute(client)
			if !early {
				p.echoed("before", "wifi0")
				withdraw()
				w.eventually("no default route", patience, func() error {
					if ups := w.status(client).Uplinks; len(ups) > 0 {
						return fmt.Errorf("%v", ups)
					}
					return nil
				})
			}
			p.kernel("without a default route")
			p.echoed("without a default route", "wifi0")
			for id, n := range w.moves(client) {
				if n > 0 {
					t.Errorf("connection %s has moved", id)
				}
			}
		})
	}
}

// TestSplitTunnel has the peers behind an interface that is no way to the Internet. The
// status names it. When it gets another address, or goes, connections move at once.
func TestSplitTunnel(t *testing.T) {
	for _, readdressed := range []bool{true, false} {
		t.Run(fmt.Sprintf("readdressed %v", readdressed), func(t *testing.T) {
			w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
			w.server("--serve", "80="+w.echo(w.Server, "127.0.0.1:8000"))
			tunnel := w.Uplinks[1]
			w.routePeers(tunnel)
			w.noDefaultRoute(tunnel.Dev())
			client := w.client()
			p := w.peersByRoute(client)
			p.kernel("by the tunnel")
			p.echoed("by the tunnel", "lte0")

			before := w.moves(client)
			for _, a := range []netip.Prefix{tunnel.Addr4(), tunnel.Addr6()} {
				w.must(w.Client.RemoveAddress("lte0", a))
			}
			path := "wifi0"
			if readdressed {
				for _, a := range []string{"192.168.2.3/24", "2001:db8:2::3/64"} {
					w.must(w.Client.AddAddress("lte0", netip.MustParsePrefix(a)))
				}
				w.routeAgain(tunnel)
				path = "lte0"
			} else {
				w.must(w.Client.SetDown("lte0"))
			}
			w.eventually("moved", anEvent, func() error {
				for _, c := range w.status(client).Connections {
					if c.Initiated == before[c.ID] || !strings.HasPrefix(c.Path, path+" ") || c.LastMove.Cause != "path gone" {
						return fmt.Errorf("%+v", c)
					}
				}
				return nil
			})
			p.echoed("after", path)
		})
	}
}

// routeAgain is routePeers for routes that may have stayed: those of IPv6 do.
func (w *world) routeAgain(u *kernel.Uplink) {
	w.t.Helper()
	for _, n := range peerNetworks {
		if to := netip.MustParsePrefix(n); to.Addr().Is4() {
			w.must(w.Client.AddRoute(kernel.Route{To: to, Via: u.Gateway4(), Dev: u.Dev()}))
		}
	}
}
