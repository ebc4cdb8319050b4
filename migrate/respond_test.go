// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"testing"
	"time"
)

// sign makes a request by the end with keys k.
func sign(k *keys, n uint64, seq uint32) []byte {
	r := Request{ReqNo: uint8(n), Token: k.token(k.role, n), Tag: k.requestTag(k.role, n, seq)}
	return FormatKinds.layout().appendRequest(nil, r, maxOptions)
}

// TestRequestsDropped: requests that are dropped without an answer, a path or
// anything else that would change the machine.
func TestRequestsDropped(t *testing.T) {
	garble := func(i int) func(*world, *end, *end, *packet) {
		return func(_ *world, _, _ *end, p *packet) { p.Options[i] ^= 0x80 }
	}
	number := func(n uint64) func(*world, *end, *end, *packet) {
		return func(_ *world, c, _ *end, p *packet) { p.Options = sign(c.conn.keys, n, p.Seq) }
	}
	seq := func(ahead uint32) func(*world, *end, *end, *packet) {
		return func(_ *world, c, s *end, p *packet) {
			p.Seq = s.rcvNxt + ahead - 1
			p.Options = sign(c.conn.keys, c.conn.sent, p.Seq)
		}
	}
	is := func(c Counter) [3]Counter { return [3]Counter{c, c, c} }
	tests := []struct {
		name    string
		change  func(w *world, c, s *end, p *packet)
		counter [3]Counter // by suite
	}{
		{"token", garble(4), is(CountUnknownToken)},
		{"tag", garble(18), is(CountBadTag)},
		{"tag's first bit", garble(11), is(CountBadTag)},
		{"ReqNo", garble(2), is(CountBadTag)},
		{"sequence number", func(_ *world, _, _ *end, p *packet) { p.Seq++ }, is(CountBadTag)},
		{"counter completed", func(_ *world, c, s *end, p *packet) {
			p.Options = sign(c.conn.keys, s.conn.peerDone, p.Seq)
		}, [3]Counter{CountStaleRequest, CountStaleRequest, CountUnknownToken}},
		{"counter of the past", func(_ *world, c, s *end, p *packet) {
			p.Options = sign(c.conn.keys, s.conn.peerDone-1, p.Seq)
		}, [3]Counter{CountStaleRequest, CountStaleRequest, CountUnknownToken}},
		{"counter 0", number(0), [3]Counter{CountStaleRequest, CountStaleRequest, CountUnknownToken}},
		{"counter beyond the window", func(_ *world, c, s *end, p *packet) {
			p.Options = sign(c.conn.keys, s.conn.peerDone+s.conn.window()+1, p.Seq)
		}, [3]Counter{CountStaleRequest, CountStaleRequest, CountUnknownToken}},
		{"first byte not received yet", seq(1), is(CountBadSequence)},
		{"farther behind than any window", seq(^uint32(maxBehind)), is(CountBadSequence)},
		{"in the other half of the sequence space", seq(1 << 31), is(CountBadSequence)},
		{"current tuple", func(_ *world, _, s *end, p *packet) {
			p.Tuple = Tuple{s.cur.Remote, s.cur.Local}
		}, is(CountDuplicateSYN)},
		{"not in a state that moves", func(_ *world, _, s *end, _ *packet) { s.immovable = true }, is(CountWrongState)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachSuite(t, func(t *testing.T, w *world, c, s *end) {
				w.migrate(c)
				w.migrate(c)
				w.runFor(time.Minute)
				p := w.captureSYN(c)
				p.Options = slices.Clone(p.Options)
				test.change(w, c, s, &p)
				before, machine := s.counts, *s.conn
				if n := w.answers(func() { w.inject(p) }); n != 0 {
					w.fatalf("%d packets in answer", n)
				}
				for i := range before {
					before[i] = s.counts[i] - before[i]
				}
				var want [NumCounters]int
				want[test.counter[s.conn.suite]] = 1
				if before != want {
					w.fatalf("counted %v, want %v", before, want)
				}
				if after := *s.conn; after.prov != nil || after.peerDone != machine.peerDone || after.tokensChanged {
					w.fatalf("the machine has changed")
				}
				if acts := s.conn.Tokens(); len(acts) == 0 {
					w.fatalf("no tokens")
				}
				s.immovable = false
				w.migrate(c)
			})
		})
	}
}

