// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/netip"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// EventKind is the kind of an event.
type EventKind string

// Kinds of events.
const (
	EventOpened  EventKind = "opened"  // a connection
	EventClosed  EventKind = "closed"  // a connection
	EventMoved   EventKind = "moved"   // a connection, by the roamer or by hand
	EventStuck   EventKind = "stuck"   // an attempt to move a connection has failed
	EventUplinks EventKind = "uplinks" // the uplinks of the node have changed
	EventLost    EventKind = "lost"    // events, since the receiver was too slow

	// EventRenumbered: the host uses an address of the device, so the node has chosen
	// others.
	EventRenumbered EventKind = "renumbered"
)

// Event is something that has happened to a node.
type Event struct {
	Time    time.Time      `json:"time"`
	Kind    EventKind      `json:"event"`
	Conn    string         `json:"conn,omitempty"`
	Peer    string         `json:"peer,omitempty"`
	Move    *MoveStatus    `json:"move,omitempty"`
	Uplinks []UplinkStatus `json:"uplinks,omitempty"`
	Woke    bool           `json:"woke,omitempty"`
	Host    []netip.Prefix `json:"host,omitempty"`
	// Addresses are the new ones of the stack, and Host those of the host on the device.
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Error     string         `json:"error,omitempty"`
	Lost      int            `json:"lost,omitempty"`
}

// maxEvents is how many events wait for a receiver: one that does not read must
// not make the node hold more.
const maxEvents = 256

// publish tells all receivers. Their locks are leaves.
func (n *Node) publish(ev Event) {
	ev.Time = time.Now()
	n.events.Send(ev)
}

// receiver is a caller of Events.
type receiver struct {
	ch chan Event

	mu   sync.Mutex
	lost int // events that found no place since the last one that did
}

// offer never blocks: of events that find no place, the number is told.
func (r *receiver) offer(ev Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost > 0 {
		select {
		case r.ch <- Event{Time: ev.Time, Kind: EventLost, Lost: r.lost}:
			r.lost = 0
		default:
		}
	}
	select {
	case r.ch <- ev:
	default:
		r.lost++
	}
}

// Events returns later events, until stop is called. A receiver that is slow misses
// events, and is told how many.
func (n *Node) Events() (ch <-chan Event, stop func()) {
	r := &receiver{ch: make(chan Event, maxEvents)}
	return r.ch, n.events.Add(r.offer)
}

// observe takes an event of the Roamer.
func (n *Node) observe(ev endpoint.RoamEvent) {
	c := n.conns.of(ev.Conn)
	if c == nil {
		return // it has just been closed
	}
	n.moved(c, MoveStatus{
		Cause:  ev.Cause.String(),
		From:   ev.From,
		To:     ev.To,
		Uplink: ev.Uplink.String(),
		TookMS: stats.Milliseconds(ev.Took),
	}, ev.Err)
}

// moved notes an attempt to move a connection, and tells of it.
func (n *Node) moved(c *Conn, m MoveStatus, err error) {
	m.At = time.Now()
	e := Event{Kind: EventMoved, Conn: c.ID, Peer: c.Peer, Move: &m}
	if err != nil {
		m.To, m.Error = netip.AddrPort{}, err.Error()
		e.Kind, e.Error = EventStuck, m.Error
	}
	c.mu.Lock()
	c.last = &m
	c.mu.Unlock()
	n.publish(e)
}
