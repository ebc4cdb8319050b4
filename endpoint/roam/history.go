// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"slices"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// history is what a machine remembers of earlier moves. It is the hysteresis of the
// decisions.
type history struct {
	moves []time.Time // the latest moves by an order, at most MaxMovesPerMinute
	extra int         // how many of them in a row exceeded MaxMovesPerMinute

	escaped  time.Time // the last move out of trouble
	relapses int       // how many such moves in a row followed too soon on the one before

	upgraded  time.Time // when the last move was one to a better uplink; else zero
	penalties []penalty
}

// penalty says that an uplink has failed.
type penalty struct {
	uplink Uplink
	count  int // how many penalties it has had
	until  time.Time
}

// note takes a move by an order.
func (h *history) note(now time.Time, from Uplink, o Order) {
	if now.Before(h.free()) {
		h.extra++
	} else {
		h.extra = 0
	}
	if len(h.moves) == limits.MaxMovesPerMinute {
		h.moves = slices.Delete(h.moves, 0, 1)
	}
	h.moves = append(h.moves, now)
	h.upgraded = time.Time{}
	if o.Cause == Preferred {
		h.upgraded = now
	}
	if o.Uplink != from && (o.Cause.trouble() || o.Cause == Hint) {
		h.penalise(now, from)
	}
	if !o.Cause.trouble() {
		return
	}
	if h.relapsed(now) {
		h.relapses++
	} else {
		h.relapses = 0
	}
	h.escaped = now
}

// relapsed reports whether trouble now would be a relapse.
func (h *history) relapsed(now time.Time) bool {
	return !h.escaped.IsZero() && now.Before(h.pauseEnd().Add(limits.Proof))
}

// pauseEnd returns when the pause after the last move out of trouble ends.
func (h *history) pauseEnd() time.Time {
	if h.relapses == 0 {
		return h.escaped
	}
	return h.escaped.Add(doubled(limits.FirstBackoff, h.relapses-1, limits.MaxBackoff))
}

// lost takes the loss of the uplink in use. An uplink that was better, but did not stay,
// gets a penalty.
func (h *history) lost(now time.Time, u Uplink) {
	if !h.upgraded.IsZero() && now.Sub(h.upgraded) < limits.Proof {
		h.penalise(now, u)
	}
}

// penalise gives an uplink a penalty, unless it has one. Each is longer than the one
// before.
func (h *history) penalise(now time.Time, u Uplink) {
	// An old penalty does not count any more. That bounds the list, too.
	h.penalties = slices.DeleteFunc(h.penalties, func(p penalty) bool { return now.Sub(p.until) > limits.MaxPenalty })
	i := slices.IndexFunc(h.penalties, func(p penalty) bool { return p.uplink == u })
	if i < 0 {
		i = len(h.penalties)
		h.penalties = append(h.penalties, penalty{uplink: u})
	}
	p := &h.penalties[i]
	if now.Before(p.until) {
		return
	}
	p.until = now.Add(doubled(limits.FirstPenalty, p.count, limits.MaxPenalty))
	p.count++
}

// settled returns how long u has been there without a penalty. It is negative while u has
// one.
func (h *history) settled(now time.Time, u uplink) time.Duration {
	since := u.since
	for _, p := range h.penalties {
		if p.uplink == u.Uplink && p.until.After(since) {
			since = p.until
		}
	}
	return now.Sub(since)
}

// pace returns when a move for cause c may follow the earlier moves.
func (h *history) pace(c Cause) (at time.Time) {
	if c.trouble() {
		at = h.pauseEnd()
	}
	free := h.free()
	if c == PathGone && !free.IsZero() {
		soon := h.moves[len(h.moves)-1].Add(doubled(limits.FirstBackoff, h.extra, limits.MaxBackoff))
		if soon.Before(free) {
			return soon
		}
	}
	if free.After(at) {
		at = free
	}
	return at
}

// free returns when fewer than MaxMovesPerMinute moves are in the last minute. It is zero
// if there have never been that many.
func (h *history) free() time.Time {
	if len(h.moves) < limits.MaxMovesPerMinute {
		return time.Time{}
	}
	return h.moves[0].Add(time.Minute)
}
