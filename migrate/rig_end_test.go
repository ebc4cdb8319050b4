// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

// end is one end of a connection: the machine, and a TCP that has sequence numbers but
// no bytes. The TCP goes back to SND.UNA when its timer says so, and believes in-order
// segments only. end carries out the machine's actions. It fails the test if one cannot
// be carried out.
type end struct {
	w    *world
	role Role
	cfg  *Config
	conn *Machine // nil before the SYN, or if TCP is plain

	// plain: this TCP does not know migration.
	plain     bool
	listening bool
	open      bool // established
	addrs     map[netip.Addr]bool
	secret    Secret
	port      uint16

	iss, irs               uint32
	sndUna, sndNxt, rcvNxt uint32
	wnd                    uint32
	unsent                 uint32
	srtt                   time.Duration
	tsval, tsRecent        uint32 // of the segment being received, and on the current tuple
	room                   int    // for options on ACKs
	immovable              bool
	timeWait               bool
	rtx                    Time

	cur    Tuple
	path   *Tuple // on trial
	drains []Tuple
	gated  bool
	held   bool

	hand        Tuple // of the SYN or third ACK at hand
	failOpen    bool  // that tuple belongs to another connection
	refuseHolds bool

	table  Table[*end]
	tokens []Token

	counts  [NumCounters]int
	answers int // ActAnswer
	trying  bool
	results []error
	rtt     time.Duration // of the last result
	moves   []Rebind
	err     error // that ended the connection
	closed  bool

	sent, done, peerDone uint64 // the machine's, to see them grow
}

var (
	errReset   = errors.New("reset")
	errTimeout = errors.New("timed out")
	errNoPath  = errors.New("no path")
)

func (e *end) peer() *end { return e.w.ends[e.role.peer()] }

// deadline is the machine's.
func (e *end) deadline() (Time, bool) {
	if e.conn == nil {
		return 0, false
	}
	return e.conn.Deadline()
}

func (e *end) tcb() TCB {
	return TCB{
		SndUna: e.sndUna, SndNxt: e.sndNxt, RcvNxt: e.rcvNxt, RcvAcc: e.rcvNxt + e.wnd,
		TSRecent: e.tsRecent, SRTT: e.srtt, Movable: e.open && !e.closed && !e.immovable && !e.timeWait,
		TimeWait: e.timeWait,
	}
}

// connect opens the connection between the first addresses of both.
func (e *end) connect() {
	e.cur = Tuple{netip.AddrPortFrom(host(e.role, 0), 1000), netip.AddrPortFrom(host(e.role.peer(), 0), 80)}
	e.sndUna, e.sndNxt = e.iss, e.iss+1
	if !e.plain {
		e.newConn()
	}
	e.sendSYN()
}

func (e *end) newConn() {
	c, err := NewMachine(e.role, e.cfg, &e.secret, constReader(1+e.role))
	if err != nil {
		e.w.t.Fatal(err)
	}
	e.conn = c
}

// sendSYN sends SYN or SYN-ACK.
func (e *end) sendSYN() {
	s := Segment{Tuple: e.cur, Seq: e.iss, SYN: true, ACK: e.role == Acceptor, Ack: e.rcvNxt, Len: 1}
	if e.conn != nil {
		s.Options = e.conn.SYNOption(nil, 20)
	}
	e.w.send(s)
	e.rtx = e.w.now.Add(time.Second)
}

// receive is the arrival of a segment at the host.
func (e *end) receive(s Segment) {
	if s.SYN && !s.ACK && e.cfg != nil {
		if req, ok := ParseRequest(e.cfg.Format, s.Options); ok {
			e.receiveRequest(s, req)
			return
		}
	}
	if s.ACK && !s.SYN && !s.RST && e.cfg != nil {
		if p, ok := ParseProof(e.cfg.Format, s.Options); ok && !e.receiveProof(s, p) {
			return
		}
	}
	if s.RST && e.cfg != nil && e.receiveAbort(s) {
		return
	}
	switch {
	case e.closed:
	case e.listening && !e.open && s.SYN && !s.ACK:
		if e.sndNxt == 0 {
			e.cur, e.irs, e.rcvNxt = s.Tuple, s.Seq, s.Seq+1
			e.sndUna, e.sndNxt = e.iss, e.iss+1
			if !e.plain {
				e.newConn()
				e.conn.PeerSYN(s.Options)
			}
		}
		if s.Tuple == e.cur {
			e.sendSYN()
		}
	case e.cur == s.Tuple && !e.open:
		e.handshake(s)
	case e.cur == s.Tuple, e.path != nil && *e.path == s.Tuple, slices.Contains(e.drains, s.Tuple):
		e.process(s)
	default:
		e.refuse(s)
	}
}