// TestCounterWindow: the whole window of counters is taken, wherever it is.
func TestCounterWindow(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		w.runFor(time.Minute)
		for ahead := uint64(1); ahead <= s.conn.window(); ahead += max(1, s.conn.window()/4) {
			w := variant{c.conn.suite, FormatKinds, 28}.connected(t, 1)
			c, s := w.ends[c.role], w.ends[s.role]
			w.migrate(c)
			w.runFor(time.Minute)
			p := w.captureSYN(c)
			p.Options = sign(c.conn.keys, s.conn.peerDone+ahead, p.Seq)
			c.conn.sent = s.conn.peerDone + ahead // as if those between had been lost
			if w.inject(p); s.conn.Phase() != SYNReceived {
				w.fatalf("%d ahead: %v", ahead, s.counts)
			}
			w.runFor(time.Minute)
			w.migrate(c)
		}
	})
}

// TestReflection: an attacker sends back what this end has sent.
func TestReflection(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		p := w.captureSYN(c)
		p.Tuple = Tuple{attacker, c.cur.Local}
		p.Seq = c.rcvNxt - 1
		r := c.conn.ownRequest
		k := c.conn.keys
		if k.suite.rolling() {
			// Even a valid tag for these numbers is that of the other role.
			r.Tag = k.requestTag(k.role, uint64(r.ReqNo), p.Seq)
		} else {
			// That its sequence number would be plausible is bad luck.
			c.conn.ownRequest.Tag = k.draftTag(p.Seq, uint64(r.ReqNo))
			r = c.conn.ownRequest
		}
		p.Options = FormatKinds.layout().appendRequest(nil, r, maxOptions)
		if n := w.answers(func() { w.inject(p) }); n != 0 || c.conn.prov != nil {
			w.fatalf("%d packets in answer, phase %v", n, c.conn.Phase())
		}
		counter := CountReflected
		if k.suite.rolling() {
			counter = CountUnknownToken
		}
		if c.counts[counter] != 1 {
			w.fatalf("%v", c.counts)
		}
	})
}

// onHand returns a world in which s has a request of c on hand, and c's SYN.
// What s sends to c's new path is lost.
func onHand(t *testing.T, w *world, c, s *end) (syn packet) {
	t.Helper()
	syn = w.captureSYN(c)
	w.shape = func(p *packet) []time.Duration {
		if p.Tuple.Remote == syn.Tuple.Local {
			return drop
		}
		return pass
	}
	w.inject(syn)
	if s.conn.Phase() != SYNReceived {
		w.fatalf("%v", s.conn.Phase())
	}
	return syn
}

