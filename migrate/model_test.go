// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
)

// TestModel plays random schedules of applications, a bad network and an attacker. At
// each step end.settle and model.step check the invariants. In the end, with a network
// that works again, either end can migrate.
//
// MNET_SOAK=1 plays many more.
func TestModel(t *testing.T) {
	schedules := uint64(1500)
	if os.Getenv("MNET_SOAK") != "" {
		schedules = 100_000
	}
	var total model
	for seed := range schedules {
		m := newModel(t, seed)
		m.play()
		total.add(m)
	}
	t.Logf("%d schedules: %d moves, %d attempts failed, %d times apart, counted %v", schedules, total.moves, total.failed, total.apart, total.counts)
	for c, n := range total.counts {
		switch Counter(c) {
		case CountMalformed, CountPathBusy: // netstack's
		case CountReflected, CountFenced: // rare chances, see newModel and TestFenced
		case CountRefused: // every host of the model has the connection
		case CountWrongState, CountHoldRefused, CountHoldExpired, CountAborted: // at the end of a connection
		default:
			if n == 0 {
				t.Errorf("the schedules never lead to %v", Counter(c))
			}
		}
	}
	if total.apart == 0 {
		t.Error("the ends always agree on where they are")
	}
}

type model struct {
	*world
	rng      *rand.Rand
	recorded []packet
	dead     map[netip.Addr]bool
	used     [2][]netip.AddrPort // local addresses, to return to

	moves, failed int
	apart         int // schedules that left the ends in different places
	counts        [NumCounters]int
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{rng: rand.New(rand.NewPCG(seed, 1)), dead: make(map[netip.Addr]bool)}
	v := variants[m.rng.IntN(len(variants))]
	m.world = v.world(t, seed)
	for _, e := range m.ends {
		e.cfg = &Config{Suites: []SuiteID{v.suite}, Format: v.format, Hold: MaxHold, HoldOnTimeout: MaxHold}
		e.wnd = 1 << (10 + m.rng.IntN(15))
	}
	if !v.suite.rolling() {
		// Section 10: these suites are open to reflection if the sequence
		// spaces overlap.
		m.acceptor().iss = m.opener().iss + 1<<31
	}
	m.opener().connect()
	m.runUntil("confirmed", time.Second, m.confirmed)
	for _, e := range m.ends {
		e.srtt = time.Duration(m.rng.IntN(3)) * 2 * m.delay
	}
	m.logf("seed %d, %v", seed, v)
	return m
}

func (m *model) add(n *model) {
	m.moves += n.moves
	m.failed += n.failed
	m.apart += n.apart
	for i, c := range n.counts {
		m.counts[i] += c
	}
}

func (m *model) play() {
	m.seen = func(p *packet) {
		if len(m.recorded) < 300 {
			m.recorded = append(m.recorded, *p)
		}
	}
	noise := m.noisy([]float64{0, 0.05, 0.3, 0.5}[m.rng.IntN(4)])
	late := m.rng.IntN(3) == 0
	m.shape = func(p *packet) []time.Duration {
		if m.dead[p.Tuple.Local.Addr()] || m.dead[p.Tuple.Remote.Addr()] {
			return drop
		}
		out := noise(p)
		if late && m.rng.IntN(20) == 0 {
			out = append(out, time.Duration(m.rng.Int64N(int64(5*time.Second))))
		}
		return out
	}
	for range 10 + m.rng.IntN(40) {
		m.step()
		m.check()
	}
	m.recover()
	for _, e := range m.ends {
		i, a := e.conn.Moves()
		m.moves += int(i)
		if int(i+a) != len(e.moves) {
			m.fatalf("%v: %d + %d moves, carried out %d", e.role, i, a, len(e.moves))
		}
		for i, c := range e.counts {
			m.counts[i] += c
		}
		for _, err := range e.results {
			if err != nil {
				m.failed++
			}
		}
	}
}

// step is one event.
func (m *model) step() {
	e := m.ends[m.rng.IntN(2)]
	switch m.rng.IntN(16) {
	case 0, 1, 2:
		m.attempt(e)
	case 3:
		if err := e.probe(byte(m.rng.IntN(5))); err != nil {
			m.expected(err)
		}
	case 4:
		if m.rng.IntN(2) == 0 {
			e.cancel(errors.New("cancelled"))
		} else {
			e.unreachable()
		}
	case 5, 6, 7:
		e.write(uint32(m.rng.IntN(1 << m.rng.IntN(18))))
	case 8:
		m.rst(e, nil)
		e.settle()
	case 9:
		if m.rng.IntN(2) == 0 {
			e.timeOut()
		} else {
			e.losePath()
		}
	case 10:
		if o, a := m.opener().conn, m.acceptor().conn; m.rng.IntN(4) == 0 && !o.Watching() && !a.Watching() {
			secret := bytes.Repeat([]byte{byte(m.rng.Uint32())}, MinSecret)
			for _, e := range m.ends {
				if err := e.conn.BindKey(secret); err != nil && err != ErrSuite {
					m.fatalf("%v: BindKey: %v", e.role, err)
				}
				e.settle()
			}
		}
	case 11:
		m.dead[host(e.role, byte(m.rng.IntN(5)))] = m.rng.IntN(3) > 0
	default:
		m.attack(e)
	}
	m.runFor(time.Duration(m.rng.Int64N(int64(time.Millisecond) << m.rng.IntN(12))))
}

