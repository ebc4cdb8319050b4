// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"time"
)

// drain is a tuple that the connection has left. What the peer has sent there,
// until it moved as well, may wait in a queue that is seconds long. Once the tuple
// is released, what comes out of it is answered by a RST.
type drain struct {
	tuple Tuple
	quiet time.Duration // it is released when nothing has arrived for so long
	until Time          // when that will have been
	limit Time          // of until
}

// drainFrom adds the tuple that has just been left to those that drain. It stays
// until settleDrains: the peer may not have moved yet. srtt is that of the tuple.
func (m *Machine) drainFrom(acts []Action, now Time, t Tuple, srtt time.Duration) []Action {
	if len(m.drains) == maxDrains {
		acts = append(acts, Action{Kind: ActDropDrain, Tuple: m.drains[0].tuple})
		m.drains = slices.Delete(m.drains, 0, 1)
	}
	limit := now.Add(maxDrainTime)
	// What is under way needs one way of the path: less than its round-trip time,
	// which slow start can double before it is measured again.
	m.drains = append(m.drains, drain{t, max(drainTime, 2*srtt), limit, limit})
	return acts
}

// settleDrains lets all old tuples go when they are quiet. The peer does not send
// there any more, or it is not known whether it ever will stop.
func (m *Machine) settleDrains(now Time) {
	for i := range m.drains {
		d := &m.drains[i]
		d.until = d.quietFrom(now)
	}
}

// late takes note of a segment on t: another may be in the queue behind it.
func (m *Machine) late(now Time, t Tuple) {
	for i := range m.drains {
		if d := &m.drains[i]; d.tuple == t {
			d.until = max(d.until, d.quietFrom(now))
		}
	}
}

func (d *drain) quietFrom(now Time) Time { return min(now.Add(d.quiet), d.limit) }

// undrain takes t off the tuples that drain, because it is on trial again, and
// reports whether it was one.
func (m *Machine) undrain(t Tuple) bool {
	for i, d := range m.drains {
		if d.tuple == t {
			m.drains = slices.Delete(m.drains, i, i+1)
			return true
		}
	}
	return false
}

// expireDrains releases the tuples that have drained.
func (m *Machine) expireDrains(acts []Action, now Time) []Action {
	m.drains = slices.DeleteFunc(m.drains, func(d drain) bool {
		if now < d.until {
			return false
		}
		acts = append(acts, Action{Kind: ActDropDrain, Tuple: d.tuple})
		return true
	})
	if len(m.drains) == 0 {
		m.drains = nil
	}
	return acts
}