// TestProvisionalPath: what comes on it, but for the third ACK, neither moves
// the connection nor prolongs its life, and is answered rarely.
func TestProvisionalPath(t *testing.T) {
	tests := []struct {
		name string
		p    func(w *world, s *end, syn packet) packet
		rst  bool
	}{
		{"the SYN again", func(_ *world, _ *end, syn packet) packet { return syn }, false},
		{"a bare ACK", func(w *world, s *end, syn packet) packet {
			return packet{Segment: Segment{Tuple: syn.Tuple, ACK: true, Seq: syn.Seq + 1, Ack: s.sndUna}}
		}, false},
		{"data", func(w *world, s *end, syn packet) packet {
			return packet{Segment: Segment{Tuple: syn.Tuple, ACK: true, Seq: syn.Seq + 1, Ack: s.sndUna, Len: 100}}
		}, false},
		{"the SYN's option on an ACK", func(w *world, s *end, syn packet) packet {
			return packet{Segment: Segment{Tuple: syn.Tuple, ACK: true, Seq: syn.Seq, Ack: s.sndUna, Options: syn.Options}}
		}, false},
		{"the SYN's option on the next number", func(w *world, s *end, syn packet) packet {
			return packet{Segment: Segment{Tuple: syn.Tuple, ACK: true, Seq: syn.Seq + 1, Ack: s.sndUna, Options: syn.Options}}
		}, false},
		{"RST with another number", func(w *world, s *end, syn packet) packet {
			return packet{Segment: Segment{Tuple: syn.Tuple, RST: true, Seq: syn.Seq}}
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
				at := w.opener().cur
				syn := onHand(t, w, c, s)
				begin, end := w.now, w.now
				var sent []Time
				w.seen = func(p *packet) {
					if p.kind() == "SYN-ACK+Migrate" {
						sent = append(sent, w.now)
					}
				}
				for s.conn.Phase() == SYNReceived && end.Sub(begin) < time.Minute {
					w.runFor(3 * time.Millisecond)
					if s.conn.Phase() == SYNReceived {
						w.inject(test.p(w, s, syn))
					}
					end = w.now
				}
				w.seen = nil
				if want := synRTO(s.srtt) * (1<<maxSYNACKSends - 1); end.Sub(begin) > want+time.Second || end.Sub(begin) < want-time.Second {
					w.fatalf("on hand for %v, want %v", end.Sub(begin), want)
				}
				for i := 1; i < len(sent); i++ {
					// The timer may come on top of an answer.
					if i >= 2 && sent[i].Sub(sent[i-2]) < minSYNACKInterval {
						w.fatalf("SYN-ACKs at %v, %v, %v", sent[i-2], sent[i-1], sent[i])
					}
				}
				if test.rst && len(sent) != maxSYNACKSends-1 {
					w.fatalf("%d SYN-ACKs", len(sent))
				}
				if s.counts[CountPathExpired] != 1 || len(s.moves) != 0 {
					w.fatalf("%v", s.counts)
				}
				w.shape = nil
				w.checkStayed(at)
				w.migrate(c)
			})
		})
	}
}

// TestProvisionalRefused: the host at the address has not asked.
func TestProvisionalRefused(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		syn := onHand(t, w, c, s)
		w.shape = nil
		w.inject(packet{Segment: Segment{Tuple: syn.Tuple, RST: true, Seq: syn.Seq + 1}})
		if s.conn.Phase() != Idle || s.counts[CountRefused] != 1 {
			w.fatalf("%v", s.conn.Phase())
		}
		w.checkStayed(at)
	})
}

// TestPathFailed: the tuple of a valid request is somebody else's.
func TestPathFailed(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		s.failOpen = true
		w.mustStart(c, true)
		if err := w.over(c); err != ErrNoAnswer {
			w.fatalf("%v", err)
		}
		w.checkStayed(at)
		s.failOpen = false
		w.migrate(c)
	})
}

// TestDropProvisional gives up a request because of what the host knows of the
// address that it is for.
func TestDropProvisional(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		if tuple, ok := s.conn.Provisional(); ok || s.conn.DropProvisional() != nil {
			t.Errorf("%v on hand", tuple)
		}
		syn := onHand(t, w, c, s)
		if tuple, ok := s.conn.Provisional(); !ok || tuple.Remote != syn.Tuple.Local {
			t.Errorf("%v, %v", tuple, ok)
		}
		s.do(s.conn.DropProvisional())
		s.settle()
		if s.conn.Phase() != Idle || s.counts[CountPathExpired] != 1 {
			t.Errorf("%v", s.conn.Phase())
		}
		w.shape = nil
		w.checkStayed(at)
		w.migrate(c)
	})
}

