// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// connected returns a world whose ends have both confirmed, have sent some data
// and have forgotten the exchange of keys.
func (v variant) connected(t testing.TB, seed uint64) *world {
	w := v.world(t, seed)
	w.opener().connect()
	w.settleIn()
	return w
}

func (w *world) settleIn() {
	w.runUntil("confirmed", time.Second, w.confirmed)
	for _, e := range w.ends {
		e.write(1000)
	}
	w.runUntil("delivered", time.Second, w.delivered)
	for _, e := range w.ends {
		e.srtt = 2 * w.delay
	}
	w.runFor(lingerTime)
	w.trace = nil
}

// everyCase runs f for each variant and each end as initiator.
func everyCase(t *testing.T, f func(t *testing.T, v variant, initiator Role)) {
	for _, v := range variants {
		for r := range Role(2) {
			t.Run(fmt.Sprintf("%v/%d", v, r), func(t *testing.T) { f(t, v, r) })
		}
	}
}

// eachSuiteAndRole runs f for each suite and each end as initiator.
func eachSuiteAndRole(t *testing.T, f func(t *testing.T, suite SuiteID, initiator Role)) {
	for suite := range SuiteID(3) {
		for r := range Role(2) {
			t.Run(fmt.Sprintf("%v/%d", suite, r), func(t *testing.T) { f(t, suite, r) })
		}
	}
}

// eachSuite runs f for each suite and each end as initiator, connected.
func eachSuite(t *testing.T, f func(t *testing.T, w *world, c, s *end)) {
	eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, r Role) {
		w := variant{suite, FormatKinds, 28}.connected(t, 1)
		f(t, w, w.ends[r], w.ends[r.peer()])
	})
}

// eachSuiteAndISN runs f as eachSuite does, also with sequence spaces that are
// so close that the numbers of one end are plausible for the other.
func eachSuiteAndISN(t *testing.T, f func(t *testing.T, w *world, c, s *end)) {
	eachSuite(t, f)
	for name, iss := range map[string][2]uint32{"opener first": {1000, 1 << 20}, "acceptor first": {1 << 20, 1000}, "overlapping": {7, 500}} {
		t.Run(name, func(t *testing.T) {
			eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, r Role) {
				w := variant{suite, FormatKinds, 28}.world(t, 1)
				w.opener().iss, w.acceptor().iss = iss[Opener], iss[Acceptor]
				w.opener().connect()
				w.settleIn()
				f(t, w, w.ends[r], w.ends[r.peer()])
			})
		})
	}
}

// agreed reports whether both ends are on one path and nothing is pending on it.
func (w *world) agreed() bool {
	o, a := w.opener(), w.acceptor()
	return o.cur.Local == a.cur.Remote && o.cur.Remote == a.cur.Local &&
		o.conn.Phase() == Idle && a.conn.Phase() == Idle
}

// over lets time pass until e's attempt is over and returns its result.
func (w *world) over(e *end) error {
	w.t.Helper()
	w.runUntil("attempt over", 2*time.Minute, func() bool { return !e.trying })
	return e.results[len(e.results)-1]
}

// migrate lets e move, which has to succeed, and checks that both ends are there
// and data flows.
func (w *world) migrate(e *end) {
	w.t.Helper()
	w.mustStart(e, true)
	if err := w.over(e); err != nil {
		w.fatalf("%v: %v", e.role, err)
	}
	w.checkMoved()
}

// mustStart lets e ask for a migration from its next address.
func (w *world) mustStart(e *end, keepOld bool) {
	w.t.Helper()
	if err := e.start(1+byte(e.port%4), keepOld); err != nil {
		w.fatalf("%v: %v", e.role, err)
	}
}

// checkMoved checks that both ends are, or soon will be, on one path, and that
// data flows there.
func (w *world) checkMoved() {
	w.t.Helper()
	for _, e := range w.ends {
		e.write(100)
	}
	w.runUntil("both ends moved", 30*time.Second, func() bool { return w.agreed() && w.delivered() })
}

// checkStayed checks that both ends are where they were, and that data flows.
func (w *world) checkStayed(at Tuple) {
	w.t.Helper()
	w.checkMoved()
	if w.opener().cur != at {
		w.fatalf("moved to %v", w.opener().cur)
	}
}

// inject lets a packet arrive that nobody has sent.
func (w *world) inject(p packet) {
	w.logf("injected:")
	w.log(event{p: &p})
	w.deliver(&p)
}

// answers counts the packets that f makes the hosts send.
func (w *world) answers(f func()) (n int) {
	w.seen = func(*packet) { n++ }
	f()
	w.seen = nil
	return n
}

// captureSYN returns the SYN of a request of e that e gives up and nobody has
// seen.
func (w *world) captureSYN(e *end) (syn packet) {
	w.t.Helper()
	shape := w.shape
	w.shape = func(p *packet) []time.Duration {
		syn = *p
		return drop
	}
	w.mustStart(e, true)
	e.cancel(nil)
	w.shape = shape
	if syn.kind() != "SYN+Migrate" {
		w.fatalf("captured %v", &syn)
	}
	return syn
}

// attacker is an address that belongs to neither end.
var attacker = netip.MustParseAddrPort("203.0.113.66:666")

// variant is a way to negotiate.
type variant struct {
	suite  SuiteID
	format Format
	room   int // for options on ACKs: 40, or 28 beside timestamps
}

var variants = func() (v []variant) {
	for _, s := range []SuiteID{SuiteNull, SuiteX25519SHA1, SuiteX25519SHA256} {
		for _, f := range []Format{FormatKinds, FormatExperimental} {
			for _, room := range []int{40, 28} {
				v = append(v, variant{s, f, room})
			}
		}
	}
	return v
}()

// usual is the variant of most connections.
var usual = variant{SuiteX25519SHA256, FormatKinds, 28}

// roomy has room for Key-Rest and Key-Confirm on one ACK.
var roomy = variant{SuiteX25519SHA256, FormatKinds, 40}

func (v variant) String() string {
	return fmt.Sprintf("%v/format %d/room %d", v.suite, v.format, v.room)
}

func (v variant) config() *Config { return &Config{Suites: []SuiteID{v.suite}, Format: v.format} }

func (v variant) world(t testing.TB, seed uint64) *world {
	w := newWorld(t, seed, [2]*Config{v.config(), v.config()})
	for _, e := range w.ends {
		e.room = v.room
	}
	return w
}
