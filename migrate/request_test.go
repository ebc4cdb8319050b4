// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStartErrors(t *testing.T) {
	w := usual.world(t, 1)
	o := w.opener()
	o.newConn()
	if err := o.start(1, true); err != ErrNotNegotiated {
		t.Errorf("before the handshake: %v", err)
	}
	w = usual.connected(t, 1)
	o = w.opener()
	a := w.acceptor()
	if err := o.startOn(o.cur.Local, true, false); err != ErrSameTuple {
		t.Errorf("to where it is: %v", err)
	}
	o.timeWait = true
	if err := o.start(1, true); err != ErrState {
		t.Errorf("in TIME-WAIT: %v", err)
	}
	w.migrate(a) // M732
	o.timeWait = false
	w.mustStart(o, true)
	if err := o.start(1, true); err != ErrBusy {
		t.Errorf("during an attempt: %v", err)
	}
	w.checkMoved()
	w.runFor(time.Minute)
	if o.sent != 1 || a.sent != 1 {
		t.Errorf("%d and %d requests counted", o.sent, a.sent)
	}
}

// TestNoAnswer: an attempt ends, after a few SYNs in growing intervals.
//
// M505: The initiator MUST go on using the old path until the SYN-ACK if its old
// address still exists (make before break). Else it MUST be silent.
//
// M517: When an attempt ends without a move, the connection MUST stay on the old path.
//
// M561: The SYN MUST be repeated with a doubling interval that starts at twice the old
// path's SRTT, bounded by minSYNRTO and maxSYNRTO.
//
// M562: The attempt MUST end after maxSYNSends SYNs, that of the acceptor after
// maxAcceptorSYNSends, or when the caller gives up.
func TestNoAnswer(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for _, keepOld := range []bool{true, false} {
			at := w.opener().cur
			var times []Time
			w.shape = lose(c.role, "SYN+Migrate", every()...)
			w.seen = func(p *packet) {
				if p.kind() == "SYN+Migrate" {
					times = append(times, w.now)
				}
			}
			begin := w.now
			w.mustStart(c, keepOld)
			c.write(500)
			w.runFor(5 * w.delay)
			if c.gated == keepOld || (c.unsent == 0) != keepOld {
				w.fatalf("%d bytes not sent, keepOld %v", c.unsent, keepOld)
			}
			err := w.over(c)
			if !errors.Is(err, ErrNoAnswer) {
				w.fatalf("%v", err)
			}
			w.seen = nil
			sends := maxSYNSends
			if c.role == Acceptor {
				// Its peer may be where it cannot get; it says so, and soon.
				sends = maxAcceptorSYNSends
			}
			if nat := strings.Contains(err.Error(), "NAT or firewall"); nat != (c.role == Acceptor) {
				w.fatalf("%v", err)
			}
			if len(times) != sends || c.conn.Phase() != Idle {
				w.fatalf("%d SYNs", len(times))
			}
			for i := 1; i < len(times); i++ {
				if want := synRTO(c.srtt) << (i - 1); times[i].Sub(times[i-1]) != want {
					w.fatalf("interval %d is %v", i, times[i].Sub(times[i-1]))
				}
			}
			if d := w.now.Sub(begin); d != synRTO(c.srtt)*(1<<sends-1) {
				w.fatalf("took %v", d)
			}
			w.checkStayed(at)
		}
		if c.counts[CountNoAnswer] != 2 || c.rtt != 0 {
			t.Errorf("counted %d", c.counts[CountNoAnswer])
		}
	})
}

// TestCancel gives an attempt up at each of its steps.
func TestCancel(t *testing.T) {
	cause := errors.New("changed my mind")
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		for _, step := range []time.Duration{0, w.delay, 2*w.delay - 1} {
			w.mustStart(c, step == 0)
			w.runFor(step)
			c.cancel(cause)
			if err := c.results[len(c.results)-1]; err != cause || c.gated {
				w.fatalf("%v, gated %v", err, c.gated)
			}
			if acts := c.conn.Cancel(cause); acts != nil {
				w.fatalf("twice: %+v", acts)
			}
			w.checkStayed(at)
		}
		w.mustStart(c, true)
		w.runUntil("moved", time.Second, func() bool { return len(c.moves) > 0 })
		if acts := c.conn.Cancel(cause); acts != nil {
			w.fatalf("too late: %+v", acts)
		}
		w.checkMoved()
	})
}

