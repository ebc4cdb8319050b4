// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"testing"
	"time"
)

// rst lets a RST arrive at e that TCP would accept.
func (w *world) rst(e *end, opts []byte) {
	w.inject(packet{Segment: Segment{Tuple: Tuple{e.cur.Remote, e.cur.Local}, RST: true, Seq: e.rcvNxt, Options: opts}})
}

// TestHoldResumed: a RST stops both directions, and either end's migration sets
// them going again.
//
// M701: A RST on the current path that RFC 5961 would accept (SEQ = RCV.NXT) MUST NOT
// close a connection whose peer has confirmed its keys. The connection MUST be held.
//
// M703: A held connection MUST receive segments. It MUST send nothing but the segments
// of a migration's handshake.
//
// M705: Further RSTs during a hold MUST be ignored.
//
// M706: A valid migration by either end MUST end the hold.
func TestHoldResumed(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for _, held := range []*end{c, s} {
			w.runFor(time.Second)
			n := held.counts[CountResetHeld]
			w.rst(held, nil)
			if !held.conn.Holding() || !held.held || held.counts[CountResetHeld] != n+1 || held.closed {
				w.fatalf("not held: %v", held.counts)
			}
			if n := w.answers(func() { held.write(500); held.sendACK(); w.runFor(5 * time.Second) }); n != 0 {
				w.fatalf("%d packets", n)
			}
			w.rst(held, nil)
			if held.counts[CountResetIgnored] == 0 || held.closed {
				w.fatalf("%v", held.counts)
			}
			w.migrate(c)
			if held.conn.Holding() || held.counts[CountResetHeld] != n+1 {
				w.fatalf("still held")
			}
		}
	})
}

// TestHoldReceives: late data is taken during the hold.
func TestHoldReceives(t *testing.T) {
	w := usual.connected(t, 1)
	o, a := w.opener(), w.acceptor()
	w.rst(o, nil)
	before := o.rcvNxt
	a.write(300)
	w.runFor(time.Second)
	if o.rcvNxt != before+300 {
		t.Errorf("%d bytes arrived", o.rcvNxt-before)
	}
	w.migrate(o)
}

// TestHoldExpires with the error of the RST.
//
// M707: When the hold time is over, the connection MUST close with the error that the
// RST would have caused.
//
// M709: Holds MUST be bounded in time: 2 MSL, 60 s, unless the application says
// otherwise.
func TestHoldExpires(t *testing.T) {
	for _, hold := range []time.Duration{0, time.Minute, 3 * time.Hour} {
		w := usual.world(t, 1)
		o := w.opener()
		o.cfg = &Config{Suites: o.cfg.Suites, Hold: hold}
		o.connect()
		w.settleIn()
		begin := w.now
		w.rst(o, nil)
		if hold == 0 {
			hold = DefaultHold
		}
		// Attempts that fail do not prolong it.
		w.shape = lose(Opener, "SYN+Migrate", every()...)
		w.mustStart(o, false)
		w.runUntil("closed", hold+time.Second, func() bool { return o.closed })
		if o.err != errReset || w.now.Sub(begin) != hold || o.counts[CountHoldExpired] != 1 {
			t.Errorf("%v after %v", o.err, w.now.Sub(begin))
		}
	}
}

// TestHoldEndsAmidAttempt: the attempt ends with the connection.
func TestHoldEndsAmidAttempt(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.rst(c, nil)
		w.runFor(DefaultHold - 50*time.Millisecond)
		w.shape = lose(c.role, "SYN+Migrate", every()...)
		w.mustStart(c, false)
		w.runUntil("closed", time.Second, func() bool { return c.closed })
		if c.trying || c.results[len(c.results)-1] != errReset {
			t.Errorf("%v", c.results)
		}
	})
}

// TestHoldRefused: no room in the stack, opted out, or nothing to wait for.
//
// M710: Holds MUST be bounded in number per stack. Over the number a RST MUST close as
// always.
//
// M711: The application MUST see the hold, and MAY opt out.
//
// M712: A connection that cannot migrate any more, as in TIME-WAIT, MUST NOT be held.
func TestHoldRefused(t *testing.T) {
	tests := []struct {
		name    string
		cfg     Config
		prepare func(e *end)
		counted int
	}{
		{"no room", Config{}, func(e *end) { e.refuseHolds = true }, 1},
		{"opted out", Config{Hold: -1}, func(*end) {}, 1},
		{"not in a state that moves", Config{}, func(e *end) { e.immovable = true }, 1},
		{"plain", Config{}, func(e *end) { e.conn.GivePlain(PlainClosed) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 1, [2]*Config{&test.cfg, {}})
			o := w.opener()
			o.connect()
			w.settleIn()
			test.prepare(o)
			o.settle()
			w.rst(o, nil)
			if o.err != errReset || o.counts[CountHoldRefused] != test.counted {
				t.Errorf("%v, %v", o.err, o.counts)
			}
		})
	}
}

