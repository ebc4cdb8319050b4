// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// world is a network of two hosts in virtual time. Each has one end of a
// connection: the machine under test and a TCP that is just good enough for it
// (end). Everything is decided by the seed.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	now   Time
	ends  [2]*end
	queue packets
	sent  int // packets, ever

	delay time.Duration // one way
	// shape, if not nil, decides the fate of a packet: each result is an arrival, that
	// much later than usual.
	shape func(p *packet) []time.Duration
	// seen is told of each packet that is sent.
	seen func(p *packet)

	trace  []event
	timers int // timers in a row without time passing
}

// packet is a segment on its way.
type packet struct {
	Segment // Tuple as the sender sees it
	tsval   uint32
	at      Time
	order   int
}

func newWorld(t testing.TB, seed uint64, cfg [2]*Config) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 0)), delay: 10 * time.Millisecond, now: Time(time.Second)}
	for r := range w.ends {
		e := &end{
			w: w, role: Role(r), cfg: cfg[r], iss: w.rng.Uint32(), wnd: 1 << 20, room: 28,
			listening: Role(r) == Acceptor, addrs: make(map[netip.Addr]bool),
		}
		for i := range byte(5) {
			e.addrs[host(e.role, i)] = true
		}
		e.secret[0] = byte(r) + 1
		w.ends[r] = e
	}
	return w
}

// host returns the i-th address of an end. Ends have more than one family.
func host(r Role, i byte) netip.Addr {
	if i%2 == 1 {
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0x0d, 3: 0xb8, 14: byte(r), 15: i})
	}
	return netip.AddrFrom4([4]byte{10, byte(r), 0, i})
}

func (w *world) opener() *end   { return w.ends[Opener] }
func (w *world) acceptor() *end { return w.ends[Acceptor] }

// event is a line of the trace, which is written only if somebody reads it.
type event struct {
	at     Time
	p      *packet // nil: format and args
	format string
	args   []any
}

// traceLength is how many events are remembered.
const traceLength = 60

func (w *world) log(e event) {
	e.at = w.now
	if len(w.trace) == 2*traceLength {
		w.trace = append(w.trace[:0], w.trace[traceLength:]...)
	}
	w.trace = append(w.trace, e)
}

func (w *world) logf(format string, args ...any) { w.log(event{format: format, args: args}) }

// fatalf ends the test with the flow of packets that led there.
func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	var b strings.Builder
	for _, e := range w.trace {
		fmt.Fprintf(&b, "%9.3f ms  ", float64(e.at)/1e6)
		if e.p != nil {
			fmt.Fprintln(&b, e.p)
		} else {
			fmt.Fprintf(&b, e.format+"\n", e.args...)
		}
	}
	w.t.Fatalf("\n%s%s", b.String(), fmt.Sprintf(format, args...))
}

// send puts a packet on the network.
func (w *world) send(s Segment) {
	w.sent++
	p := &packet{Segment: s, tsval: uint32(time.Duration(w.now) / time.Millisecond), order: w.sent}
	sent := *p // shapes may change it
	w.log(event{p: &sent})
	if w.seen != nil {
		w.seen(p)
	}
	if w.shape == nil {
		w.arrive(p, w.delay)
		return
	}
	for _, d := range w.shape(p) {
		w.arrive(p, w.delay+d)
	}
}

func (w *world) arrive(p *packet, after time.Duration) {
	c := *p
	c.at = w.now.Add(after)
	w.sent++
	c.order = w.sent
	heap.Push(&w.queue, &c)
}

func (w *world) deliver(p *packet) {
	for _, e := range w.ends {
		if e.addrs[p.Tuple.Remote.Addr()] {
			p.Tuple.Local, p.Tuple.Remote = p.Tuple.Remote, p.Tuple.Local
			e.tsval = p.tsval
			e.receive(p.Segment)
			e.settle()
			return
		}
	}
}

// run lets time pass until a moment, or until done if that is not nil.
func (w *world) run(until Time, done func() bool) {
	w.t.Helper()
	for done == nil || !done() {
		at, fire := until, (*end)(nil)
		machine := false
		for _, e := range w.ends {
			if d, ok := e.deadline(); ok && d < at {
				at, fire, machine = d, e, true
			}
			if e.rtx != 0 && e.rtx < at {
				at, fire, machine = e.rtx, e, false
			}
		}
		if len(w.queue) > 0 && w.queue[0].at <= at {
			p := heap.Pop(&w.queue).(*packet)
			w.advance(p.at)
			w.deliver(p)
			continue
		}
		w.advance(at)
		switch {
		case fire == nil:
			return
		case machine:
			// Section 9: every repetition comes after a while.
			if w.timers++; w.timers > 20 {
				w.fatalf("%v: timer of the machine makes no progress", fire.role)
			}
			fire.do(fire.conn.Timer(w.now, fire.tcb()))
		default:
			fire.retransmit()
		}
		fire.settle()
	}
}

