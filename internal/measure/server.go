// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

const (
	// helloTimeout ends the connection of a client that sends nothing.
	helloTimeout = 10 * time.Second

	// grace is the time that a measurement may take beyond its duration, for slow paths
	// and for moves that are under way at its end.
	grace = time.Minute

	// MaxServed is how many measurements are served at once: more would take the
	// processor from the host.
	MaxServed = 64
)

var errBusy = errors.New("too many measurements at once: try again later")

// Server serves measurements.
type Server struct {
	running atomic.Int64
}

// Serve carries out the measurement that the peer asks for, and closes conn. It ends
// early if ctx does.
func (s *Server) Serve(ctx context.Context, conn relay.Conn) error {
	defer conn.Close()
	stop := abortWith(ctx, conn)
	defer stop()
	defer s.running.Add(-1)
	busy := s.running.Add(1) > MaxServed

	r := bufio.NewReader(conn)
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return err
	}
	var h hello
	if err := readLine(r, maxLine, &h); err != nil {
		return err
	}
	d, err := h.check()
	if err == nil && busy {
		err = errBusy
	}
	if err != nil {
		return errors.Join(err, writeLine(conn, welcome{Version, err.Error()}))
	}
	if err := conn.SetDeadline(time.Now().Add(d + grace)); err != nil {
		return err
	}
	if err := writeLine(conn, welcome{Version: Version}); err != nil {
		return err
	}
	switch h.Mode {
	case Upload:
		return serveUpload(conn, r)
	case Download:
		return serveDownload(conn, r, d)
	default:
		return serveInteractive(conn, r)
	}
}

func serveUpload(conn relay.Conn, r io.Reader) error {
	rec := newRecorder()
	err := receive(r, rec)
	o := outcome{Bytes: rec.Total(), Gaps: gapsOf(rec)}
	if err != nil {
		o.Error = err.Error()
	}
	return errors.Join(err, writeLine(conn, o))
}

func serveDownload(conn relay.Conn, r io.Reader, d time.Duration) error {
	if err := send(conn, time.Now().Add(d), new(atomic.Int64)); err != nil {
		return err
	}
	return finish(conn, r)
}

func serveInteractive(conn relay.Conn, r io.Reader) error {
	if _, err := io.Copy(struct{ io.Writer }{conn}, r); err != nil {
		return err
	}
	return finish(conn, r)
}

// finish ends the stream and waits until the peer has done so. To close while the last
// bytes are on their way could reset them.
func finish(conn relay.Conn, r io.Reader) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}
