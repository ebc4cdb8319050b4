// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/mnet-dev/mnet/internal/broadcast"
	"github.com/mnet-dev/mnet/netstack"
)

// Conn is a TCP connection. It implements net.Conn, io.ReaderFrom and io.WriterTo,
// and has the methods of *net.TCPConn except SyscallConn and File: there is no
// file descriptor behind it.
type Conn struct {
	stack   *netstack.Stack
	ep      tcpip.Endpoint
	wq      *waiter.Queue
	network string // as dialled or listened on, for errors

	// peers are all known addresses of the peer, in the order of preference. name is
	// the name that they were looked up by. Both are nil if the connection was
	// accepted.
	peers atomic.Pointer[[]netip.AddrPort]
	name  *peerName

	lookups atomic.Uint32 // how often the name was looked up again

	// noMigration is set if the policy of this end is Off.
	noMigration bool

	closed atomic.Bool
	// closing tells it to the calls of migration that wait.
	closing broadcast.List[struct{}]

	// roamer is the Roamer that moves the connection, to be told when it is closed, or
	// nil.
	roamer atomic.Pointer[Roamer]

	// aborted is the error number if the connection ended in another way than by FIN.
	// gVisor tells only the first caller that asks.
	aborted atomic.Uintptr

	rd direction
	// dst and src are handed to the endpoint; here, they need no allocation.
	dst tcpip.SliceWriter // guarded by rd.mu
	fin bool              // guarded by rd.mu: Read has returned io.EOF

	wr  direction
	src bytes.Reader // guarded by wr.mu
}

var _ net.Conn = (*Conn)(nil)

func newConn(s *netstack.Stack, ep tcpip.Endpoint, wq *waiter.Queue, network string) *Conn {
	c := &Conn{stack: s, ep: ep, wq: wq, network: network}
	c.rd.init(s.Clock(), wq, waiter.ReadableEvents)
	c.wr.init(s.Clock(), wq, waiter.WritableEvents)
	return c
}

// Stack returns the stack that the connection belongs to.
func (c *Conn) Stack() *netstack.Stack { return c.stack }

func (c *Conn) isClosed() bool { return c.closed.Load() }

// Close ends the connection: blocked calls return net.ErrClosed, data that was
// written is still sent, followed by a FIN. If data was received that nobody has
// read, the peer gets a RST instead (RFC 2525, section 2.17). See also
// [Conn.SetLinger].
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", errClosed)
	}
	c.closing.Send(struct{}{})
	c.rd.wake()
	c.wr.wake()
	c.rd.deadline.stop()
	c.wr.deadline.stop()
	// Calls that are under way see closed and leave; the endpoint wants its Close
	// to be the last call.
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	// The FIN is retransmitted until it is acknowledged. Behind that, in TIME-WAIT,
	// nobody answers probes, and their time-out would be one to hold for.
	c.ep.SocketOptions().SetKeepAlive(false)
	c.ep.Close()
	if r := c.roamer.Load(); r != nil {
		r.closed(c)
	}
	return nil
}

// lingers reports whether the connection is closed and has data, or a FIN behind it,
// that was not acknowledged.
func (c *Conn) lingers() bool {
	switch tcp.EndpointState(c.ep.State()) {
	case tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck:
		return true
	default:
		return false
	}
}

// CloseRead ends the reading side: Read returns the data that has arrived already, then
// io.EOF. The peer is not told.
func (c *Conn) CloseRead() error { return c.shutdown(tcpip.ShutdownRead) }

// CloseWrite ends the writing side: the written data is sent, then a FIN.
func (c *Conn) CloseWrite() error { return c.shutdown(tcpip.ShutdownWrite) }

func (c *Conn) shutdown(how tcpip.ShutdownFlags) error {
	if c.isClosed() {
		return c.opError("close", errClosed)
	}
	if terr := c.ep.Shutdown(how); terr != nil {
		return c.opError("close", syscallError("shutdown", terr))
	}
	return nil
}
