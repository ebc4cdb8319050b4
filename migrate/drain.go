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
	end   uint32        // the peer sent nothing there at or above end, if bound (M630)
	bound bool
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
	m.drains = append(m.drains, drain{tuple: t, quiet: max(drainTime, 2*srtt), until: limit, limit: limit})
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

// late takes note of a segment on an old tuple, and reports whether TCP may take its
// payload. Another may be in the queue behind one that the peer can have sent there
// (M623).
func (m *Machine) late(now Time, s Segment) bool {
	for i := range m.drains {
		d := &m.drains[i]
		if d.tuple != s.Tuple || s.SYN || s.RST || s.Len == 0 {
			continue
		}
		if d.bound && !leq(s.Seq+s.Len, d.end) { // M630
			return false
		}
		d.until = max(d.until, d.quietFrom(now))
	}
	return true
}

// boundDrains takes the news that the peer sent nothing at or above end on the tuples
// that it had left by then (M630). Those of earlier moves have their end already.
func (m *Machine) boundDrains(end uint32) {
	for i := range m.drains {
		if d := &m.drains[i]; !d.bound {
			d.end, d.bound = end, true
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

// OldTuples returns the old tuples that drain, in the order in which they were left.
func (m *Machine) OldTuples() (tuples []Tuple) {
	for _, d := range m.drains {
		tuples = append(tuples, d.tuple)
	}
	return tuples
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
