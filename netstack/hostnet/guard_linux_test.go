// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// street is a site whose host has a second uplink, up1, to an office. World and office
// take the host for their router.
type street struct {
	*site
	office *Namespace
	family string // that the strangers send
}

func newStreet(t testing.TB, family string) *street {
	s := &street{newSite(t), NewNamespace(t), family}
	s.host.Connect("up1", s.office, "eth0")
	s.host.Addr("up1", "198.51.100.7/24")
	s.host.Addr("up1", "2001:db8:1::7/64")
	s.office.Addr("eth0", "198.51.100.1/24")
	s.office.Addr("eth0", "2001:db8:1::1/64")
	s.host.AddRoute(s.host.DefaultRoute("up1", "198.51.100.1", 600))
	s.host.AddRoute(s.host.DefaultRoute("up1", "2001:db8:1::1", 2000))
	for _, r := range []struct {
		from    *Namespace
		to, via string
	}{
		{s.world, "198.51.100.0/24", "192.0.2.7"}, {s.world, "10.77.0.0/24", "192.0.2.7"},
		{s.world, "2001:db8:1::/64", "2001:db8::7"}, {s.world, "fd77::/64", "2001:db8::7"},
		{s.office, "192.0.2.0/24", "198.51.100.7"}, {s.office, "10.77.0.0/24", "198.51.100.7"},
		{s.office, "2001:db8::/64", "2001:db8:1::7"}, {s.office, "fd77::/64", "2001:db8:1::7"},
	} {
		s.route(r.from, r.to, r.via)
	}
	s.countForwarded()
	return s
}

func (s *street) route(from *Namespace, to, via string) {
	s.host.t.Helper()
	r := from.DefaultRoute("eth0", via, 0)
	r.Dst = ipNet(to)
	from.AddRoute(r)
}

// pick returns the address of the strangers' family.
func (s *street) pick(v4, v6 string) string {
	if s.family == "ipv4" {
		return v4
	}
	return v6
}

// forwardedTable counts the datagrams that the host forwards, after all other chains.
const forwardedTable = "forwarded"

func (s *street) countForwarded() {
	s.host.Must(s.host.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Name: forwardedTable, Family: nftables.TableFamilyINet})
		c.AddObj(&nftables.CounterObj{Table: table, Name: forwardedTable})
		last := c.AddChain(&nftables.Chain{Name: "last", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityLast})
		// Bridges show their neighbour discovery here, too.
		c.AddRule(&nftables.Rule{Table: table, Chain: last, Exprs: append(
			compareMeta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_UDP}),
			&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: forwardedTable})})
		return c.Flush()
	}))
}

// forwarded returns how many datagrams the host has forwarded.
func (s *street) forwarded() (n int) {
	s.host.t.Helper()
	s.host.Must(s.host.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := &nftables.Table{Name: forwardedTable, Family: nftables.TableFamilyINet}
		obj, err := c.GetObject(&nftables.CounterObj{Table: table, Name: forwardedTable})
		if err == nil {
			n = int(obj.(*nftables.CounterObj).Packets)
		}
		return err
	}))
	return n
}

// datagram sends a datagram from n, and returns how many the host has forwarded
// meanwhile.
func (s *street) datagram(n *Namespace, to string) int {
	s.host.t.Helper()
	before := s.forwarded()
	// An address of the host that n has a route to.
	host := s.pick("192.0.2.7", "2001:db8::7")
	if n == s.office {
		host = s.pick("198.51.100.7", "2001:db8:1::7")
	}
	s.host.Must(n.Do(func() error {
		c, err := net.Dial("udp", net.JoinHostPort(to, "9"))
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err = c.Write([]byte("stranger")); err != nil {
			return err
		}
		// The host answers by the same link only once it has the datagram.
		_, err = net.DialTimeout("tcp", net.JoinHostPort(host, "9"), patience)
		if errors.Is(err, unix.ECONNREFUSED) {
			err = nil
		}
		return err
	}))
	return s.forwarded() - before
}