// TestUnreachable: an ICMP error about the SYN ends an attempt; any other does not.
//
// M516: An ICMP Destination Unreachable (host, network or port, or prohibited) that
// quotes the SYN's tuple and SEQ MUST end the attempt.
func TestUnreachable(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		c.unreachable() // nothing is under way
		w.mustStart(c, false)
		att := c.conn.att
		for _, wrong := range []Tuple{c.cur, {att.tuple.Remote, att.tuple.Local}} {
			if acts := c.conn.Unreachable(wrong, att.seq); acts != nil {
				w.fatalf("of %v: %+v", wrong, acts)
			}
		}
		for _, off := range []uint32{1, 1 << 31, ^uint32(0)} {
			if acts := c.conn.Unreachable(att.tuple, att.seq+off); acts != nil {
				w.fatalf("off by %d: %+v", off, acts)
			}
		}
		c.unreachable()
		if err := c.results[len(c.results)-1]; err != ErrUnreachable || c.gated || c.counts[CountUnreachable] != 1 {
			w.fatalf("%v, gated %v, counted %d", err, c.gated, c.counts[CountUnreachable])
		}
		w.checkStayed(at)
		w.mustStart(c, true)
		w.runUntil("moved", time.Second, func() bool { return len(c.moves) > 0 })
		if acts := c.conn.Unreachable(c.conn.att.tuple, c.conn.att.seq); acts != nil {
			w.fatalf("too late: %+v", acts)
		}
		w.checkMoved()
	})
}

// TestProbe finds out that a path works and stays where it is.
func TestProbe(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		// More of them than the window of requests.
		for range 10 {
			if err := c.probe(1); err != nil {
				w.fatalf("%v", err)
			}
			c.write(10) // goes on along the old path
			if c.unsent > 0 {
				w.fatalf("output has stopped")
			}
			if err := w.over(c); err != nil || c.rtt != 2*w.delay {
				w.fatalf("%v after %v", err, c.rtt)
			}
			w.checkStayed(at)
		}
		w.shape = lose(c.role, "SYN+Migrate", 1)
		if err := c.probe(1); err != nil {
			w.fatalf("%v", err)
		}
		if err := w.over(c); err != nil || c.rtt != 0 {
			w.fatalf("%v: which of two SYNs took %v?", err, c.rtt)
		}
		w.shape = lose(c.role, "SYN+Migrate", every()...)
		if err := c.probe(1); err != nil {
			w.fatalf("%v", err)
		}
		if err := w.over(c); !errors.Is(err, ErrNoAnswer) {
			w.fatalf("%v", err)
		}
		w.shape = nil
		w.migrate(c)
		w.migrate(s)
	})
}

// reply returns a SYN-ACK that s has sent in answer to a request of c, which
// still waits for it.
func (w *world) reply(c, s *end) (p packet) {
	w.t.Helper()
	w.mustStart(c, true)
	shape := w.shape
	w.shape = func(q *packet) []time.Duration {
		if q.kind() == "SYN-ACK+Migrate" {
			p = *q
			return drop
		}
		return pass
	}
	w.runUntil("answered", time.Second, func() bool { return p.SYN })
	w.shape = shape
	return p
}

