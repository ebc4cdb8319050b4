// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
)

// MigrationConfig is what all connections of a stack share.
type MigrationConfig struct {
	// Format of the options on the wire. Both ends need the same. Zero value:
	// Kinds 15 and 16.
	Format migrate.Format

	// ResetUnknown answers a migrate SYN with an unknown token by a RST, as the
	// draft has it. Zero value: no answer, which tells a scanner nothing.
	ResetUnknown bool

	// MaxHolds bounds the connections that are held. Over the bound a RST closes at
	// once. Zero value: DefaultMaxHolds.
	MaxHolds int

	// MaxHoldBytes bounds what the queues of these connections may grow to: the
	// sum of the sizes of their buffers when they began to wait. Zero value:
	// DefaultMaxHoldBytes.
	MaxHoldBytes int64

	// Released is called with each tuple that a connection has moved away from, once
	// nothing is sent or taken there any more. The connection may go on or have ended.
	// Calls may overlap. Released must not block, nor call the connection. Nil means that
	// nobody is told.
	Released func(migrate.Tuple)
}

// Bounds of the connections of a stack that are held (M710). Each keeps its queues, and
// an attacker who can forge resets could collect them.
const (
	DefaultMaxHolds = 1024
	// DefaultMaxHoldBytes is enough for 512 connections with buffers of the default
	// sizes.
	DefaultMaxHoldBytes = 512 * 2 * DefaultBuffer
)

// maxMoves is how many moves a connection remembers.
const maxMoves = 16

// Move is one migration of a connection, as seen from this end.
type Move struct {
	At        time.Time // of the stack's clock
	From, To  migrate.Tuple
	Initiator bool          // this end asked for it
	RTT       time.Duration // of the handshake; 0 if it could not be measured
}

// Migration moves one connection. Its methods are safe for concurrent use.
type Migration struct {
	migrator *migrator
	ep       gvisorEndpoint

	verifier atomic.Pointer[migrate.Verifier] // of the peer's requests; nil: none is valid
	watch    atomic.Pointer[watch]            // nil: nobody watches
	doubted  atomic.Bool                      // an ICMP error about the path on trial is being looked at
	required bool                             // plain TCP will not do; set once

	// The endpoint's mutex protects what follows.
	nTokens uint8
	tokens  [migrate.MaxTokens]migrate.Token // published; the first nTokens
	machine *migrate.Machine
	settled chan struct{} // closed when the negotiation ends; nil: nobody waits
	free    chan struct{} // closed when another attempt may begin; nil: nobody waits
	idle    chan struct{} // closed when no attempt is under way; nil: nobody waits
	call    *call         // of this end; nil: none
	moves   *[]Move       // the last maxMoves; nil: none
	held    int64         // bytes of the stack's bound on holds; 0: the connection has no hold
}

// NewMigration makes the connection of ep, which has not been connected yet,
// migratable by cfg. It returns nil if the policy is Off. It fails as [Patched] does,
// or with an [ErrInUse] if ep is connected or listens.
func (s *Stack) NewMigration(ep tcpip.Endpoint, cfg *migrate.Config) (*Migration, error) {
	if cfg.Policy == migrate.Off {
		return nil, nil
	}
	if err := Patched(); err != nil {
		return nil, err
	}
	m, err := s.migrator.newMigration(migrate.Opener, ep, s.migrator.intern(cfg))
	if err != nil {
		return nil, err
	}
	if err := setHandler(m.ep, (*handler)(m)); err != nil {
		return nil, err
	}
	return m, nil
}

// AcceptMigration makes the connections of listener ep, which does not listen yet,
// migratable by cfg. It fails as [Stack.NewMigration] does.
func (s *Stack) AcceptMigration(ep tcpip.Endpoint, cfg *migrate.Config) error {
	if cfg.Policy == migrate.Off {
		return nil
	}
	if err := Patched(); err != nil {
		return err
	}
	return setHandler(ep.(gvisorEndpoint), &acceptor{migrator: s.migrator, cfg: cfg})
}

// MigrationOf returns the migration of an endpoint, nil for plain TCP.
func MigrationOf(ep tcpip.Endpoint) *Migration {
	if e, ok := ep.(gvisorEndpoint); ok {
		if h, ok := e.MigrationHandler().(*handler); ok {
			return (*Migration)(h)
		}
	}
	return nil
}

// WaitSettled waits until the negotiation has ended, one way or the other. It
// returns nil if the connection can migrate. Else the error wraps
// migrate.ErrNotNegotiated and says why, or is ctx's cause.
func (m *Migration) WaitSettled(ctx context.Context) error {
	for {
		var settled chan struct{}
		var err error
		m.ep.MigrationLock(func() {
			switch m.machine.State() {
			case migrate.Confirmed:
			case migrate.Plain:
				err = m.plain()
			default:
				if m.settled == nil {
					m.settled = make(chan struct{})
				}
				settled = m.settled
			}
		})
		if settled == nil {
			return err
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// plain says why a connection is plain TCP. Caller holds the endpoint.
func (m *Migration) plain() error {
	if m.machine.Reason() == migrate.PlainClosed {
		return errClosed
	}
	return fmt.Errorf("%w: %v", migrate.ErrNotNegotiated, m.machine.Reason())
}

// BindKey mixes a secret that both applications share into the keys, such as
// exported keying material of a TLS session (RFC 5705). Both ends have to call it
// with the same secret. From then on requests made without it are refused. BindKey waits
// until no attempt of this end is under way (M242). If ctx ends first, the error is ctx's
// cause.
func (m *Migration) BindKey(ctx context.Context, secret []byte) error {
	for {
		var idle chan struct{}
		var err error
		m.ep.MigrationLock(func() {
			if m.machine.State() == migrate.Plain {
				err = m.plain()
				return
			}
			if err = m.machine.BindKey(secret); err == migrate.ErrBusy {
				if m.idle == nil {
					m.idle = make(chan struct{})
				}
				idle = m.idle
			}
			m.sync()
		})
		if idle == nil {
			return err
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// MigrationInfo is a snapshot of one connection.
type MigrationInfo struct {
	State     migrate.NegotiationState
	Reason    migrate.PlainReason // if State is Plain
	Suite     migrate.SuiteID
	Phase     migrate.Phase
	Holding   bool   // held
	Initiated uint64 // moves that this end asked for
	Accepted  uint64 // moves that the peer asked for
	Current   migrate.Tuple
	Moves     []Move // the latest, oldest first
}

// Info returns a snapshot.
func (m *Migration) Info() (i MigrationInfo) {
	m.ep.MigrationLock(func() {
		i = MigrationInfo{
			State:   m.machine.State(),
			Reason:  m.machine.Reason(),
			Suite:   m.machine.Suite(),
			Phase:   m.machine.Phase(),
			Holding: m.machine.Holding(),
			Current: m.current(),
		}
		if m.moves != nil {
			i.Moves = append(i.Moves, *m.moves...)
		}
		i.Initiated, i.Accepted = m.machine.Moves()
	})
	return i
}
