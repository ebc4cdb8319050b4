// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// stream is the client's application. It goes on from where it was when it is given
// another connection.
type stream struct {
	direction Direction
	id        uint64
	received  *arrivals // at the receiving end: the server's, for an upload

	// pinged is when the last ping was sent, for who takes it.
	pinged chan time.Time
}

func newStream(d Direction, id uint64, received *arrivals) *stream {
	return &stream{direction: d, id: id, received: received, pinged: make(chan time.Time, 1)}
}

// run uses a connection until that fails. The error is never nil.
func (s *stream) run(c net.Conn) error {
	switch s.direction {
	case Download:
		return s.download(c)
	case Upload:
		return s.upload(c)
	default:
		return s.interact(c)
	}
}

func (s *stream) download(c net.Conn) error {
	if err := (header{opDownload, s.id, s.received.total()}).write(c); err != nil {
		return err
	}
	return receive(c, s.received)
}

func (s *stream) upload(c net.Conn) error {
	if err := (header{opUpload, s.id, 0}).write(c); err != nil {
		return err
	}
	var b [8]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	return send(c, int64(binary.BigEndian.Uint64(b[:])))
}

// interact sends what had no answer at once, and then a ping at a time.
func (s *stream) interact(c net.Conn) error {
	offset := s.received.total()
	if err := (header{opEcho, s.id, offset}).write(c); err != nil {
		return err
	}
	stop := make(chan struct{})
	var pinging sync.WaitGroup
	pinging.Go(func() { s.ping(c, offset, stop) })
	err := receive(c, s.received)
	close(stop)
	pinging.Wait()
	return err
}

// ping sends until it is stopped or the connection fails.
func (s *stream) ping(c net.Conn, offset int64, stop <-chan struct{}) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		for left := pingLen; left > 0; {
			n, err := c.Write(patternAt(offset, left))
			if err != nil {
				return
			}
			offset, left = offset+int64(n), left-n
		}
		select { // in place of one that nobody took
		case <-s.pinged:
		default:
		}
		s.pinged <- time.Now()
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// nextPing waits until a ping is sent. It returns false if done is closed before.
func (s *stream) nextPing(done <-chan struct{}) bool {
	select {
	case <-s.pinged:
	default:
	}
	select {
	case <-s.pinged:
		return true
	case <-done:
		return false
	}
}
