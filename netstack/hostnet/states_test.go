// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"slices"
	"testing"
)

// TestStates has receivers come and go.
func TestStates(t *testing.T) {
	var s states
	var told []string
	receiver := func(name string) func(State) {
		return func(st State) { told = append(told, fmt.Sprint(name, len(st.Uplinks), st.Woke)) }
	}
	check := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("%s: told %q, want %q", what, told, want)
		}
		told = nil
	}
	s.send(State{Uplinks: make([]Uplink, 1), Woke: true})
	check("nobody is there")
	stopA := s.add(receiver("a"))
	check("the present state; the sleep was before", "a1 false")
	stopB := s.add(receiver("b"))
	check("the present state", "b1 false")
	s.send(State{Uplinks: make([]Uplink, 2), Woke: true})
	check("a change", "a2 true", "b2 true")
	stopA()
	stopA()
	s.send(State{})
	check("one has gone", "b0 false")
	stopB()
	s.send(State{Uplinks: make([]Uplink, 1)})
	check("both have gone")
}
