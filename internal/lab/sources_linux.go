// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

const (
	// chunk is the size of a source's write, in bytes.
	chunk = 32 << 10
	// The kernel's download takes a part of the uplink's rate, in chunks so often
	// that a gap is an outage.
	kernelPart = 4
	kernelPace = 20 * time.Millisecond
)

// sources are the services that are connected to. They run in this process, with
// sockets in the namespaces.
type sources struct {
	bulk    *digest // of the bytes sent; to be read once bulkEnd is closed
	bulkEnd chan struct{}

	running   sync.WaitGroup
	listeners []net.Listener

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func listen(ctx context.Context, topo *kernel.Topology, rate int64) (*sources, error) {
	s := &sources{conns: make(map[net.Conn]bool), bulkEnd: make(chan struct{})}
	for _, svc := range []struct {
		ns      *kernel.Namespace
		address string
		serve   func(net.Conn)
	}{
		{topo.Server, bulkTarget, s.serveBulk},
		{topo.Server, echoTarget, func(c net.Conn) { _, _ = io.Copy(c, c) }}, // the client sees missing bytes
		{topo.Host, fmt.Sprintf(":%d", kernelPort), func(c net.Conn) { servePaced(c, rate/kernelPart) }},
	} {
		ln, err := svc.ns.Listen(ctx, "tcp", svc.address)
		if err != nil {
			s.close()
			return nil, err
		}
		s.listeners = append(s.listeners, ln)
		s.running.Go(func() { s.accept(ln, svc.serve) })
	}
	return s, nil
}

func (s *sources) accept(ln net.Listener, serve func(net.Conn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		if !s.add(c) {
			c.Close()
			return
		}
		s.running.Go(func() {
			defer s.remove(c)
			serve(c)
		})
	}
}

func (s *sources) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[c] = true
	}
	return !s.closed
}

func (s *sources) remove(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// serveBulk sends without end, until the peer has ended its side. There is one such
// connection.
func (s *sources) serveBulk(c net.Conn) {
	defer close(s.bulkEnd)
	content := contentOf(bulkSeed)
	s.bulk = newDigest()
	enough := make(chan struct{})
	s.running.Go(func() {
		defer close(enough)
		_, _ = io.Copy(io.Discard, c) // until its end, of any kind
	})
	buf := make([]byte, chunk)
	for {
		select {
		case <-enough:
			return
		default:
		}
		_, _ = content.Read(buf) // has no end
		n, err := c.Write(buf)
		s.bulk.add(buf[:n])
		if err != nil {
			c.Close()
			return
		}
	}
}

// servePaced sends zeros at a rate, in bits per second, until the connection is
// closed.
func servePaced(c net.Conn, rate int64) {
	tick := time.NewTicker(kernelPace)
	defer tick.Stop()
	buf := make([]byte, int(float64(rate)/8*kernelPace.Seconds()))
	for {
		if _, err := c.Write(buf); err != nil {
			return
		}
		<-tick.C
	}
}

// close ends all, by a RST: a socket that waits for a last ACK would keep its
// namespace.
func (s *sources) close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		relay.Abort(c)
	}
	s.mu.Unlock()
	for _, ln := range s.listeners {
		ln.Close()
	}
	s.running.Wait()
}