// attempt asks for a migration to a new port, or back to one that was used.
func (m *model) attempt(e *end) {
	keepOld := m.rng.IntN(2) == 0
	used := m.used[e.role]
	if len(used) > 0 && m.rng.IntN(4) == 0 {
		if err := e.startOn(used[m.rng.IntN(len(used))], keepOld, false); err != nil {
			m.expected(err)
		}
		return
	}
	if err := e.start(byte(m.rng.IntN(5)), keepOld); err != nil {
		m.expected(err)
		return
	}
	m.used[e.role] = append(used, e.path.Local)
}

func (m *model) expected(err error) {
	if err != ErrBusy && err != ErrSameTuple {
		m.fatalf("%v", err)
	}
}

// attack injects a packet that is not the peer's, or not now, and checks that
// nothing moves.
func (m *model) attack(e *end) {
	var p packet
	fromAttacker := true
	switch m.rng.IntN(4) {
	case 0: // a guess
		r := Request{ReqNo: uint8(m.rng.Uint32()), Token: Token(m.rng.Uint64()), Tag: m.rng.Uint64()}
		p.SYN, p.Seq, p.Len = true, m.rng.Uint32(), 1
		p.Options = e.cfg.Format.layout().appendRequest(nil, r, maxOptions)
		if tokens := e.conn.Tokens(); m.rng.IntN(2) == 0 && len(tokens) > 0 {
			r.Token = tokens[m.rng.IntN(len(tokens))].Token
			p.Options = e.cfg.Format.layout().appendRequest(nil, r, maxOptions)
		}
	case 1, 2: // a record, from elsewhere
		if len(m.recorded) == 0 {
			return
		}
		p = m.recorded[m.rng.IntN(len(m.recorded))]
	case 3: // a record, late
		if len(m.recorded) == 0 {
			return
		}
		p = m.recorded[m.rng.IntN(len(m.recorded))]
		if p.RST {
			return // m.rst does that
		}
		fromAttacker = false
	}
	if fromAttacker {
		p.Tuple = Tuple{attacker, e.cur.Local}
		if e.path != nil && m.rng.IntN(2) == 0 {
			p.Tuple.Remote = e.path.Local
		}
	}
	before := [2]Tuple{m.opener().cur, m.acceptor().cur}
	m.logf("attack")
	m.inject(p)
	if fromAttacker && before != [2]Tuple{m.opener().cur, m.acceptor().cur} {
		m.fatalf("%v moved something", &p)
	}
}

// check checks the invariants after each event.
func (m *model) check() {
	for _, e := range m.ends {
		if e.closed {
			m.fatalf("%v: closed: %v", e.role, e.err)
		}
		r := e.peer()
		if !r.addrs[e.cur.Remote.Addr()] || !e.addrs[e.cur.Local.Addr()] {
			m.fatalf("%v is at %v", e.role, e.cur)
		}
	}
}

// recover repairs the network and lets everything expire. Then either end can
// migrate at the first attempt, both agree on where they are, and all data has
// arrived.
func (m *model) recover() {
	m.shape, m.seen = nil, nil
	m.logf("the network works")
	m.runFor(2 * time.Minute)
	if !m.agreed() {
		m.apart++
	}
	for _, e := range m.ends {
		if e.conn.Phase() != Idle || e.trying || e.gated {
			m.fatalf("%v: still %v", e.role, e.conn.Phase())
		}
		if at, ok := e.conn.Deadline(); ok && !e.held || len(e.drains) > 0 || e.conn.WantsACKs() {
			m.fatalf("%v: still waits for %v", e.role, at)
		}
	}
	order := []*end{m.opener(), m.acceptor()}
	if m.rng.IntN(2) == 0 {
		slices.Reverse(order)
	}
	for _, e := range order {
		m.mustStart(e, m.rng.IntN(2) == 0)
		if err := m.over(e); err != nil {
			m.fatalf("%v: %v", e.role, err)
		}
		m.checkMoved()
		m.check()
	}
	for _, e := range m.ends {
		if e.held {
			m.fatalf("%v: still held", e.role)
		}
	}
}
