// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watched is a host, with what its watcher tells.
type watched struct {
	*namespace
	world  *namespace // the other end of all its links
	states chan State
	stop   func()
}

// watchHost watches a host with the interfaces eth0 and wlan0.
func watchHost(t *testing.T, prepare func(*watched)) *watched {
	t.Helper()
	w := &watched{namespace: newNamespace(t), world: newNamespace(t), states: make(chan State, 1000)}
	w.connect("eth0", w.world, "weth0")
	w.connect("wlan0", w.world, "wwlan0")
	if prepare != nil {
		prepare(w)
	}
	w.must(w.do(func() (err error) {
		w.stop, err = Watcher{Exclude: []string{"mnet0"}}.Watch(func(s State) { w.states <- s })
		return err
	}))
	t.Cleanup(w.stop)
	return w
}

// next returns what is told next.
func (w *watched) next() State {
	w.t.Helper()
	select {
	case s := <-w.states:
		return s
	case <-time.After(patience):
		w.t.Fatal("nothing is told")
		panic("unreachable")
	}
}

// await waits until the uplinks are want. A change of several steps may be told as
// several states.
func (w *watched) await(want ...string) {
	w.t.Helper()
	var got []string
	deadline := time.After(patience)
	for {
		select {
		case s := <-w.states:
			if s.Woke {
				w.t.Error("the machine is said to have been asleep")
			}
			if got = describe(s.Uplinks); slices.Equal(got, want) {
				return
			}
		case <-deadline:
			w.t.Fatalf("the uplinks are %q, want %q", got, want)
		}
	}
}

func describe(ups []Uplink) []string {
	var s []string
	for _, u := range ups {
		s = append(s, u.String())
	}
	return s
}

const (
	ethernet = "eth0 via 192.0.2.1 from 192.0.2.7"
	wifi     = "wlan0 via 198.51.100.1 from 198.51.100.7"
)

func TestWatch(t *testing.T) {
	w := watchHost(t, nil)
	w.await() // before Watch returned

	w.addr("eth0", "192.0.2.7/24")
	eth := w.defaultRoute("eth0", "192.0.2.1", 100)
	w.addRoute(eth)
	w.await(ethernet)

	w.addr("wlan0", "198.51.100.7/24")
	w.addRoute(w.defaultRoute("wlan0", "198.51.100.1", 600))
	w.await(ethernet, wifi)

	// Another metric, another order.
	w.addRoute(w.defaultRoute("eth0", "192.0.2.1", 700))
	w.delRoute(eth)
	w.await(wifi, ethernet)

	w.world.down("wwlan0") // the carrier
	w.await(ethernet)
	w.world.up("wwlan0")
	w.await(wifi, ethernet)

	w.down("eth0") // takes its routes away
	w.await(wifi)

	w.delAddr("wlan0", "198.51.100.7/24")
	w.await()
}

func TestWatchFirst(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.addr("eth0", "192.0.2.7/24")
		w.addRoute(w.defaultRoute("eth0", "192.0.2.1", 100))
	})
	if len(w.states) == 0 {
		t.Fatal("Watch returned before it told anything")
	}
	s := w.next()
	if want := (Uplink{
		Interface: "eth0", Index: w.link("eth0").Attrs().Index, Metric: 100,
		Gateway: addrOf(ipNet("192.0.2.1/32").IP), Source: addrOf(ipNet("192.0.2.7/32").IP),
	}); len(s.Uplinks) != 1 || s.Uplinks[0] != want || s.Woke {
		t.Errorf("%+v, want %+v", s, want)
	}
}

