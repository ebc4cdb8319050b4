// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// Policy says whether connections can migrate.
type Policy = migrate.Policy

// Policies.
const (
	// Preferred offers migration and falls back to plain TCP if the peer does
	// not take it. It is the zero value.
	Preferred = migrate.Preferred
	// Off does not offer or accept it.
	Off = migrate.Off
	// Required fails the dial with ErrNotNegotiated if the connection cannot
	// migrate; a listener resets such connections.
	Required = migrate.Required
)

// Errors of migration, for errors.Is.
var (
	// ErrUnpatched: this program was built with a gVisor that lacks the hooks.
	// The text says how to get them.
	ErrUnpatched = netstack.ErrUnpatched
	// ErrNotNegotiated: the connection is plain TCP, or its keys have not been
	// exchanged yet. The text says why.
	ErrNotNegotiated = migrate.ErrNotNegotiated
	// ErrNoRoute: the local address is not the stack's, or the peer cannot be
	// reached from it.
	ErrNoRoute = netstack.ErrNoRoute
	// ErrAddrInUse: the local address and port belong to another connection,
	// or are where this one is.
	ErrAddrInUse = netstack.ErrAddrInUse
	// ErrSuperseded: a later call replaced the attempt.
	ErrSuperseded = netstack.ErrSuperseded
	// ErrNoAnswer: nobody answered at the peer's address on the new path. The
	// connection stays where it was.
	ErrNoAnswer = migrate.ErrNoAnswer
	// ErrUnreachable: a router or firewall said that the peer's address cannot be
	// reached on the new path.
	ErrUnreachable = migrate.ErrUnreachable
	// ErrPeerRefused: the peer, or a host in its place, answered with a RST.
	ErrPeerRefused = migrate.ErrPeerRefused
	// ErrNotProven: something other than the peer answered, such as a SYN
	// proxy.
	ErrNotProven = migrate.ErrNotProven
	// ErrYielded: the peer moved the connection at the same time.
	ErrYielded = migrate.ErrYielded
	// ErrPathNotValidated: Switch of a path that has not been probed with
	// success.
	ErrPathNotValidated = errors.New("path has not been validated")
)

// MigrationOptions tune how connections migrate. The zero value is a good one.
type MigrationOptions struct {
	// Suites allowed, in order of preference. Nil means x25519-sha256. A Dialer offers
	// the first; a ListenConfig takes any.
	Suites []migrate.SuiteID

	// Hold is how long a connection is held after a RST, which
	// may come from the new owner of an old address. Zero means
	// migrate.DefaultHold; negative means that a RST closes at once.
	Hold time.Duration

	// HoldOnTimeout is how long a connection is held where TCP would give up for
	// want of acknowledgements, or this end has no path left. Zero means not at
	// all, and with a Roamer DefaultRoamHold for a connection that was dialled.
	HoldOnTimeout time.Duration
}

// migrationConfig is the machine's configuration for connections of a stack. The error
// is a [netstack.ErrConfig].
func migrationConfig(st *netstack.Stack, p Policy, o MigrationOptions) (*migrate.Config, error) {
	cfg := &migrate.Config{
		Policy:        p,
		Suites:        o.Suites,
		Format:        st.MigrationFormat(),
		Hold:          o.Hold,
		HoldOnTimeout: o.HoldOnTimeout,
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", netstack.ErrConfig, err)
	}
	return cfg, nil
}

// attachMigration makes a connection migratable that is about to be dialled. With an
// unpatched gVisor, that is an error only if migration is required. Otherwise the
// connection is plain TCP, and says so when it is asked to migrate.
func attachMigration(c *Conn, p Policy, o MigrationOptions) error {
	c.noMigration = p == Off
	cfg, err := migrationConfig(c.stack, p, o)
	if err != nil {
		return err
	}
	if _, err = c.stack.NewMigration(c.ep, cfg); err == ErrUnpatched && p != Required {
		return nil
	}
	return err
}

// acceptMigration is attachMigration for a listener.
func (l *Listener) acceptMigration() error {
	cfg, err := migrationConfig(l.stack, l.migration, l.options)
	if err != nil {
		return err
	}
	if err = l.stack.AcceptMigration(l.ep, cfg); err == ErrUnpatched && l.migration != Required {
		return nil
	}
	return err
}

// mayMigrate reports whether the negotiation of an accepted connection can
// still succeed.
func mayMigrate(ep tcpip.Endpoint) bool {
	m := netstack.MigrationOf(ep)
	return m != nil && m.Info().State != migrate.Plain
}

