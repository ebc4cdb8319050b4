// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/migrate"
)

// The methods of this file are called by the patched gVisor with the
// endpoint's mutex held. Each gives the event to the machine, carries out what
// it answers and then brings the endpoint's hooks in line with its state.

// acceptor gives a migration to each connection of a listener.
type acceptor struct {
	m   *migrator
	cfg *migrate.Config
}

// MigrationAccept is called before the SYN-ACK of a new connection is sent.
func (a *acceptor) MigrationAccept(ep tcpip.Endpoint, options []byte) any {
	h, err := a.m.newMigration(migrate.Acceptor, ep, a.cfg)
	if err != nil {
		return nil
	}
	h.conn.PeerSYN(options)
	if h.conn.State() == migrate.Plain && a.cfg.Policy != migrate.Required {
		// Nothing to remember of a peer that does not know migration.
		return nil
	}
	return h
}

// MigrationSYNOption appends Migrate-Permitted.
func (h *Migration) MigrationSYNOption(b []byte, room int) []byte {
	return h.conn.SYNOption(b, room)
}

// MigrationPeerSYN takes the peer's Migrate-Permitted.
func (h *Migration) MigrationPeerSYN(options []byte) {
	h.conn.PeerSYN(options)
}

// MigrationEstablished begins the exchange of key halves.
func (h *Migration) MigrationEstablished(iss, irs uint32, simultaneous bool) {
	if simultaneous {
		h.conn.GivePlain(migrate.PlainSimultaneousOpen)
	}
	h.conn.Established(h.now(), iss, irs)
	h.sync()
}

// MigrationACKOption appends to a segment without payload.
func (h *Migration) MigrationACKOption(b []byte, room int) []byte {
	b = h.conn.ACKOption(b, room, snapshot(h.tcb))
	h.sync()
	return b
}

// MigrationPeerACK takes the options of a segment without payload.
func (h *Migration) MigrationPeerACK(seq uint32, options []byte) bool {
	reply := h.conn.PeerACK(h.now(), seq, options, snapshot(h.tcb))
	h.sync()
	return reply
}

// MigrationSYN takes a request whose tag has been verified.
func (h *Migration) MigrationSYN(id stack.TransportEndpointID, seq uint32, options []byte) {
	req, ok := migrate.ParseRequest(h.m.cfg.Format, options)
	if !ok {
		return
	}
	h.m.mu.RLock()
	owner, counter, ok := h.m.table.Lookup(req.Token)
	h.m.mu.RUnlock()
	if !ok || owner != h {
		// The token has been used up since the segment was queued.
		h.m.count(migrate.CountStaleRequest)
		return
	}
	tsval := header.ParseTCPOptions(options).TSVal
	h.do(h.conn.SYN(h.now(), tupleOf(id), h.current(), req, counter, seq, tsval, snapshot(h.tcb)))
	h.sync()
}

// MigrationSegment takes a segment of the handshake.
func (h *Migration) MigrationSegment(id stack.TransportEndpointID, flags header.TCPFlags, seq, ack, length, window uint32, options []byte) bool {
	acts, consumed := h.conn.Segment(h.now(), migrate.Segment{
		Tuple:   tupleOf(id),
		Seq:     seq,
		Ack:     ack,
		SYN:     flags.Contains(header.TCPFlagSyn),
		ACK:     flags.Contains(header.TCPFlagAck),
		RST:     flags.Contains(header.TCPFlagRst),
		Len:     length,
		Window:  window,
		Options: options,
	}, h.current(), snapshot(h.tcb))
	h.do(acts)
	h.sync()
	return consumed
}

// MigrationReset takes an acceptable RST.
func (h *Migration) MigrationReset(options []byte, seq uint32, err tcpip.Error) bool {
	return h.holdIf(func(allowed bool) ([]migrate.Action, bool) {
		return h.conn.Reset(h.now(), options, seq, Error(err), allowed, snapshot(h.tcb))
	})
}

