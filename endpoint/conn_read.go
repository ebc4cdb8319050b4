// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"os"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Read reads data that has arrived, or waits for at least one byte. It returns io.EOF
// after the peer's FIN or the own CloseRead, and an *net.OpError otherwise.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.read(b)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

// WriteTo reads until io.EOF and writes to w. It copies through a buffer: handing
// w to the endpoint would let a slow w hold up the endpoint's lock, and with it
// the acknowledgements.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	buf := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buf)
	var total int64
	for {
		n, err := c.read(buf[:])
		if err == io.EOF {
			return total, nil
		}
		if err == nil {
			var m int
			m, err = w.Write(buf[:n])
			total += int64(m)
			if err == nil && m < n {
				err = io.ErrShortWrite
			}
		}
		if err != nil {
			return total, c.opError("writeto", err)
		}
	}
}

// read is Read with bare errors.
func (c *Conn) read(b []byte) (int, error) {
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	for {
		switch {
		case c.isClosed():
			return 0, errClosed
		case len(b) == 0:
			return 0, nil
		case c.rd.deadline.expired.Load():
			return 0, os.ErrDeadlineExceeded
		}
		c.dst = b
		res, terr := c.ep.Read(&c.dst, tcpip.ReadOptions{})
		c.dst = nil
		switch terr.(type) {
		case nil:
			c.ep.ModerateRecvBuf(res.Count)
			return res.Count, nil
		case *tcpip.ErrWouldBlock:
			<-c.rd.ready
		default:
			return 0, c.readError(terr)
		}
	}
}

// readError returns Read's error for the endpoint's error terr. rd.mu is held.
//
// An endpoint that was reset or timed out says so once, to a reader or a writer. It
// tells everybody else that it is closed. That must not look like a FIN.
func (c *Conn) readError(terr tcpip.Error) error {
	if c.fin {
		return io.EOF
	}
	if _, ok := terr.(*tcpip.ErrClosedForReceive); !ok {
		c.noteAbort(terr)
		return syscallError("read", terr)
	}
	if tcp.EndpointState(c.ep.State()) != tcp.StateError {
		c.fin = true
		return io.EOF
	}
	if errno := c.aborted.Load(); errno != 0 {
		return os.NewSyscallError("read", syscall.Errno(errno))
	}
	// A concurrent Write was told and has not yet noted it.
	return os.NewSyscallError("read", syscall.ECONNRESET)
}
