// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// confirmed reports whether both ends may initiate.
func (w *world) confirmed() bool {
	for _, e := range w.ends {
		if e.conn == nil || e.conn.State() != Confirmed {
			return false
		}
	}
	return true
}

// checkAgreement checks that each end publishes the tokens by which the other would
// ask.
func (w *world) checkAgreement() {
	w.t.Helper()
	for _, e := range w.ends {
		k := e.peer().conn.keys
		for _, entry := range e.conn.Tokens() {
			if want := k.token(k.role, max(entry.Counter, 1)); entry.Token != want {
				w.fatalf("%v publishes %x, its peer uses %x", e.role, entry.Token, want)
			}
		}
	}
}

// checkForgotten lets the time pass after which both ends have forgotten the
// exchange of keys, without a further segment.
func (w *world) checkForgotten() {
	w.t.Helper()
	w.runFor(lingerTime + time.Second)
	for _, e := range w.ends {
		if e.conn.WantsACKs() || e.conn.neg != nil {
			w.fatalf("%v wants ACKs for ever", e.role)
		}
		if at, ok := e.conn.Deadline(); ok {
			w.fatalf("%v has a deadline at %v", e.role, at)
		}
	}
}

// M304: An end that has not confirmed MUST append Key-Confirm from the moment it can
// compute it.
//
// M313: The answer MUST be an ACK of its own.
func TestNegotiation(t *testing.T) {
	for _, v := range variants {
		t.Run(v.String(), func(t *testing.T) {
			w := v.world(t, 1)
			w.opener().connect()
			w.runUntil("both confirmed", 3*w.delay+time.Second/2, w.confirmed)
			w.checkAgreement()
			before := w.sent
			w.checkForgotten()
			if w.sent > before+4 {
				w.fatalf("%d packets after the end", w.sent-before)
			}
			for _, e := range w.ends {
				if e.answers != 0 {
					t.Errorf("%v: needs the timer", e.role)
				}
				if e.conn.Suite() != v.suite || e.conn.Reason() != PlainNone {
					t.Errorf("%v: suite %v, reason %v", e.role, e.conn.Suite(), e.conn.Reason())
				}
			}
		})
	}
}

// TestNegotiationLoss loses each of the first packets in turn, and each two. Only
// the loss of two SYNs, or two SYN-ACKs, looks like a box that drops the option.
//
// M303: An end MUST append Key-Rest until it has confirmed.
func TestNegotiationLoss(t *testing.T) {
	const first = 9
	for _, v := range variants {
		t.Run(v.String(), func(t *testing.T) {
			for i := range first {
				for j := i; j < first; j++ {
					w := v.world(t, 1)
					n := 0
					var lost [2]int // SYNs and SYN-ACKs
					w.shape = func(p *packet) []time.Duration {
						if n++; n != i+1 && n != j+1 {
							return pass
						}
						if p.SYN {
							lost[p.from()]++
						}
						return drop
					}
					w.opener().connect()
					w.runUntil("open", lingerTime, func() bool { return w.opener().open && w.acceptor().open })
					switch {
					case lost[Opener] == maxOffers:
						w.checkPlain(v, [2]PlainReason{PlainNotOffered, PlainNotOffered})
						continue
					case lost[Acceptor] == maxOffers && v.suite.hasKey():
						w.checkPlain(v, [2]PlainReason{PlainNotOffered, PlainNoAnswer})
						continue
					}
					w.runUntil(fmt.Sprintf("confirmed without %d and %d", i, j), lingerTime, w.confirmed)
					w.checkAgreement()
					w.checkForgotten()
				}
			}
		})
	}
}

// TestNegotiationNoise adds duplicates and reordering, and data. The data has to arrive
// with or without the options.
func TestNegotiationNoise(t *testing.T) {
	for seed := range uint64(120) {
		v := variants[seed%uint64(len(variants))]
		w := v.world(t, seed)
		for _, e := range w.ends {
			e.cfg.Policy = Required // however many SYNs get lost
		}
		w.shape = w.noisy(0.25)
		w.opener().connect()
		w.runUntil("open", 20*time.Second, func() bool { return w.opener().open && w.acceptor().open })
		w.opener().write(1000)
		w.acceptor().write(3000)
		w.runUntil("confirmed", 12*time.Second, w.confirmed)
		w.checkAgreement()
		w.shape = nil
		w.runUntil("all data arrived", 10*time.Second, w.delivered)
		w.checkForgotten()
	}
}