// strangers sends what a host forwards only if it is a router.
func (s *street) strangers() map[string]int {
	s.host.t.Helper()
	world, office, stack := s.pick("192.0.2.1", "2001:db8::1"), s.pick("198.51.100.1", "2001:db8:1::1"), s.pick("10.77.0.2", "fd77::2")
	return map[string]int{
		"world to office": s.datagram(s.world, office),
		"office to world": s.datagram(s.office, world),
		"world to stack":  s.datagram(s.world, stack),
		"office to stack": s.datagram(s.office, stack),
	}
}

func (s *street) shut(when string) {
	s.host.t.Helper()
	for what, n := range s.strangers() {
		if n != 0 {
			s.host.t.Errorf("%s: %s: %d packets are forwarded", when, what, n)
		}
	}
}

func (s *street) open(when string) {
	s.host.t.Helper()
	for what, n := range s.strangers() {
		if n == 0 {
			s.host.t.Errorf("%s: %s: not forwarded", when, what)
		}
	}
}

// works has the stack's connections work in both directions.
func (s *street) works(when string) {
	s.host.t.Helper()
	for from, to := range map[*Namespace]string{
		s.stack: net.JoinHostPort(s.pick("192.0.2.1", "2001:db8::1"), "80"),
		s.world: net.JoinHostPort(s.pick("192.0.2.7", "2001:db8::7"), "80"),
	} {
		if got, err := dial(from, to); !strings.Contains(got, " sees ") {
			s.host.t.Errorf("%s: %s: %q, %v", when, to, got, err)
		}
	}
}

// eventually waits until the host is a router for others, or is not.
func (s *street) eventually(sh *Share, router bool) {
	s.host.t.Helper()
	for deadline := time.Now().Add(patience); slices.Contains(sh.Routed(), s.family) != router; {
		if time.Now().After(deadline) {
			s.host.t.Fatalf("a router: %v, want %v", !router, router)
		}
		time.Sleep(time.Millisecond)
	}
}

// shareAll opens a Share that uses everything.
func (s *street) shareAll(logger *slog.Logger) *Share {
	s.host.t.Helper()
	listen(s.world, "world", ":80")
	listen(s.stack, "stack", ":80")
	return s.share(ShareConfig{Masquerade: bothFamilies, Logger: logger, Redirects: []Redirect{
		{80, netip.MustParseAddrPort("10.77.0.2:80")}, {80, netip.MustParseAddrPort("[fd77::2]:80")},
	}})
}

// guardCases are the ways to turn forwarding on.
func guardCases(t *testing.T, f func(t *testing.T, family string)) {
	t.Run("IPv4", func(t *testing.T) { f(t, "ipv4") })
	t.Run("IPv6", func(t *testing.T) { f(t, "ipv6") })
	t.Run("IPv6 before Linux 6.17", func(t *testing.T) {
		was := forceForwarding
		t.Cleanup(func() { forceForwarding = was })
		forceForwarding = "no_such_switch"
		f(t, "ipv6")
	})
}

// logbook is a log of several goroutines.
type logbook struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *logbook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.Buffer.String(), text)
}

// TestGuard has the host forward for the stack, and for nobody else.
func TestGuard(t *testing.T) {
	guardCases(t, func(t *testing.T, family string) {
		s := newStreet(t, family)
		s.shut("before")
		sh := s.shareAll(nil)
		s.shut("with a Share")
		s.works("with a Share")
		s.host.Must(sh.Close())
		s.shut("after Close")
		s.host.Set(family+"/conf/all/forwarding", "1")
		s.open("as a router") // the strangers do reach the host
	})
}

// TestGuardRouter has somebody make a router of the host, before and after the Share.
func TestGuardRouter(t *testing.T) {
	guardCases(t, func(t *testing.T, family string) {
		all := family + "/conf/all/forwarding"
		t.Run("before", func(t *testing.T) {
			s := newStreet(t, family)
			s.host.Set(all, "1")
			var log logbook
			sh := s.shareAll(slog.New(slog.NewTextHandler(&log, nil)))
			s.open("with a Share")
			s.works("with a Share")
			if n := log.count("made a router of the host: "); n == 0 {
				t.Errorf("the log does not say so: %s", &log)
			}
			s.host.Must(sh.Close())
			s.open("after Close")
		})
		t.Run("after", func(t *testing.T) {
			s := newStreet(t, family)
			var log logbook
			sh := s.shareAll(slog.New(slog.NewTextHandler(&log, nil)))
			s.host.Set(all, "1")
			s.eventually(sh, true)
			s.open("as a router")
			s.works("as a router")
			if n := log.count("made a router of the host: "); n != 1 {
				t.Errorf("the log says so %d times: %s", n, &log)
			}
			s.host.Must(sh.Close())
			s.open("after Close")
		})
	})
}

