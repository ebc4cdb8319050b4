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
	"go4.org/netipx"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
)

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

// Namespace is a network namespace of a test, of package hostnet_test, too. No thread
// stays in it: its users work by the sockets that they have opened there.
type Namespace struct {
	t  testing.TB
	ns netns.NsHandle
	h  *netlink.Handle
}

func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	nstest.Need(t)
	n := &Namespace{t: t}
	n.Must(onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			n.ns, err = netns.Get()
		}
		return err
	}))
	t.Cleanup(func() { n.ns.Close() })
	h, err := netlink.NewHandleAt(n.ns, unix.NETLINK_ROUTE)
	n.Must(err)
	n.h = h
	t.Cleanup(h.Close)
	n.Up("lo")
	n.Set("ipv6/conf/default/accept_dad", "0") // its link-local addresses would wait for seconds
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

// Do calls f on a thread in the namespace.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return err
		}
		return f()
	})
}

func (n *Namespace) Must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// Connect makes a link between the interface name here and peerName in peer, and
// sets both up.
func (n *Namespace) Connect(name string, peer *Namespace, peerName string) {
	n.t.Helper()
	n.Must(n.h.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peerName, PeerNamespace: netlink.NsFd(peer.ns),
	}))
	n.Up(name)
	peer.Up(peerName)
}

func (n *Namespace) Link(name string) netlink.Link {
	n.t.Helper()
	l, err := n.h.LinkByName(name)
	n.Must(err)
	return l
}

func (n *Namespace) Up(name string)   { n.t.Helper(); n.Must(n.h.LinkSetUp(n.Link(name))) }
func (n *Namespace) Down(name string) { n.t.Helper(); n.Must(n.h.LinkSetDown(n.Link(name))) }

func (n *Namespace) Addr(name, prefix string) {
	n.t.Helper()
	n.Must(n.h.AddrReplace(n.Link(name), &netlink.Addr{IPNet: ipNet(prefix), Flags: unix.IFA_F_NODAD}))
}

func (n *Namespace) DelAddr(name, prefix string) {
	n.t.Helper()
	n.Must(n.h.AddrDel(n.Link(name), &netlink.Addr{IPNet: ipNet(prefix)}))
}

func ipNet(prefix string) *net.IPNet { return netipx.PrefixIPNet(netip.MustParsePrefix(prefix)) }

// DefaultRoute is a default route over name; gateway may be "" for IPv4 on the link.
func (n *Namespace) DefaultRoute(name, gateway string, metric int) *netlink.Route {
	n.t.Helper()
	r := &netlink.Route{LinkIndex: n.Link(name).Attrs().Index, Dst: ipNet("0.0.0.0/0"), Priority: metric}
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

func (n *Namespace) AddRoute(r *netlink.Route) { n.t.Helper(); n.Must(n.h.RouteAdd(r)) }
func (n *Namespace) DelRoute(r *netlink.Route) { n.t.Helper(); n.Must(n.h.RouteDel(r)) }

// Setting returns the value of a file below /proc/sys/net.
func (n *Namespace) Setting(file string) (value string) {
	n.t.Helper()
	n.Must(n.Do(func() error {
		b, err := os.ReadFile(path.Join(procNet, file))
		value = strings.TrimSpace(string(b))
		return err
	}))
	return value
}

func (n *Namespace) Set(file, value string) {
	n.t.Helper()
	n.Must(n.Do(func() error { return os.WriteFile(path.Join(procNet, file), []byte(value), 0) }))
}

// withoutNetAdmin calls f on a thread in the namespace that has lost CAP_NET_ADMIN.
func (n *Namespace) withoutNetAdmin(f func() error) error {
	return n.Do(func() error {
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
