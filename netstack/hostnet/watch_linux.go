// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// settle is the least time from one reading of the tables to the next. An interface
	// that comes up sends a dozen messages; settle stops them from being told as half a
	// dozen states. The first message of a change is followed at once, as connections
	// wait for another uplink.
	settle = 10 * time.Millisecond

	// retryRead is the pause after tables that could not be read.
	retryRead = time.Second
)

// watch is the state of one call of Watch.
type watch struct {
	Watcher
	tell   func(State)
	handle *netlink.Handle
	events *nl.NetlinkSocket
	timer  wakeTimer
	read   func() (clocks, bool)

	changed chan struct{} // cap 1: the tables may have changed
	compare chan struct{} // cap 1: it is time to compare the clocks

	tables atomic.Pointer[tables] // of the last reading
	peers  peers

	// Of run alone.
	told   []Uplink
	lost   bool      // the tables have less than told, for the first time
	next   time.Time // when the tables may be read again
	clocks clocks
}

// Watch calls f with the present state before it returns. It calls f again after each
// change of the uplinks' interfaces, gateways, source addresses or order, and after a
// sleep of the machine. Calls do not overlap; there is none once stop has returned. f
// must not call stop.
func (w Watcher) Watch(f func(State)) (stop func(), err error) {
	stop, err = w.start(f, wakeTick, readClocks)
	if err != nil {
		return nil, fmt.Errorf("hostnet: watch uplinks: %w", err)
	}
	return stop, nil
}

func (w Watcher) start(f func(State), tick time.Duration, read func() (clocks, bool)) (stop func(), err error) {
	if w.Logger == nil {
		w.Logger = discard
	}
	w.Exclude = slices.Clone(w.Exclude)
	x := &watch{
		Watcher: w, tell: f, read: read,
		changed: make(chan struct{}, 1), compare: make(chan struct{}, 1),
	}
	if err := x.open(); err != nil {
		return nil, err
	}
	x.clocks, _ = read() // torn readings would make the first sleep shorter, no more
	x.peers.known = make(map[way]answer)
	x.peers.look = func(p way) (Uplink, error) { return x.tables.Load().lookUp(x.handle, p, w.origin().device) }
	ups, tables, err := readUplinks(x.handle, w)
	if err != nil {
		x.close()
		x.handle.Close()
		return nil, err
	}
	x.tables.Store(tables)
	x.told = ups
	f(x.state())

	var running sync.WaitGroup
	done := make(chan struct{})
	running.Go(func() { x.receive(done) })
	running.Go(func() { x.timer.run(tick, func() { poke(x.compare) }) })
	running.Go(func() { x.run(done) })
	return sync.OnceFunc(func() {
		close(done)
		x.close()
		running.Wait()
		x.handle.Close()
	}), nil
}

// open makes the sockets, in the network namespace of the thread. The messages come
// from before the first read on, so that no change gets lost.
func (w *watch) open() (err error) {
	w.events, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return err
	}
	if w.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		w.events.Close()
		return err
	}
	if w.timer, err = newWakeTimer(); err != nil {
		w.events.Close()
		w.handle.Close()
		return err
	}
	return nil
}

func (w *watch) close() {
	w.events.Close()
	w.timer.close()
}

// poke leaves word in a channel that holds one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// receive turns messages into pokes, until the socket is closed.
func (w *watch) receive(done <-chan struct{}) {
	for {
		msgs, _, err := w.events.Receive()
		select {
		case <-done:
			return
		default:
		}
		if err != nil { // ENOBUFS: messages got lost
			w.Logger.Debug("hostnet: netlink messages lost", "error", err)
		}
		if err != nil || slices.ContainsFunc(msgs, w.relevant) {
			poke(w.changed)
		}
	}
}