// TestHoldReady: an end that has not confirmed yet does not wait. Its peer may
// not be able to mark the RST by which it aborts.
func TestHoldReady(t *testing.T) {
	w := roomy.world(t, 1)
	o, a := w.opener(), w.acceptor()
	w.shape = func(p *packet) []time.Duration {
		if p.from() == Opener && o.conn.State() == Confirmed && !p.SYN {
			return drop
		}
		return pass
	}
	o.connect()
	w.runUntil("opener confirmed", time.Second, func() bool { return o.conn.State() == Confirmed })
	if a.conn.State() != Ready {
		t.Fatalf("%v", a.conn.State())
	}
	w.shape = nil
	w.rst(a, nil)
	if a.conn.Holding() {
		t.Fatal("held")
	}
}

// TestAbort: a RST by the peer's application closes at once, also during a hold.
// A tag of another segment, of this end itself or of nobody does not.
//
// M702: M701 does not apply to a RST that carries a Migrate option with a valid Abort
// tag: then the peer's application aborted. Such a RST MUST close the connection.
func TestAbort(t *testing.T) {
	everyCase(t, func(t *testing.T, v variant, r Role) {
		for _, held := range []bool{false, true} {
			w := v.connected(t, 1)
			e := w.ends[r]
			k := e.peer().conn.keys
			rst := func(tag uint64) {
				w.rst(e, v.format.layout().appendRequest(nil, Request{Tag: tag}, maxOptions))
			}
			if held {
				w.rst(e, nil)
			}
			rst(0)
			rst(k.abortTag(k.role, 0, e.rcvNxt+1))
			rst(k.requestTag(k.role, 0, e.rcvNxt))
			if v.suite.rolling() {
				rst(k.abortTag(e.role, 0, e.rcvNxt))
			}
			if e.closed || e.counts[CountAborted] != 0 {
				w.fatalf("closed: %v", e.counts)
			}
			e.peer().abort()
			w.runFor(time.Second)
			if e.err != errReset || e.counts[CountAborted] != 1 {
				w.fatalf("%v, %v", e.err, e.counts)
			}
		}
	})
}

// TestAbortElsewhere: a proved abort closes the connection from each of its tuples. An
// abort without proof, or outside of the window, does not. One behind a lost segment does.
//
// M722: A RST with a valid Abort tag and a SEQ in the receive window MUST close the
// connection. It MUST do so on whatever tuple it arrives, also on one that this end never
// heard of.
func TestAbortElsewhere(t *testing.T) {
	places := map[string]func(t *testing.T, w *world, e *end) Tuple{
		"drains": func(_ *testing.T, w *world, e *end) Tuple {
			old := e.cur
			w.migrate(e)
			return old
		},
		"SYN sent": func(_ *testing.T, w *world, e *end) Tuple {
			w.mustStart(e, true)
			return *e.path
		},
		"never registered": func(_ *testing.T, _ *world, e *end) Tuple {
			return Tuple{e.cur.Local, attackerTuple(e.peer())}
		},
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			eachSuite(t, func(t *testing.T, w *world, c, s *end) {
				tuple := place(t, w, c)
				k := s.conn.keys
				rst := func(seq uint32, tag uint64) {
					r := Request{ReqNo: 1, Token: k.token(k.role, max(s.conn.sent, s.conn.done+1)), Tag: tag}
					o := FormatKinds.layout().appendRequest(nil, r, maxOptions)
					w.inject(packet{Segment: Segment{Tuple: Tuple{tuple.Remote, tuple.Local}, RST: true, Seq: seq, Options: o}})
				}
				rst(c.rcvNxt, 1)
				rst(c.rcvNxt, k.requestTag(k.role, 0, c.rcvNxt))
				beyond := c.tcb().RcvAcc + 1
				rst(beyond, k.abortTag(k.role, 0, beyond))
				rst(c.rcvNxt-1, k.abortTag(k.role, 0, c.rcvNxt-1))
				if c.closed || c.counts[CountAborted] != 0 {
					w.fatalf("closed: %v", c.err)
				}
				behind := c.rcvNxt + w.rng.Uint32N(c.tcb().RcvAcc-c.rcvNxt+1)
				rst(behind, k.abortTag(k.role, 0, behind))
				if c.err != ErrAborted || c.counts[CountAborted] != 1 {
					w.fatalf("%v, %v", c.err, c.counts)
				}
			})
		})
	}
}

