// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package broadcast_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/mnet-dev/mnet/internal/broadcast"
)

// TestList checks that receivers get each event between Add and stop, in the order in
// which they were added.
func TestList(t *testing.T) {
	var l broadcast.List[int]
	var got []string
	add := func(name string) (stop func()) {
		return l.Add(func(e int) { got = append(got, name+string(rune('0'+e))) })
	}
	l.Send(1) // nobody gets it
	stopA := add("a")
	stopB := add("b")
	l.Send(2)
	stopA()
	stopA() // does nothing
	add("c")
	l.Send(3)
	stopB()
	l.Send(4)
	if want := []string{"a2", "b2", "b3", "c3", "c4"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestReceiverUsesList checks that a receiver may add another one and stop itself. The
// event under way still reaches the receivers that it was sent to.
func TestReceiverUsesList(t *testing.T) {
	var l broadcast.List[int]
	var got []int
	var stop func()
	stop = l.Add(func(e int) {
		got = append(got, e)
		l.Add(func(e int) { got = append(got, 10*e) })
		stop()
	})
	l.Add(func(e int) { got = append(got, 100*e) })
	l.Send(1)
	l.Send(2)
	if want := []int{1, 100, 200, 20}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestConcurrent has the race detector look at Add, stop and Send.
func TestConcurrent(t *testing.T) {
	var l broadcast.List[int]
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 100 {
				stop := l.Add(func(int) {})
				l.Send(i)
				stop()
			}
		})
	}
	wg.Wait()
	l.Add(func(e int) {
		if e != 7 {
			t.Errorf("got event %d", e)
		}
	})
	l.Send(7)
}
