// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"time"
)

// drain is an old tuple that drains. The peer's segments from before its own move may
// be in a queue that is seconds long. Once the tuple is released, a RST answers each
// segment that comes out of the queue.
type drain struct {
	tuple Tuple
	quiet time.Duration // without an arrival, after which it is released (M623)
	until Time          // when it is released unless something arrives
	limit Time          // of until (M624)
}

// drainFrom adds the tuple that the connection has just left. It stays until
// settleDrains: the peer may not have moved yet (M625). srtt is the tuple's SRTT.
func (m *Machine) drainFrom(acts []Action, now Time, t Tuple, srtt time.Duration) []Action {
	if len(m.drains) == maxDrains { // M628
		acts = append(acts, Action{Kind: ActDropDrain, Tuple: m.drains[0].tuple})
		m.drains = slices.Delete(m.drains, 0, 1)
	}
	limit := now.Add(maxDrainTime)
	// Data in flight needs one way of the path. That is less than the round-trip time,
	// which slow start can double before it is measured again.
	m.drains = append(m.drains, drain{t, max(drainTime, 2*srtt), limit, limit})
	return acts
}

// settleDrains lets all old tuples go when they are quiet. The peer does not send there
// any more, or this end cannot know when it will stop. That all data has arrived is
// never a reason (M626).
func (m *Machine) settleDrains(now Time) {
	for i := range m.drains {
		d := &m.drains[i]
		d.until = d.quietFrom(now)
	}
}

// late takes note of a segment on t. Another may be in the queue behind it.
func (m *Machine) late(now Time, t Tuple) {
	for i := range m.drains {
		if d := &m.drains[i]; d.tuple == t {
			d.until = max(d.until, d.quietFrom(now))
		}
	}
}

func (d *drain) quietFrom(now Time) Time { return min(now.Add(d.quiet), d.limit) }

// undrain takes t off the tuples that drain, as it is on trial again. It reports
// whether t was one of them.
func (m *Machine) undrain(t Tuple) bool {
	for i, d := range m.drains {
		if d.tuple == t {
			m.drains = slices.Delete(m.drains, i, i+1)
			return true
		}
	}
	return false
}

// expireDrains releases the tuples whose time has come.
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
