// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
)

// do carries out the machine's actions on the arrival of in, or on another event if
// that is zero. Caller holds the endpoint.
func (m *Migration) do(acts []migrate.Action, in gvisorSegment) {
	for _, a := range acts {
		switch a.Kind {
		case migrate.ActDropPath:
			m.ep.MigrationDropPath()
		case migrate.ActSendSYN:
			m.ep.MigrationSendSYN(a.Seq, a.Option)
		case migrate.ActAnswerSYN:
			if err := m.ep.MigrationAnswerSYN(gvisorAnswer{Seq: a.Seq, Ack: a.Ack, Option: a.Option, Window: a.On}, in); err != nil {
				m.migrator.count(migrate.CountPathBusy)
				return
			}
		case migrate.ActSendACK:
			m.ep.MigrationSendACK(a.Seq, a.Option)
		case migrate.ActRebind:
			m.rebind(a.Rebind, in)
		case migrate.ActDropDrain:
			m.ep.MigrationDropDrain(idOf(a.Tuple))
			if a.Tuple != tupleOf(in.ID) { // else a request puts it on trial again
				m.released(a.Tuple)
			}
		case migrate.ActGate:
			m.ep.MigrationGate(a.On)
		case migrate.ActHold:
			m.ep.MigrationHold()
		case migrate.ActPush:
			m.ep.MigrationPush(in)
		case migrate.ActAnswer:
			m.ep.MigrationAnswer()
		case migrate.ActDone:
			if m.call != nil {
				m.call.rtt = a.Rebind.RTT
			}
			m.finish(a.Err)
		case migrate.ActFail:
			m.ep.MigrationAbort(abortError(a.Err))
		case migrate.ActCount:
			m.migrator.count(a.Count)
		default:
			panic(fmt.Sprintf("netstack: unknown action %v", a.Kind))
		}
	}
}

// released tells that a tuple is not the connection's any more.
func (m *Migration) released(t migrate.Tuple) {
	if f := m.migrator.cfg.Released; f != nil {
		f(t)
	}
}

// abortError is the error of gVisor for a connection that the machine ends: the one
// with which a hold began, or a reset.
func abortError(err error) tcpip.Error {
	if e, ok := err.(*stackError); ok {
		return e.terr
	}
	return &tcpip.ErrConnectionReset{}
}

// rebind moves the connection to the path on trial, on which in has arrived, and
// remembers that.
func (m *Migration) rebind(r migrate.Rebind, in gvisorSegment) {
	from := m.current()
	m.ep.MigrationRebind(gvisorRebind(r), in)
	m.watchEndpoint() // what follows in the list is sent by the state behind the move
	m.releaseHold()
	m.answered()
	m.notify(EventMoved)
	if m.moves == nil {
		m.moves = new([]Move)
	}
	if len(*m.moves) == maxMoves {
		*m.moves = append((*m.moves)[:0], (*m.moves)[1:]...)
	}
	*m.moves = append(*m.moves, Move{
		At:        m.migrator.gv.Clock().Now(),
		From:      from,
		To:        m.current(),
		Initiator: m.call != nil,
		RTT:       r.RTT,
	})
}

// sync brings the token table, the endpoint's hooks and waiting callers in line with
// the machine. Caller holds the endpoint.
func (m *Migration) sync() {
	if m.machine.TokensChanged() {
		m.publish(m.machine.Tokens())
	}
	m.watchEndpoint()
	if at, ok := m.machine.Deadline(); ok {
		m.ep.MigrationTimer(max(time.Duration(at-m.now()), 0))
	} else {
		m.ep.MigrationTimer(-1)
	}
	if m.free != nil && !m.busy() {
		close(m.free)
		m.free = nil
	}
	if m.idle != nil && !m.machine.Watching() {
		close(m.idle)
		m.idle = nil
	}
	if st := m.machine.State(); st == migrate.Confirmed || st == migrate.Plain {
		m.settle()
		if st == migrate.Plain {
			m.finish(m.plain())
			if m.required { // M345, M346
				m.ep.MigrationAbort(&tcpip.ErrConnectionAborted{})
			}
		}
	}
}

// watchEndpoint has the endpoint show and ask what the machine wants.
func (m *Migration) watchEndpoint() {
	m.ep.MigrationWatch(m.machine.Watching(), m.machine.WantsACKs(), m.machine.Proving())
}

// publish replaces the tokens by which the peer may name this connection.
func (m *Migration) publish(entries []migrate.TokenEntry) {
	// The verifier comes first: a request that finds a token needs it.
	m.verifier.Store(m.machine.Verifier())
	collision := m.migrator.setTokens(m, m.tokens[:m.nTokens], entries)
	m.nTokens = 0
	if collision {
		m.machine.GivePlain(migrate.PlainTokenCollision)
		return
	}
	for _, e := range entries {
		m.tokens[m.nTokens] = e.Token
		m.nTokens++
	}
}

// settle tells waiting callers that the negotiation has ended.
func (m *Migration) settle() {
	if w := m.watch.Load(); w != nil && !w.settled {
		w.settled = true
		m.notify(EventSettled)
	}
	if m.settled != nil {
		close(m.settled)
		m.settled = nil
	}
}

func (m *Migration) now() migrate.Time {
	return migrate.Time(m.migrator.gv.Clock().NowMonotonic().Sub(tcpip.MonotonicTime{}))
}

func (m *Migration) tcb() migrate.TCB { return migrate.TCB(m.ep.MigrationTCB()) }

func (m *Migration) current() migrate.Tuple {
	return tupleOf(m.ep.MigrationID())
}
