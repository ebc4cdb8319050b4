// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"net/netip"
	"slices"
	"time"
)

// start asks for a migration from the i-th address and a new port. As netstack does, it
// opens the path first.
func (e *end) start(i byte, keepOld bool) error {
	e.port++
	return e.startOn(netip.AddrPortFrom(host(e.role, i), 2000+e.port), keepOld, false)
}

func (e *end) probe(i byte) error {
	e.port++
	return e.startOn(netip.AddrPortFrom(host(e.role, i), 2000+e.port), true, true)
}

func (e *end) startOn(local netip.AddrPort, keepOld, probe bool) error {
	c := e.conn
	t := Tuple{local, e.cur.Remote}
	opened := c.State() == Confirmed && e.tcb().Movable && c.Phase() != SYNSent && t != e.cur
	if opened {
		e.drains = slices.DeleteFunc(e.drains, func(d Tuple) bool { return d == t })
		e.path = &t
	}
	var acts []Action
	var err error
	if probe {
		acts, err = c.Probe(e.w.now, t, e.cur, e.tcb())
	} else {
		acts, err = c.Start(e.w.now, t, e.cur, e.tcb(), keepOld)
	}
	if (err == nil) != opened {
		e.w.fatalf("%v: Start: %v in phase %v", e.role, err, c.Phase())
	}
	if err != nil {
		return err
	}
	e.w.logf("%v: start %v", e.role, t)
	e.trying = true
	e.do(acts)
	e.settle()
	return nil
}

func (e *end) cancel(cause error) {
	e.w.logf("%v: cancel", e.role)
	e.do(e.conn.Cancel(cause))
	e.settle()
}

// unreachable takes an ICMP error about the SYN of the attempt under way, if there
// is one.
func (e *end) unreachable() {
	e.w.logf("%v: unreachable", e.role)
	if a := e.conn.att; a != nil {
		e.do(e.conn.Unreachable(a.tuple, a.seq))
	}
	e.settle()
}

func (e *end) result(err error, rtt time.Duration) {
	e.trying = false
	e.results = append(e.results, err)
	e.rtt = rtt
	e.w.logf("%v: attempt over: %v", e.role, err)
}

// do carries out actions.
func (e *end) do(acts []Action) {
	w := e.w
	for _, a := range acts {
		if e.closed && a.Kind != ActCount {
			w.fatalf("%v: action %d of a closed connection", e.role, a.Kind)
		}
		switch a.Kind {
		case ActSendSYN:
			if e.path == nil {
				w.fatalf("%v: SYN without a path on trial", e.role)
			}
			w.send(Segment{Tuple: *e.path, SYN: true, Seq: a.Seq, Window: maxUnscaled, Len: 1, Options: a.Option})
		case ActAnswerSYN:
			if e.failOpen {
				e.counts[CountPathBusy]++
				return
			}
			w.send(Segment{
				Tuple: e.hand, SYN: true, ACK: true, Seq: a.Seq, Ack: a.Ack,
				Window: maxUnscaled, Len: 1, Options: a.Option,
			})
			if a.On {
				w.send(Segment{Tuple: e.hand, ACK: true, Seq: a.Seq + 1, Ack: a.Ack, Window: e.rcvNxt + e.wnd - a.Ack})
			}
		case ActSendACK:
			if len(a.Option) == 0 || len(a.Option) > 28 {
				w.fatalf("%v: %d bytes of option on an ACK", e.role, len(a.Option))
			}
			w.send(Segment{Tuple: e.cur, ACK: true, Seq: a.Seq, Ack: e.rcvNxt, Window: e.wnd, Options: a.Option})
		case ActDropPath:
			e.path = nil
		case ActRebind:
			e.rebind(a.Rebind)
		case ActDropDrain:
			i := slices.Index(e.drains, a.Tuple)
			if i < 0 {
				w.fatalf("%v: %v does not drain", e.role, a.Tuple)
			}
			e.drains = slices.Delete(e.drains, i, i+1)
		case ActGate:
			e.gated = a.On
		case ActHold:
			e.held = true
			e.rtx = 0
		case ActPush:
			e.output()
		case ActAnswer:
			e.answers++
			e.sendACK()
		case ActDone:
			if !e.trying {
				w.fatalf("%v: an attempt that nobody made is over", e.role)
			}
			e.result(a.Err, a.Rebind.RTT)
		case ActFail:
			e.close(a.Err)
		case ActCount:
			e.counts[a.Count]++
		default:
			w.fatalf("unknown action %d", a.Kind)
		}
	}
}

