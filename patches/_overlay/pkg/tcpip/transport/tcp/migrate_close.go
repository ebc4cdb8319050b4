// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// maxFINTime stops a closed connection from staying for hours, through moves and holds, for
// its FIN alone (M733).
const maxFINTime = 2 * time.Minute

// migrateBoundFIN begins the time in which the FIN is to be acknowledged. The application
// has closed the endpoint.
//
// +checklocks:e.mu
func (e *Endpoint) migrateBoundFIN() {
	m := e.mig
	if m == nil || m.h == nil || m.closed || m.fin != nil {
		return
	}
	only := e.onlyFIN()
	m.fin = e.stack.Clock().AfterFunc(maxFINTime, func() { e.finTimerExpired(only) })
}

// finTimerExpired ends the connection if nothing but the FIN has been in flight since
// the timer was started. If there was data then, the time begins anew.
func (e *Endpoint) finTimerExpired(only bool) {
	e.mu.Lock()
	if e.mig.closed || e.EndpointState() == StateTimeWait {
		e.mu.Unlock()
		return
	}
	if !only || !e.onlyFIN() {
		e.mig.fin = nil
		e.migrateBoundFIN()
		e.mu.Unlock()
		return
	}
	e.resetConnectionLocked(&tcpip.ErrTimeout{})
	e.mu.Unlock()
	e.drainClosingSegmentQueue()
	e.waiterQueue.Notify(waiter.EventHUp | waiter.EventErr | waiter.ReadableEvents | waiter.WritableEvents)
}

// onlyFIN reports whether the FIN is not acknowledged, and all data is. A segment to be sent
// without payload is the FIN.
//
// +checklocks:e.mu
func (e *Endpoint) onlyFIN() bool {
	switch e.EndpointState() {
	case StateFinWait1, StateClosing, StateLastAck:
		seg := e.snd.writeList.Front()
		return seg == nil || seg.payloadSize() == 0
	default:
		return false
	}
}
