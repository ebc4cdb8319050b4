// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"testing"
	"time"
)

// addOptions seeds a target with option fields as they appear on the wire.
func addOptions(add func(b []byte)) {
	for _, s := range []string{
		"", "00", "01", "10", "1013", "ff00", "fd15",
		migrateKinds, migrateExperimental, migrateTruncated,
		migrateKinds + migrateKinds,
		"020405b4 0402 080a0000000100000002 01 030307" + migrateKinds,
		"0101080a0000000100000002" + migrateKinds,
		"0f0300", "0f0301",
		"0f1402000102030405060708090a0b0c0d0e0f10",
		"0f1200000102030405060708090a0b0c0d0e",
		"0f0a0102030405060708",
		"0f1200000102030405060708090a0b0c0d0e 0f0a0102030405060708",
		"fd146d7002000102030405060708090a0b0c0d0e",
		"fd166d7000000102030405060708090a0b0c0d0e0f10",
		"fd0c6d700102030405060708",
	} {
		add(opts(s))
	}
}

func FuzzParseRequest(f *testing.F) {
	addOptions(func(b []byte) {
		f.Add(false, b)
		f.Add(true, b)
	})
	f.Fuzz(func(t *testing.T, experimental bool, b []byte) {
		format := FormatKinds
		if experimental {
			format = FormatExperimental
		}
		before := bytes.Clone(b)
		r, ok := ParseRequest(format, b)
		if !bytes.Equal(b, before) {
			t.Fatal("the options have been changed")
		}
		written := format.layout().appendRequest(nil, r, maxOptions)
		if ok && !bytes.Contains(b, written) || !ok && r != (Request{}) {
			t.Fatalf("%x: %+v, %v", b, r, ok)
		}
		// A request that was found is found again, alone and behind NOPs, but not
		// twice.
		for _, again := range [][]byte{written, append([]byte{kindNOP, kindNOP}, written...)} {
			if s, found := ParseRequest(format, again); !found || s != r {
				t.Fatalf("%x: %+v, %v", again, s, found)
			}
		}
		if s, found := ParseRequest(format, concat(written, written)); found {
			t.Fatalf("two options are one: %+v", s)
		}
		if p, ok := format.layout().parsePermitted(b); ok && p.suite.hasKey() != (len(p.key) == format.layout().synKey) {
			t.Fatalf("%x: %+v", b, p)
		}
	})
}

func FuzzPeerSYN(f *testing.F) {
	addOptions(func(b []byte) {
		for r := range Role(2) {
			f.Add(uint8(r), uint8(0), b)
		}
		f.Add(uint8(Acceptor), uint8(1), b)
	})
	f.Fuzz(func(t *testing.T, role, format uint8, b []byte) {
		cfg := &Config{Format: Format(format & 1), Suites: []SuiteID{2, 1, 0}}
		c, err := NewMachine(Role(role&1), cfg, new(Secret), constReader(1))
		if err != nil {
			t.Fatal(err)
		}
		c.PeerSYN(b)
		offered := c.State() == Offered
		if !offered && c.State() != Plain || offered != (c.Reason() == PlainNone) {
			t.Fatalf("%v, %v", c.State(), c.Reason())
		}
		if o := c.SYNOption(nil, 20); (len(o) > 0) != offered || len(o) > 20 {
			t.Fatalf("%v: sends %x", c.State(), o)
		}
		c.Established(0, 1, 2)
		if st := c.State(); offered != (st == Keying || st == Confirmed && c.Suite() == SuiteNull) {
			t.Fatalf("%v after %x", st, b)
		}
		c.PeerACK(0, 0, b, TCB{})
		c.ACKOption(nil, 28, 0, TCB{})
	})
}

