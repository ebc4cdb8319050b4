// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"testing"
	"time"
)

// proofOf returns the proof on a packet.
func (p *packet) proof(t testing.TB, f Format) Proof {
	t.Helper()
	proof, ok := ParseProof(f, p.Options)
	if !ok {
		t.Fatalf("no proof on %v", p)
	}
	return proof
}

// TestProofFields has both ends move in turn, from paths that work and paths that are
// gone, and reads their proofs.
//
// M226: In step 4, done MUST be the low byte of the highest counter of the receiver that
// the sender takes no more. In step 5 it MUST be the counter of M588.
//
// M227: The flags of a proof MUST be these. Others MUST be zero, and MUST be ignored.
func TestProofFields(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var step4, step5 []Proof
		w.seen = func(p *packet) {
			if p.kind() == "ACK+Migrate" {
				proof := p.proof(t, FormatKinds)
				if p.from() == c.role {
					step4 = append(step4, proof)
				} else {
					step5 = append(step5, proof)
				}
			}
		}
		w.migrate(s)
		w.runFor(time.Minute)
		step4, step5 = nil, nil

		for range 3 { // the counters of c that s takes no more, and back
			w.migrate(c)
			w.runFor(time.Minute)
		}
		for i, p := range step4 {
			if p.Done != 1 || p.Flags != flagCover || p.Token == 0 {
				t.Errorf("step 4 of move %d: %+v", i, p)
			}
		}
		for i, p := range step5 {
			if p.Done != 1 || p.Flags != flagCover || p.Token != 0 {
				t.Errorf("step 5 of move %d: %+v", i, p)
			}
		}
		step4 = nil
		w.mustStart(c, false)
		w.checkMoved()
		if len(step4) == 0 || step4[0].Flags != flagCover|flagGone {
			t.Errorf("step 4 from a path that is gone: %+v", step4)
		}
	})
}

// TestProofSEQ has third ACKs come with numbers that no window allows.
//
// M533: A third ACK MUST be dropped if its SEQ is below RCV.NXT - 2^30 or above the right
// edge of the window.
func TestProofSEQ(t *testing.T) {
	for _, test := range []struct {
		seq  func(s *end) uint32
		want bool
	}{
		{func(s *end) uint32 { return s.rcvNxt }, true},
		{func(s *end) uint32 { return s.rcvNxt - maxBehind }, true},
		{func(s *end) uint32 { return s.rcvNxt - maxBehind - 1 }, false},
		{func(s *end) uint32 { return s.rcvNxt + s.wnd }, true},
		{func(s *end) uint32 { return s.rcvNxt + s.wnd + maxRounding + 1 }, false},
		{func(s *end) uint32 { return s.rcvNxt + 1<<31 }, false},
	} {
		eachSuite(t, func(t *testing.T, w *world, c, s *end) {
			p := w.third(c, s, 1, 0, 0)
			p.Seq = test.seq(s)
			w.inject(p)
			if moved := len(s.moves) == 1; moved != test.want || moved == (s.counts[CountBadSequence] == 1) {
				w.fatalf("SEQ %d from RCV.NXT: moved %v, %v", int32(p.Seq-s.rcvNxt), moved, s.counts)
			}
		})
	}
}

// TestProofUnknown: a proof without a token of the table is its tuple's.
//
// M532: A proof whose token is unknown MUST be left to the tuple that it came on.
func TestProofUnknown(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		p := w.third(c, s, 1, 0, 0)
		proof := p.proof(t, FormatKinds)
		proof.Token++
		p.Options = FormatKinds.layout().appendProof(nil, proof, maxOptions)
		var kinds []string
		w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
		w.inject(p)
		if !slices.Equal(kinds, []string{"RST"}) || len(s.moves) > 0 {
			w.fatalf("answers %v", kinds)
		}
		// On the current tuple it is a segment like any other.
		p.Tuple, p.Len, kinds = Tuple{s.cur.Remote, s.cur.Local}, 10, nil
		p.Seq = s.rcvNxt
		w.inject(p)
		if !slices.Equal(kinds, []string{"ACK"}) || s.rcvNxt != p.Seq+10 {
			w.fatalf("answers %v", kinds)
		}
	})
}

// TestProofFails: the tuple of a valid third ACK is somebody else's by now. Nothing has
// changed then, neither for a connection that is idle nor for one with an own attempt.
func TestProofFails(t *testing.T) {
	for _, busy := range []bool{false, true} {
		eachSuite(t, func(t *testing.T, w *world, c, s *end) {
			if busy {
				w.shape = lose(s.role, "SYN+Migrate", every()...)
				w.mustStart(s, false)
				w.runFor(time.Second) // and it is repeated
			}
			before, path := *s.conn, s.path
			s.failOpen = true
			w.inject(w.third(c, s, 1, 0, 0))
			s.failOpen = false
			if s.counts[CountPathBusy] != 1 || len(s.moves) > 0 {
				w.fatalf("%v", s.counts)
			}
			now := *s.conn
			if now.peerDone != before.peerDone || now.att != before.att || now.accepted != 0 || now.finished != nil || s.path != path {
				w.fatalf("the machine has changed")
			}
			w.shape = nil
			w.checkMoved()
			w.migrate(c)
		})
	}
}