// TestPathOnTrial has segments of all kinds come on an initiator's path on trial.
//
// M511: A segment that does not acknowledge the SYN (ack ≠ SYN.SEQ+1; RFC 9293,
// section 3.10.7.3) MUST be ignored and counted.
//
// M512: A SYN-ACK with the ReqNo of another attempt MUST be ignored and counted.
//
// M513: A SYN-ACK without a valid Migrate option MUST end the attempt: a proxy
// answered.
//
// M515: A RST that acknowledges the SYN MUST end the attempt.
func TestPathOnTrial(t *testing.T) {
	tests := []struct {
		name    string
		change  func(w *world, c *end, p *packet)
		err     error // that ends the attempt; nil if it goes on
		counter Counter
	}{
		{"SYN-ACK without Migrate: a proxy", func(_ *world, _ *end, p *packet) { p.Options = nil }, ErrNotProven, CountUnproven},
		{"Migrate twice", func(_ *world, _ *end, p *packet) { p.Options = concat(p.Options, p.Options) }, ErrNotProven, CountUnproven},
		{"wrong tag", func(_ *world, _ *end, p *packet) { p.Options[18] ^= 1 }, ErrNotProven, CountUnproven},
		{"other sequence number", func(_ *world, _ *end, p *packet) { p.Seq-- }, ErrNotProven, CountUnproven},
		{"SYN mirrored", func(_ *world, c *end, p *packet) { p.Options = c.conn.att.option }, ErrNotProven, CountUnproven},
		{"SYN mirrored with its number", func(_ *world, c *end, p *packet) {
			p.Options, p.Seq = c.conn.att.option, c.conn.att.seq
		}, ErrNotProven, CountUnproven},
		{"answer to an earlier request", func(w *world, c *end, p *packet) {
			k := w.ends[c.role.peer()].conn.keys
			a := answer{reqNo: 0xff, nonce: 5}
			a.tag = k.answerTag(k.role, 0xff, p.Seq, a)
			p.Options = FormatKinds.layout().appendAnswer(nil, a)
		}, nil, CountBadSYNACK},
		{"SYN-ACK that acknowledges something else", func(_ *world, _ *end, p *packet) { p.Ack++ }, nil, CountBadSYNACK},
		{"SYN without ACK", func(_ *world, _ *end, p *packet) { p.ACK, p.Options = false, nil }, nil, CountBadSYNACK},
		{"RST", func(_ *world, _ *end, p *packet) { p.SYN, p.RST, p.Options = false, true, nil }, ErrPeerRefused, CountRefused},
		{"RST that acknowledges something else", func(_ *world, _ *end, p *packet) { p.RST, p.Ack = true, p.Ack+1 }, nil, CountBadSYNACK},
		{"RST without ACK", func(_ *world, _ *end, p *packet) { p.SYN, p.ACK, p.RST = false, false, true }, nil, CountBadSYNACK},
		{"step 3 ahead of the SYN-ACK", func(_ *world, _ *end, p *packet) { p.SYN, p.Seq, p.Options = false, p.Seq+1, nil }, nil, Counter(NumCounters)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
				at := w.opener().cur
				p := w.reply(c, s)
				p.Options = slices.Clone(p.Options)
				test.change(w, c, &p)
				w.inject(p)
				if c.trying != (test.err == nil) || !c.trying && c.results[0] != test.err {
					w.fatalf("trying %v, %v", c.trying, c.results)
				}
				for n, got := range c.counts {
					if want := Counter(n) == test.counter; (got == 1) != want || got > 1 {
						w.fatalf("counted %v %d times", Counter(n), got)
					}
				}
				if test.err != nil {
					w.checkStayed(at)
					return
				}
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.checkMoved()
			})
		})
	}
}

// TestImplausibleSYNACK: a peer that is right about everything but where it is
// in its own sequence space.
//
// M514: A SYN-ACK with SEQ+1 outside [RCV.NXT - 2^30, RCV.NXT] MUST end the attempt.
func TestImplausibleSYNACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for i, ahead := range []uint32{1, ^uint32(maxBehind)} {
			p := w.reply(c, s)
			a, _ := FormatKinds.layout().parseAnswer(p.Options)
			p.Seq = c.rcvNxt + ahead - 1
			a.tag = s.conn.keys.answerTag(s.role, c.conn.att.counter, p.Seq, a)
			p.Options = FormatKinds.layout().appendAnswer(nil, a)
			w.inject(p)
			if c.trying || c.results[i] != ErrNotProven {
				w.fatalf("%d ahead: %v", int32(ahead), c.results)
			}
			w.runFor(5 * time.Second)
		}
	})
}
