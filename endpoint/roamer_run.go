// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// roamed is a connection that a Roamer manages. All but pending belongs to the
// goroutine of run.
type roamed struct {
	c       *Conn
	m       *netstack.Migration
	machine *roam.Machine
	peer    netip.Addr // that the machine's uplinks lead to

	pending atomic.Uint32 // bits of netstack.MigrationEvent that nobody has looked at

	timer  tcpip.Timer  // nil if none is set
	queued bool         // waits for its turn to be moved
	failed bool         // the last attempt has
	try    *roamAttempt // under way, or nil
}

// run is the goroutine that owns all machines.
func (r *Roamer) run() {
	defer close(r.done)
	for {
		calls, ok := r.in.take()
		if !ok {
			break
		}
		for _, f := range calls {
			f()
		}
	}
	r.cancel(errRoamerClosed)
	for _, rc := range r.conns {
		r.forget(rc)
	}
	r.attempts.Wait()
}

// silenceProbe is how long a connection that was dialled has to be silent, after data,
// before the peer is asked whether it is still there. With the time-outs that follow a
// download finds out in about 3 s that a NAT has forgotten.
const silenceProbe = time.Second

func (r *Roamer) now() time.Time { return r.clock.Now() }

func (r *Roamer) add(c *Conn, m *netstack.Migration) {
	if r.conns[c] != nil || c.isClosed() {
		return
	}
	local, remote := c.addrs()
	rc := &roamed{c: c, m: m, peer: remote.Addr(), machine: roam.NewMachine(roam.Config{
		Policy:   r.cfg.Policy,
		Local:    local.Addr(),
		Accepted: c.peers.Load() == nil,
		Named:    c.name != nil,
	})}
	r.conns[c] = rc
	rc.machine.SetUplinks(r.now(), r.fit(c), false)
	m.Watch(func(e netstack.MigrationEvent) {
		if rc.pending.Or(1<<e) == 0 {
			r.in.post(func() { r.look(rc) })
		}
	})
	if c.peers.Load() != nil {
		m.ProbeSilence(silenceProbe)
	}
}

func (r *Roamer) remove(c *Conn) {
	if rc := r.conns[c]; rc != nil {
		rc.machine.Closed()
		r.forget(rc)
		delete(r.conns, c)
	}
}

// closed lets a connection go that the application has closed, unless it lingers or is
// about to move. Nobody waits for TCP's remaining work, up to the end of TIME-WAIT.
func (r *Roamer) closed(c *Conn) {
	r.in.post(func() {
		if rc := r.conns[c]; rc != nil && rc.try == nil && rc.done() {
			r.remove(c)
		}
	})
}

// forget lets go of all that others hold of rc.
func (r *Roamer) forget(rc *roamed) {
	rc.m.Watch(nil)
	rc.m.ProbeSilence(0)
	rc.setTimer(nil)
	if rc.try != nil {
		rc.try.end(errReleased)
	}
}

// done reports whether there is nothing left to move for.
func (rc *roamed) done() bool { return rc.c.isClosed() && !rc.c.lingers() }

// managed reports whether rc is still the entry of its connection: it may have been
// released since.
func (r *Roamer) managed(rc *roamed) bool { return r.conns[rc.c] == rc }

func (rc *roamed) setTimer(t tcpip.Timer) {
	if rc.timer != nil {
		rc.timer.Stop()
	}
	rc.timer = t
}

// setUplinks takes the monitor's report.
func (r *Roamer) setUplinks(ch roam.Change) {
	changed := ch.Woke || !slices.Equal(ch.Uplinks, r.uplinks.Uplinks)
	r.uplinks = ch
	level := slog.LevelDebug // the way to some peer has changed
	if changed {
		level = slog.LevelInfo
	}
	r.log.Log(r.ctx, level, "uplinks", "uplinks", ch.Uplinks, "woke", ch.Woke, "connections", len(r.conns))
	all := make([]*roamed, 0, len(r.conns))
	heard := make(map[*roamed]netstack.Contact, len(r.conns))
	for _, rc := range r.conns {
		all = append(all, rc)
		heard[rc] = rc.m.Contact()
	}
	// Connections that wait for an answer go first, then the ones that had one last.
	slices.SortFunc(all, func(a, b *roamed) int {
		ca, cb := heard[a], heard[b]
		if (ca.InFlight > 0) != (cb.InFlight > 0) {
			if ca.InFlight > 0 {
				return -1
			}
			return 1
		}
		return cb.Heard.Compare(ca.Heard)
	})
	for _, rc := range all {
		fit := r.fit(rc.c)
		rc.machine.SetUplinks(r.now(), fit, ch.Woke)
		r.revise(rc, fit)
		r.decide(rc)
	}
}

// fit returns the uplinks by which the peer could be reached, at its present address or
// at one of the other family.
func (r *Roamer) fit(c *Conn) []roam.Uplink {
	_, present := c.addrs()
	fit := r.uplinks.Reach(present.Addr())
	if other := c.otherPeer(); other.IsValid() {
		fit = slices.Concat(fit, r.uplinks.Reach(other))
	}
	return fit
}

// look takes the events of a connection.
func (r *Roamer) look(rc *roamed) {
	bits := rc.pending.Swap(0)
	if !r.managed(rc) {
		return
	}
	has := func(e netstack.MigrationEvent) bool { return bits&(1<<e) != 0 }
	if has(netstack.EventClosed) {
		r.remove(rc.c)
		return
	}
	if has(netstack.EventSettled) {
		rc.machine.Settled(rc.m.Info().State == migrate.Confirmed)
		if rc.machine.Done() {
			r.remove(rc.c)
			return
		}
	}
	if has(netstack.EventUnreachable) {
		rc.machine.Unreachable(r.now())
	}
	if has(netstack.EventHeld) {
		rc.machine.SetHeld(rc.m.Info().Holding)
	}
	if has(netstack.EventMoved) {
		if rc.try != nil {
			rc.try.moved = true // perhaps by the attempt: its result will tell
		} else {
			r.moved(rc)
		}
	}
	r.decide(rc)
}

// moved tells the machine that the connection has been moved by somebody else, or to
// another address of the peer.
func (r *Roamer) moved(rc *roamed) {
	local, remote := rc.c.addrs()
	rc.peer = remote.Addr()
	rc.machine.Moved(r.now(), local.Addr(), r.fit(rc.c))
}

// decide asks the machine of a connection for an order. A connection that is to move
// goes into a queue, and is asked again when its turn has come. By then the peer may
// have answered, or another uplink be there.
func (r *Roamer) decide(rc *roamed) {
	if rc.queued || rc.try != nil {
		return
	}
	if o := r.ask(rc); o.Cause != roam.None {
		rc.queued = true
		if o.Cause == roam.PathGone && !rc.failed {
			r.first = append(r.first, rc)
		} else {
			r.later = append(r.later, rc)
		}
		r.start()
	}
}

// ask returns the order to move a connection, if there is one; else it sees to it
// that the machine is asked again in time.
func (r *Roamer) ask(rc *roamed) roam.Order {
	contact := rc.m.Contact()
	rc.machine.Heard(contact.Heard, contact.Unanswered)
	order, again := rc.machine.Decide(r.now())
	if again.IsZero() {
		rc.setTimer(nil)
	} else {
		rc.setTimer(r.clock.AfterFunc(again.Sub(r.now()), func() {
			r.in.post(func() {
				if r.managed(rc) {
					r.decide(rc)
				}
			})
		}))
	}
	if order.Hold {
		rc.m.Hold()
	}
	return order
}