// MigrationTimedOut takes the end of TCP's patience.
func (h *Migration) MigrationTimedOut(err tcpip.Error) bool {
	return h.holdIf(func(allowed bool) ([]migrate.Action, bool) {
		return h.conn.TimedOut(h.now(), Error(err), allowed, snapshot(h.tcb))
	})
}

// holdIf asks the machine whether the connection waits or closes.
func (h *Migration) holdIf(event func(allowed bool) ([]migrate.Action, bool)) (closes bool) {
	held := h.conn.Holding()
	allowed := h.acquireHold()
	acts, closes := event(allowed)
	switch {
	case !h.conn.Holding():
		h.releaseHold()
	case !held:
		h.notify(EventHeld)
	}
	h.do(acts)
	h.sync()
	return closes
}

// Suspend has the connection wait, in MIGRATE_WAIT, because this end has no path
// left. It does nothing if the configuration says that a connection without
// answers does not wait, or the stack has no room for another hold.
func (h *Migration) Suspend() {
	h.tcb.MigrationLock(func() {
		h.holdIf(func(allowed bool) ([]migrate.Action, bool) {
			return h.conn.Suspend(h.now(), Error(&tcpip.ErrNetworkUnreachable{}), allowed, snapshot(h.tcb)), false
		})
	})
}

// MigrationAbortOption proves that the RST which carries it is meant.
func (h *Migration) MigrationAbortOption(b []byte, room int, seq uint32) []byte {
	return h.conn.AbortOption(b, room, seq)
}

// MigrationTimerExpired is the machine's clock.
func (h *Migration) MigrationTimerExpired() {
	h.do(h.conn.Timer(h.now(), snapshot(h.tcb)))
	h.sync()
}

// MigrationClosed is the end of the endpoint.
func (h *Migration) MigrationClosed() {
	h.conn.Closed()
	h.releaseHold()
	h.notify(EventClosed)
	h.sync()
}

func (h *Migration) now() migrate.Time {
	return migrate.Time(h.m.gv.Clock().NowMonotonic().Sub(tcpip.MonotonicTime{}))
}

func (h *Migration) current() migrate.Tuple {
	return tupleOf(h.tcb.MigrationID())
}

// sync brings the token table and the endpoint's hooks in line with the
// machine.
func (h *Migration) sync() {
	c := h.conn
	if c.TokensChanged() {
		h.publish(c.Tokens())
	}
	h.tcb.MigrationWatch(c.Watching(), c.WantsACKs())
	if at, ok := c.Deadline(); ok {
		h.tcb.MigrationTimer(max(time.Duration(at-h.now()), 0))
	} else {
		h.tcb.MigrationTimer(-1)
	}
	if h.free != nil && !h.busy() {
		close(h.free)
		h.free = nil
	}
	if st := c.State(); st == migrate.Confirmed || st == migrate.Plain {
		h.settle()
		if st == migrate.Plain {
			h.finish(h.plain())
			if h.required {
				h.tcb.MigrationAbort(&tcpip.ErrConnectionAborted{})
			}
		}
	}
}

// publish replaces the tokens by which the peer may name this connection.
func (h *Migration) publish(entries []migrate.TokenEntry) {
	// The verifier comes first: whoever finds a token needs it.
	h.verifier.Store(h.conn.Verifier())
	h.m.mu.Lock()
	collision := h.m.table.Set(h, h.tokens[:h.n], entries)
	h.m.mu.Unlock()
	h.n = 0
	if collision {
		h.conn.GivePlain(migrate.PlainTokenCollision)
		return
	}
	for _, e := range entries {
		h.tokens[h.n] = e.Token
		h.n++
	}
}

func (h *Migration) settle() {
	if w := h.watch.Load(); w != nil && !w.settled {
		w.settled = true
		h.notify(EventSettled)
	}
	if h.settled != nil {
		close(h.settled)
		h.settled = nil
	}
}
