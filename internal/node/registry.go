// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// Kind is the purpose of a connection.
type Kind string

// Kinds of connections.
const (
	KindDial    Kind = "dial"    // for a client of the control socket
	KindForward Kind = "forward" // from a port of the host
	KindSOCKS   Kind = "socks"   // from the SOCKS proxy
	KindServe   Kind = "serve"   // from a peer to a port that is served
	KindBench   Kind = "bench"   // a measurement
	KindPing    Kind = "ping"    // to find out whether connections can migrate
)

// Conn is a connection of the node. Its ID is unique as long as the node runs.
type Conn struct {
	*endpoint.Conn
	ID     string
	Kind   Kind
	Peer   string // the dialled address, or the rule by which the connection was accepted
	opened time.Time

	// progress counts bytes to the peer as AToB.
	progress relay.Progress

	mu   sync.Mutex
	last *MoveStatus // the latest attempt of the roamer
}

// registry has all connections that are open.
type registry struct {
	mu    sync.Mutex
	next  uint64
	conns map[*endpoint.Conn]*Conn
	ended []*Conn // the latest, at most maxEnded
}

// maxEnded is how many connections are remembered after their end, for clients that ask
// how they ended. It bounds the memory for clients that do not ask.
const maxEnded = 256

func (r *registry) add(c *endpoint.Conn, kind Kind, peer string) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	t := &Conn{Conn: c, ID: strconv.FormatUint(r.next, 10), Kind: kind, Peer: peer, opened: time.Now()}
	if r.conns == nil {
		r.conns = make(map[*endpoint.Conn]*Conn)
	}
	r.conns[c] = t
	return t
}

func (r *registry) remove(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c.Conn)
	if len(r.ended) == maxEnded {
		r.ended = slices.Delete(r.ended, 0, 1)
	}
	r.ended = append(r.ended, c)
}

// of returns the entry of c, nil if there is none.
func (r *registry) of(c *endpoint.Conn) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns[c]
}

// all returns the connections, oldest first.
func (r *registry) all() []*Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Conn, 0, len(r.conns))
	for _, c := range r.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Conn) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// ErrNoConn: there is no connection with that ID.
var ErrNoConn = errors.New("no such connection: mnet status lists them")

// End returns the error that has ended a connection, nil if it is open or has
// ended as it should.
func (n *Node) End(id string) error {
	c, err := n.conns.find(id)
	if err == nil {
		return c.progress.Err()
	}
	if c := n.conns.findEnded(id); c != nil {
		return c.progress.Err()
	}
	return err
}

// find returns the connection with that ID.
func (r *registry) find(id string) (*Conn, error) {
	for _, c := range r.all() {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("connection %q: %w", id, ErrNoConn)
}

// findEnded returns a connection that has ended lately, nil if there is none with
// that ID.
func (r *registry) findEnded(id string) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.ended {
		if c.ID == id {
			return c
		}
	}
	return nil
}
