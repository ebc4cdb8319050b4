// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// TestMachineRelapse: the handshake works on a, but nothing else does.
func TestMachineRelapse(t *testing.T) {
	s := play(t, Config{}, a, b)
	s.dead(3)
	s.moves(PathDead, a)
	s.pass(2 * time.Second)
	s.dead(3)
	s.moves(PathDead, b)
	s.pass(2 * time.Second)
	s.rests(limits.FirstPenalty + limits.HandoverSettle - 2*time.Second)

	// One uplink only: in place, again and again, but ever more seldom.
	s = play(t, Config{}, a)
	s.dead(3)
	s.moves(PathDead, a)
	s.dead(3)
	s.moves(PathDead, a)
	for pause := limits.FirstBackoff; pause < limits.MaxBackoff; pause *= 2 {
		s.dead(3)
		s.rests(pause)
		s.moves(PathDead, a)
	}
	s.pass(limits.MaxBackoff + limits.Proof)
	s.dead(3)
	s.moves(PathDead, a)
	s.dead(3)
	s.moves(PathDead, a)
}

// TestMachineBounce: a better uplink that is dead is tried ever more seldom, and
// does not stand in the way of other moves.
func TestMachineBounce(t *testing.T) {
	s := play(t, Config{Local: b.Local}, a, b)
	s.rests(limits.HandoverSettle)
	for penalty := limits.FirstPenalty; penalty < limits.MaxPenalty; penalty *= 2 {
		s.fails(Preferred, a)
		s.rests(penalty + limits.HandoverSettle)
	}
	s.fails(Preferred, a)
	s.dead(3)
	s.moves(PathDead, b)
	s.rests(limits.MaxPenalty + limits.HandoverSettle)

	// It answers, but carries no data.
	s = play(t, Config{Local: b.Local}, a, b)
	s.rests(limits.HandoverSettle)
	penalty := limits.FirstPenalty
	for range 8 {
		s.moves(Preferred, a)
		s.pass(2 * time.Second)
		s.dead(3)
		if !s.relapsed(s.now) {
			s.fails(PathDead, a)
		}
		s.moves(PathDead, b)
		o, again := s.Decide(s.now)
		if o.Cause != None || again.Sub(s.now) < penalty {
			t.Fatalf("%+v, again after %v, want at least %v", o, again.Sub(s.now), penalty)
		}
		s.now, penalty = again, min(2*penalty, limits.MaxPenalty)
	}
}

// TestMachineFlap: a better uplink that comes and goes is used ever more seldom.
func TestMachineFlap(t *testing.T) {
	s := play(t, Config{}, a, b)
	visits := 0
	for range 600 { // three seconds not there, six there
		s.uplinksAre(b)
		if o, _ := s.Decide(s.now); o.Cause == PathGone {
			s.moves(PathGone, b)
		}
		s.pass(3 * time.Second)
		s.uplinksAre(a, b)
		if o, again := s.Decide(s.now); o.Cause == None && again.Sub(s.now) <= 6*time.Second {
			s.now = again
			s.moves(Preferred, a)
			visits++
		}
		s.pass(6 * time.Second)
	}
	if visits < 2 || visits > 25 {
		t.Errorf("%d visits in an hour and a half", visits)
	}
}

// TestMachineCap: there are as many moves a minute from a path that is there as the
// limit allows, for each cause.
func TestMachineCap(t *testing.T) {
	s := play(t, Config{}, a)
	for range limits.MaxMovesPerMinute {
		s.Hint(s.now)
		s.moves(Hint, a)
		s.pass(time.Second)
	}
	s.Hint(s.now)
	s.rests(time.Minute - limits.MaxMovesPerMinute*time.Second)
	s.moves(Hint, a)
	s.Hint(s.now)
	s.rests(time.Second)
	s.moves(Hint, a)

	// But a path that is gone is left.
	s.Hint(s.now)
	s.uplinksAre(b)
	s.rests(limits.FirstBackoff)
	s.moves(PathGone, b)
}

// TestMachineGoneOften: a connection whose path is gone too often has to wait, a
// little longer each time, until the moves are fewer.
func TestMachineGoneOften(t *testing.T) {
	s := play(t, Config{}, a)
	x, y := b, a
	gone := func() {
		s.uplinksAre(x)
		x, y = y, x
	}
	begin := s.now
	for range limits.MaxMovesPerMinute {
		gone()
		s.moves(PathGone, y)
		s.pass(time.Second / 10)
	}
	s.now = s.now.Add(-time.Second / 10)
	for pause := limits.FirstBackoff; pause <= 16*time.Second; pause *= 2 {
		gone()
		s.rests(pause)
		s.moves(PathGone, y)
	}
	// The next pause would end later than the minute of the sixth move.
	gone()
	s.rests(begin.Add(time.Minute + time.Second/2).Sub(s.now))
	s.moves(PathGone, y)
	// The moves of the first second have run out, and with them the pauses.
	s.pass(2 * time.Second)
	gone()
	s.moves(PathGone, y)
}

// TestMachineOtherChanges: uplinks that come and go elsewhere do not keep a
// connection from going back.
func TestMachineOtherChanges(t *testing.T) {
	s := play(t, Config{Local: b.Local}, a, b)
	for range 4 {
		s.pass(time.Second)
		s.uplinksAre(a, b, c)
		s.pass(time.Second / 4)
		s.uplinksAre(a, b)
	}
	s.moves(Preferred, a)
}
