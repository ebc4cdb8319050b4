// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
)

// do carries out what the machine has answered. Caller holds the endpoint.
func (h *Migration) do(acts []migrate.Action) {
	for _, a := range acts {
		switch a.Kind {
		case migrate.ActOpenPath:
			if err := h.tcb.MigrationAcceptPath(); err != nil {
				h.m.count(migrate.CountPathBusy)
				h.do(h.conn.PathFailed())
				return
			}
		case migrate.ActDropPath:
			h.tcb.MigrationDropPath()
		case migrate.ActSendSYN:
			h.tcb.MigrationSendSYN(false, a.Seq, a.Ack, a.Option)
		case migrate.ActSendSYNACK:
			h.tcb.MigrationSendSYN(true, a.Seq, a.Ack, a.Option)
		case migrate.ActSendWindowUpdate:
			h.tcb.MigrationSendACK(a.Seq, a.Ack, nil)
		case migrate.ActSendACK:
			h.tcb.MigrationSendACK(a.Seq, 0, a.Option)
		case migrate.ActRebind:
			h.rebind(a)
		case migrate.ActDropDrain:
			h.tcb.MigrationDropDrain(idOf(a.Tuple))
		case migrate.ActGate:
			h.tcb.MigrationGate(a.On)
		case migrate.ActHold:
			h.tcb.MigrationHold(a.On)
			if !a.On {
				h.releaseHold()
			}
		case migrate.ActPush:
			h.tcb.MigrationPush(a.Lost)
		case migrate.ActAnswer:
			h.tcb.MigrationAnswer()
		case migrate.ActDone:
			if h.attempt != nil {
				h.attempt.rtt = a.Rebind.RTT
			}
			h.finish(a.Err)
		case migrate.ActFail:
			var cause tcpip.Error = &tcpip.ErrConnectionReset{}
			if e, ok := a.Err.(*stackError); ok { // why the hold began that is over
				cause = e.terr
			}
			h.tcb.MigrationAbort(cause)
		case migrate.ActCount:
			h.m.count(a.Count)
		default:
			panic(fmt.Sprintf("netstack: unknown action %v", a.Kind))
		}
	}
}

func (h *Migration) rebind(a migrate.Action) {
	from := h.current()
	r := a.Rebind
	h.tcb.MigrationRebind(r.PeerRcvNxt, r.HasPeerRcvNxt, r.KeepCC, r.OldAlive, int64(r.RTT))
	h.releaseHold()
	h.answered()
	h.notify(EventMoved)
	if h.moves == nil {
		h.moves = new([]Move)
	}
	if len(*h.moves) == pathHistory {
		*h.moves = append((*h.moves)[:0], (*h.moves)[1:]...)
	}
	*h.moves = append(*h.moves, Move{
		At:        h.m.gv.Clock().Now(),
		From:      from,
		To:        h.current(),
		Initiator: h.attempt != nil,
		RTT:       r.RTT,
	})
}
