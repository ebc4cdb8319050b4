// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/mnet-dev/mnet/migrate"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "4096": 4096, "10B": 10, "64KiB": 64 << 10, "1.5MiB": 3 << 19, "2 GiB": 2 << 30, "1TiB": 1 << 40,
		"500kB": 500_000, "500KB": 500_000, "5MB": 5_000_000, "1GB": 1_000_000_000, "2TB": 2_000_000_000_000,
	} {
		var s byteSize
		if err := s.Set(text); err != nil || int64(s) != want {
			t.Errorf("%q: %d, %v, want %d", text, int64(s), err, want)
		}
	}
	for n, want := range map[byteSize]string{1: "1B", 1000: "1000B", 64 << 10: "64KiB", 3 << 19: "1536KiB", 1 << 30: "1GiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(n), got, want)
		}
	}
	badValues(t, new(byteSize), "", "MiB", "x", "1XiB", "-1", "0", "0.2", "1e30", "NaN", "1 Mi B", "Inf", "0x", "9223372036854775808")
}

func TestBitRate(t *testing.T) {
	for text, want := range map[string]int64{
		"9600bit/s": 9600, "64kbit/s": 64_000, "50Mbit/s": 50_000_000, "2.5 Gbit/s": 2_500_000_000,
	} {
		var r bitRate
		if err := r.Set(text); err != nil || int64(r) != want {
			t.Errorf("%q: %d, %v, want %d", text, int64(r), err, want)
		}
	}
	for n, want := range map[bitRate]string{100: "100bit/s", 64_000: "64kbit/s", 2_500_000: "2.5Mbit/s", 1e10: "10Gbit/s"} {
		if got := n.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(n), got, want)
		}
	}
	badValues(t, new(bitRate), "", "50", "50MB/s", "50Mbit", "bit/s", "-5Mbit/s", "0bit/s")
}

func TestProbability(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "0%": 0, "1%": 0.01, "0.5 %": 0.005, "100%": 1} {
		var p probability
		if err := p.Set(text); err != nil || float64(p) != want {
			t.Errorf("%q: %v, %v, want %v", text, float64(p), err, want)
		}
	}
	for p, want := range map[probability]string{0: "0%", 0.01: "1%", 0.001: "0.1%"} {
		if got := p.String(); got != want {
			t.Errorf("%v: %q, want %q", float64(p), got, want)
		}
	}
	// A bare number could be meant either way.
	badValues(t, new(probability), "", "%", "1", "0.01", "-1%", "101%", "NaN%", "x%")
}

func TestSuiteFlag(t *testing.T) {
	for _, id := range []migrate.SuiteID{migrate.SuiteNull, migrate.SuiteX25519SHA1, migrate.SuiteX25519SHA256} {
		var s suiteFlag
		if err := s.Set(id.String()); err != nil || migrate.SuiteID(s) != id {
			t.Errorf("%v: %v, %v", id, s, err)
		}
	}
	badValues(t, new(suiteFlag), "", "md5", "0")
}

// badValues checks that none of the texts is taken, that none changes the value,
// and that the error says something.
func badValues(t *testing.T, v pflag.Value, texts ...string) {
	t.Helper()
	before := v.String()
	for _, text := range texts {
		err := v.Set(text)
		if err == nil || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%q is taken for %v, error %v", text, v, err)
		}
		if got := v.String(); got != before {
			t.Errorf("%q changes the value to %v", text, got)
		}
	}
}
