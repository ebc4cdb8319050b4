// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"net"
	"net/netip"
	"os"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patience is when a test that hangs gives up.
const patience = 30 * time.Second

// namespace is a network namespace of a test. No thread stays in it: what works in
// it does so by the sockets that it has opened there.
type namespace struct {
	t  testing.TB
	ns netns.NsHandle
	h  *netlink.Handle
}

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if os.Getenv(roleEnv) != tests {
		t.Skip("needs " + missing)
	}
	n := &namespace{t: t}
	n.must(onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			n.ns, err = netns.Get()
		}
		return err
	}))
	t.Cleanup(func() { n.ns.Close() })
	h, err := netlink.NewHandleAt(n.ns, unix.NETLINK_ROUTE)
	n.must(err)
	n.h = h
	t.Cleanup(h.Close)
	n.up("lo")
	n.set("ipv6/conf/default/accept_dad", "0") // its link-local addresses would wait for seconds
	return n
}

// onThread calls f on a thread that ends then.
func onThread(f func() error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it
		failed <- f()
	}()
	return <-failed
}

// do calls f on a thread in the namespace.
func (n *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return err
		}
		return f()
	})
}

func (n *namespace) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// connect makes a link between the interface name here and peerName in peer, and
// sets both up.
func (n *namespace) connect(name string, peer *namespace, peerName string) {
	n.t.Helper()
	n.must(n.h.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peerName, PeerNamespace: netlink.NsFd(peer.ns),
	}))
	n.up(name)
	peer.up(peerName)
}

func (n *namespace) link(name string) netlink.Link {
	n.t.Helper()
	l, err := n.h.LinkByName(name)
	n.must(err)
	return l
}

func (n *namespace) up(name string)   { n.t.Helper(); n.must(n.h.LinkSetUp(n.link(name))) }
func (n *namespace) down(name string) { n.t.Helper(); n.must(n.h.LinkSetDown(n.link(name))) }

func (n *namespace) addr(name, prefix string) {
	n.t.Helper()
	n.must(n.h.AddrReplace(n.link(name), &netlink.Addr{IPNet: ipNet(prefix), Flags: unix.IFA_F_NODAD}))
}

func (n *namespace) delAddr(name, prefix string) {
	n.t.Helper()
	n.must(n.h.AddrDel(n.link(name), &netlink.Addr{IPNet: ipNet(prefix)}))
}

func ipNet(prefix string) *net.IPNet {
	p := netip.MustParsePrefix(prefix)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// defaultRoute is a default route over name; gateway may be "" for IPv4 on the link.
func (n *namespace) defaultRoute(name, gateway string, metric int) *netlink.Route {
	n.t.Helper()
	r := &netlink.Route{LinkIndex: n.link(name).Attrs().Index, Dst: ipNet("0.0.0.0/0"), Priority: metric}
	if gateway == "" {
		r.Scope = netlink.SCOPE_LINK
		return r
	}
	r.Gw = net.ParseIP(gateway)
	if r.Gw.To4() == nil {
		r.Dst = ipNet("::/0")
	}
	return r
}

func (n *namespace) addRoute(r *netlink.Route) { n.t.Helper(); n.must(n.h.RouteAdd(r)) }
func (n *namespace) delRoute(r *netlink.Route) { n.t.Helper(); n.must(n.h.RouteDel(r)) }

// setting returns the value of a file below /proc/sys/net.
func (n *namespace) setting(file string) (value string) {
	n.t.Helper()
	n.must(n.do(func() error {
		b, err := os.ReadFile(path.Join(procNet, file))
		value = strings.TrimSpace(string(b))
		return err
	}))
	return value
}

func (n *namespace) set(file, value string) {
	n.t.Helper()
	n.must(n.do(func() error { return os.WriteFile(path.Join(procNet, file), []byte(value), 0) }))
}

// withoutNetAdmin calls f on a thread in the namespace that has lost CAP_NET_ADMIN.
func (n *namespace) withoutNetAdmin(f func() error) error {
	return n.do(func() error {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&head, &data[0]); err != nil {
			return err
		}
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&head, &data[0]); err != nil {
			return err
		}
		return f()
	})
}