// Migrate moves the connection to a local address and port. A zero port is chosen. A
// zero address means the address of the best route to the peer. Moving to a new port of
// the same address is a move too.
//
// Migrate returns when the connection has moved. If that fails, or ctx ends first, the
// connection stays where it was. In the latter case the error is ctx's cause. A later
// call replaces one that is under way. For a round trip after the dial, Migrate fails
// with ErrNotNegotiated: see AwaitMigratable. If the connection is closed or ends
// meanwhile, the error is a net.ErrClosed.
//
// Reads and writes go on meanwhile, on the path that the connection has at the time.
// The connection can move to an address of another family if the Dialer's resolver gave
// one for the peer; else see MigrateTo.
func (c *Conn) Migrate(ctx context.Context, local netip.AddrPort) error {
	return c.MigrateTo(ctx, local, netip.AddrPort{})
}

// MigrateTo is Migrate to a peer that is to be reached at another address. A zero address
// means the one that it has now, and so does a zero port.
func (c *Conn) MigrateTo(ctx context.Context, local, remote netip.AddrPort) error {
	m, err := c.migratable()
	if err == nil {
		ctx, stop := c.untilClosed(ctx)
		defer stop()
		err = c.move(ctx, m, local, remote, false)
	}
	return c.migrateError("migrate", err)
}

// untilClosed returns a copy of ctx that Close ends, too. stop releases what belongs to it.
func (c *Conn) untilClosed(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	remove := c.closing.Add(func(struct{}) { cancel(errClosed) })
	if c.isClosed() { // meanwhile
		cancel(errClosed)
	}
	return ctx, func() { remove(); cancel(nil) }
}

// move is MigrateTo, also for a connection that lingers after its Close. Nothing is
// sent on the old path any more if that is gone.
func (c *Conn) move(ctx context.Context, m *netstack.Migration, local, remote netip.AddrPort, gone bool) error {
	remote = c.peerFor(local.Addr(), remote)
	if gone {
		return m.Leave(ctx, local, remote)
	}
	return m.Migrate(ctx, local, remote)
}

// migrateError wraps err, if it is not nil. After the own Close, that is the reason for
// any error.
func (c *Conn) migrateError(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.isClosed():
		err = errClosed
	}
	return c.opError(op, err)
}

func (c *Conn) migratable() (*netstack.Migration, error) {
	if c.isClosed() {
		return nil, errClosed
	}
	if m := netstack.MigrationOf(c.ep); m != nil {
		return m, nil
	}
	if err := netstack.Patched(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %v", ErrNotNegotiated, c.Migration().Reason)
}

// AwaitMigratable waits until the keys have been exchanged, which takes a round
// trip more than the dial, and returns nil if the connection can migrate. The
// error wraps ErrNotNegotiated and says why, is a net.ErrClosed if the connection has
// ended, or ctx's cause.
func (c *Conn) AwaitMigratable(ctx context.Context) error {
	return c.migrateError("migrate", c.awaitMigratable(ctx))
}

func (c *Conn) awaitMigratable(ctx context.Context) error {
	m, err := c.migratable()
	if err != nil {
		return err
	}
	ctx, stop := c.untilClosed(ctx)
	defer stop()
	return m.WaitSettled(ctx)
}

// BindKey mixes a secret that both ends share into the keys of the connection. The
// secret may be exported keying material of the TLS session that runs over it
// (tls.ConnectionState.ExportKeyingMaterial). Both ends have to call BindKey. From then
// on, an attacker in the middle of the connection's set-up cannot migrate it. BindKey
// needs suite x25519-sha256, and a secret of at least migrate.MinSecret bytes. It waits
// until no attempt of this end is under way. If ctx ends first, the error is ctx's cause,
// and the secret is not bound.
func (c *Conn) BindKey(ctx context.Context, secret []byte) error {
	m, err := c.migratable()
	if err == nil {
		ctx, stop := c.untilClosed(ctx)
		defer stop()
		err = m.BindKey(ctx, secret)
	}
	return c.migrateError("migrate", err)
}

// MigrationInfo is the result of Conn.Migration.
type MigrationInfo = netstack.MigrationInfo

// Migration says whether the connection can migrate, why not, and where it has
// been.
func (c *Conn) Migration() MigrationInfo {
	if m := netstack.MigrationOf(c.ep); m != nil {
		return m.Info()
	}
	info := MigrationInfo{State: migrate.Plain, Reason: migrate.PlainNotOffered}
	switch {
	case c.noMigration:
		info.Reason = migrate.PlainOff
	case netstack.Patched() != nil:
		info.Reason = migrate.PlainUnpatched
	}
	local, remote := c.addrs()
	info.Current = migrate.Tuple{Local: local, Remote: remote}
	return info
}
