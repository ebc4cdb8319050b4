// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
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

	pending atomic.Uint32 // bits of netstack.MigrationEvent that nobody has looked at

	timer      tcpip.Timer // nil if none is set
	unanswered int
	order      roam.Order // while it is in the queue or under way
	busy       bool       // an order is in the queue or under way
	moved      bool       // the connection has moved meanwhile
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
	for _, rc := range r.conns {
		r.forget(rc)
	}
	r.cancel(errRoamerClosed)
	r.attempts.Wait()
}

func (r *Roamer) now() time.Time { return r.clock.Now() }

func (r *Roamer) add(c *Conn, m *netstack.Migration) {
	if r.conns[c] != nil {
		return
	}
	local, _ := c.addrs()
	rc := &roamed{c: c, m: m, machine: roam.NewMachine(r.cfg.Policy, local.Addr(), c.peers.Load() == nil)}
	r.conns[c] = rc
	rc.machine.SetUplinks(r.now(), r.fit(c), false)
	m.Watch(func(e netstack.MigrationEvent) {
		if rc.pending.Or(1<<e) == 0 {
			r.in.post(func() { r.look(rc) })
		}
	})
}

func (r *Roamer) remove(c *Conn) {
	if rc := r.conns[c]; rc != nil {
		rc.machine.Closed()
		r.forget(rc)
		delete(r.conns, c)
	}
}

// forget lets go of all that others hold of rc.
func (r *Roamer) forget(rc *roamed) {
	rc.m.Watch(nil)
	rc.setTimer(nil)
}

func (rc *roamed) setTimer(t tcpip.Timer) {
	if rc.timer != nil {
		rc.timer.Stop()
	}
	rc.timer = t
}

// setUplinks takes what the monitor says.
func (r *Roamer) setUplinks(ch roam.Change) {
	r.uplinks = ch.Uplinks
	r.log.Info("uplinks", "uplinks", ch.Uplinks, "woke", ch.Woke, "connections", len(r.conns))
	all := make([]*roamed, 0, len(r.conns))
	heard := make(map[*roamed]netstack.Contact, len(r.conns))
	for _, rc := range r.conns {
		all = append(all, rc)
		heard[rc] = rc.m.Contact()
	}
	// Who waits for an answer goes first, then who had one last.
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
		rc.machine.SetUplinks(r.now(), r.fit(rc.c), ch.Woke)
		r.decide(rc)
	}
}

// fit returns the uplinks by which the peer could be reached.
func (r *Roamer) fit(c *Conn) []roam.Uplink {
	var fit []roam.Uplink
	for _, u := range r.uplinks {
		if c.hasPeerFor(u.Local) {
			fit = append(fit, u)
		}
	}
	return fit
}

// look takes the events of a connection.
func (r *Roamer) look(rc *roamed) {
	bits := rc.pending.Swap(0)
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
	if has(netstack.EventUnanswered) || has(netstack.EventUnreachable) {
		rc.refresh()
	}
	if has(netstack.EventUnreachable) {
		rc.machine.Unreachable()
	}
	if has(netstack.EventHeld) {
		rc.machine.SetHeld(rc.m.Info().Holding)
	}
	if has(netstack.EventMoved) {
		if rc.busy {
			rc.moved = true
		} else {
			rc.wentTo(r.now(), roam.Uplink{})
		}
	}
	r.decide(rc)
}

// refresh tells the machine whether the peer answers.
func (rc *roamed) refresh() {
	rc.unanswered = rc.m.Contact().Unanswered
	rc.machine.Unanswered(rc.unanswered)
}

// wentTo tells the machine that the connection has moved, to u if its address is
// that of u.
func (rc *roamed) wentTo(now time.Time, u roam.Uplink) {
	local, _ := rc.c.addrs()
	if u.Local != local.Addr() {
		u = roam.Uplink{Local: local.Addr()}
	}
	rc.unanswered = 0
	rc.machine.Moved(now, u)
}

// decide asks the machine of a connection what to do.
func (r *Roamer) decide(rc *roamed) {
	if rc.busy {
		return
	}
	if rc.unanswered > 0 {
		rc.refresh()
	}
	order, again := rc.machine.Decide(r.now())
	if again.IsZero() {
		rc.setTimer(nil)
	} else {
		rc.setTimer(r.clock.AfterFunc(again.Sub(r.now()), func() {
			r.in.post(func() {
				if r.conns[rc.c] == rc {
					r.decide(rc)
				}
			})
		}))
	}
	switch {
	case order.Suspend:
		rc.m.Suspend()
	case order.Cause != roam.None:
		rc.order, rc.busy = order, true
		r.ready = append(r.ready, rc)
		r.start()
	}
}

// start begins with the attempts whose turn it is.
func (r *Roamer) start() {
	for r.active < MaxRoamAttempts && len(r.ready) > 0 {
		rc := r.ready[0]
		r.ready = r.ready[1:]
		if r.conns[rc.c] != rc {
			continue
		}
		if !slices.Contains(r.uplinks, rc.order.Uplink) {
			// It went while the connection was in the queue.
			rc.busy = false
			rc.machine.Failed(r.now())
			r.decide(rc)
			continue
		}
		r.active++
		r.attempts.Go(func() { r.attempt(rc, rc.order) })
	}
}

// attempt moves a connection. It is a goroutine of its own.
func (r *Roamer) attempt(rc *roamed, o roam.Order) {
	c, begin := rc.c, r.now()
	from, _ := c.addrs()
	ctx, cancel := r.ctx, context.CancelFunc(func() {})
	if o.Timeout > 0 {
		ctx, cancel = withClockTimeout(ctx, r.clock, o.Timeout)
	}
	var remote netip.AddrPort
	if o.Resolve {
		remote = c.resolveAgain(ctx, o.Uplink.Local)
	}
	err := c.migrateFrom(ctx, netip.AddrPortFrom(o.Uplink.Local, 0), remote, o.Leave)
	cancel()
	ev := RoamEvent{Conn: c, Cause: o.Cause, From: from, Uplink: o.Uplink, Took: r.now().Sub(begin), Err: err}
	if err == nil {
		ev.To, _ = c.addrs()
	}
	r.report(ev)
	r.in.post(func() { r.attempted(rc, o, err) })
}

func (r *Roamer) report(ev RoamEvent) {
	attrs := []any{"cause", ev.Cause, "from", ev.From, "uplink", ev.Uplink, "took", ev.Took}
	if ev.Err == nil {
		r.log.Info("moved", append(attrs, "to", ev.To)...)
	} else {
		r.log.Warn("could not move", append(attrs, "err", ev.Err)...)
	}
	if r.cfg.Observe != nil {
		r.cfg.Observe(ev)
	}
}

// attempted takes the result of an attempt.
func (r *Roamer) attempted(rc *roamed, o roam.Order, err error) {
	r.active--
	moved := rc.moved
	rc.busy, rc.moved = false, false
	switch {
	case r.conns[rc.c] != rc:
	case err == nil:
		rc.machine.Succeeded()
		rc.wentTo(r.now(), o.Uplink)
		r.decide(rc)
	case moved:
		// Not by us: the peer, or the application.
		rc.machine.Failed(r.now())
		rc.wentTo(r.now(), roam.Uplink{})
		r.decide(rc)
	default:
		rc.machine.Failed(r.now())
		rc.machine.SetHeld(rc.m.Info().Holding)
		r.decide(rc)
	}
	r.start()
}