// TestWatchRoutes is about default routes that are not the plain ones.
func TestWatchRoutes(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.addr("eth0", "192.0.2.7/24")
		w.addr("wlan0", "198.51.100.7/24")
	})
	w.await()

	onLink := w.defaultRoute("wlan0", "", 5)
	w.addRoute(onLink)
	w.await("wlan0 from 198.51.100.7")
	w.delRoute(onLink)
	w.await()

	w.addr("eth0", "192.0.2.8/24") // a secondary address, but preferred by the route
	preferred := w.defaultRoute("eth0", "192.0.2.1", 5)
	preferred.Src = ipNet("192.0.2.8/32").IP
	w.addRoute(preferred)
	w.await("eth0 via 192.0.2.1 from 192.0.2.8")
	w.delRoute(preferred)
	w.await()

	multipath := &netlink.Route{Dst: ipNet("0.0.0.0/0"), MultiPath: []*netlink.NexthopInfo{
		{LinkIndex: w.link("eth0").Attrs().Index, Gw: ipNet("192.0.2.1/32").IP},
		{LinkIndex: w.link("wlan0").Attrs().Index, Gw: ipNet("198.51.100.1/32").IP},
	}}
	w.addRoute(multipath)
	w.await(ethernet, wifi)
	w.delRoute(multipath)
	w.await()

	via := w.defaultRoute("eth0", "", 5)
	via.Scope, via.Via = netlink.SCOPE_UNIVERSE, &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: ipNet("fe80::1/128").IP}
	w.addRoute(via)
	w.await("eth0 via fe80::1 from 192.0.2.7")
}

func TestWatchIPv6(t *testing.T) {
	w := watchHost(t, nil)
	w.await()
	w.addr("eth0", "fd00::7/64")
	w.addRoute(w.defaultRoute("eth0", "fd00::1", 100))
	w.await("eth0 via fd00::1 from fd00::7")

	w.addr("eth0", "2001:db8::7/64")
	w.await("eth0 via fd00::1 from 2001:db8::7")

	// An address that is no longer preferred (RFC 4862, 5.5.4).
	w.must(w.h.AddrReplace(w.link("eth0"), &netlink.Addr{IPNet: ipNet("2001:db8::7/64"), ValidLft: 1000, PreferedLft: 0}))
	w.await("eth0 via fd00::1 from fd00::7")

	// IPv4 besides it, with the lower metric.
	w.addr("eth0", "192.0.2.7/24")
	w.addRoute(w.defaultRoute("eth0", "192.0.2.1", 50))
	w.await(ethernet, "eth0 via fd00::1 from fd00::7")
}

// TestWatchNoNews makes changes that are none, and then one that is.
func TestWatchNoNews(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.connect("mnet0", w.world, "wmnet0")
		w.addr("mnet0", "10.77.0.1/24")
		w.addr("eth0", "192.0.2.7/24")
		w.addRoute(w.defaultRoute("eth0", "192.0.2.1", 100))
	})
	w.await(ethernet)
	blackhole := &netlink.Route{Dst: ipNet("0.0.0.0/0"), Priority: 2, Type: unix.RTN_UNREACHABLE}
	otherTable := w.defaultRoute("wlan0", "", 0)
	otherTable.Table = 7
	w.addr("wlan0", "198.51.100.7/24")
	for _, change := range []func(){
		func() { w.must(w.h.LinkSetMTU(w.link("eth0"), 1400)) },
		func() {
			w.must(w.h.AddrReplace(w.link("eth0"), &netlink.Addr{IPNet: ipNet("192.0.2.7/24"), ValidLft: 1000, PreferedLft: 900}))
		},
		func() { w.addr("eth0", "192.0.2.200/24") }, // a secondary one
		func() { w.addRoute(w.defaultRoute("mnet0", "10.77.0.2", 1)) },
		func() { w.addRoute(blackhole) },
		func() { w.addRoute(otherTable) },
	} {
		change()
	}
	w.addRoute(w.defaultRoute("wlan0", "198.51.100.1", 600))
	if s := describe(w.next().Uplinks); !slices.Equal(s, []string{ethernet, wifi}) {
		t.Errorf("told %q", s)
	}
}