func TestAbortOption(t *testing.T) {
	w := usual.connected(t, 1)
	c := w.opener().conn
	if b := c.AbortOption([]byte{1}, 18, 5); len(b) != 1 {
		t.Errorf("no room: %x", b)
	}
	if b := c.AbortOption([]byte{1}, 19, 5); len(b) != 20 {
		t.Errorf("%x", b)
	}
}

// TestHoldOnTimeout replaces TCP's giving up, if asked for.
//
// M708: A hold MAY replace the end of TCP's retransmissions, if the application asks
// for that.
func TestHoldOnTimeout(t *testing.T) {
	const hold = 3 * DefaultHold
	for _, on := range []bool{false, true} {
		for _, room := range []bool{false, true} {
			cfg := &Config{}
			if on {
				cfg.HoldOnTimeout = hold
			}
			w := newWorld(t, 1, [2]*Config{cfg, cfg})
			o, a := w.opener(), w.acceptor()
			o.connect()
			w.settleIn()
			o.refuseHolds = !room
			o.timeOut()
			if want := on && room; o.conn.Holding() != want || o.closed == want {
				t.Fatalf("on %v, room %v: held %v, %v", on, room, o.conn.Holding(), o.err)
			}
			if o.closed {
				if o.err != errTimeout {
					t.Errorf("%v", o.err)
				}
				continue
			}
			// Neither a second one nor a RST changes the error or the time.
			begin := w.now
			w.runFor(time.Second)
			o.timeOut()
			w.rst(o, nil)
			w.rst(a, nil)
			w.runUntil("closed", 2*hold, func() bool { return o.closed })
			if o.err != errTimeout || w.now.Sub(begin) != hold || o.counts[CountTimeoutHeld] != 1 {
				t.Errorf("%v after %v, %v", o.err, w.now.Sub(begin), o.counts)
			}
		}
	}
	w := usual.connected(t, 1)
	w.opener().conn.GivePlain(PlainClosed)
	if acts, closes := w.opener().conn.TimedOut(w.now, errors.New("x"), true, w.opener().tcb()); acts != nil || !closes {
		t.Errorf("plain: %+v, %v", acts, closes)
	}
	w = newWorld(t, 1, [2]*Config{{HoldOnTimeout: hold}, {}})
	o := w.opener()
	o.connect()
	w.settleIn()
	o.timeWait = true
	o.timeOut()
	if o.err != errTimeout || o.counts[CountTimeoutHeld] != 0 {
		t.Errorf("in TIME-WAIT: %v, %v", o.err, o.counts)
	}
}

// TestNoPath has a connection held because no path is left.
func TestNoPath(t *testing.T) {
	const hold = time.Hour
	cfg := &Config{HoldOnTimeout: hold}
	w := newWorld(t, 1, [2]*Config{cfg, {}})
	o, a := w.opener(), w.acceptor()
	o.connect()
	o.losePath()
	if o.held {
		t.Error("held before the keys were confirmed")
	}
	w.settleIn()

	a.losePath()
	o.refuseHolds = true
	o.losePath()
	if a.held || o.held || a.closed || o.closed {
		t.Fatalf("acceptor, not configured: held %v; opener, no room: held %v", a.held, o.held)
	}

	o.refuseHolds = false
	o.losePath()
	begin := w.now
	if !o.held || !o.silent() || o.counts[CountNoPathHeld] != 1 {
		t.Fatalf("held %v, %v", o.held, o.counts)
	}
	// Neither again nor a RST changes the error or the time.
	w.runFor(time.Minute)
	o.losePath()
	w.rst(o, nil)
	w.runUntil("closed", 2*hold, func() bool { return o.closed })
	if o.err != errNoPath || w.now.Sub(begin) != hold {
		t.Errorf("%v after %v", o.err, w.now.Sub(begin))
	}
}

// TestNoPathResumes moves a connection that is held for want of a path.
func TestNoPathResumes(t *testing.T) {
	cfg := &Config{HoldOnTimeout: time.Hour}
	w := newWorld(t, 1, [2]*Config{cfg, cfg})
	o := w.opener()
	o.connect()
	w.settleIn()
	o.losePath()
	w.runFor(50 * time.Minute)
	if err := o.start(1, false); err != nil {
		t.Fatal(err)
	}
	w.runFor(time.Minute)
	if o.held || o.closed || len(o.moves) != 1 {
		t.Errorf("held %v, closed %v, %d moves", o.held, o.closed, len(o.moves))
	}
	if _, ok := o.conn.Deadline(); ok {
		t.Error("a timer is left")
	}
}
