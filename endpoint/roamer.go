// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
)

// Policies of a Roamer. A function of yours is one, too.
var (
	Handover    roam.Policy = roam.Handover
	Interactive roam.Policy = roam.Interactive
	Manual      roam.Policy = roam.Manual
)

// DefaultRoamHold is how long a connection that was dialled with a Roamer lives
// without any path: a meeting with the laptop's lid closed.
const DefaultRoamHold = time.Hour

// RoamerConfig configures a [Roamer].
type RoamerConfig struct {
	// Stack is the stack of the connections. It must be set.
	Stack *netstack.Stack

	// Monitor reports the uplinks. Nil means the addresses of the stack that have a
	// route to the peer, see [StackMonitor].
	Monitor roam.Monitor

	// Policy decides when a connection moves. Nil means Handover.
	Policy roam.Policy

	// Observe is called after each attempt to move a connection. Calls may be
	// concurrent. Each holds up that connection, and one of MaxRoamAttempts. Nil
	// means nobody is told.
	Observe func(RoamEvent)

	// Logger gets uplinks and moves (info) and attempts that failed (warn). Nil
	// means no logging.
	Logger *slog.Logger
}

// RoamEvent is an attempt to move a connection.
type RoamEvent struct {
	Conn     *Conn
	Cause    roam.Cause
	From, To netip.AddrPort // local addresses; To is invalid if the attempt failed
	Uplink   roam.Uplink    // that was tried
	Took     time.Duration  // on the clock of the stack
	Err      error          // nil if the connection has moved
}

// Roamer moves connections by itself. It moves them when an uplink is gone, dead, or
// better than theirs. It also moves them when a RST or a NAT without their mapping has
// cut them off, and when the machine wakes up. Its methods may be called concurrently.
//
// One goroutine decides for all connections. Attempts have goroutines of their own, at
// most MaxRoamAttempts, so that a thousand connections don't move in one burst. A
// connection costs nothing while nothing happens.
type Roamer struct {
	cfg   RoamerConfig
	clock tcpip.Clock
	log   *slog.Logger

	in          *inbox
	reported    atomic.Pointer[roam.Change] // the last one of the monitor
	stopMonitor func()
	closing     sync.Once
	done        chan struct{}

	ctx      context.Context // of the attempts
	cancel   context.CancelCauseFunc
	attempts sync.WaitGroup

	// Owned by the goroutine of run.
	conns   map[*Conn]*roamed
	uplinks roam.Change // the last one
	first   []*roamed   // connections that have lost their path, and wait for their turn to move
	later   []*roamed   // connections with other reasons, or that have failed before
	active  int         // attempts under way
	retries int         // attempts of connections from later
}

// NewRoamer starts a Roamer. It fails if the monitor does.
func NewRoamer(cfg RoamerConfig) (*Roamer, error) {
	if cfg.Stack == nil {
		return nil, errNoStack
	}
	if cfg.Monitor == nil {
		cfg.Monitor = StackMonitor(cfg.Stack)
	}
	if cfg.Policy == nil {
		cfg.Policy = Handover
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Roamer{
		cfg:   cfg,
		clock: cfg.Stack.Clock(),
		log:   cfg.Logger,
		conns: make(map[*Conn]*roamed),
		in:    newInbox(),
		done:  make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	stop, err := cfg.Monitor.Watch(func(ch roam.Change) {
		r.reported.Store(&ch)
		r.in.post(func() { r.setUplinks(ch) })
	})
	if err != nil {
		r.cancel(nil)
		return nil, err
	}
	r.stopMonitor = stop
	go r.run()
	return r, nil
}

// Manage has the Roamer move a connection until that is closed, or release is
// called, which gives up an attempt under way. A connection that cannot migrate is
// left alone. Dialer and ListenConfig call Manage by themselves, if they have a
// Roamer.
func (r *Roamer) Manage(c *Conn) (release func()) {
	m := netstack.MigrationOf(c.ep)
	if m == nil {
		return func() {}
	}
	c.roamer.Store(r)
	r.in.post(func() { r.add(c, m) })
	return func() { r.in.post(func() { r.remove(c) }) }
}

// prepare asks for the way to a peer before it is dialled. The monitor may have to open it
// for the answer.
func (r *Roamer) prepare(peer netip.Addr) {
	if ch := r.reported.Load(); ch != nil {
		ch.Reach(peer)
	}
}

// Hint tells that the application thinks the path of c is bad, for example because an
// answer is overdue. The policy decides whether to move.
func (r *Roamer) Hint(c *Conn) {
	r.in.post(func() {
		if rc := r.conns[c]; rc != nil {
			rc.machine.Hint(r.now())
			r.decide(rc)
		}
	})
}

// Close stops the Roamer and waits until attempts under way have been given up.
// The connections stay where they are. Close must not be called by Observe.
func (r *Roamer) Close() error {
	r.closing.Do(func() {
		r.stopMonitor()
		r.in.close()
	})
	<-r.done
	return nil
}
