// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
	"github.com/mnet-dev/mnet/internal/measure/pattern"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// service is the server's application, on any number of listeners.
type service struct {
	running sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	conns     map[net.Conn]struct{}
	uploads   map[uint64]*upload
	wrong     error // that a stream was not as it should be
}

// upload is a stream that the server receives, over one connection after the other.
type upload struct {
	received arrivals.Recorder

	receiving sync.Mutex // one connection at a time
	conn      net.Conn   // the latest; guarded by service.mu
}

func newService() *service {
	return &service{conns: make(map[net.Conn]struct{}), uploads: make(map[uint64]*upload)}
}

// serve accepts connections until close.
func (s *service) serve(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.handle(c)
		}
	})
}

func (s *service) handle(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		relay.Abort(c)
		return
	}
	s.conns[c] = struct{}{}
	s.running.Go(func() {
		err := s.talk(c)
		relay.Abort(c)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		if errors.Is(err, pattern.ErrWrong) {
			s.wrong = err
		}
	})
}

func (s *service) talk(c net.Conn) error {
	h, err := readHeader(c)
	if err != nil {
		return err
	}
	switch h.op {
	case opDownload:
		return send(c, h.offset)
	case opUpload:
		return s.receive(c, h.stream)
	case opEcho:
		_, err := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		return err
	default:
		return fmt.Errorf("operation %q", h.op)
	}
}

func (s *service) receive(c net.Conn, stream uint64) error {
	u := s.upload(stream)
	s.mu.Lock()
	old := u.conn
	u.conn = c
	s.mu.Unlock()
	if old != nil {
		relay.Abort(old) // its client is here now
	}
	u.receiving.Lock()
	defer u.receiving.Unlock()
	if _, err := c.Write(binary.BigEndian.AppendUint64(nil, uint64(u.received.Total()))); err != nil {
		return err
	}
	return receive(c, &u.received)
}

// upload returns the stream of a number.
func (s *service) upload(stream uint64) *upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[stream]
	if u == nil {
		u = &upload{}
		s.uploads[stream] = u
	}
	return u
}

// drop closes all connections, and returns an error if something wrong has come.
func (s *service) drop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		relay.Abort(c)
	}
	clear(s.uploads)
	return s.wrong
}

// close closes everything and waits until it is gone.
func (s *service) close() {
	s.mu.Lock()
	s.closed = true
	for _, l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.drop()
	s.running.Wait()
}