func (w *world) advance(at Time) {
	if at > w.now {
		w.now, w.timers = at, 0
	}
}

func (w *world) runFor(d time.Duration) { w.t.Helper(); w.run(w.now.Add(d), nil) }

// runUntil lets time pass until done, which has to come within a while.
func (w *world) runUntil(what string, d time.Duration, done func() bool) {
	w.t.Helper()
	w.run(w.now.Add(d), done)
	if !done() {
		w.fatalf("not within %v: %s", d, what)
	}
}

// packets is a heap by time of arrival.
type packets []*packet

func (q packets) Len() int      { return len(q) }
func (q packets) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q packets) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q *packets) Push(p any) { *q = append(*q, p.(*packet)) }
func (q *packets) Pop() any {
	p := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return p
}

// kind names the purpose of a packet.
func (p *packet) kind() string {
	f := FormatKinds
	if len(p.Options) > 0 && (p.Options[0] == kindExperimental) {
		f = FormatExperimental
	}
	l := f.layout()
	_, migrate := ParseRequest(f, p.Options)
	if _, ok := ParseProof(f, p.Options); ok {
		migrate = true
	}
	rest := l.find(p.Options, optPermitted, l.nRest) != nil
	confirm := l.find(p.Options, optPermitted, l.nConfirm) != nil
	name := "ACK"
	switch {
	case p.RST:
		name = "RST"
	case p.SYN && p.ACK:
		name = "SYN-ACK"
	case p.SYN:
		name = "SYN"
	case p.Len > 0:
		name = "DATA"
	}
	if migrate {
		name += "+Migrate"
	}
	if rest {
		name += "+Rest"
	}
	if confirm {
		name += "+Confirm"
	}
	return name
}

// size returns the bytes of a packet over IPv4 or IPv6, with the options that netstack
// puts on it beside those of the machine.
func (p *packet) size() int {
	header := 20 + 20
	if p.Tuple.Local.Addr().Is6() {
		header += 20
	}
	options := 12 // timestamps
	if p.SYN {
		options = 20 // and MSS, SACK-permitted, window scale
	}
	return header + (options+len(p.Options)+3)/4*4 + int(p.payload())
}

func (p *packet) payload() uint32 {
	if p.SYN {
		return p.Len - 1
	}
	return p.Len
}

func (p *packet) String() string {
	return fmt.Sprintf("%v %s seq=%d ack=%d len=%d", p.Tuple, p.kind(), p.Seq, p.Ack, p.Len)
}

// from returns the end that sent a packet.
func (p *packet) from() Role {
	for r := range Role(2) {
		for i := range byte(5) {
			if p.Tuple.Local.Addr() == host(r, i) {
				return r
			}
		}
	}
	return 2 // somebody else
}

// drop is the result of shape for a packet that is lost, pass for one that is delivered
// as usual.
var (
	drop []time.Duration
	pass = []time.Duration{0}
)

// lose returns a shape that loses the packets of a kind from an end which
// number says, counted from 1.
func lose(r Role, kind string, number ...int) func(*packet) []time.Duration {
	n := 0
	return func(p *packet) []time.Duration {
		if p.from() != r || p.kind() != kind {
			return pass
		}
		n++
		for _, i := range number {
			if i == n {
				return drop
			}
		}
		return pass
	}
}

// every numbers for lose.
func every() (n []int) {
	for i := range 100 {
		n = append(n, i+1)
	}
	return n
}

// noisy returns a shape that loses, duplicates and delays with a probability.
func (w *world) noisy(p float64) func(*packet) []time.Duration {
	return func(*packet) (out []time.Duration) {
		for w.rng.Float64() > p {
			var d time.Duration
			if w.rng.Float64() < p {
				d = time.Duration(w.rng.Int64N(int64(50 * time.Millisecond)))
			}
			out = append(out, d)
			if w.rng.Float64() > p {
				break
			}
		}
		return out
	}
}