// TestReplay: a recorded request, and what it is worth, from another tuple.
func TestReplay(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		syn := onHand(t, w, c, s)
		replay := syn
		replay.Tuple.Local = attacker
		if n := w.answers(func() { w.inject(replay) }); n != 0 || s.counts[CountReplayedTuple] != 1 {
			w.fatalf("%d packets in answer, %v", n, s.counts)
		}
		if s.conn.prov.tuple.Remote != syn.Tuple.Local {
			w.fatalf("on hand: %v", s.conn.prov.tuple)
		}
		// When it has expired: a SYN-ACK to the attacker, and no more.
		w.runUntil("expired", time.Minute, func() bool { return s.conn.Phase() == Idle })
		w.shape = nil
		var synacks []packet
		w.seen = func(p *packet) {
			if p.Tuple.Remote != attacker {
				return
			}
			if synacks = append(synacks, *p); p.kind() != "SYN-ACK+Migrate" && p.kind() != "ACK" {
				w.fatalf("%v", p)
			}
		}
		w.inject(replay)
		if len(synacks) != 2 {
			w.fatalf("%v", synacks)
		}
		// What has been heard, sent back with each number that may help.
		for _, o := range [][]byte{syn.Options, synacks[0].Options} {
			for _, seq := range []uint32{syn.Seq, syn.Seq + 1, synacks[0].Seq, synacks[0].Seq + 1, s.rcvNxt} {
				w.inject(packet{Segment: Segment{
					Tuple: Tuple{attacker, s.cur.Local}, ACK: true, Seq: seq, Ack: synacks[0].Seq + 1, Options: o,
				}})
			}
		}
		w.seen = nil
		w.checkStayed(at)
		if len(s.moves) != 0 {
			w.fatalf("moved to %v", s.cur)
		}
		// The owner's next request is taken in spite of it.
		w.inject(replay)
		w.migrate(c)

		// After the migration the record is worth nothing at all.
		if n := w.answers(func() { w.inject(syn); w.inject(replay) }); n != 0 {
			w.fatalf("%d packets in answer", n)
		}
	})
}

// TestRecordedACK: the third ACK of one migration does not complete another.
func TestRecordedACK(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		var acks []packet
		w.seen = func(p *packet) {
			if p.kind() == "ACK+Migrate" {
				acks = append(acks, *p)
			}
		}
		w.migrate(c)
		w.migrate(s)
		w.runFor(time.Minute)
		w.seen = nil
		syn := onHand(t, w, c, s)
		for _, p := range acks {
			p.Tuple = syn.Tuple
			w.inject(p)
		}
		if s.conn.Phase() != SYNReceived || len(acks) < 2 {
			w.fatalf("%d recorded", len(acks))
		}
	})
}

// TestRecordedHandshake: who has recorded a whole handshake, and kept the third
// ACK from arriving, cannot complete it from elsewhere when the responder has
// forgotten. Section 9: suites without a nonce do not stop that.
func TestRecordedHandshake(t *testing.T) {
	for r := range Role(2) {
		w := usual.connected(t, 1)
		c, s := w.ends[r], w.ends[r.peer()]
		var recorded []packet
		w.seen = func(p *packet) {
			if p.from() == c.role && (p.kind() == "SYN+Migrate" || p.kind() == "ACK+Migrate") {
				recorded = append(recorded, *p)
			}
		}
		w.shape = lose(c.role, "ACK+Migrate", every()...)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runFor(time.Minute)
		w.seen, w.shape = nil, nil
		for _, p := range recorded {
			p.Tuple = Tuple{attacker, s.cur.Local}
			w.inject(p)
		}
		if len(s.moves) > 0 || len(recorded) < 3 || s.conn.Phase() != SYNReceived {
			w.fatalf("%d recorded, moved to %v", len(recorded), s.cur)
		}
		w.migrate(c)
	}
}

