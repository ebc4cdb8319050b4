// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"os"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/netstack"
)

// copyBufferSize is the size of the buffers of ReadFrom and WriteTo, in bytes:
// that of the largest chunk of gVisor's buffers.
const copyBufferSize = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

// Write sends all of b, or fails and says how much of it was taken. It returns
// when the data is in the send buffer, not when it has arrived. Concurrent Writes
// do not interleave.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.write(b)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// ReadFrom writes the data that it reads from r until io.EOF. Other Writes may come in
// between. It copies through a buffer: if the send buffer is made smaller meanwhile,
// gVisor drops data that it has read from a source.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buf)
	var total int64
	for {
		n, rerr := r.Read(buf[:])
		if n > 0 {
			m, err := c.write(buf[:n])
			total += int64(m)
			if err != nil {
				return total, c.opError("readfrom", err)
			}
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, c.opError("readfrom", rerr)
		}
	}
}

// write is Write with bare errors.
func (c *Conn) write(b []byte) (int, error) {
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	defer c.src.Reset(nil)
	n := 0
	for {
		switch {
		case c.isClosed():
			return n, errClosed
		case c.wr.deadline.expired.Load():
			return n, os.ErrDeadlineExceeded
		}
		c.src.Reset(b[n:])
		m, terr := c.ep.Write(&c.src, tcpip.WriteOptions{})
		n += int(m)
		switch terr.(type) {
		case nil:
			if n == len(b) {
				return n, nil
			}
		case *tcpip.ErrWouldBlock:
			if len(b) == 0 {
				return 0, nil
			}
			<-c.wr.ready
		default:
			c.noteAbort(terr)
			return n, syscallError("write", terr)
		}
	}
}

// noteAbort keeps the error that ended the connection, for a later Read. A later Write
// fails with EPIPE, as on a socket.
func (c *Conn) noteAbort(terr tcpip.Error) {
	if _, ok := terr.(*tcpip.ErrClosedForSend); !ok {
		c.aborted.Store(uintptr(netstack.Errno(terr)))
	}
}
