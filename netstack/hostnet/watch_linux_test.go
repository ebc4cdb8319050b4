// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched is a host and the states that its watcher tells.
type watched struct {
	*Namespace
	world  *Namespace // the other end of all its links
	states chan State
	stop   func()
}

// watchHost watches a host with the interfaces eth0 and wlan0.
func watchHost(t *testing.T, prepare func(*watched)) *watched {
	t.Helper()
	w := &watched{Namespace: NewNamespace(t), world: NewNamespace(t), states: make(chan State, 1000)}
	w.Connect("eth0", w.world, "weth0")
	w.Connect("wlan0", w.world, "wwlan0")
	if prepare != nil {
		prepare(w)
	}
	w.Must(w.Do(func() (err error) {
		w.stop, err = Watcher{Exclude: []string{"mnet0"}}.Watch(func(s State) { w.states <- s })
		return err
	}))
	t.Cleanup(w.stop)
	return w
}

// next returns the next state.
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

	w.Addr("eth0", "192.0.2.7/24")
	eth := w.DefaultRoute("eth0", "192.0.2.1", 100)
	w.AddRoute(eth)
	w.await(ethernet)

	w.Addr("wlan0", "198.51.100.7/24")
	w.AddRoute(w.DefaultRoute("wlan0", "198.51.100.1", 600))
	w.await(ethernet, wifi)

	// Another metric, another order.
	w.AddRoute(w.DefaultRoute("eth0", "192.0.2.1", 700))
	w.DelRoute(eth)
	w.await(wifi, ethernet)

	w.world.Down("wwlan0") // the carrier
	w.await(ethernet)
	w.world.Up("wwlan0")
	w.await(wifi, ethernet)

	w.Down("eth0") // takes its routes away
	w.await(wifi)

	w.DelAddr("wlan0", "198.51.100.7/24")
	w.await()
}

func TestWatchFirst(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.Addr("eth0", "192.0.2.7/24")
		w.AddRoute(w.DefaultRoute("eth0", "192.0.2.1", 100))
	})
	if len(w.states) == 0 {
		t.Fatal("Watch returned before it told anything")
	}
	s := w.next()
	if want := (Uplink{
		Interface: "eth0", Index: w.Link("eth0").Attrs().Index, Metric: 100,
		Gateway: addrOf(ipNet("192.0.2.1/32").IP), Source: addrOf(ipNet("192.0.2.7/32").IP),
	}); len(s.Uplinks) != 1 || s.Uplinks[0] != want || s.Woke {
		t.Errorf("%+v, want %+v", s, want)
	}
}

// TestWatchBurst changes the gateway many times in a row.
func TestWatchBurst(t *testing.T) {
	const changes = 200
	w := watchHost(t, func(w *watched) { w.Addr("eth0", "192.0.2.7/24") })
	w.await()
	start := time.Now()
	gateway := func(i int) string { return fmt.Sprintf("192.0.2.%d", 10+i) }
	for i := range changes {
		w.Must(w.h.RouteReplace(w.DefaultRoute("eth0", gateway(i), 100)))
	}
	told := 0
	for last := ""; !strings.Contains(last, "via "+gateway(changes-1)+" "); {
		last = strings.Join(describe(w.next().Uplinks), ",")
		told++
	}
	if most := int(time.Since(start)/settle) + 2; told > most {
		t.Errorf("%d states told, at most %d take their time", told, most)
	}
	t.Logf("%d changes, %d states", changes, told)
}

// TestWatchStop stops while there are changes.
func TestWatchStop(t *testing.T) {
	w := watchHost(t, func(w *watched) { w.Addr("eth0", "192.0.2.7/24") })
	w.AddRoute(w.DefaultRoute("eth0", "192.0.2.1", 100))
	w.stop()
	told := len(w.states)
	w.DelAddr("eth0", "192.0.2.7/24")
	w.stop() // does nothing
	if len(w.states) != told {
		t.Error("told something after stop")
	}
}

// TestWatchReplaced reads the tables in the midst of a change. A host without uplink
// for an instant is not told; another uplink is told at once.
func TestWatchReplaced(t *testing.T) {
	n, world := NewNamespace(t), NewNamespace(t)
	n.Connect("eth0", world, "weth0")
	n.Connect("wlan0", world, "wwlan0")
	n.Addr("eth0", "192.0.2.7/24")
	n.Addr("wlan0", "198.51.100.7/24")
	eth, wlan := n.DefaultRoute("eth0", "192.0.2.1", 100), n.DefaultRoute("wlan0", "198.51.100.1", 600)

	var told [][]string
	w := &watch{Watcher: Watcher{Logger: discard}, tell: func(s State) { told = append(told, describe(s.Uplinks)) }}
	n.Must(n.Do(w.open))
	t.Cleanup(w.handle.Close)
	t.Cleanup(w.close)
	update := func(what string, again time.Duration, want ...[]string) {
		t.Helper()
		if got := w.update(false); got != again {
			t.Errorf("%s: read again after %v, want %v", what, got, again)
		}
		if !slices.EqualFunc(told, want, slices.Equal[[]string]) {
			t.Errorf("%s: told %q, want %q", what, told, want)
		}
		told = nil
	}
	n.AddRoute(eth)
	update("the first", 0, []string{ethernet})
	n.DelRoute(eth)
	update("gone", settle)
	n.AddRoute(eth)
	update("back", 0)

	n.AddRoute(wlan)
	update("another", 0, []string{ethernet, wifi})
	n.DelRoute(eth)
	update("the better one gone", 0, []string{wifi})
	n.DelRoute(wlan)
	update("all gone", settle)
	update("still gone", 0, nil)
}

// TestWatchLost has messages lost, none of which is about a default route.
func TestWatchLost(t *testing.T) {
	n, world := NewNamespace(t), NewNamespace(t)
	n.Set("ipv6/conf/default/disable_ipv6", "1") // its link-local addresses would be news
	n.Connect("eth0", world, "weth0")
	n.Addr("eth0", "192.0.2.7/24")
	w := &watch{Watcher: Watcher{Logger: discard}, changed: make(chan struct{}, 1)}
	n.Must(n.Do(w.open))
	t.Cleanup(w.handle.Close)
	n.Must(w.events.SetReceiveBufferSize(1, false)) // the kernel makes that the least it has
	for i := range 100 {
		r := n.DefaultRoute("eth0", "192.0.2.1", 0)
		r.Dst = ipNet(fmt.Sprintf("10.%d.0.0/16", i))
		n.AddRoute(r)
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
	n := NewNamespace(t)
	states := make(chan State, 100)
	readings := make(chan clocks)
	first := true
	var stop func()
	n.Must(n.Do(func() (err error) {
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
	n := NewNamespace(t)
	told := 0
	n.Must(n.withoutNetAdmin(func() error {
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
