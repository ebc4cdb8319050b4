// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"encoding/binary"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// vnetHdrLen is the length of struct virtio_net_hdr, in bytes.
	vnetHdrLen = 10

	// headView holds all of most packets. Of a packet with more than one segment, it
	// holds the headers and the first bytes, and tailView holds the rest. Both are
	// sizes that gVisor has pools for. Together they exceed the largest packet, an IPv6
	// header with a payload of 65535 bytes.
	headView = 2 << 10
	tailView = 64 << 10

	// maxIovecs is Linux' limit for writev (UIO_MAXIOV).
	maxIovecs = 1024
)

// vnetHdr is struct virtio_net_hdr, in the byte order of the host.
type vnetHdr [vnetHdrLen]byte

func (h *vnetHdr) flags() uint8   { return h[0] }
func (h *vnetHdr) gsoType() uint8 { return h[1] }

// verified reports whether the transport checksum needs no verification. Either it was
// verified, or the host that sends the packet over a wire has yet to compute it.
func (h *vnetHdr) verified() bool {
	return h.flags()&(unix.VIRTIO_NET_HDR_F_NEEDS_CSUM|unix.VIRTIO_NET_HDR_F_DATA_VALID) != 0
}

// fill describes pkt.
func (h *vnetHdr) fill(pkt *stack.PacketBuffer) {
	*h = vnetHdr{}
	gso := &pkt.GSOOptions
	if gso.Type == stack.GSONone {
		return
	}
	if gso.NeedsCsum {
		h[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
		// Not gso.L3HdrLen, which is the least length of an IP header.
		start := len(pkt.NetworkHeader().Slice())
		binary.NativeEndian.PutUint16(h[6:], uint16(start))
		binary.NativeEndian.PutUint16(h[8:], gso.CsumOffset)
	}
	if !segmented(pkt) {
		return
	}
	switch gso.Type {
	case stack.GSOTCPv4:
		h[1] = unix.VIRTIO_NET_HDR_GSO_TCPV4
	case stack.GSOTCPv6:
		h[1] = unix.VIRTIO_NET_HDR_GSO_TCPV6
	}
	binary.NativeEndian.PutUint16(h[2:], uint16(pkt.HeaderSize()))
	binary.NativeEndian.PutUint16(h[4:], gso.MSS)
}

// vnetDevice has a virtio-net header before each packet. Its file is non-blocking,
// so that Close ends a read that waits.
type vnetDevice struct {
	file *os.File
	conn syscall.RawConn

	// Of the one reader. The views are replaced when a packet takes them.
	hdr        vnetHdr
	head, tail *buffer.View
	iov        [3][]byte
	n          int
	err        error
	readv      func(fd uintptr) bool

	writers sync.Pool // of *vnetWriter
}

func newVNetDevice(file *os.File) (*vnetDevice, error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &vnetDevice{
		file: file, conn: conn,
		head: buffer.NewViewSize(headView),
		tail: buffer.NewViewSize(tailView),
	}
	d.readv = func(fd uintptr) bool {
		d.n, d.err = ignoringEINTR(func() (int, error) { return unix.Readv(int(fd), d.iov[:]) })
		return d.err != unix.EAGAIN
	}
	d.writers.New = func() any { return newVNetWriter() }
	return d, nil
}

// ignoringEINTR repeats a system call that a signal interrupted.
func ignoringEINTR(f func() (int, error)) (n int, err error) {
	for {
		if n, err = f(); err != unix.EINTR {
			return n, err
		}
	}
}

func (d *vnetDevice) read() (inbound, error) {
	for {
		d.iov = [...][]byte{d.hdr[:], d.head.AsSlice(), d.tail.AsSlice()}
		if err := d.conn.Read(d.readv); err != nil {
			return inbound{}, err
		}
		if d.err != nil {
			return inbound{}, os.NewSyscallError("readv", d.err)
		}
		if d.n > vnetHdrLen {
			return d.packet(d.n - vnetHdrLen), nil
		}
	}
}

// packet returns the packet of n bytes that has been read.
func (d *vnetDevice) packet(n int) inbound {
	in := inbound{
		verified: d.hdr.verified(),
		gso:      d.hdr.gsoType() != unix.VIRTIO_NET_HDR_GSO_NONE,
		payload:  buffer.MakeWithView(take(&d.head, min(n, headView))),
	}
	if n > headView {
		// It cannot fail: the buffer is its own.
		_ = in.payload.Append(take(&d.tail, n-headView))
	}
	return in
}

func (d *vnetDevice) write(pkt *stack.PacketBuffer) error {
	w := d.writers.Get().(*vnetWriter)
	defer d.writers.Put(w)
	return w.write(d.conn, pkt)
}

func (d *vnetDevice) Close() error { return d.file.Close() }

// vnetWriter holds the buffers of one write. It is kept to save allocations.
type vnetWriter struct {
	hdr    vnetHdr
	iov    [][]byte
	err    error
	writev func(fd uintptr)
}

func newVNetWriter() *vnetWriter {
	w := new(vnetWriter)
	w.writev = func(fd uintptr) {
		_, w.err = ignoringEINTR(func() (int, error) { return unix.Writev(int(fd), w.iov) })
	}
	return w
}

func (w *vnetWriter) write(conn syscall.RawConn, pkt *stack.PacketBuffer) error {
	w.hdr.fill(pkt)
	w.iov = append(w.iov[:0], w.hdr[:])
	views, offset := pkt.AsViewList()
	if views.Len() < maxIovecs {
		for v := views.Front(); v != nil; v = v.Next() {
			b := v.AsSlice()
			skip := min(offset, len(b))
			offset -= skip
			if b = b[skip:]; len(b) > 0 {
				w.iov = append(w.iov, b)
			}
		}
	} else {
		v := pkt.ToView()
		defer v.Release()
		w.iov = append(w.iov, v.AsSlice())
	}
	// Control, not Write: the kernel takes packets from several writers at once,
	// and there is nothing to wait for.
	err := conn.Control(w.writev)
	clear(w.iov)
	if err != nil {
		return err
	}
	return w.err
}