func (e *end) rebind(r Rebind) {
	w := e.w
	if e.path == nil {
		w.fatalf("%v: move without a path on trial", e.role)
	}
	if keep := e.path.Local.Addr() == e.cur.Local.Addr() && e.path.Remote.Addr() == e.cur.Remote.Addr(); keep != r.KeepCC {
		w.fatalf("%v: KeepCC %v from %v to %v", e.role, r.KeepCC, e.cur, *e.path)
	}
	// A responder that moves has no attempt of its own. Its peer's is the one that it moves by.
	a := e.peer().conn.att
	asker := e.conn.att == nil && a != nil && a.gated && a.counter == e.conn.peerDone
	if r.OldAlive && (e.gated || asker) {
		w.fatalf("%v: %v taken for alive", e.role, e.cur)
	}
	if r.HasPeerRcvNxt {
		// The peer's number may be old, but not above its RCV.NXT.
		if !leq(e.sndUna, r.PeerRcvNxt) || !leq(r.PeerRcvNxt, e.peer().rcvNxt) {
			w.fatalf("%v: peer has %d, not %d", e.role, e.peer().rcvNxt, r.PeerRcvNxt)
		}
		e.sndUna = r.PeerRcvNxt
	}
	w.logf("%v: moves to %v", e.role, *e.path)
	e.drains = append(e.drains, e.cur)
	e.cur, e.path = *e.path, nil
	e.gated, e.held = false, false
	e.moves = append(e.moves, r)
	if e.sndUna != e.sndNxt {
		e.rtx = w.now.Add(time.Millisecond) // the executor repeats at once
	}
}

// register gives the tuple of a third ACK to the connection, in the place of a path on
// trial.
func (e *end) register() bool {
	if e.failOpen {
		return false
	}
	e.drains = slices.DeleteFunc(e.drains, func(d Tuple) bool { return d == e.hand })
	e.path = &e.hand
	return true
}

// settle brings the token table in line with the machine and checks the invariants.
func (e *end) settle() {
	w, c := e.w, e.conn
	if c == nil {
		return
	}
	if c.TokensChanged() {
		entries := c.Tokens()
		if e.table.Set(e, e.tokens, entries) {
			w.fatalf("%v: token collision", e.role)
		}
		e.tokens = e.tokens[:0]
		for _, t := range entries {
			e.tokens = append(e.tokens, t.Token)
		}
	}
	want := 0
	switch {
	case c.keys == nil:
	case c.suite.rolling():
		want = tokenWindow
	default:
		want = 1
	}
	if got := e.table.Len(); got != want {
		w.fatalf("%v: %d tokens in the table, want %d", e.role, got, want)
	}
	phase := c.Phase()
	if onTrial := phase == SYNSent; onTrial != (e.path != nil) {
		w.fatalf("%v: path on trial %v in phase %v", e.role, e.path, phase)
	}
	if e.gated && c.att == nil {
		w.fatalf("%v: output is gated for ever", e.role)
	}
	if e.trying && (c.att == nil || c.att.moved) {
		w.fatalf("%v: an attempt has ended without a word", e.role)
	}
	if e.held != c.Holding() {
		w.fatalf("%v: held %v, Holding %v", e.role, e.held, c.Holding())
	}
	if len(c.drains) != len(e.drains) || len(c.drains) > maxDrains {
		w.fatalf("%v: %d tuples drain, %d at the machine", e.role, len(e.drains), len(c.drains))
	}
	for i, d := range c.drains {
		if d.tuple != e.drains[i] {
			w.fatalf("%v: %v drains, %v at the machine", e.role, e.drains[i], d.tuple)
		}
		if d.until > d.limit || d.limit.Sub(w.now) > maxDrainTime {
			w.fatalf("%v: %v drains for another %v", e.role, d.tuple, d.until.Sub(w.now))
		}
	}
	if len(c.syns) > maxAnswered {
		w.fatalf("%v: %d requests remembered", e.role, len(c.syns))
	}
	if _, ok := c.Deadline(); !ok && (c.att != nil || c.hold != nil || c.finished != nil || len(c.drains) > 0 || c.state == Keying || c.state == Ready) {
		w.fatalf("%v: pending without a deadline", e.role)
	}
	e.checkCounters()
}

// checkCounters checks section 4: counters grow, and the peer takes the next request
// after any loss.
func (e *end) checkCounters() {
	w, c := e.w, e.conn
	if c.sent < e.sent || c.done < e.done || c.peerDone < e.peerDone {
		w.fatalf("%v: a counter went back", e.role)
	}
	e.sent, e.done, e.peerDone = c.sent, c.done, c.peerDone
	p := e.peer().conn
	if p == nil || c.keys == nil || p.keys == nil {
		return
	}
	next := min(c.sent+1, c.done+c.window())
	if c.done > p.peerDone || next <= p.peerDone || next > p.peerDone+p.window() {
		w.fatalf("%v: sent %d, done %d, next %d: the peer takes from %d on", e.role, c.sent, c.done, next, p.peerDone+1)
	}
}
