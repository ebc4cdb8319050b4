// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
)

// Errors of attempts to migrate, beside those of package migrate.
var (
	// ErrNoRoute: the local address is not the stack's, or the peer cannot be
	// reached from it.
	ErrNoRoute = errors.New("no route from this local address to the peer")
	// ErrAddrInUse: the tuple belongs to another connection.
	ErrAddrInUse = fmt.Errorf("local address and port %w", ErrInUse)
	// ErrSuperseded: a later call of the same end replaced the attempt.
	ErrSuperseded = errors.New("replaced by a later migration")

	// errClosed is what attempts end with whose connection does.
	errClosed = fmt.Errorf("connection ended: %w", net.ErrClosed)
)

// attemptMode is what an attempt is for.
type attemptMode uint8

const (
	moveFromLive attemptMode = iota // the old path may work
	moveFromGone                    // it does not
	probeOnly
)

type attempt struct {
	done chan error
	rtt  time.Duration
}

// Migrate moves the connection to local, and to remote if the peer is to be
// reached at another address than now. A zero port of local is chosen, a zero
// address is that of the best route. If it fails, or ctx ends first, the
// connection stays where it is; in the latter case the error is ctx's cause.
func (h *Migration) Migrate(ctx context.Context, local, remote netip.AddrPort) error {
	return h.move(ctx, local, remote, moveFromLive)
}

// Leave is Migrate from a path that is gone though its local address may still be
// there: nothing is sent on it any more.
func (h *Migration) Leave(ctx context.Context, local, remote netip.AddrPort) error {
	return h.move(ctx, local, remote, moveFromGone)
}

func (h *Migration) move(ctx context.Context, local, remote netip.AddrPort, mode attemptMode) error {
	a, err := h.start(ctx, local, remote, mode)
	if err != nil {
		return err
	}
	return h.wait(ctx, a)
}

// Probe finds out whether the connection could move, and the round-trip time
// there, without moving it.
func (h *Migration) Probe(ctx context.Context, local, remote netip.AddrPort) (time.Duration, error) {
	a, err := h.start(ctx, local, remote, probeOnly)
	if err != nil {
		return 0, err
	}
	if err := h.wait(ctx, a); err != nil {
		return 0, err
	}
	return a.rtt, nil
}

// start begins an attempt, once the move that is under way, if there is one, has
// been completed or given up.
func (h *Migration) start(ctx context.Context, local, remote netip.AddrPort, mode attemptMode) (a *attempt, err error) {
	for {
		var free <-chan struct{}
		h.tcb.MigrationLock(func() {
			if free = h.underWay(); free == nil {
				a, err = h.startLocked(local, remote, mode)
			}
			h.sync()
		})
		if free == nil {
			return a, err
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// underWay returns what is closed when the move that is under way has ended, nil
// if there is none worth waiting for. A request of the peer towards an address
// that is gone is given up.
func (h *Migration) underWay() <-chan struct{} {
	if t, ok := h.conn.Provisional(); ok && !h.m.isLocal(t.Local.Addr()) {
		h.do(h.conn.DropProvisional())
	}
	if !h.busy() {
		return nil
	}
	if h.free == nil {
		h.free = make(chan struct{})
	}
	return h.free
}

// busy reports whether a move of either end is about to be completed.
func (h *Migration) busy() bool {
	if _, ok := h.conn.Provisional(); ok {
		return true
	}
	return h.conn.Completing() && h.m.isLocal(h.current().Local.Addr())
}

func (h *Migration) startLocked(local, remote netip.AddrPort, mode attemptMode) (*attempt, error) {
	if h.attempt != nil {
		h.do(h.conn.Cancel(ErrSuperseded))
	}
	cur := h.tcb.MigrationID()
	to := tcpip.FullAddress{Addr: cur.RemoteAddress, Port: cur.RemotePort}
	if remote.IsValid() {
		to = tcpip.FullAddress{Addr: tcpip.AddrFromSlice(remote.Addr().Unmap().AsSlice()), Port: remote.Port()}
	}
	from := tcpip.FullAddress{Port: local.Port()}
	if local.Addr().IsValid() && !local.Addr().IsUnspecified() {
		from.Addr = tcpip.AddrFromSlice(local.Addr().Unmap().AsSlice())
	}
	if from.Addr.Len() != 0 && from.Addr.Len() != to.Addr.Len() {
		return nil, fmt.Errorf("%w: %v and %v are of different families", ErrNoRoute, local.Addr(), addrOf(to.Addr))
	}
	tcb := snapshot(h.tcb)
	switch st := h.conn.State(); {
	case st == migrate.Plain:
		return nil, h.plain()
	case st != migrate.Confirmed || !tcb.Movable:
		// The machine says why, without a path being opened.
		_, err := h.conn.Start(h.now(), migrate.Tuple{}, tupleOf(cur), tcb, false)
		return nil, err
	}
	id, terr := h.tcb.MigrationOpenPath(0, from, to)
	if terr != nil {
		return nil, pathError(terr, local)
	}
	begin := h.conn.Probe
	if mode != probeOnly {
		keepOld := mode == moveFromLive && h.m.isLocal(addrOf(cur.LocalAddress))
		begin = func(now migrate.Time, t, old migrate.Tuple, tcb migrate.TCB) ([]migrate.Action, error) {
			return h.conn.Start(now, t, old, tcb, keepOld)
		}
	}
	acts, err := begin(h.now(), tupleOf(id), tupleOf(cur), tcb)
	if err != nil {
		h.tcb.MigrationDropPath()
		return nil, err
	}
	a := &attempt{done: make(chan error, 1)}
	h.attempt = a
	h.do(acts)
	return a, nil
}

func pathError(err tcpip.Error, local netip.AddrPort) error {
	switch err.(type) {
	case *tcpip.ErrPortInUse, *tcpip.ErrNoPortAvailable:
		return fmt.Errorf("%w: %v", ErrAddrInUse, local)
	default:
		return fmt.Errorf("%w: %v: %v", ErrNoRoute, local, err)
	}
}

func (h *Migration) wait(ctx context.Context, a *attempt) error {
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
	}
	h.tcb.MigrationLock(func() {
		if h.attempt == a {
			h.do(h.conn.Cancel(context.Cause(ctx)))
			h.sync()
		}
	})
	// Either the attempt ended in the meantime or it was just given up.
	return <-a.done
}

// finish tells who waits for the attempt how it ended. Caller holds the endpoint.
func (h *Migration) finish(err error) {
	if a := h.attempt; a != nil {
		h.attempt = nil
		a.done <- err
	}
}
