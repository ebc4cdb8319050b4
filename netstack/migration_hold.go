// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

// acquireHold reports whether the connection has one of the stack's holds, if
// necessary a new one. Caller holds the endpoint.
func (h *Migration) acquireHold() bool {
	if h.held != 0 {
		return true
	}
	so := h.tcb.SocketOptions()
	h.held = max(so.GetSendBufferSize()+so.GetReceiveBufferSize(), 1)
	n, size := h.m.holds.Add(1), h.m.holdBytes.Add(h.held)
	if n > int64(h.m.cfg.MaxHolds) || size > h.m.cfg.MaxHoldBytes {
		h.releaseHold()
		return false
	}
	return true
}

func (h *Migration) releaseHold() {
	if h.held != 0 {
		h.m.holds.Add(-1)
		h.m.holdBytes.Add(-h.held)
		h.held = 0
	}
}
