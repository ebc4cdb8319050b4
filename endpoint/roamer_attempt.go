// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
	"github.com/mnet-dev/mnet/endpoint/roam"
)

const (
	// MaxRoamAttempts stops the connections of a stack from moving in one burst,
	// which would overflow the queues of the path that they move to.
	MaxRoamAttempts = 64

	// maxRoamRetries stops connections whose peer does not answer from keeping others
	// waiting that have just lost their path.
	maxRoamRetries = MaxRoamAttempts / 2
)

// Why an attempt was given up.
var (
	errRoamerClosed = errors.New("roamer closed")
	errReleased     = errors.New("connection released from the roamer")
	errUplinkGone   = errors.New("uplink gone")
	errOtherUplink  = errors.New("another uplink has appeared")
)

// roamAttempt is an order that is being carried out. All of it belongs to the
// goroutine of run.
type roamAttempt struct {
	order  roam.Order
	urgent bool
	cancel context.CancelCauseFunc
	timer  tcpip.Timer // gives it up for another uplink; nil if there was none
	moved  bool        // the connection has moved meanwhile
}

// end gives it up, if it has not ended, and leaves no timer.
func (a *roamAttempt) end(cause error) {
	a.cancel(cause)
	if a.timer != nil {
		a.timer.Stop()
	}
}

// start begins with the attempts whose turn it is.
func (r *Roamer) start() {
	for r.active < MaxRoamAttempts {
		queue, urgent := &r.first, true
		if len(r.first) == 0 {
			if queue, urgent = &r.later, false; len(r.later) == 0 || r.retries == maxRoamRetries {
				return
			}
		}
		rc := (*queue)[0]
		(*queue)[0] = nil
		*queue = (*queue)[1:]
		rc.queued = false
		if !r.managed(rc) {
			continue
		}
		if rc.done() {
			r.remove(rc.c)
			continue
		}
		if o := r.ask(rc); o.Cause != roam.None {
			r.begin(rc, o, urgent)
		}
	}
}

func (r *Roamer) begin(rc *roamed, o roam.Order, urgent bool) {
	rc.machine.Begin(o)
	ctx, cancel := context.WithCancelCause(r.ctx)
	rc.try = &roamAttempt{order: o, urgent: urgent, cancel: cancel}
	r.active++
	if !urgent {
		r.retries++
	}
	r.attempts.Go(func() { r.attempt(ctx, rc, o) })
}

// revise gives an attempt up for which there is no reason any more, or soon, when
// the uplinks have changed.
func (r *Roamer) revise(rc *roamed, fit []roam.Uplink) {
	a := rc.try
	switch {
	case a == nil:
	case !slices.Contains(fit, a.order.Uplink):
		a.cancel(errUplinkGone)
	case a.order.Timeout == 0 && a.timer == nil && len(fit) > 1:
		a.timer = r.clock.AfterFunc(limits.FirstTry, func() { a.cancel(errOtherUplink) })
	}
}

// attempt moves a connection. It is a goroutine of its own.
func (r *Roamer) attempt(ctx context.Context, rc *roamed, o roam.Order) {
	c, begin := rc.c, r.now()
	from, _ := c.addrs()
	var remote netip.AddrPort
	if o.Resolve {
		// Its time is not that of the handshake: with a name server that is silent
		// there would be none left.
		remote = c.resolveAgain(ctx, o.Uplink.Local)
	}
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = withClockTimeout(ctx, r.clock, o.Timeout)
		defer cancel()
	}
	err := c.move(ctx, rc.m, netip.AddrPortFrom(o.Uplink.Local, 0), remote, o.Leave)
	if err != nil {
		err = c.opError("migrate", err)
	}
	ev := RoamEvent{Conn: c, Cause: o.Cause, From: from, Uplink: o.Uplink, Took: r.now().Sub(begin), Err: err}
	if err == nil {
		ev.To, _ = c.addrs()
	}
	r.report(ev)
	r.in.post(func() { r.attempted(rc, err) })
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
func (r *Roamer) attempted(rc *roamed, err error) {
	a := rc.try
	rc.try = nil
	a.end(nil)
	r.active--
	if !a.urgent {
		r.retries--
	}
	switch {
	case !r.managed(rc):
	case rc.done():
		r.remove(rc.c)
	default:
		r.conclude(rc, a, err)
		r.decide(rc)
	}
	r.start()
}

// conclude tells the machine how an attempt ended.
func (r *Roamer) conclude(rc *roamed, a *roamAttempt, err error) {
	now := r.now()
	_, remote := rc.c.addrs()
	rc.failed = err != nil && !a.moved
	switch {
	case err == nil:
		rc.machine.Succeeded(now)
		if remote.Addr() != rc.peer {
			r.moved(rc)
		}
	case a.moved:
		r.moved(rc) // the peer did it, or the application
	case errors.Is(err, ErrYielded):
		rc.machine.Yielded(now)
	default:
		rc.machine.Failed(now)
	}
	rc.machine.SetHeld(rc.m.Info().Holding)
	// The peer may have other addresses now.
	rc.machine.SetUplinks(now, r.fit(rc.c), false)
}
