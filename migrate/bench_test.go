// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
	"unsafe"
)

// These bound the work that an attacker can cause with one packet, and the cost of each
// segment of each connection. None of it may allocate.

func missTable() (*Table[*int], Token) {
	var table Table[*int]
	for i := range 10_000 {
		table.Set(new(int), nil, []TokenEntry{{Token(uint64(i) * 0x9e3779b97f4a7c15), 1}})
	}
	return &table, 0xdeadbeef
}

func forged(t testing.TB, suite SuiteID) (*Verifier, Request) {
	k, err := newKeys(suite, Acceptor, make([]byte, 32), keyShare{}, keyShare{}, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	return (*Verifier)(k), Request{ReqNo: 1, Token: k.token(Opener, 1), Tag: 0xdeadbeef}
}

var (
	plainOptions   = opts("0101080a0000000100000002")
	requestOptions = opts("020405b40402080a000000010000000203030710132a01020304050607081112131415161718")
)

// M410: A migrate SYN that is dropped MUST get no answer, at constant cost, without
// state or allocation. It MUST be counted.
func TestNoAllocations(t *testing.T) {
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	table, token := missTable()
	check("token miss", func() {
		if _, _, ok := table.Lookup(token); ok {
			t.Error("found")
		}
	})
	for suite := range SuiteID(3) {
		v, r := forged(t, suite)
		check("forged request, "+suite.String(), func() {
			if v.Verify(r, 1, 1000) {
				t.Error("taken")
			}
		})
	}
	var secret Secret
	at := tuple(1, 2)
	for suite := range SuiteID(3) {
		v, r := forged(t, suite)
		check("forged third ACK, "+suite.String(), func() {
			if v.VerifyProof(&secret, Time(time.Second), at, Proof{ReqNo: 1, Token: r.Token}, 1, 1000) {
				t.Error("taken")
			}
		})
		check("forged abort, "+suite.String(), func() {
			if v.VerifyAbort(r, 1, 1000) {
				t.Error("taken")
			}
		})
	}
	for name, b := range map[string][]byte{"absent": plainOptions, "present": requestOptions} {
		check("ParseRequest, "+name, func() {
			if _, ok := ParseRequest(FormatKinds, b); ok != (name == "present") {
				t.Error(ok)
			}
		})
	}
	// A valid request that is dropped after all, and an idle connection's ACKs.
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		w.runFor(2 * drainTime)
		tcb := s.tcb()
		room := make([]byte, 0, maxOptions)
		if s.conn.WantsACKs() || s.conn.Watching() {
			t.Error("not idle")
		}
		check("ACKOption", func() { s.conn.ACKOption(room, 28, tcb.SndNxt, tcb) })
		check("PeerACK", func() { s.conn.PeerACK(w.now, 1, plainOptions, tcb) })
		check("Deadline", func() { s.conn.Deadline() })
		seg := Segment{Tuple: s.cur, ACK: true, Len: 1000, Options: plainOptions}
		check("Segment", func() { s.conn.Segment(w.now, seg, s.cur, tcb) })
	})
}

// TestSize bounds the memory of a connection that can migrate but does not.
func TestSize(t *testing.T) {
	const bound = 320
	size := unsafe.Sizeof(Machine{}) + unsafe.Sizeof(keys{})
	t.Logf("Machine %d bytes, keys %d bytes", unsafe.Sizeof(Machine{}), unsafe.Sizeof(keys{}))
	if size > bound {
		t.Errorf("%d bytes, want at most %d", size, bound)
	}
	// Nothing else stays when the keys have been exchanged.
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		w.runFor(2 * drainTime)
		for _, e := range w.ends {
			if m := e.conn; m.neg != nil || m.rand != nil || m.att != nil || m.finished != nil || m.drains != nil || m.hold != nil {
				t.Errorf("%v: %+v", e.role, m)
			}
		}
	})
}

func BenchmarkTokenMiss(b *testing.B) {
	table, token := missTable()
	b.ReportAllocs()
	for b.Loop() {
		table.Lookup(token)
	}
}

func BenchmarkForgedRequest(b *testing.B) {
	for suite := range SuiteID(3) {
		b.Run(suite.String(), func(b *testing.B) {
			v, r := forged(b, suite)
			b.ReportAllocs()
			for b.Loop() {
				if v.Verify(r, 1, 1000) {
					b.Fatal("taken")
				}
			}
		})
	}
}

func BenchmarkForgedProof(b *testing.B) {
	for suite := range SuiteID(3) {
		b.Run(suite.String(), func(b *testing.B) {
			v, r := forged(b, suite)
			var secret Secret
			at := tuple(1, 2)
			b.ReportAllocs()
			for b.Loop() {
				if v.VerifyProof(&secret, Time(time.Second), at, Proof{ReqNo: 1, Token: r.Token}, 1, 1000) {
					b.Fatal("taken")
				}
			}
		})
	}
}

func BenchmarkParseRequest(b *testing.B) {
	for name, options := range map[string][]byte{"absent": plainOptions, "present": requestOptions} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseRequest(FormatKinds, options)
			}
		})
	}
}

// BenchmarkTokens measures the computation of a responder for each request that it
// takes.
func BenchmarkTokens(b *testing.B) {
	k, err := newKeys(SuiteX25519SHA256, Acceptor, make([]byte, 32), keyShare{}, keyShare{}, 1, 2)
	if err != nil {
		b.Fatal(err)
	}
	c := &Machine{suite: k.suite, role: k.role, keys: k}
	b.ReportAllocs()
	for b.Loop() {
		c.Tokens()
	}
}