// refuse answers a segment to a closed port (RFC 9293, section 3.10.7.1).
func (e *end) refuse(s Segment) {
	switch {
	case s.RST:
	case s.ACK:
		e.w.send(Segment{Tuple: s.Tuple, RST: true, Seq: s.Ack})
	default:
		e.w.send(Segment{Tuple: s.Tuple, RST: true, ACK: true, Ack: s.Seq + s.Len})
	}
}

// receiveRequest does netstack's work before it looks for a connection.
func (e *end) receiveRequest(s Segment, req Request) {
	v, counter, ok := e.table.Lookup(req.Token)
	if !ok {
		e.counts[CountUnknownToken]++
		return
	}
	if !v.conn.Verifier().Verify(req, counter, s.Seq) {
		e.counts[CountBadTag]++
		return
	}
	e.hand = s.Tuple
	e.do(e.conn.SYN(e.w.now, s.Tuple, e.cur, req, counter, s.Seq, testMSS, e.tcb()))
}

// testMSS is the MSS of all SYNs.
const testMSS = 1460

// receiveProof does the same for a third ACK. It reports whether the segment is one of
// the current tuple, for TCP.
func (e *end) receiveProof(s Segment, p Proof) bool {
	v, counter, ok := e.table.Lookup(p.Token)
	if !ok {
		return true
	}
	if !v.conn.Verifier().VerifyProof(&e.secret, e.w.now, s.Tuple, p, counter, s.Seq) {
		e.counts[CountUnproven]++
		return false
	}
	e.hand = s.Tuple
	acts, consumed := e.conn.Proof(e.w.now, s, e.cur, p, counter, e.tcb(), e.register)
	e.do(acts)
	return !consumed && e.cur == s.Tuple
}

// receiveAbort does the same for a RST on a tuple that the connection does not have.
func (e *end) receiveAbort(s Segment) bool {
	r, ok := ParseRequest(e.cfg.Format, s.Options)
	if !ok || e.closed || e.cur == s.Tuple {
		return false
	}
	v, counter, ok := e.table.Lookup(r.Token)
	if !ok || !v.conn.Verifier().VerifyAbort(r, counter, s.Seq) {
		return false
	}
	acts, _ := e.conn.Segment(e.w.now, s, e.cur, e.tcb())
	e.do(acts)
	return true
}

func (e *end) handshake(s Segment) {
	if s.RST || !s.ACK || s.Ack != e.iss+1 {
		return
	}
	if e.role == Opener {
		if !s.SYN {
			return
		}
		e.irs, e.rcvNxt = s.Seq, s.Seq+1
		if e.conn != nil {
			e.conn.PeerSYN(s.Options)
		}
	}
	e.open, e.sndUna, e.rtx = true, s.Ack, 0
	if e.conn != nil {
		e.conn.Established(e.w.now, e.iss, e.irs)
	}
	if e.role == Opener {
		e.sendACK()
	} else {
		e.process(s)
	}
	e.output()
}

// process takes a segment of one of the connection's tuples.
func (e *end) process(s Segment) {
	if e.conn != nil && (s.Tuple != e.cur || e.conn.Watching()) {
		acts, consumed := e.conn.Segment(e.w.now, s, e.cur, e.tcb())
		e.do(acts)
		if consumed || e.closed {
			return
		}
	}
	switch {
	case s.Tuple != e.cur:
		// Late: data only.
		if s.RST || s.SYN {
			e.w.fatalf("%v: %v of an old tuple is left to TCP", e.role, &packet{Segment: s})
		}
		e.accept(s)
		return
	case s.RST:
		if s.Seq == e.rcvNxt {
			e.reset(s)
		}
		return
	case s.SYN:
		e.sendACK() // RFC 5961, section 4
		return
	case !s.ACK || s.Seq-e.rcvNxt+maxBehind > 2*maxBehind:
		return
	}
	if leq(s.Seq, e.rcvNxt) {
		e.tsRecent = max(e.tsRecent, e.tsval)
	}
	if e.conn != nil && e.conn.WantsACKs() && s.Len == 0 && len(s.Options) > 0 {
		if e.conn.PeerACK(e.w.now, s.Seq, s.Options, e.tcb()) {
			e.sendACK()
		}
	}
	if leq(e.sndUna+1, s.Ack) && leq(s.Ack, e.sndNxt) {
		e.sndUna = s.Ack
		e.rearm()
	}
	e.accept(s)
	e.output()
}