// delivered reports whether both ends have all that the other has written.
func (w *world) delivered() bool {
	for _, e := range w.ends {
		if e.unsent > 0 || e.sndUna != e.sndNxt || e.sndNxt != e.peer().rcvNxt {
			return false
		}
	}
	return true
}

// TestNegotiationBulk: an opener that sends much hears Key-Rest on each ACK.
// The loss of its first answers does not end the negotiation.
func TestNegotiationBulk(t *testing.T) {
	for _, v := range variants {
		w := v.world(t, 1)
		outage := w.now.Add(400 * time.Millisecond)
		w.shape = func(p *packet) []time.Duration {
			if p.from() == Opener && p.Len == 0 && w.now < outage {
				return drop
			}
			return pass
		}
		w.opener().connect()
		w.runUntil("open", time.Second, func() bool { return w.opener().open })
		for range 200 {
			w.opener().write(1000)
			w.runFor(time.Millisecond)
		}
		w.runUntil("confirmed", lingerTime, w.confirmed)
	}
}

// strip removes the options that a filter names from packets.
func strip(filter func(p *packet) bool) func(*packet) []time.Duration {
	return func(p *packet) []time.Duration {
		if filter(p) {
			p.Options = nil
		}
		return pass
	}
}

// M323: In suite 0x00 both ends MUST be ready when the handshake is complete.
//
// M341: A connection MUST stay plain TCP, for good, if the peer sent no option, or if
// the follow-ups are used up without a Key-Confirm.
//
// M344: The reason why a connection is plain TCP MUST be kept for the application.
func TestNegotiationStripped(t *testing.T) {
	syn := func(p *packet) bool { return p.SYN && !p.ACK }
	synack := func(p *packet) bool { return p.SYN && p.ACK }
	ackOf := func(r Role) func(*packet) bool {
		return func(p *packet) bool { return !p.SYN && p.from() == r }
	}
	ack := func(p *packet) bool { return !p.SYN }
	tests := []struct {
		name   string
		filter func(*packet) bool
		reason [2]PlainReason
	}{
		{"SYN", syn, [2]PlainReason{PlainNotOffered, PlainNotOffered}},
		{"SYN-ACK", synack, [2]PlainReason{PlainNotOffered, PlainNoAnswer}},
		{"opener's ACKs", ackOf(Opener), [2]PlainReason{PlainNoAnswer, PlainNoAnswer}},
		{"acceptor's ACKs", ackOf(Acceptor), [2]PlainReason{PlainNoAnswer, PlainNoAnswer}},
		{"all ACKs", ack, [2]PlainReason{PlainNoAnswer, PlainNoAnswer}},
	}
	for _, test := range tests {
		for _, v := range variants {
			t.Run(fmt.Sprintf("%s/%v", test.name, v), func(t *testing.T) {
				w := v.world(t, 1)
				w.shape = strip(test.filter)
				w.opener().connect()
				w.runUntil("open", time.Second, func() bool { return w.acceptor().open })
				w.opener().write(1)
				w.acceptor().write(1)
				w.checkPlain(v, test.reason)
			})
		}
	}
}

// checkPlain waits for the end of a negotiation that fails.
func (w *world) checkPlain(v variant, reason [2]PlainReason) {
	w.t.Helper()
	w.runFor(20 * time.Second)
	for r, e := range w.ends {
		want, why := Plain, reason[r]
		if !v.suite.hasKey() && why != PlainNotOffered {
			want, why = Confirmed, PlainNone // nothing follows the SYN-ACK
		}
		if got := e.conn.State(); got != want || e.conn.Reason() != why {
			w.fatalf("%v: %v, %v, want %v, %v", e.role, got, e.conn.Reason(), want, why)
		}
		if want == Plain && (e.conn.WantsACKs() || e.conn.Tokens() != nil || e.conn.Verifier() != nil || e.table.Len() != 0) {
			w.fatalf("%v: something is left", e.role)
		}
		if e.answers > maxFollowUps {
			w.fatalf("%v: %d segments by the timer", e.role, e.answers)
		}
	}
	if !w.delivered() {
		w.fatalf("data is missing")
	}
}