// relevant reports whether a message may be about an uplink: its route covers the
// address that the kernel is asked for. It stops a routing daemon that changes its
// routes all the time from having the tables read all the time.
func relevant(m syscall.NetlinkMessage) bool {
	if m.Header.Type != unix.RTM_NEWROUTE && m.Header.Type != unix.RTM_DELROUTE {
		return true
	}
	dst, ok := destination(m)
	return ok && (dst.Bits() == 0 || dst.Contains(anyPeer4) || dst.Contains(anyPeer6))
}

// relevant also counts routes to the peers that somebody has asked for.
func (w *watch) relevant(m syscall.NetlinkMessage) bool {
	if relevant(m) {
		return true
	}
	dst, ok := destination(m)
	return ok && w.peers.reach(dst)
}

// destination returns the destination of a message about a route.
func destination(m syscall.NetlinkMessage) (dst netip.Prefix, ok bool) {
	if len(m.Data) < unix.SizeofRtMsg {
		return dst, false
	}
	route := nl.DeserializeRtMsg(m.Data)
	if route.Dst_len == 0 {
		return netip.PrefixFrom(anyPeer(int(route.Family)), 0), true
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofRtMsg:])
	if err != nil {
		return dst, false
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.RTA_DST {
			dst = netip.PrefixFrom(addrOf(a.Value), int(route.Dst_len))
		}
	}
	return dst, dst.IsValid()
}

// state is what is told now.
func (w *watch) state() State {
	return State{
		Uplinks: w.told,
		Route:   func(from, to netip.Addr) (Uplink, bool) { return w.peers.route(way{from, to}) },
	}
}

// run tells the changes.
func (w *watch) run(done <-chan struct{}) {
	due := time.NewTimer(0) // when the tables are read
	due.Stop()
	defer due.Stop()
	pending := false
	update := func(woke bool) {
		again := w.update(woke)
		if pending = again > 0; pending {
			due.Reset(again)
		}
	}
	for {
		select {
		case <-done:
			return
		case <-w.changed:
			if pending {
				break
			}
			if wait := time.Until(w.next); wait > 0 {
				pending = true
				due.Reset(wait)
			} else {
				update(false)
			}
		case <-due.C:
			update(false)
		case <-w.compare:
			if w.slept() {
				update(true)
			}
		}
	}
}

// slept reports whether the machine was asleep since the last comparison.
func (w *watch) slept() bool {
	now, ok := w.read()
	if !ok {
		return false
	}
	before := w.clocks
	w.clocks = now
	return slept(before, now)
}

// update reads the tables and tells a change, or that the machine woke. It returns the
// time after which the tables have to be read again in any case, or zero.
func (w *watch) update(woke bool) (again time.Duration) {
	ups, tables, err := readUplinks(w.handle, w.Watcher)
	w.next = time.Now().Add(settle)
	if err != nil {
		w.Logger.Warn("hostnet: cannot read the uplinks", "error", err)
		w.tellChange(w.told, woke, false)
		return retryRead
	}
	w.tables.Store(tables)
	routes, rerouted, cut := w.peers.fresh()
	// A route that is replaced by deleting and adding it, as DHCP clients do, is gone
	// for an instant. Connections have nowhere to go meanwhile: it can wait.
	if !w.lost && (cut || lost(w.told, ups)) {
		w.lost = true
		w.tellChange(w.told, woke, false)
		return settle
	}
	w.lost = false
	w.peers.take(routes)
	w.tellChange(ups, woke, rerouted)
	return 0
}

// tellChange tells a new state, if it is one.
func (w *watch) tellChange(ups []Uplink, woke, rerouted bool) {
	if !woke && !rerouted && samePaths(ups, w.told) {
		return
	}
	w.told = ups
	st := w.state()
	st.Woke, st.Rerouted = woke, rerouted
	w.tell(st)
}

// lost reports whether a family that had an uplink has none.
func lost(before, now []Uplink) bool {
	has := func(ups []Uplink, is4 bool) bool {
		return slices.ContainsFunc(ups, func(u Uplink) bool { return u.Source.Is4() == is4 })
	}
	return has(before, true) && !has(now, true) || has(before, false) && !has(now, false)
}