// TestLostNonce: what the responder has sent last counts. The initiator takes
// it, also after the responder has forgotten and heard a late SYN.
func TestLostNonce(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var syn packet
		w.seen = func(p *packet) {
			if p.kind() == "SYN+Migrate" {
				syn = *p
			}
		}
		w.shape = lose(c.role, "ACK+Migrate", every()...)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runUntil("forgotten", time.Minute, func() bool { return s.counts[CountPathExpired] == 1 })
		if c.conn.Phase() != Completing {
			w.fatalf("%v", c.conn.Phase())
		}
		w.shape = nil
		w.inject(syn)
		w.checkMoved()
		if len(s.moves) != 1 {
			w.fatalf("%v", s.moves)
		}
	})
}

// TestRepeatedACK: the responder answers the initiator's repeated third ACK, as
// long as the old tuple drains, and no other.
func TestRepeatedACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var ack packet
		w.seen = func(p *packet) {
			if p.kind() == "ACK+Migrate" && p.from() == c.role {
				ack = *p
			}
		}
		w.migrate(c)
		w.seen = nil
		ack.Seq, ack.Ack = c.sndNxt, c.rcvNxt
		k := c.conn.keys
		r, _ := ParseRequest(FormatKinds, ack.Options)
		r.Tag = k.ackTag(k.role, 1, ack.Seq, r.Token)
		ack.Options = FormatKinds.layout().appendRequest(nil, r, maxOptions)
		var kinds []string
		w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
		w.inject(ack)
		bad := ack
		bad.Options = slices.Clone(ack.Options)
		bad.Options[18] ^= 1
		w.inject(bad)
		if !slices.Equal(kinds, []string{"ACK+Migrate"}) {
			w.fatalf("answers %v", kinds)
		}
		s.sendACK()
		if !slices.Equal(kinds, []string{"ACK+Migrate", "ACK"}) {
			w.fatalf("answers %v", kinds)
		}
		// If SACK blocks leave no room for it, the answer waits, and does not
		// make more segments in the meantime.
		s.room, kinds = 16, nil
		w.inject(ack)
		w.inject(ack)
		s.sendACK()
		s.room = 28
		s.sendACK()
		s.sendACK()
		if !slices.Equal(kinds, []string{"ACK", "ACK", "ACK+Migrate", "ACK"}) {
			w.fatalf("answers %v", kinds)
		}
		w.runFor(drainTime)
		kinds = nil
		if w.inject(ack); kinds != nil || s.conn.WantsACKs() {
			w.fatalf("answers %v after the drain", kinds)
		}
	})
}

// TestBindAfterMove: the responder binds a key before the initiator knows that
// the migration is complete.
func TestBindAfterMove(t *testing.T) {
	w := usual.connected(t, 1)
	c, s := w.opener(), w.acceptor()
	w.shape = lose(s.role, "ACK+Migrate", 1)
	w.mustStart(c, true)
	w.runUntil("responder moved", time.Second, func() bool { return len(s.moves) == 1 })
	secret := []byte("exported keying material")
	if err := s.conn.BindKey(secret); err != nil {
		t.Fatal(err)
	}
	s.settle()
	w.runUntil("initiator knows", time.Second, func() bool { return c.conn.done == 1 })
	if err := c.conn.BindKey(secret); err != nil {
		t.Fatal(err)
	}
	c.settle()
	w.migrate(c)
}

// TestDataOnThirdACK: a segment with payload that proves all is not kept from
// TCP.
func TestDataOnThirdACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "ACK+Migrate" && p.from() == c.role {
				p.Len = 77
			}
			return pass
		}
		before := s.rcvNxt
		w.mustStart(c, true)
		w.runUntil("moved", time.Second, func() bool { return len(s.moves) > 0 })
		if s.rcvNxt != before+77 {
			t.Errorf("%d bytes arrived", s.rcvNxt-before)
		}
	})
}