func FuzzPeerACK(f *testing.F) {
	addOptions(func(b []byte) {
		for state := range uint8(3) {
			f.Add(state, state, b, b)
			f.Add(state, state+1, b, []byte{})
		}
	})
	f.Fuzz(func(t *testing.T, role, state uint8, first, second []byte) {
		d := newDialog(t, Role(role&1), SuiteX25519SHA256)
		switch state % 3 {
		case 1: // Ready
			d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
		case 2: // Confirmed
			d.peer.PeerACK(0, 0, d.c.ACKOption(nil, 40, 0, TCB{}), TCB{})
			d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
		}
		before := d.c.State()
		replies := 0
		for _, b := range [][]byte{first, second, first} {
			if d.take(b) {
				replies++
			}
			if o := d.c.ACKOption(nil, 28, 0, TCB{}); len(o) > 28 {
				t.Fatalf("%d bytes", len(o))
			}
		}
		after := d.c.State()
		if after < before || before == Confirmed && after != Confirmed || before != Confirmed && after == Confirmed {
			t.Fatalf("from %v to %v, %v", before, after, d.c.Reason())
		}
		if (after == Plain) != (d.c.Reason() != PlainNone) || after == Plain && (d.c.WantsACKs() || d.c.Tokens() != nil) {
			t.Fatalf("%v, %v", after, d.c.Reason())
		}
		for range 20 {
			at, ok := d.c.Deadline()
			if !ok {
				return
			}
			d.c.Timer(at, TCB{})
		}
		t.Fatal("timers for ever")
	})
}

// stages put e, one end of a world, in the middle of something.
var stages = []struct {
	name  string
	setUp func(w *world, e *end)
}{
	{"idle", func(*world, *end) {}},
	{"SYN sent", func(w *world, e *end) { w.mustStart(e, false) }},
	{"probe", func(w *world, e *end) { e.probe(1) }},
	{"SYN answered", func(w *world, e *end) { w.mustInject(e, 1) }},
	{"completing", func(w *world, e *end) {
		w.shape = lose(e.role, "ACK+Migrate", every()...)
		w.mustStart(e, true)
		w.runUntil("moved", time.Second, func() bool { return len(e.moves) > 0 })
	}},
	{"uncovered", func(w *world, e *end) {
		w.shape = func(p *packet) []time.Duration {
			if p.SYN {
				return pass
			}
			return drop
		}
		e.write(200_000)
		w.mustStart(e, false)
		w.runUntil("moved", time.Second, func() bool { return len(e.moves) > 0 })
	}},
	{"completing, SYN answered", func(w *world, e *end) {
		w.shape = func(p *packet) []time.Duration {
			if p.SYN {
				return pass
			}
			return drop
		}
		w.mustStart(e, true)
		w.runUntil("moved", time.Second, func() bool { return len(e.moves) > 0 })
		w.mustInject(e, 1)
	}},
	{"draining", func(w *world, e *end) { w.migrate(e); w.migrate(e.peer()) }},
	{"held", func(w *world, e *end) { w.rst(e, nil) }},
}

// mustInject lets e take the n-th request of its peer.
func (w *world) mustInject(e *end, n uint64) {
	p := e.peer()
	p.conn.sent = max(p.conn.sent, n)
	seq := e.rcvNxt - 1
	syn := packet{Segment: Segment{
		Tuple: Tuple{attackerTuple(p), e.cur.Local}, SYN: true, Seq: seq, Len: 1, Options: sign(p.conn.keys, n, seq),
	}}
	if answers := w.answers(func() { w.inject(syn) }); answers == 0 {
		w.fatalf("%v: %v", e.role, e.counts)
	}
}

// staged returns an end in the middle of something.
func staged(t *testing.T, stage, suite, role uint8) (*world, *end) {
	w := variant{SuiteID(suite % 3), FormatKinds, 28}.connected(t, 1)
	e := w.ends[role&1]
	s := stages[int(stage)%len(stages)]
	w.logf("%s", s.name)
	s.setUp(w, e)
	return w, e
}