// TestNegotiationGivesUp bounds the time and the segments of an end whose peer
// never answers.
//
// M307: A timer MUST send ACKs for them alone: after firstFollowUp, then with a
// doubling interval of at most maxFollowUp, maxFollowUps times in all.
func TestNegotiationGivesUp(t *testing.T) {
	v := usual
	w := v.world(t, 1)
	w.shape = strip(func(p *packet) bool { return p.from() == Acceptor && !p.SYN })
	w.opener().connect()
	w.runUntil("open", time.Second, func() bool { return w.opener().open })
	begin, before := w.now, w.sent
	var times []Time
	for w.opener().conn.State() != Plain {
		n := w.opener().answers
		w.runUntil("next", 2*maxFollowUp, func() bool { return w.opener().answers > n || w.opener().conn.State() == Plain })
		times = append(times, w.now)
	}
	for i := 2; i < len(times); i++ {
		if times[i]-times[i-1] < times[i-1]-times[i-2] {
			t.Errorf("interval %d shrinks: %v", i, times)
		}
	}
	if d := times[len(times)-1].Sub(begin); d < 5*time.Second || d > 15*time.Second {
		t.Errorf("gives up after %v", d)
	}
	if n := w.opener().answers; n != maxFollowUps {
		t.Errorf("%d segments by the timer", n)
	}
	// Each may be answered, and is counted again when it arrives.
	if n := w.sent - before; n > 2*2*(2*maxFollowUps+2) {
		t.Errorf("%d packets", n)
	}
}

// TestPlainPeer: the other end does not know migration.
func TestPlainPeer(t *testing.T) {
	for r := range Role(2) {
		v := usual
		w := v.world(t, 1)
		w.ends[r].plain = true
		w.opener().connect()
		w.runFor(time.Minute)
		c := w.ends[r.peer()].conn
		if c.State() != Plain || c.Reason() != PlainNotOffered {
			t.Errorf("peer of %v: %v, %v", r, c.State(), c.Reason())
		}
		if _, ok := c.Deadline(); ok {
			t.Error("still waits")
		}
	}
}

// TestSuiteChoice has all pairs of lists of suites.
//
// M201: The opener MUST offer one suite.
//
// M202: An acceptor that allows this suite MUST answer with the same one. Else it MUST
// send no option.
func TestSuiteChoice(t *testing.T) {
	lists := [][]SuiteID{nil, {0}, {1}, {2}, {0, 1}, {1, 0}, {2, 1, 0}}
	for _, o := range lists {
		for _, a := range lists {
			t.Run(fmt.Sprintf("%v to %v", o, a), func(t *testing.T) {
				w := newWorld(t, 1, [2]*Config{{Suites: o}, {Suites: a}})
				w.opener().connect()
				w.runFor(5 * time.Second)
				offered := (&Config{Suites: o}).suites()[0]
				if slices.Contains((&Config{Suites: a}).suites(), offered) {
					if !w.confirmed() || w.acceptor().conn.Suite() != offered {
						w.fatalf("%v, %v", w.opener().conn.State(), w.acceptor().conn.State())
					}
					return
				}
				if c := w.opener().conn; c.State() != Plain || c.Reason() != PlainNotOffered {
					t.Errorf("opener: %v, %v", c.State(), c.Reason())
				}
				if c := w.acceptor().conn; c.State() != Plain || c.Reason() != PlainSuite {
					t.Errorf("acceptor: %v, %v", c.State(), c.Reason())
				}
			})
		}
	}
}

// TestFormatsDiffer: both ends need the same format; else the connection is
// plain.
//
// M104: The format is a setting that both ends MUST share. An end sees no option that
// is written in another format.
func TestFormatsDiffer(t *testing.T) {
	w := newWorld(t, 1, [2]*Config{{Format: FormatKinds}, {Format: FormatExperimental}})
	w.opener().connect()
	w.checkPlain(usual, [2]PlainReason{PlainNotOffered, PlainNotOffered})
}
