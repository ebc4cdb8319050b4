// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"slices"
	"time"
)

// history is what a machine remembers of earlier moves: the hysteresis.
type history struct {
	moves []time.Time // the latest ones ordered, at most MaxMovesPerMinute
	extra int         // how many of them in a row came before their time

	cured    time.Time // the last move out of trouble
	relapses int       // how many of them in a row came too soon after the one before

	lured     time.Time // the last move to a better uplink
	disgraces []disgrace
}

// disgrace is that of an uplink that has failed.
type disgrace struct {
	uplink Uplink
	count  int
	until  time.Time
}

// note takes a move by an order.
func (h *history) note(now time.Time, from Uplink, o Order) {
	if now.Before(h.free()) {
		h.extra++
	} else {
		h.extra = 0
	}
	if len(h.moves) == MaxMovesPerMinute {
		h.moves = slices.Delete(h.moves, 0, 1)
	}
	h.moves = append(h.moves, now)
	h.lured = time.Time{}
	if o.Cause == Preferred {
		h.lured = now
	}
	if o.Uplink != from && (o.Cause.trouble() || o.Cause == Hint) {
		h.strike(now, from)
	}
	if !o.Cause.trouble() {
		return
	}
	if h.relapsed(now) {
		h.relapses++
	} else {
		h.relapses = 0
	}
	h.cured = now
}

// relapsed reports whether trouble now would be a relapse.
func (h *history) relapsed(now time.Time) bool {
	return !h.cured.IsZero() && now.Before(h.respite().Add(Proof))
}

// respite returns until when the last cure has to do, good or not.
func (h *history) respite() time.Time {
	if h.relapses == 0 {
		return h.cured
	}
	return h.cured.Add(doubled(FirstBackoff, h.relapses-1, MaxBackoff))
}

// regret takes the loss of an uplink. If it was better, but not for long, it was
// not better.
func (h *history) regret(now time.Time, u Uplink) {
	if !h.lured.IsZero() && now.Sub(h.lured) < Proof {
		h.strike(now, u)
	}
}

// strike puts an uplink in disgrace that is not in it, for longer if it was before.
func (h *history) strike(now time.Time, u Uplink) {
	// Time heals; it also bounds the list.
	h.disgraces = slices.DeleteFunc(h.disgraces, func(d disgrace) bool { return now.Sub(d.until) > MaxPenalty })
	i := slices.IndexFunc(h.disgraces, func(d disgrace) bool { return d.uplink == u })
	if i < 0 {
		i = len(h.disgraces)
		h.disgraces = append(h.disgraces, disgrace{uplink: u})
	}
	d := &h.disgraces[i]
	if now.Before(d.until) {
		return
	}
	d.until = now.Add(doubled(FirstPenalty, d.count, MaxPenalty))
	d.count++
}

// settled returns how long u has been there and out of disgrace.
func (h *history) settled(now time.Time, u uplink) time.Duration {
	since := u.since
	for _, d := range h.disgraces {
		if d.uplink == u.Uplink && d.until.After(since) {
			since = d.until
		}
	}
	return now.Sub(since)
}

// pace returns when a move for cause c may come after the earlier ones.
func (h *history) pace(c Cause) (at time.Time) {
	if c.trouble() {
		at = h.respite()
	}
	free := h.free()
	if c == PathGone && !free.IsZero() {
		soon := h.moves[len(h.moves)-1].Add(doubled(FirstBackoff, h.extra, MaxBackoff))
		if soon.Before(free) {
			return soon
		}
	}
	if free.After(at) {
		at = free
	}
	return at
}

// free returns when fewer than MaxMovesPerMinute moves are in the last minute; zero
// if there have never been that many.
func (h *history) free() time.Time {
	if len(h.moves) < MaxMovesPerMinute {
		return time.Time{}
	}
	return h.moves[0].Add(time.Minute)
}