// TestThirdACKFlags: the option of step 4 on anything but an ACK.
func TestThirdACKFlags(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var third packet
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "ACK+Migrate" && p.from() == c.role {
				third = *p
				return drop
			}
			return pass
		}
		w.mustStart(c, true)
		w.runUntil("third ACK", time.Second, func() bool { return third.ACK })
		for _, change := range []func(*packet){
			func(p *packet) { p.SYN = true },
			func(p *packet) { p.ACK = false },
		} {
			p := third
			change(&p)
			if w.inject(p); len(s.moves) > 0 {
				w.fatalf("moved by %v", &p)
			}
		}
		if w.inject(third); len(s.moves) != 1 {
			w.fatalf("not moved")
		}
	})
}

// TestResponderRTT: which of two SYN-ACKs has been answered cannot be told
// (RFC 6298, section 3).
func TestResponderRTT(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		w.shape = lose(s.role, "SYN-ACK+Migrate", 1)
		w.migrate(c)
		if s.moves[0].RTT != 2*w.delay || s.moves[1].RTT != 0 {
			t.Errorf("%v, %v", s.moves[0].RTT, s.moves[1].RTT)
		}
	})
}

// TestPeerRcvNxt: what the peer says to have is believed only if it can be.
func TestPeerRcvNxt(t *testing.T) {
	c := &Conn{suite: SuiteX25519SHA256, keys: &keys{suite: SuiteX25519SHA256, iss: 0xffffff00}}
	tcb := TCB{SndUna: 0xfffffff0, SndNxt: 0x10}
	for rel, want := range map[uint32]bool{0xef: false, 0xf0: true, 0x100: true, 0x110: true, 0x111: false, 0: false} {
		seq, ok := c.peerRcvNxt(rcvNxtField(rel, 7), tcb)
		if ok != want || seq != 0xffffff00+rel {
			t.Errorf("%#x: %#x, %v", rel, seq, ok)
		}
	}
	c.suite = SuiteX25519SHA1
	if _, ok := c.peerRcvNxt(rcvNxtField(0x100, 7), tcb); ok {
		t.Error("a token is no number")
	}
}

// TestUnsolicited: segments on tuples that mean nothing to the machine are
// TCP's, but for the old one's SYN and RST.
func TestUnsolicited(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		old := c.cur
		w.migrate(c)
		for _, e := range w.ends {
			tuple := old
			if e == s {
				tuple = Tuple{old.Remote, old.Local}
			}
			tests := []struct {
				s        Segment
				consumed bool
			}{
				{Segment{Tuple: tuple, ACK: true}, false},
				{Segment{Tuple: tuple, ACK: true, Len: 10}, false},
				{Segment{Tuple: tuple, ACK: true, SYN: true, Len: 1}, true},
				{Segment{Tuple: tuple, RST: true, Seq: e.rcvNxt}, true},
				{Segment{Tuple: e.cur, RST: true, Seq: e.rcvNxt}, false},
				{Segment{Tuple: e.cur, SYN: true, Len: 1}, false},
			}
			for _, test := range tests {
				acts, consumed := e.conn.Segment(w.now, test.s, e.cur, e.tcb())
				if len(acts) > 0 || consumed != test.consumed {
					t.Errorf("%+v: %+v, consumed %v", test.s, acts, consumed)
				}
			}
		}
	})
}

// TestNoKeys: a machine without keys wants nothing to do with requests.
func TestNoKeys(t *testing.T) {
	c, err := NewConn(Opener, &Config{}, constReader(1))
	if err != nil {
		t.Fatal(err)
	}
	acts := c.SYN(0, tuple(1, 2), tuple(3, 4), Request{ReqNo: 1}, 1, 0, TCB{Movable: true})
	if len(acts) != 1 || acts[0].Count != CountWrongState {
		t.Errorf("%+v", acts)
	}
	if b := c.AbortOption(nil, 40, 1); b != nil {
		t.Errorf("%x", b)
	}
	if c.Verifier() != nil || c.Tokens() != nil {
		t.Error("keys from nowhere")
	}
}
