// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestCrossing: both ends ask at about the same time. The opener's request wins, unless
// it has been repeated.
//
// M584: An opener whose first SYN is not repeated yet MUST ignore the peer's requests and
// its third ACKs.
//
// M585: In all other cases a valid third ACK MUST be taken, and the own attempt MUST
// yield.
func TestCrossing(t *testing.T) {
	for suite := range SuiteID(3) {
		for gap := -3; gap <= 3; gap++ {
			for _, keepOld := range []bool{true, false} {
				w := variant{suite, FormatKinds, 28}.connected(t, 1)
				o, a := w.opener(), w.acceptor()
				first, second := o, a
				if gap < 0 {
					first, second = a, o
				}
				w.mustStart(first, keepOld)
				w.runFor(time.Duration(max(gap, -gap)) * w.delay / 4)
				w.mustStart(second, keepOld)
				w.checkMoved()
				if err := w.over(a); err != ErrYielded {
					w.fatalf("acceptor: %v", err)
				}
				if err := w.over(o); err != nil {
					w.fatalf("opener: %v", err)
				}
				if a.counts[CountCrossedYielded] != 1 || o.counts[CountCrossedIgnored] == 0 || len(o.moves) != 1 {
					w.fatalf("%v, %v", o.counts, a.counts)
				}
				w.migrate(a)
			}
		}
	}
}

// TestCrossingRepeated: the opener's SYNs get lost.
//
// M585: In all other cases a valid third ACK MUST be taken, and the own attempt MUST
// yield.
func TestCrossingRepeated(t *testing.T) {
	for suite := range SuiteID(3) {
		for _, keepOld := range []bool{true, false} {
			w := variant{suite, FormatKinds, 28}.connected(t, 1)
			o, a := w.opener(), w.acceptor()
			w.shape = lose(Opener, "SYN+Migrate", every()...)
			w.mustStart(o, keepOld)
			w.runFor(time.Millisecond)
			w.mustStart(a, keepOld)
			w.checkMoved()
			if err := w.over(o); err != ErrYielded {
				w.fatalf("opener: %v", err)
			}
			if err := w.over(a); err != nil {
				w.fatalf("acceptor: %v", err)
			}
			if o.counts[CountCrossedIgnored] != 1 || o.counts[CountCrossedYielded] != 1 {
				w.fatalf("%v", o.counts)
			}
		}
	}
}

// TestCrossingBothRepeated: two repeated requests meet. One of them moves the connection,
// and the ends agree on which.
func TestCrossingBothRepeated(t *testing.T) {
	for suite := range SuiteID(3) {
		w := variant{suite, FormatKinds, 28}.connected(t, 1)
		o, a := w.opener(), w.acceptor()
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "SYN+Migrate" && (o.conn.att == nil || o.conn.att.sends == 1) {
				return drop
			}
			return pass
		}
		w.mustStart(o, true)
		w.mustStart(a, true)
		w.runUntil("both attempts over", time.Minute, func() bool { return !o.trying && !a.trying })
		w.shape = nil
		w.checkMoved()
		if len(o.moves) == 0 || len(a.moves) == 0 {
			w.fatalf("%v, %v", o.results, a.results)
		}
		w.migrate(a)
		w.migrate(o)
	}
}

// TestCrossingAgree has both ends ask at random moments on a network that loses,
// duplicates and delays. The ends agree on one of the moves, or on none.
//
// M587: An end that has moved and ignores the peer's third ACK MUST repeat its own step 4
// at once, at most once per minSYNRTO.
//
// M588: Step 5 MUST say up to which counter the requests of its sender are void. That
// is its last one, but less than its done as it knows it + the window of M413. The
// receiver MUST take none.
func TestCrossingAgree(t *testing.T) {
	runs := uint64(2000)
	if testing.Short() {
		runs = 200
	}
	moved := 0
	for seed := range runs {
		rng := rand.New(rand.NewPCG(seed, 7))
		w := variants[rng.IntN(len(variants))].connected(t, seed)
		o, a := w.opener(), w.acceptor()
		w.shape = w.noisy([]float64{0, 0.1, 0.3}[rng.IntN(3)])
		first, second := o, a
		if rng.IntN(2) == 0 {
			first, second = a, o
		}
		w.mustStart(first, rng.IntN(2) == 0)
		w.runFor(time.Duration(rng.Int64N(int64(500 * time.Millisecond))))
		w.mustStart(second, rng.IntN(2) == 0)
		w.runFor(5 * time.Second)
		w.shape = nil
		w.runFor(2 * time.Minute)
		if len(o.moves)+len(a.moves) > 0 {
			moved++
		}
		if !w.agreed() {
			w.fatalf("seed %d: the ends are at %v and %v", seed, o.cur, a.cur)
		}
		w.migrate(o)
		w.migrate(a)
	}
	if moved < int(runs)*9/10 {
		t.Errorf("%d of %d runs moved the connection", moved, runs)
	}
}