// accept takes the payload of a segment.
func (e *end) accept(s Segment) {
	if s.Len == 0 {
		return
	}
	if end := s.Seq + s.Len; leq(s.Seq, e.rcvNxt) && leq(e.rcvNxt+1, end) {
		e.rcvNxt = end
	}
	e.sendACK()
}

func (e *end) reset(s Segment) {
	if e.conn == nil {
		e.close(errReset)
		return
	}
	acts, closes := e.conn.Reset(e.w.now, s.Options, s.Seq, errReset, !e.refuseHolds, e.tcb())
	e.do(acts)
	if closes {
		e.close(errReset)
	}
}

// timeOut is TCP's giving up.
func (e *end) timeOut() {
	acts, closes := e.conn.TimedOut(e.w.now, errTimeout, !e.refuseHolds, e.tcb())
	e.do(acts)
	if closes {
		e.close(errTimeout)
	}
	e.settle()
}

// losePath is the news that no path is left.
func (e *end) losePath() {
	e.do(e.conn.NoPath(e.w.now, errNoPath, !e.refuseHolds, e.tcb()))
	e.settle()
}

// abort is the application's giving up.
func (e *end) abort() {
	e.w.send(Segment{Tuple: e.cur, RST: true, ACK: true, Seq: e.sndNxt, Ack: e.rcvNxt, Options: e.conn.AbortOption(nil, 40, e.sndNxt)})
	e.close(errReset)
}

func (e *end) close(err error) {
	e.closed, e.err, e.rtx = true, err, 0
	if e.conn != nil {
		e.conn.Closed()
		if e.trying {
			e.result(err, 0)
		}
		e.path, e.drains, e.gated, e.held = nil, nil, false, false
		e.settle()
	}
}

func (e *end) silent() bool { return e.gated || e.held || e.closed || !e.open }

func (e *end) sendACK() {
	if e.silent() {
		return
	}
	s := Segment{Tuple: e.cur, ACK: true, Seq: e.sndNxt, Ack: e.rcvNxt, Window: e.wnd}
	if e.conn != nil {
		s.Options = e.conn.ACKOption(nil, e.room, s.Seq, e.tcb())
	}
	e.w.send(s)
}

// write is the application's.
func (e *end) write(n uint32) {
	e.unsent += n
	e.output()
}

func (e *end) output() {
	if e.silent() || e.unsent == 0 {
		return
	}
	e.sendData(e.sndNxt, e.unsent)
	e.sndNxt += e.unsent
	e.unsent = 0
	e.rearm()
}

// rearm starts the retransmission timer if there is something to repeat.
func (e *end) rearm() {
	e.rtx = 0
	if e.sndUna != e.sndNxt {
		e.rtx = e.w.now.Add(300 * time.Millisecond)
	}
}

// retransmit is the retransmission timer, and that of the handshake.
func (e *end) retransmit() {
	if !e.open {
		e.sendSYN()
		return
	}
	e.resend()
}

func (e *end) resend() {
	e.rearm()
	if e.silent() || e.sndUna == e.sndNxt {
		return
	}
	e.sendData(e.sndUna, e.sndNxt-e.sndUna)
}

func (e *end) sendData(seq, n uint32) {
	s := Segment{Tuple: e.cur, ACK: true, Seq: seq, Ack: e.rcvNxt, Window: e.wnd, Len: n}
	if e.conn != nil {
		s.Options = e.conn.DataOption(nil, e.room, e.tcb())
	}
	e.w.send(s)
}