// TestWatchBurst changes the gateway many times in a row.
func TestWatchBurst(t *testing.T) {
	const changes = 200
	w := watchHost(t, func(w *watched) { w.addr("eth0", "192.0.2.7/24") })
	w.await()
	start := time.Now()
	gateway := func(i int) string { return fmt.Sprintf("192.0.2.%d", 10+i) }
	for i := range changes {
		w.must(w.h.RouteReplace(w.defaultRoute("eth0", gateway(i), 100)))
	}
	told := 0
	for last := ""; !strings.Contains(last, "via "+gateway(changes-1)+" "); {
		last = strings.Join(describe(w.next().Uplinks), ",")
		told++
	}
	if most := int(time.Since(start)/settle) + 1; told > most {
		t.Errorf("%d states told, at most %d take their time", told, most)
	}
	t.Logf("%d changes, %d states", changes, told)
}

// TestWatchStop stops while there are changes.
func TestWatchStop(t *testing.T) {
	w := watchHost(t, func(w *watched) { w.addr("eth0", "192.0.2.7/24") })
	w.addRoute(w.defaultRoute("eth0", "192.0.2.1", 100))
	w.stop()
	told := len(w.states)
	w.delAddr("eth0", "192.0.2.7/24")
	w.stop() // does nothing
	if len(w.states) != told {
		t.Error("told something after stop")
	}
}

// TestWatchLost has messages lost, none of which is about a default route.
func TestWatchLost(t *testing.T) {
	n, world := newNamespace(t), newNamespace(t)
	n.set("ipv6/conf/default/disable_ipv6", "1") // its link-local addresses would be news
	n.connect("eth0", world, "weth0")
	n.addr("eth0", "192.0.2.7/24")
	w := &watch{Watcher: Watcher{Logger: discard}, changed: make(chan struct{}, 1)}
	n.must(n.do(w.open))
	t.Cleanup(w.handle.Close)
	n.must(w.events.SetReceiveBufferSize(1, false)) // the kernel makes that the least it has
	for i := range 100 {
		r := n.defaultRoute("eth0", "192.0.2.1", 0)
		r.Dst = ipNet(fmt.Sprintf("10.%d.0.0/16", i))
		n.addRoute(r)
	}
	done := make(chan struct{})
	received := make(chan struct{})
	go func() {
		defer close(received)
		w.receive(done)
	}()
	select {
	case <-w.changed:
	case <-time.After(patience):
		t.Error("messages are lost and nothing is read again")
	}
	close(done)
	w.close()
	<-received
}

// TestWatchWoke has the clocks say that the machine was asleep.
func TestWatchWoke(t *testing.T) {
	n := newNamespace(t)
	states := make(chan State, 100)
	readings := make(chan clocks)
	first := true
	var stop func()
	n.must(n.do(func() (err error) {
		stop, err = Watcher{}.start(func(s State) { states <- s }, time.Millisecond, func() (clocks, bool) {
			if first {
				first = false
				return clocks{}, true
			}
			c, ok := <-readings
			return c, ok
		})
		return err
	}))
	if s := <-states; s.Woke {
		t.Error("woke before the first sleep")
	}
	const s = time.Second
	readings <- clocks{monotonic: 5 * s, boot: 5 * s, wall: 5 * s}
	readings <- clocks{monotonic: 10 * s, boot: 1000 * s, wall: 1000 * s}
	readings <- clocks{monotonic: 15 * s, boot: 1005 * s, wall: 1005 * s}
	readings <- clocks{monotonic: 16 * s, boot: 1006 * s, wall: 1006 * s}
	close(readings) // from now on there are none
	stop()
	if len(states) != 1 {
		t.Fatalf("%d states, want one", len(states))
	}
	if s := <-states; !s.Woke || len(s.Uplinks) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestWatchUnprivileged watches without CAP_NET_ADMIN, which it does not need.
func TestWatchUnprivileged(t *testing.T) {
	n := newNamespace(t)
	told := 0
	n.must(n.withoutNetAdmin(func() error {
		stop, err := Watcher{}.Watch(func(State) { told++ })
		if err == nil {
			stop()
		}
		return err
	}))
	if told != 1 {
		t.Errorf("told %d states, want the first", told)
	}
}