// FuzzSegment: a segment arrives on any tuple, in the middle of anything. Without a tag
// of the peer, it neither moves the connection nor leaves it unable to go on.
func FuzzSegment(f *testing.F) {
	for stage := range stages {
		for suite := range uint8(3) {
			for where := range uint8(3) {
				for flags := range uint8(8) {
					f.Add(uint8(stage), suite, flags, where, flags, int32(0), int32(0), uint16(0), opts(migrateKinds))
				}
				f.Add(uint8(stage), suite, where, where, uint8(2), int32(-1), int32(1), uint16(10), []byte{})
			}
		}
	}
	f.Fuzz(func(t *testing.T, stage, suite, role, where, flags uint8, seq, ack int32, length uint16, b []byte) {
		w, e := staged(t, stage, suite, role)
		tuple := e.cur
		switch where % 3 {
		case 1:
			if e.path != nil {
				tuple = *e.path
			}
		case 2:
			if len(e.drains) > 0 {
				tuple = e.drains[0]
			}
		}
		p := packet{Segment: Segment{
			Tuple: Tuple{tuple.Remote, tuple.Local}, SYN: flags&1 != 0, ACK: flags&2 != 0, RST: flags&4 != 0,
			Seq: e.rcvNxt + uint32(seq), Ack: e.sndUna + uint32(ack), Window: uint32(length), Len: uint32(length), Options: b,
		}}
		before := e.cur
		w.inject(p)
		if e.cur != before {
			t.Fatalf("moved from %v to %v", before, e.cur)
		}
		if e.closed {
			t.Fatalf("closed: %v", e.err)
		}
		w.shape = nil
		w.runFor(50 * time.Second) // less than a hold
		if !leq(e.rcvNxt, e.peer().sndNxt) || !leq(e.sndUna, e.peer().rcvNxt) {
			return // bytes or an acknowledgement that the peer has not sent
		}
		w.migrate(e.peer())
	})
}

// FuzzSYN: requests with any tags, as if these had been right.
func FuzzSYN(f *testing.F) {
	for stage := range stages {
		for suite := range uint8(3) {
			f.Add(uint8(stage), suite, uint8(0), uint8(1), uint64(1), int32(-1), false)
			f.Add(uint8(stage), suite, uint8(1), uint8(2), uint64(2), int32(-1000), true)
			f.Add(uint8(stage), suite, uint8(1), uint8(0), uint64(3), int32(0), false)
		}
	}
	f.Fuzz(func(t *testing.T, stage, suite, role, where uint8, n uint64, seq int32, immovable bool) {
		w, e := staged(t, stage, suite, role)
		tuple := Tuple{e.cur.Local, attacker}
		switch where % 3 {
		case 1:
			tuple = e.cur
		case 2:
			if e.path != nil {
				tuple = *e.path
			}
		}
		e.immovable = immovable
		before, peerDone := e.cur, e.conn.peerDone
		req := Request{ReqNo: uint8(n), Token: Token(n), Tag: n}
		for range 2 {
			e.hand = tuple
			e.do(e.conn.SYN(w.now, tuple, e.cur, req, n, e.rcvNxt+uint32(seq), 0, e.tcb()))
		}
		phase := e.conn.Phase()
		if onTrial := phase == SYNSent; e.cur != before || onTrial != (e.path != nil) {
			t.Fatalf("%v: at %v, on trial %v", phase, e.cur, e.path)
		}
		if c := e.conn; c.peerDone < peerDone || len(c.syns) > maxAnswered {
			t.Fatalf("done %d", c.peerDone)
		}
		for range 100 {
			at, ok := e.conn.Deadline()
			if !ok || phase == Idle {
				return
			}
			e.do(e.conn.Timer(at, e.tcb()))
			if e.conn.Phase() == Idle && !e.gated && e.path == nil {
				return
			}
		}
		t.Fatalf("%v for ever", e.conn.Phase())
	})
}
