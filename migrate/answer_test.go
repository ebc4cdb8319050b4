// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"net/netip"
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
//
// M410: A migrate SYN that is dropped MUST get no answer, at constant cost, without
// state or allocation. It MUST be counted.
//
// M411: A migrate SYN MUST be dropped if its token is unknown. A setting answers it
// with RST, as the draft has it.
//
// M412: A migrate SYN MUST be dropped if its tag is wrong.
//
// M413: A migrate SYN MUST be dropped if its counter is not in done+1 …
// done+tokenWindow. In suites 0x00 and 0x01 the window is 127 values of ReqNo after
// done.
//
// M415: A migrate SYN MUST be dropped if its SeqNo + 1 is not in [RCV.NXT - 2^30,
// RCV.NXT].
//
// M416: A migrate SYN MUST be dropped if it comes on the current tuple.
//
// M417: A migrate SYN MUST be dropped if the connection is not in ESTABLISHED,
// FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK or TIME-WAIT.
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
				if after := *s.conn; len(after.syns) > 0 || after.peerDone != machine.peerDone || after.tokensChanged {
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
//
// M403: The responder MUST publish the tokens done+1 … done+tokenWindow in suite 0x02,
// the one token in suites 0x00 and 0x01.
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
			c.conn.sent = s.conn.peerDone + ahead // as if the requests between had been lost
			if n := w.answers(func() { w.inject(p) }); n == 0 {
				w.fatalf("%d ahead: %v", ahead, s.counts)
			}
			w.runFor(time.Minute)
			w.migrate(c)
		}
	})
}

// TestAnswers: a valid request is answered, from whatever tuple and however often. Nothing
// else comes of it, and the answers are smaller than three times the request.
//
// M526: The responder MUST NOT move before a valid third ACK has come.
//
// M528: A valid request MUST be answered each time that it comes, from whatever tuple.
// Nothing else MUST come of it, except that lower counters become void.
//
// M529: SYN-ACKs that answer a request of the same counter and SEQ within answeredTime
// MUST have the same SEQ. At most maxAnswered of these MUST be remembered.
//
// M530: The answers to one SYN MUST NOT be larger than three times the SYN, headers
// included.
func TestAnswers(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		syn := w.captureSYN(c)
		deadline, pending := s.conn.Deadline()
		var bytes [2]int
		var seqs []uint32
		answered := false
		w.seen = func(p *packet) {
			bytes[1] += p.size()
			if p.SYN {
				seqs = append(seqs, p.Seq)
			}
			if answered && p.Tuple.Remote == syn.Tuple.Local && p.kind() != "SYN-ACK+Migrate" && p.kind() != "ACK" {
				w.fatalf("%v", p)
			}
		}
		answered = true
		for i := range 100 {
			replay := syn
			if i%2 == 1 {
				replay.Tuple.Local = netip.AddrPortFrom(attacker.Addr(), uint16(1+i))
			}
			before := bytes
			bytes[0] += syn.size()
			w.inject(replay)
			if out, in := bytes[1]-before[1], bytes[0]-before[0]; out == 0 || out > 3*in {
				w.fatalf("%d bytes in answer to %d", out, in)
			}
		}
		for _, seq := range seqs {
			if seq != seqs[0] {
				w.fatalf("SYN-ACKs at %v", seqs)
			}
		}
		if d, ok := s.conn.Deadline(); d != deadline || ok != pending || s.conn.Watching() || s.path != nil || len(s.conn.syns) != 1 {
			w.fatalf("something is kept: deadline %v, %v", d, s.conn.syns)
		}
		w.seen = nil
		w.runFor(time.Minute)
		w.checkStayed(at)
		w.migrate(c)
	})
}

// TestAnswersRemembered: many requests with a valid tag leave no more than a few entries.
//
// M529: SYN-ACKs that answer a request of the same counter and SEQ within answeredTime
// MUST have the same SEQ. At most maxAnswered of these MUST be remembered.
func TestAnswersRemembered(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		syn := w.captureSYN(c)
		for i := range uint32(3 * maxAnswered) {
			p := syn
			p.Seq -= i
			p.Options = sign(c.conn.keys, c.conn.sent, p.Seq)
			w.inject(p)
			w.runFor(time.Millisecond)
		}
		if len(s.conn.syns) != maxAnswered { // and end.settle checks it at each step
			w.fatalf("%v", s.conn.syns)
		}
		w.migrate(c)
		if s.conn.syns != nil {
			w.fatalf("%v behind the move", s.conn.syns)
		}
	})
}

// TestPathFailed: the tuple of a valid request is somebody else's.
func TestPathFailed(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		s.failOpen = true
		w.mustStart(c, true)
		if err := w.over(c); !errors.Is(err, ErrNoAnswer) {
			w.fatalf("%v", err)
		}
		w.checkStayed(at)
		s.failOpen = false
		w.migrate(c)
	})
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
				{Segment{Tuple: tuple, ACK: true, Seq: e.rcvNxt}, false},
				{Segment{Tuple: tuple, ACK: true, Seq: e.rcvNxt, Len: 10}, true}, // above the end (M630)
				{Segment{Tuple: tuple, ACK: true, Seq: e.rcvNxt - 200, Len: 10}, false},
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
	c, err := NewMachine(Opener, &Config{}, new(Secret), constReader(1))
	if err != nil {
		t.Fatal(err)
	}
	acts := c.SYN(0, tuple(1, 2), tuple(3, 4), Request{ReqNo: 1}, 1, 0, 0, TCB{Movable: true})
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