// TestGuardRouterOff has a router with an uplink whose packets it does not forward.
func TestGuardRouterOff(t *testing.T) {
	s := newStreet(t, "ipv4")
	s.host.Set("ipv4/conf/all/forwarding", "1")
	s.host.Set("ipv4/conf/up0/forwarding", "0")
	s.shareAll(nil)
	if n := s.datagram(s.world, "198.51.100.1"); n != 0 {
		t.Errorf("by the uplink that is off: %d packets are forwarded", n)
	}
	if n := s.datagram(s.office, "192.0.2.1"); n == 0 {
		t.Error("by the other uplink: not forwarded")
	}
	s.works("on a router")
}

// bridge adds the bridge br0 to the host, with a container on its only port.
func (s *street) bridge() (container *Namespace) {
	s.host.t.Helper()
	s.host.Must(s.host.h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	s.host.Up("br0")
	s.host.Addr("br0", "203.0.113.1/24")
	s.host.Addr("br0", "2001:db8:2::1/64")
	container = NewNamespace(s.host.t)
	s.host.Connect("port0", container, "eth0")
	s.host.Must(s.host.h.LinkSetMaster(s.host.Link("port0"), s.host.Link("br0")))
	container.Addr("eth0", "203.0.113.2/24")
	container.Addr("eth0", "2001:db8:2::2/64")
	container.AddRoute(container.DefaultRoute("eth0", "203.0.113.1", 0))
	container.AddRoute(container.DefaultRoute("eth0", "2001:db8:2::1", 0))
	s.route(s.world, "203.0.113.0/24", "192.0.2.7")
	s.route(s.world, "2001:db8:2::/64", "2001:db8::7")
	return container
}

// TestGuardBridge has a network of containers behind a bridge that forwards by its own
// switch.
func TestGuardBridge(t *testing.T) {
	guardCases(t, func(t *testing.T, family string) {
		name := "forwarding"
		if family == "ipv6" {
			if name = forceForwarding; name == "no_such_switch" {
				name = "forwarding"
			}
		}
		bridge := func(s *street) (container *Namespace) {
			container = s.bridge()
			s.host.Set(fmt.Sprintf("%s/conf/br0/%s", family, name), "1")
			return container
		}
		t.Run("after", func(t *testing.T) {
			s := newStreet(t, family)
			sh := s.shareAll(nil)
			container := bridge(s)
			if name == forceForwarding { // the kernel does not tell of this switch
				sh.switched()
			}
			s.eventually(sh, true)
			if got, err := dial(container, net.JoinHostPort(s.pick("192.0.2.1", "2001:db8::1"), "80")); !strings.Contains(got, "world sees") {
				t.Errorf("a container cannot reach the world: %q, %v", got, err)
			}
			s.host.Must(s.host.h.LinkDel(s.host.Link("br0")))
			s.eventually(sh, false)
			s.shut("without the bridge")
		})
		t.Run("before", func(t *testing.T) {
			s := newStreet(t, family)
			container := bridge(s)
			to := s.pick("192.0.2.1", "2001:db8::1")
			was, back := s.datagram(container, to), s.datagram(s.world, s.pick("203.0.113.2", "2001:db8:2::2"))
			s.shareAll(nil)
			if now := s.datagram(container, to); now != was {
				t.Errorf("from the bridge: %d packets are forwarded, %d before", now, was)
			}
			if now := s.datagram(s.world, s.pick("203.0.113.2", "2001:db8:2::2")); now != back {
				t.Errorf("to the bridge: %d packets are forwarded, %d before", now, back)
			}
			s.shut("with a bridge")
		})
	})
}

// TestGuardUplinks has an uplink come, be renamed, go and come back.
func TestGuardUplinks(t *testing.T) {
	guardCases(t, func(t *testing.T, family string) {
		s := newStreet(t, family)
		sh := s.shareAll(nil)
		s.host.Must(s.host.h.LinkSetName(s.host.Link("up1"), "up2"))
		sh.switched()
		s.shut("renamed")
		s.host.Must(s.host.h.LinkDel(s.host.Link("up2")))
		s.host.Connect("up1", s.office, "eth1")
		s.host.Addr("up1", "198.51.100.7/24")
		s.host.Addr("up1", "2001:db8:1::7/64")
		s.office.Addr("eth1", "198.51.100.1/24")
		s.office.Addr("eth1", "2001:db8:1::1/64")
		ups := append(s.uplinks(), Uplink{Interface: "up1", Source: netip.MustParseAddr(s.pick("198.51.100.7", "2001:db8:1::7"))})
		s.host.Must(sh.setUplinks(ups))
		if n := s.datagram(s.world, s.pick("198.51.100.1", "2001:db8:1::1")); n != 0 {
			t.Errorf("back: %d packets are forwarded", n)
		}
	})
}

// TestGuardTwo has two stacks on one host, each of which is guarded by the first Share.
func TestGuardTwo(t *testing.T) {
	guardCases(t, func(t *testing.T, family string) {
		s := newStreet(t, family)
		first := s.shareAll(nil)
		second := NewNamespace(t)
		s.host.Connect("mnet1", second, "eth0")
		s.host.Addr("mnet1", "10.78.0.1/24")
		s.host.Addr("mnet1", "fd78::1/64")
		second.Addr("eth0", "10.78.0.2/24")
		second.Addr("eth0", "fd78::2/64")
		second.AddRoute(second.DefaultRoute("eth0", "10.78.0.1", 0))
		second.AddRoute(second.DefaultRoute("eth0", "fd78::1", 0))
		s.host.Must(s.host.Do(func() error {
			sh, err := NewShare(ShareConfig{Device: "mnet1", Masquerade: []netip.Prefix{
				netip.MustParsePrefix("10.78.0.2/32"), netip.MustParsePrefix("fd78::2/128"),
			}})
			if err == nil {
				t.Cleanup(func() { sh.Close() })
			}
			return err
		}))
		first.switched()
		if got := first.Routed(); len(got) != 0 {
			t.Errorf("the other Share is taken for a router: %v", got)
		}
		if got, err := dial(second, net.JoinHostPort(s.pick("192.0.2.1", "2001:db8::1"), "80")); !strings.Contains(got, "world sees") {
			t.Errorf("the second stack: %q, %v", got, err)
		}
		s.works("with two")
		s.shut("with two")
	})
}

// TestGuardBridgeUplink has a bridge for an uplink. A machine behind it does not reach
// another one by way of the host. Frames between its ports pass, which the chains of IP
// see where the kernel has br_netfilter.
func TestGuardBridgeUplink(t *testing.T) {
	s := newStreet(t, "ipv4")
	machine, other := s.bridge(), NewNamespace(t)
	s.host.Connect("port1", other, "eth0")
	s.host.Must(s.host.h.LinkSetMaster(s.host.Link("port1"), s.host.Link("br0")))
	other.Addr("eth0", "203.0.113.3/24")
	s.route(machine, "203.0.113.50/32", "203.0.113.1")
	s.host.Must(s.shareAll(nil).setUplinks([]Uplink{
		{Interface: "up0", Source: netip.MustParseAddr("192.0.2.7")},
		{Interface: "br0", Source: netip.MustParseAddr("203.0.113.1")},
	}))

	listen(other, "other", ":80")
	if got, err := dial(machine, "203.0.113.3:80"); got != "other sees 203.0.113.2" {
		t.Errorf("to another port of the bridge: %q, %v", got, err)
	}
	for _, name := range []string{"br0", "port0"} { // which take each other's frames
		s.host.Must(machine.h.NeighSet(&netlink.Neigh{
			LinkIndex: machine.Link("eth0").Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: net.ParseIP("203.0.113.1"), HardwareAddr: s.host.Link(name).Attrs().HardwareAddr,
		}))
		for _, to := range []string{"203.0.113.50", "192.0.2.1"} {
			if n := s.datagram(machine, to); n != 0 {
				t.Errorf("by the address of %s to %s: %d packets are forwarded", name, to, n)
			}
		}
	}
}
