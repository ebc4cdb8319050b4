// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

// Service is a listener of the node.
type Service struct {
	Kind   Kind   `json:"kind"`
	Listen string `json:"listen"`           // address and port that are bound
	Target string `json:"target,omitempty"` // the target of its connections; none for SOCKS
	DNAT   bool   `json:"dnat,omitempty"`   // the host's own addresses lead there, too

	close func()
}

// Close ends the listener. Connections that came by it go on.
func (s *Service) Close() { s.close() }

// services are the listeners that are open. Its lock is a leaf.
type services struct {
	mu  sync.Mutex
	all []*Service // oldest first
}

func (s *services) list() []Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Service, len(s.all))
	for i, svc := range s.all {
		list[i] = *svc
	}
	return list
}

func (s *services) add(svc *Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, svc)
}

func (s *services) remove(svc *Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(o *Service) bool { return o == svc })
}

const (
	// maxConns stops peers that open connections without end from taking all the memory
	// and descriptors of the host. Beyond it, nothing is accepted.
	maxConns = 1 << 14

	// acceptPause is the wait after an error of Accept that may pass, such as too
	// many open files: no busy loop.
	acceptPause = 100 * time.Millisecond
)

// listen hands the connections of l to handle, each on a goroutine of its own,
// until the service is closed or the node is. undo is called at the end.
func (n *Node) listen(svc *Service, l net.Listener, handle func(net.Conn), undo func()) *Service {
	svc.Listen = l.Addr().String()
	n.services.add(svc)
	svc.close = sync.OnceFunc(func() {
		n.services.remove(svc)
		l.Close()
		undo()
	})
	stop := context.AfterFunc(n.ctx, svc.close)
	n.wg.Go(func() {
		defer svc.close() // waits for one that is under way: undo needs the share
		defer stop()
		for n.acquire() {
			c, err := l.Accept()
			if err != nil {
				n.release()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				n.log.Warn("accept", "kind", svc.Kind, "listen", svc.Listen, "err", err)
				n.pause(acceptPause)
				continue
			}
			n.wg.Go(func() {
				defer n.release()
				handle(c)
			})
		}
	})
	return svc
}

// acquire waits for one of maxConns, and returns false once the node closes.
func (n *Node) acquire() bool {
	select {
	case n.slots <- struct{}{}:
		return true
	case <-n.ctx.Done():
		return false
	}
}

func (n *Node) release() { <-n.slots }

// pause waits, unless the node closes.
func (n *Node) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-n.ctx.Done():
	}
}

// carry relays between a connection of the stack and another one, and knows the
// former as long as it lasts.
func (n *Node) carry(c *Conn, other relay.Conn) {
	n.log.Debug("open", "conn", c.ID, "kind", c.Kind, "peer", c.Peer)
	n.publish(Event{Kind: EventOpened, Conn: c.ID, Peer: c.Peer})
	err := relay.Join(n.ctx, other, c, &c.progress)
	n.forget(c, err)
}

// forget takes a connection out of the registry that has ended.
func (n *Node) forget(c *Conn, err error) {
	n.conns.remove(c)
	e := Event{Kind: EventClosed, Conn: c.ID, Peer: c.Peer}
	if err != nil {
		e.Error = err.Error()
	}
	n.log.Debug("closed", "conn", c.ID, "kind", c.Kind, "peer", c.Peer, "err", err)
	n.publish(e)
}
