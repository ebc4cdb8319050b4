// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
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
// FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING or LAST-ACK.
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
			if w.inject(p); s.conn.Phase() != SYNReceived {
				w.fatalf("%d ahead: %v", ahead, s.counts)
			}
			w.runFor(time.Minute)
			w.migrate(c)
		}
	})
}

// onHand returns a world in which s has a request of c on hand, and c's SYN. Segments
// of s to c's new path are lost.
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

// TestProvisionalPath: a segment on it, but for the third ACK, neither moves the
// connection nor prolongs its life, and is answered rarely.
//
// M214: A third ACK whose SEQ is not in [SYN.SEQ + 1, SYN.SEQ + 1 + 2^30] MUST NOT be
// believed.
//
// M422: The same counter from the same tuple MUST be answered again.
//
// M522: A segment on the provisional path without a valid Migrate option MUST be
// dropped. The responder then MUST repeat the SYN-ACK, at most once per
// minSYNACKInterval.
//
// M523: Such a segment MUST NOT prolong the life of the provisional path.
//
// M563: The provisional path MUST end after maxSYNACKSends.
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
				if test.rst && len(sent) != maxSYNACKSends-1 || !test.rst && len(sent) < 2*maxSYNACKSends {
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
//
// M527: A RST on the provisional path with SEQ = Cuna MUST end that path. Any other
// RST there MUST be ignored.
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
		if err := w.over(c); !errors.Is(err, ErrNoAnswer) {
			w.fatalf("%v", err)
		}
		w.checkStayed(at)
		s.failOpen = false
		w.migrate(c)
	})
}

// TestDropProvisional gives up a request because of the host's news about its address.
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
	c, err := NewMachine(Opener, &Config{}, constReader(1))
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
