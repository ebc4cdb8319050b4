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

// application is the client's application. It goes on from where it was when it is given
// another connection.
type application struct {
	direction Direction
	id        uint64
	received  *arrivals.Recorder // at the receiving end: the server's, for an upload

	pings arrivals.Recorder // when they were sent, if it is interactive
}

func newApplication(d Direction, id uint64, received *arrivals.Recorder) *application {
	return &application{direction: d, id: id, received: received}
}

// run uses a connection until that fails. The error is never nil.
func (a *application) run(c net.Conn) error {
	switch a.direction {
	case Download:
		return a.download(c)
	case Upload:
		return a.upload(c)
	default:
		return a.interact(c)
	}
}

func (a *application) download(c net.Conn) error {
	if err := (header{opDownload, a.id, a.received.Total()}).write(c); err != nil {
		return err
	}
	return receive(c, a.received)
}

func (a *application) upload(c net.Conn) error {
	if err := (header{opUpload, a.id, 0}).write(c); err != nil {
		return err
	}
	var b [8]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	return send(c, int64(binary.BigEndian.Uint64(b[:])))
}

// interact sends the messages without an answer at once, and then a ping at a time.
func (a *application) interact(c net.Conn) error {
	offset := a.received.Total()
	if err := (header{opEcho, a.id, offset}).write(c); err != nil {
		return err
	}
	stop := make(chan struct{})
	var pinging sync.WaitGroup
	pinging.Go(func() { a.ping(c, offset, stop) })
	err := receive(c, a.received)
	close(stop)
	pinging.Wait()
	return err
}

// ping sends until it is stopped or the connection fails.
func (a *application) ping(c net.Conn, offset int64, stop <-chan struct{}) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		at, end := time.Now(), a.pings.Total()
		again := end > offset
		if !again {
			end += pingLen
		}
		for offset < end {
			n, err := c.Write(bytesAt(offset, int(end-offset)))
			if err != nil {
				return
			}
			offset += int64(n)
		}
		if !again {
			a.pings.Add(at, pingLen)
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}