// TestProofOnOldTuple: the initiator returns to a tuple that drains at the responder.
func TestProofOnOldTuple(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		home := c.cur.Local
		w.migrate(c)
		third := w.third(c, s, 2, 0, 0)
		third.Tuple.Local = home
		x := s.secret.nonce(w.now, Tuple{third.Tuple.Remote, home}, c.conn.keys.token(c.role, 2), 2, testMSS)
		p := third.proof(t, FormatKinds)
		p.Open = x.open()
		p.Tag = c.conn.keys.proofTag(labelProof, c.role, 2, third.Seq, p, x)
		third.Options = FormatKinds.layout().appendProof(nil, p, maxOptions)
		third.Len = 5 // with data, which counts
		rcv := s.rcvNxt
		w.inject(third)
		if s.cur.Remote != home || s.rcvNxt != rcv+5 || len(s.drains) != 1 {
			w.fatalf("at %v, %d bytes, drains %v", s.cur, s.rcvNxt-rcv, s.drains)
		}
	})
}

// TestLateBound has late segments come, to the responder and to the initiator, that end at
// and beyond the end of the old tuple. It may be where the sequence numbers wrap.
//
// M630: A proof with the flag cover tells the end of all old tuples that have none: its
// SEQ. On an old tuple a segment MUST NOT count if its SEQ + length is above the end.
func TestLateBound(t *testing.T) {
	for _, iss := range []uint32{1000, 1<<32 - 1050} {
		eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, r Role) {
			w := variant{suite, FormatKinds, 28}.world(t, 1)
			w.opener().iss, w.acceptor().iss = iss, iss
			w.opener().connect()
			w.settleIn()
			c, s := w.ends[r], w.ends[r.peer()]
			for _, e := range []*end{c, s} {
				p := e.peer()
				old := e.cur
				// The peer has data in flight that is lost on both paths.
				w.shape = func(q *packet) []time.Duration {
					if q.Len > 0 && !q.SYN && q.from() == p.role {
						return drop
					}
					return pass
				}
				p.write(100)
				end := p.sndNxt
				w.mustStart(c, false)
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.runUntil("both moved", time.Second, func() bool { return w.agreed() })
				p.write(50) // on the new path
				at := e.rcvNxt
				late := packet{Segment: Segment{Tuple: Tuple{old.Remote, old.Local}, ACK: true, Seq: at, Ack: e.sndUna}}
				for _, test := range []struct{ seq, n, want uint32 }{
					{end, 1, at},
					{at, end - at + 1, at},
					{at, end - at - 10, end - 10},
					{end - 10, 10, end},
					{end, 0, end},
				} {
					late.Seq, late.Len = test.seq, test.n
					w.inject(late)
					if e.rcvNxt != test.want {
						w.fatalf("%v: %d bytes that end at the end %+d: RCV.NXT %d, want %d", e.role, test.n, int32(test.seq+test.n-end), e.rcvNxt, test.want)
					}
				}
				w.shape = nil
				w.checkMoved()
				w.runFor(time.Minute)
			}
		})
	}
}

// TestLateBoundLater: a segment with payload has moved the responder, and the cover comes
// behind it.
func TestLateBoundLater(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = lose(c.role, "ACK+Migrate", 1)
		c.write(10)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		c.write(20)
		w.runUntil("responder moved", time.Second, func() bool { return len(s.moves) == 1 })
		if s.conn.drains[0].bound {
			w.fatalf("bound by a segment that is no cover")
		}
		c.sendACK()
		w.runFor(w.delay)
		if d := s.conn.drains[0]; !d.bound || d.end != c.sndNxt {
			w.fatalf("%+v, SND.NXT %d", d, c.sndNxt)
		}
	})
}

// TestLateBoundOnce: the end of an old tuple does not move when a later move tells its own.
func TestLateBoundOnce(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		first := [2]uint32{c.conn.drains[0].end, s.conn.drains[0].end}
		c.write(500)
		s.write(500)
		w.runUntil("delivered", time.Second, w.delivered)
		w.migrate(c)
		for i, e := range []*end{c, s} {
			d := e.conn.drains
			if len(d) != 2 || !d[0].bound || !d[1].bound || d[0].end != first[i] || d[1].end == d[0].end {
				w.fatalf("%v: %+v", e.role, d)
			}
		}
	})
}

// TestEpochZero: a connection with one owner at each end is in epoch 0. An abort of another
// epoch is not meant for it.
//
// M406: The upper half of a counter is the epoch of the end that counts. It MUST be zero as
// long as the connection has had one owner at that end.
func TestEpochZero(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		if epoch(c.conn.sent) != 0 || epoch(s.conn.peerDone) != 0 || epoch(1<<32|7) != 1 {
			t.Errorf("epoch %d", epoch(c.conn.sent))
		}
		k := c.conn.keys
		r := Request{ReqNo: 2, Token: k.token(k.role, 2), Tag: k.abortTag(k.role, 1, s.rcvNxt)}
		w.rst(s, FormatKinds.layout().appendRequest(nil, r, maxOptions))
		if s.closed || s.counts[CountAborted] != 0 {
			w.fatalf("closed by an abort of another epoch")
		}
	})
}
