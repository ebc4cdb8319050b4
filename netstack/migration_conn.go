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

// pathHistory is how many moves a connection remembers for its owner.
const pathHistory = 16

// Move is one migration of a connection, as seen from this end.
type Move struct {
	At        time.Time // of the stack's clock
	From, To  migrate.Tuple
	Initiator bool          // this end asked for it
	RTT       time.Duration // of the handshake; 0 if it could not be told
}

// Migration moves one connection. It is the handler of its endpoint: the
// endpoint's mutex protects all fields that are not atomic.
type Migration struct {
	m        *migrator
	tcb      tcb
	conn     *migrate.Machine
	verifier atomic.Pointer[migrate.Verifier]
	tokens   [migrate.MaxTokens]migrate.Token // published; the first n

	settled chan struct{} // closed when the negotiation ends; nil if nobody waits
	free    chan struct{} // closed when another attempt may begin; nil if nobody waits
	attempt *attempt      // of this end, nil if none
	moves   *[]Move       // the last pathHistory; nil if none

	watch   atomic.Pointer[watch] // nil if nobody watches
	doubted atomic.Bool           // an ICMP error about the tuple on trial is being looked at

	n        uint8
	required bool  // plain TCP will not do
	held     int64 // what this connection has of the stack's bytes for holds; 0 if it has none
}

// NewMigration makes the connection of ep, which has not been connected yet,
// migratable by cfg. It returns nil if the policy is Off, ErrUnpatched if
// gVisor lacks the hooks.
func (s *Stack) NewMigration(ep tcpip.Endpoint, cfg *migrate.Config) (*Migration, error) {
	if cfg.Policy == migrate.Off {
		return nil, nil
	}
	if err := Patched(); err != nil {
		return nil, err
	}
	h, err := s.migrator.newMigration(migrate.Opener, ep, s.migrator.share(cfg))
	if err != nil {
		return nil, err
	}
	if !h.tcb.SetMigrationHandler(h) {
		return nil, fmt.Errorf("migration: endpoint is in use already")
	}
	return h, nil
}

// AcceptMigration makes the connections of listener ep, which does not listen
// yet, migratable by cfg. Errors are those of NewMigration.
func (s *Stack) AcceptMigration(ep tcpip.Endpoint, cfg *migrate.Config) error {
	if cfg.Policy == migrate.Off {
		return nil
	}
	if err := Patched(); err != nil {
		return err
	}
	if !ep.(tcb).SetMigrationHandler(&acceptor{m: s.migrator, cfg: cfg}) {
		return fmt.Errorf("migration: endpoint is in use already")
	}
	return nil
}

// MigrationOf returns the migration of an endpoint, nil for plain TCP.
func MigrationOf(ep tcpip.Endpoint) *Migration {
	if t, ok := ep.(tcb); ok {
		if h, ok := t.MigrationHandler().(*Migration); ok {
			return h
		}
	}
	return nil
}

func (m *migrator) newMigration(role migrate.Role, ep tcpip.Endpoint, cfg *migrate.Config) (*Migration, error) {
	c, err := migrate.NewMachine(role, cfg, m.gv.SecureRNG().Reader)
	if err != nil {
		return nil, err
	}
	return &Migration{m: m, tcb: ep.(tcb), conn: c, required: cfg.Policy == migrate.Required}, nil
}

// WaitSettled waits until the negotiation has ended, one way or the other. It
// returns nil if the connection can migrate, else an error that wraps
// migrate.ErrNotNegotiated and says why, or ctx's cause.
func (h *Migration) WaitSettled(ctx context.Context) error {
	for {
		var settled chan struct{}
		var err error
		h.tcb.MigrationLock(func() {
			switch st := h.conn.State(); st {
			case migrate.Confirmed:
			case migrate.Plain:
				err = h.plain()
			default:
				if h.settled == nil {
					h.settled = make(chan struct{})
				}
				settled = h.settled
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

// plain is why a connection is plain TCP. Caller holds the endpoint.
func (h *Migration) plain() error {
	if h.conn.Reason() == migrate.PlainClosed {
		return errClosed
	}
	return fmt.Errorf("%w: %v", migrate.ErrNotNegotiated, h.conn.Reason())
}

// BindKey mixes a secret that both applications share into the keys, such as
// exported keying material of a TLS session (RFC 5705). Both ends have to call
// it with the same secret; from then on nobody migrates the connection who
// does not have it.
func (h *Migration) BindKey(secret []byte) (err error) {
	h.tcb.MigrationLock(func() {
		if h.conn.State() == migrate.Plain {
			err = h.plain()
			return
		}
		err = h.conn.BindKey(secret)
		h.sync()
	})
	return err
}

// MigrationInfo is a snapshot of one connection.
type MigrationInfo struct {
	State     migrate.NegotiationState
	Reason    migrate.PlainReason // why not, if State is Plain
	Suite     migrate.SuiteID
	Phase     migrate.Phase
	Holding   bool // in MIGRATE_WAIT
	Initiated uint64
	Accepted  uint64
	Current   migrate.Tuple
	Moves     []Move // the latest, oldest first
}

// Info returns a snapshot.
func (h *Migration) Info() (i MigrationInfo) {
	h.tcb.MigrationLock(func() {
		i = MigrationInfo{
			State:   h.conn.State(),
			Reason:  h.conn.Reason(),
			Suite:   h.conn.Suite(),
			Phase:   h.conn.Phase(),
			Holding: h.conn.Holding(),
			Current: tupleOf(h.tcb.MigrationID()),
		}
		if h.moves != nil {
			i.Moves = append(i.Moves, *h.moves...)
		}
		i.Initiated, i.Accepted = h.conn.Moves()
	})
	return i
}
