// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"slices"
	"testing"
	"time"
)

func TestClockOrder(t *testing.T) {
	c := NewClock()
	var got []int
	add := func(id int, d time.Duration) { c.AfterFunc(d, func() { got = append(got, id) }) }
	add(5, 2*time.Second)
	add(1, time.Second)
	add(2, time.Second)
	add(0, 0)
	c.AfterFunc(time.Second, func() {
		got = append(got, 3)
		add(4, -time.Second) // the same instant, but behind the events already there
	})
	if len(got) != 0 {
		t.Fatal("AfterFunc called its function")
	}
	c.RunFor(time.Second)
	if want := []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("fired %v, want %v", got, want)
	}
	if c.Elapsed() != time.Second || !c.Now().Equal(epoch.Add(time.Second)) {
		t.Errorf("the time is %v, %v", c.Elapsed(), c.Now())
	}
	if !c.Step() || c.Step() || got[len(got)-1] != 5 {
		t.Errorf("fired %v after stepping to the end", got)
	}
}

// TestClockManyEvents checks the queue against a sort.
func TestClockManyEvents(t *testing.T) {
	c := NewClock()
	rng := newSource(1, "test")
	const n = 2000
	var timers []*Timer
	var got, want []time.Duration
	for range n {
		d := time.Duration(rng.Uint64() % 500)
		timers = append(timers, c.AfterFunc(d, func() { got = append(got, c.Elapsed()) }).(*Timer))
		want = append(want, d)
	}
	for i := 0; i < n; i += 3 {
		if !timers[i].Stop() {
			t.Fatal("a pending timer didn't stop")
		}
		want[i] = -1
		if i%2 == 0 {
			want[i] = time.Duration(rng.Uint64() % 700)
			timers[i].Reset(want[i])
		}
	}
	want = slices.DeleteFunc(want, func(d time.Duration) bool { return d < 0 })
	slices.Sort(want)
	c.RunFor(time.Second)
	if !slices.Equal(got, want) {
		t.Errorf("%d events fired at other times than the %d wanted", len(got), len(want))
	}
}

func TestTimer(t *testing.T) {
	c := NewClock()
	fired := 0
	tm := c.AfterFunc(time.Second, func() { fired++ })
	tm.Reset(3 * time.Second) // moves a pending timer
	c.RunFor(2 * time.Second)
	if fired != 0 {
		t.Error("a moved timer fired at its old time")
	}
	c.RunFor(time.Second)
	if fired != 1 || tm.Stop() {
		t.Errorf("fired %d times, want once and stopped", fired)
	}
	tm.Reset(time.Second)
	if !tm.Stop() || tm.Stop() {
		t.Error("Stop must succeed once")
	}
	c.RunFor(time.Minute)
	if fired != 1 {
		t.Error("a stopped timer fired")
	}

	ch := c.NewTimer(time.Second)
	c.RunFor(2 * time.Second)
	select {
	case at := <-ch.C:
		if want := c.Now().Add(-time.Second); !at.Equal(want) {
			t.Errorf("the timer says %v, want %v", at, want)
		}
	default:
		t.Error("the timer's channel is empty")
	}
}

func TestRunUntil(t *testing.T) {
	c := NewClock()
	n := 0
	var tick func()
	tick = func() { n++; c.AfterFunc(time.Second, tick) }
	tick()
	if !c.RunUntil(func() bool { return n == 4 }, time.Minute) || c.Elapsed() != 3*time.Second {
		t.Errorf("stopped at %v with n=%d", c.Elapsed(), n)
	}
	if c.RunUntil(func() bool { return false }, 10*time.Second+time.Millisecond) {
		t.Error("a condition that is never met was")
	}
	if want := 13*time.Second + time.Millisecond; c.Elapsed() != want || n != 14 {
		t.Errorf("the limit ended at %v with n=%d, want %v", c.Elapsed(), n, want)
	}
}

func TestMonotonic(t *testing.T) {
	c := NewClock()
	m, w := c.NowMonotonic(), c.Now()
	c.RunFor(time.Hour)
	if d := c.NowMonotonic().Sub(m); d != time.Hour || c.Now().Sub(w) != d {
		t.Errorf("the monotonic clock moved by %v in an hour", d)
	}
}

func TestDriveTwice(t *testing.T) {
	c := NewClock()
	c.AfterFunc(0, func() {
		defer func() {
			if recover() == nil {
				t.Error("Step inside of a callback didn't panic")
			}
		}()
		c.Step()
	})
	c.Step()
}
