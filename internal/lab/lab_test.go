// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfig(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil || c.RTT != DefaultRTT || c.Rate != DefaultRate || c.Away != DefaultAway || c.Linger != DefaultLinger {
		t.Errorf("%+v, %v", c, err)
	}
	if got := c.scenes(); !slices.Equal(got, Scenes) {
		t.Errorf("scenes %v", got)
	}
	c, err = Config{Scenes: []string{"roam", "return", "lid"}}.withDefaults()
	if err != nil {
		t.Error(err)
	}
	if got, want := c.scenes(), []Scene{Scenes[1], Scenes[2], Scenes[4]}; !slices.Equal(got, want) {
		t.Errorf("scenes %v, want %v", got, want)
	}
	for reason, c := range map[string]Config{
		"at most 1s":          {RTT: time.Minute},
		"round-trip time":     {RTT: -1},
		"from 1000000":        {Rate: 1},
		"to 200000000":        {Rate: 1e12},
		"uplinks gone":        {Away: time.Hour},
		"scenes that go on":   {Linger: -1},
		"choose from start":   {Scenes: []string{"sleep"}},
		"in the order":        {Scenes: []string{"nat", "roam"}},
		"give scenes once":    {Scenes: []string{"nat", "nat"}},
		`needs "roam" before`: {Scenes: []string{"return"}},
		`no scene ""`:         {Scenes: []string{""}},
	} {
		if _, err := c.withDefaults(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v, want %q", c, err, reason)
		}
	}
}

func TestMeter(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var m meter
	m.mark(at(0))
	check := func(now, gap, resume int, bytes int64) {
		t.Helper()
		got := m.read(at(now))
		want := reading{bytes, got.last, time.Duration(gap) * time.Millisecond, time.Duration(resume) * time.Millisecond}
		if got != want {
			t.Errorf("at %d ms: %+v, want %+v", now, got, want)
		}
	}
	m.stream.Add(at(10), 100)
	m.stream.Add(at(15), 100)
	check(15, 10, 0, 200)
	check(40, 25, 0, 200) // the gap that is under way counts
	m.stream.Add(at(20), 1)
	check(21, 10, 0, 201)

	// A gap counts from the last arrival before the mark.
	m.mark(at(50))
	check(50, 30, 0, 201)
	m.stream.Add(at(60), 1)
	m.stream.Add(at(61), 1)
	check(62, 40, 0, 203)

	// The expected arrival is measured once, by the first arrival.
	m.mark(at(70))
	m.expect(at(200))
	check(210, 149, 0, 203)
	m.stream.Add(at(230), 1)
	m.stream.Add(at(500), 1)
	check(500, 270, 30, 205)
	m.mark(at(500))
	check(500, 0, 0, 205)
}

func TestReport(t *testing.T) {
	good := Report{Bulk: Transfer{Equal: true}, Interactive: Transfer{Equal: true}}
	if err := good.Err(); err != nil {
		t.Error(err)
	}
	for i, f := range []func(*Report){
		func(r *Report) { r.Bulk.Equal = false },
		func(r *Report) { r.Interactive.Equal = false },
	} {
		r := good
		f(&r)
		if err := r.Err(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d: %v", i, err)
		}
	}
	good.Lost = "bulk: reset"
	if err := good.Err(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), good.Lost) {
		t.Error(err)
	}
}
