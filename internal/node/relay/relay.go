// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package relay joins two connections, such as one of a stack and one of the host.
package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// Conn is a connection whose directions end one by one: *net.TCPConn,
// *net.UnixConn and *endpoint.Conn are.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Progress is how far a relay has come. It may be read while the relay runs.
type Progress struct {
	AToB, BToA atomic.Int64 // bytes

	failed atomic.Pointer[error]
}

// Err returns the error that has ended the relay. It is nil if only the ends of both
// directions have. It is set before the connections are reset. So a caller that sees
// one of them end learns here whether that was all.
func (p *Progress) Err() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// errStopped is the error of a relay whose context has ended.
var errStopped = errors.New("relay stopped")

// Join copies both ways until both directions have ended, and closes a and b. The end
// of one direction is passed on as such (half-close). An error in one of them, or the
// end of ctx, ends the other. Then both connections are reset, so that neither peer
// takes a part of the data for the whole.
func Join(ctx context.Context, a, b Conn, p *Progress) error {
	var wg sync.WaitGroup
	fail := func(err error) {
		if p.failed.CompareAndSwap(nil, &err) {
			Abort(a)
			Abort(b)
		}
	}
	stop := context.AfterFunc(ctx, func() { fail(errors.Join(errStopped, context.Cause(ctx))) })
	pump := func(dst, src Conn, count *atomic.Int64) {
		if err := pump(dst, src, count); err != nil {
			fail(err)
		}
	}
	wg.Go(func() { pump(b, a, &p.AToB) })
	wg.Go(func() { pump(a, b, &p.BToA) })
	wg.Wait()
	stop()
	a.Close()
	b.Close()
	return p.Err()
}

// pump copies until src ends, and passes that on.
func pump(dst, src Conn, n *atomic.Int64) error {
	_, err := io.Copy(&counter{dst, n}, src)
	if err != nil {
		return err
	}
	// If dst is gone already, that is for the other direction to notice.
	if err := dst.CloseWrite(); !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ENOTCONN) {
		return err
	}
	return nil
}

// counter counts the bytes written. It hides the ReadFrom of the connection, which
// would not tell before the end.
type counter struct {
	w io.Writer
	n *atomic.Int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// Abort closes c by a RST, if c is of a kind that can. So the peer does not take a part
// of the data for the whole.
func Abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		// It fails if c is closed already, which is good enough.
		_ = l.SetLinger(0)
	}
	c.Close()
}