// TestProofWhileCompleting: the peer wants to move on while this end still repeats its
// third ACK.
//
// M586: An opener that has moved MUST ignore the peer's third ACKs until step 5 has come.
// So MUST an end that waits for its cover. A third ACK whose done is the own counter is
// taken by either.
//
// M589: If only one of two crossing moves has left a path that is gone, its end MUST
// take the part of the opener in M586.
func TestProofWhileCompleting(t *testing.T) {
	for i, flight := range append(flights, flights...) {
		gone, peerGone := i%2 == 0, i/2%2 == 0
		eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
			w, c, s := inFlight(t, suite, initiator, flight)
			// After the move, no segment of either end arrives.
			w.shape = func(p *packet) []time.Duration {
				if len(c.moves) > 0 && p.kind() != "SYN+Migrate" {
					return drop
				}
				return pass
			}
			w.mustStart(c, !gone)
			if err := w.over(c); err != nil {
				w.fatalf("%v", err)
			}
			w.runFor(minSYNRTO)
			want := c.role == Acceptor
			if gone != peerGone {
				want = peerGone
			}
			if !c.conn.att.covered {
				want = false
			}
			var flags proofFlags
			if peerGone {
				flags = flagGone
			}
			w.inject(w.third(s, c, 1, 0, flags))
			took := len(c.moves) == 2
			if took != want {
				w.fatalf("gone %v, peer's gone %v: taken %v, want %v", gone, peerGone, took, want)
			}
			if !took {
				if c.counts[CountCrossedIgnored] != 1 || c.conn.att.asked == 0 {
					w.fatalf("%v", c.counts)
				}
				w.inject(w.third(s, c, 1, uint8(c.conn.att.counter), flags))
				if len(c.moves) != 2 {
					w.fatalf("not taken although it completes ours")
				}
			}
			if c.gated || c.conn.Phase() != Idle {
				w.fatalf("gated %v, %v", c.gated, c.conn.Phase())
			}
		})
	}
}

// third returns a third ACK by which e completes its n-th request at the peer, from a
// tuple of e's host.
func (w *world) third(e, peer *end, n uint64, done uint8, flags proofFlags) packet {
	k := e.conn.keys
	p := packet{Segment: Segment{
		Tuple: Tuple{attackerTuple(e), peer.cur.Local}, ACK: true, Seq: e.sndNxt, Ack: e.rcvNxt, Window: e.wnd,
	}}
	tok := k.token(k.role, n)
	x := peer.secret.nonce(w.now, Tuple{p.Tuple.Remote, p.Tuple.Local}, tok, uint8(n), testMSS)
	proof := Proof{ReqNo: uint8(n), Done: done, Flags: flags, Open: x.open(), Rcv: e.rcvNxt - k.irs, Token: tok}
	proof.Tag = k.proofTag(labelProof, k.role, n, p.Seq, proof, x)
	p.Options = e.cfg.Format.layout().appendProof(nil, proof, maxOptions)
	e.conn.sent = max(e.conn.sent, n)
	return p
}

// TestRequestReplacesCompletion: and it is completed.
func TestRequestReplacesCompletion(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		// s hears the third ACK, c does not hear that.
		w.shape = func(p *packet) []time.Duration {
			if p.from() == s.role && len(s.moves) > 0 && p.kind() != "SYN+Migrate" {
				return drop
			}
			return pass
		}
		w.mustStart(c, true)
		w.runUntil("responder moved", time.Second, func() bool { return len(s.moves) == 1 })
		if c.conn.Phase() != Completing {
			w.fatalf("%v", c.conn.Phase())
		}
		w.mustStart(s, true)
		w.shape = nil
		if err := w.over(s); err != nil {
			w.fatalf("%v", err)
		}
		w.checkMoved()
		if i, a := c.conn.Moves(); i != 1 || a != 1 {
			w.fatalf("%d, %d moves", i, a)
		}
	})
}
