// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
)

// stream is the client's application. It goes on from where it was when it is given
// another connection.
type stream struct {
	direction Direction
	id        uint64
	received  *arrivals.Recorder // at the receiving end: the server's, for an upload

	pings arrivals.Recorder // when they were sent, if it is interactive
}

func newStream(d Direction, id uint64, received *arrivals.Recorder) *stream {
	return &stream{direction: d, id: id, received: received}
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
	if err := (header{opDownload, s.id, s.received.Total()}).write(c); err != nil {
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

// interact sends the messages without an answer at once, and then a ping at a time.
func (s *stream) interact(c net.Conn) error {
	offset := s.received.Total()
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
		at, end := time.Now(), s.pings.Total()
		again := end > offset
		if !again {
			end += pingLen
		}
		for offset < end {
			n, err := c.Write(patternAt(offset, int(end-offset)))
			if err != nil {
				return
			}
			offset += int64(n)
		}
		if !again {
			s.pings.Add(at, pingLen)
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}
