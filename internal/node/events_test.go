// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"testing"

	"github.com/mnet-dev/mnet/endpoint"
)

// TestEventsLost has a receiver that reads nothing for a while: the node goes on, and
// the receiver learns how many it has missed.
func TestEventsLost(t *testing.T) {
	var n Node
	ch, stop := n.Events()
	const missed = 7
	for range maxEvents + missed {
		n.publish(Event{Kind: EventOpened})
	}
	for i := range maxEvents {
		if ev := <-ch; ev.Kind != EventOpened || ev.Time.IsZero() {
			t.Fatalf("event %d: %+v", i, ev)
		}
	}
	n.publish(Event{Kind: EventClosed})
	if ev := <-ch; ev.Kind != EventLost || ev.Lost != missed {
		t.Errorf("%+v, want %d lost", ev, missed)
	}
	if ev := <-ch; ev.Kind != EventClosed {
		t.Errorf("%+v", ev)
	}
	stop()
	n.publish(Event{Kind: EventOpened})
	select {
	case ev := <-ch:
		t.Errorf("after stop: %+v", ev)
	default:
	}
}

// TestRegistry finds connections by ID, in the order in which they were opened, and
// remembers the latest that have ended.
func TestRegistry(t *testing.T) {
	var r registry
	conns := make([]*Conn, maxEnded+20)
	for i := range conns {
		conns[i] = r.add(new(endpoint.Conn), KindDial, "peer")
	}
	all := r.all()
	for i, c := range conns {
		if all[i] != c {
			t.Fatalf("place %d: connection %s", i, all[i].ID)
		}
	}
	if c, err := r.find("12"); err != nil || c != conns[11] {
		t.Errorf("%v, %v", c, err)
	}
	if r.of(conns[3].Conn) != conns[3] {
		t.Error("the connection of an endpoint is another")
	}
	n := Node{conns: registry{conns: r.conns, next: r.next}}
	for _, c := range conns {
		n.conns.remove(c)
	}
	if _, err := n.conns.find("12"); !errors.Is(err, ErrNoConn) {
		t.Errorf("after the end: %v", err)
	}
	if err := n.End(conns[len(conns)-1].ID); err != nil {
		t.Errorf("end of the latest: %v", err)
	}
	if err := n.End("1"); !errors.Is(err, ErrNoConn) {
		t.Errorf("end of one long ago: %v", err)
	}
	if len(n.conns.ended) != maxEnded {
		t.Errorf("%d are remembered", len(n.conns.ended))
	}
}
