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

	// errClosed is what attempts end with when the connection ends.
	errClosed = fmt.Errorf("connection ended: %w", net.ErrClosed)
)

// callMode is what a call is for.
type callMode uint8

const (
	moveFromLive callMode = iota // to move; the old path may work
	moveFromGone                 // to move; the old path does not work
	probeOnly
)

// call is a call of Migrate, Leave or Probe that waits for its attempt to end.
type call struct {
	done chan error // gets the result
	rtt  time.Duration
}

// Migrate moves the connection to the address local, and to remote: another address of the
// peer. A zero local port is chosen. For a zero local address the best route has one. Of a
// zero remote address or port the present one is kept. After an error the connection is where it was. If ctx ends first, the error
// is ctx's cause. Else it is an error of this package or of package migrate.
func (m *Migration) Migrate(ctx context.Context, local, remote netip.AddrPort) error {
	return m.move(ctx, local, remote, moveFromLive)
}

// Leave is Migrate from a path that does not work, even if its local address is still
// there. Nothing is sent on that path any more.
func (m *Migration) Leave(ctx context.Context, local, remote netip.AddrPort) error {
	return m.move(ctx, local, remote, moveFromGone)
}

func (m *Migration) move(ctx context.Context, local, remote netip.AddrPort, mode callMode) error {
	c, err := m.start(ctx, local, remote, mode)
	if err != nil {
		return err
	}
	return m.wait(ctx, c)
}

// Probe finds out whether Migrate would succeed, without moving the connection. It
// returns the round-trip time of the new path, 0 if that could not be measured.
func (m *Migration) Probe(ctx context.Context, local, remote netip.AddrPort) (time.Duration, error) {
	c, err := m.start(ctx, local, remote, probeOnly)
	if err != nil {
		return 0, err
	}
	if err := m.wait(ctx, c); err != nil {
		return 0, err
	}
	return c.rtt, nil
}

// start begins an attempt, after a move that is under way has been completed or given
// up.
func (m *Migration) start(ctx context.Context, local, remote netip.AddrPort, mode callMode) (c *call, err error) {
	for {
		var free <-chan struct{}
		m.ep.MigrationLock(func() {
			if free = m.underWay(); free == nil {
				c, err = m.startLocked(local, remote, mode)
			}
			m.sync()
		})
		if free == nil {
			return c, err
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// underWay returns a channel that is closed when the move under way has ended, nil if
// there is none worth waiting for (M581). Caller holds the endpoint.
func (m *Migration) underWay() <-chan struct{} {
	if !m.busy() {
		return nil
	}
	if m.free == nil {
		m.free = make(chan struct{})
	}
	return m.free
}

// busy reports whether a move of this end is about to be completed.
func (m *Migration) busy() bool {
	return m.machine.Completing() && m.migrator.isLocal(m.current().Local.Addr())
}

// startLocked replaces an attempt of this end by a new one.
func (m *Migration) startLocked(local, remote netip.AddrPort, mode callMode) (*call, error) {
	if m.call != nil {
		m.do(m.machine.Cancel(ErrSuperseded), gvisorSegment{})
	}
	cur := m.ep.MigrationID()
	to := tcpip.FullAddress{Addr: cur.RemoteAddress, Port: cur.RemotePort}
	from, given := FullAddress(local), FullAddress(remote)
	if given.Addr.Len() != 0 {
		to.Addr = given.Addr
	}
	if remote.Port() != 0 {
		to.Port = remote.Port()
	}
	for _, a := range []tcpip.Address{from.Addr, given.Addr} {
		if m.migrator.forMany(a) {
			return nil, fmt.Errorf("%w: %v is a multicast or broadcast address", ErrNoRoute, Addr(a))
		}
	}
	if from.Addr.Len() != 0 && from.Addr.Len() != to.Addr.Len() {
		return nil, fmt.Errorf("%w: %v and %v are of different families", ErrNoRoute, local.Addr(), Addr(to.Addr))
	}
	tcb := m.tcb()
	switch st := m.machine.State(); {
	case st == migrate.Plain:
		return nil, m.plain()
	case st != migrate.Confirmed || !tcb.Movable:
		// The machine says why, without a path being opened.
		_, err := m.machine.Start(m.now(), migrate.Tuple{}, tupleOf(cur), tcb, false)
		return nil, err
	}
	id, terr := m.ep.MigrationOpenPath(from, to)
	if terr != nil {
		return nil, pathError(terr, local)
	}
	var acts []migrate.Action
	var err error
	if mode == probeOnly {
		acts, err = m.machine.Probe(m.now(), tupleOf(id), tupleOf(cur), tcb)
	} else {
		// M505
		keepOld := mode == moveFromLive && m.migrator.isLocal(Addr(cur.LocalAddress))
		acts, err = m.machine.Start(m.now(), tupleOf(id), tupleOf(cur), tcb, keepOld)
	}
	if err != nil {
		m.ep.MigrationDropPath()
		return nil, err
	}
	c := &call{done: make(chan error, 1)}
	m.call = c
	m.do(acts, gvisorSegment{})
	return c, nil
}

func pathError(err tcpip.Error, local netip.AddrPort) error {
	switch err.(type) {
	case *tcpip.ErrPortInUse, *tcpip.ErrNoPortAvailable:
		return fmt.Errorf("%w: %v", ErrAddrInUse, local)
	default:
		return fmt.Errorf("%w: %v: %v", ErrNoRoute, local, err)
	}
}

// wait returns the result of c, which it gives up when ctx ends.
func (m *Migration) wait(ctx context.Context, c *call) error {
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	m.ep.MigrationLock(func() {
		if m.call == c {
			m.do(m.machine.Cancel(context.Cause(ctx)), gvisorSegment{})
			m.sync()
		}
	})
	// The attempt ended in the meantime, or it has just been given up.
	return <-c.done
}

// finish tells the caller of the attempt how it ended. Caller holds the endpoint.
func (m *Migration) finish(err error) {
	if c := m.call; c != nil {
		m.call = nil
		c.done <- err
	}
}
