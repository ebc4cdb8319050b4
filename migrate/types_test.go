// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseSuite(t *testing.T) {
	for i, name := range suiteNames {
		s, err := ParseSuite(name)
		if err != nil || s != SuiteID(i) || s.String() != name {
			t.Errorf("ParseSuite(%q) = %v, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "NULL", "x25519", "x25519-sha256 "} {
		if s, err := ParseSuite(name); err == nil || !strings.Contains(err.Error(), "x25519-sha1") {
			t.Errorf("ParseSuite(%q) = %v, %v: want an error that names the choices", name, s, err)
		}
	}
	if s := SuiteID(0x77).String(); s != "suite(0x77)" {
		t.Error(s)
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		cfg  Config
		want string // in the error; empty for none
	}{
		{Config{}, ""},
		{Config{Policy: Off}, ""},
		{Config{Policy: Required, Format: FormatExperimental, Hold: MaxHold, HoldOnTimeout: MaxHold}, ""},
		{Config{Hold: -1}, ""},
		{Config{Suites: []SuiteID{SuiteNull, SuiteX25519SHA1, SuiteX25519SHA256}}, ""},
		{Config{Policy: 3}, "policy(3)"},
		{Config{Format: 2}, "format 2"},
		{Config{Suites: []SuiteID{}}, "empty"},
		{Config{Suites: []SuiteID{SuiteNull, 3}}, "suite(0x03)"},
		{Config{Hold: MaxHold + 1}, "168h0m0.000000001s"},
	}
	for _, test := range tests {
		err := test.cfg.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.cfg, err, test.want)
		}
	}
}

// M204: Suites 0x00 and 0x01 MUST NOT be used unless the application asks for them.
func TestConfigDefaults(t *testing.T) {
	if s := (&Config{}).suites(); len(s) != 1 || s[0] != SuiteX25519SHA256 {
		t.Errorf("suites %v: the others are for those who ask for them", s)
	}
	if h := (&Config{}).hold(); h != DefaultHold {
		t.Errorf("hold %v", h)
	}
	if h := (&Config{Hold: -1}).hold(); h != -1 {
		t.Errorf("hold %v", h)
	}
}

func TestNewConn(t *testing.T) {
	if c, err := NewMachine(Opener, &Config{Policy: Off}, nil, nil); err == nil {
		t.Errorf("policy off: %+v", c)
	}
	boom := errors.New("no entropy")
	if c, err := NewMachine(Opener, &Config{}, nil, failingReader{boom}); !errors.Is(err, boom) {
		t.Errorf("no entropy: %+v, %v", c, err)
	}
	if _, err := NewMachine(Opener, &Config{Suites: []SuiteID{SuiteNull}}, nil, failingReader{boom}); err != nil {
		t.Errorf("null suite: %v", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// TestRandIsUsed: a caller that passes a source of randomness relies on no other being
// used.
func TestRandIsUsed(t *testing.T) {
	syn := func(seed byte) string {
		c, err := NewMachine(Opener, &Config{}, new(Secret), constReader(seed))
		if err != nil {
			t.Fatal(err)
		}
		return string(c.SYNOption(nil, maxOptions))
	}
	first, again := syn(1), syn(1)
	if first != again || first == syn(2) {
		t.Error("the key is not made of rand's bytes")
	}
}

type constReader byte

func (r constReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r)
	}
	return len(b), nil
}

func TestSerialArithmetic(t *testing.T) {
	for _, test := range []struct {
		a, b uint32
		leq  bool
	}{
		{0, 0, true}, {0, 1, true}, {1, 0, false}, {0xffffffff, 0, true}, {0, 0xffffffff, false},
		{0x7fffffff, 0xffffffff, false}, {0x80000000, 0xffffffff, true},
	} {
		if leq(test.a, test.b) != test.leq {
			t.Errorf("leq(%#x, %#x) = %v", test.a, test.b, !test.leq)
		}
	}
	for _, test := range []struct {
		first, rcvNxt uint32
		ok            bool
	}{
		{100, 100, true}, {101, 100, false}, {99, 100, true}, {0xfffffff0, 100, true}, {100, 0xfffffff0, false},
		{0, maxBehind, true}, {0, maxBehind + 1, false}, {0xffffffff, maxBehind - 1, true}, {0xffffffff, maxBehind, false},
	} {
		if plausible(test.first, TCB{RcvNxt: test.rcvNxt}) != test.ok {
			t.Errorf("plausible(%#x) = %v at RCV.NXT %#x", test.first, !test.ok, test.rcvNxt)
		}
	}
}

func TestSYNRTO(t *testing.T) {
	for srtt, want := range map[time.Duration]time.Duration{
		0: initialRTO, time.Millisecond: minSYNRTO, 300 * time.Millisecond: 600 * time.Millisecond, time.Minute: maxSYNRTO,
	} {
		if got := synRTO(srtt); got != want {
			t.Errorf("synRTO(%v) = %v, want %v", srtt, got, want)
		}
	}
	if got := backoff(5 * time.Second); got != maxSYNRTO {
		t.Errorf("backoff(5s) = %v", got)
	}
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	unique := func(kind, name string) {
		t.Helper()
		if name == "" || name == "unknown" || seen[kind+name] {
			t.Errorf("%s %q", kind, name)
		}
		seen[kind+name] = true
	}
	for c := range Counter(NumCounters) {
		unique("counter ", c.String())
	}
	for r := PlainNone; r <= PlainClosed; r++ {
		unique("reason ", r.String())
	}
	for s := Offered; s <= Plain; s++ {
		unique("state ", s.String())
	}
	for p := Idle; p <= Completing; p++ {
		unique("phase ", p.String())
	}
	for p := Preferred; p <= Required; p++ {
		unique("policy ", p.String())
	}
	if Counter(NumCounters).String() != "unknown" || (PlainClosed+1).String() != "unknown" {
		t.Error("names beyond the last")
	}
	if s := tuple(1, 2).String(); s != "192.0.2.1:1000->192.0.2.2:2000" {
		t.Error(s)
	}
	if d := Time(5).Add(7).Sub(2); d != 10 {
		t.Error(d)
	}
}

func TestMayQuote(t *testing.T) {
	for _, una := range []uint32{0, 1, 5000, 1<<31 - 1, 1<<32 - 1} {
		for _, flight := range []uint32{0, 1, 1000} {
			tcb := TCB{SndUna: una, SndNxt: una + flight}
			for _, seq := range []uint32{una - 1, una, una + flight} {
				if !tcb.MayQuote(seq) {
					t.Errorf("%d of %d to %d is not believed", seq, una, una+flight)
				}
			}
			for _, seq := range []uint32{una - 2, una + flight + 1, una - 1<<30, una + 1<<30} {
				if tcb.MayQuote(seq) {
					t.Errorf("%d of %d to %d is believed", seq, una, una+flight)
				}
			}
		}
	}
}
