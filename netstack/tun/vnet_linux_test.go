// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// newVNetPair returns a device with a socket, which keeps the bounds of packets, in
// place of the TUN device, and its other end.
func newVNetPair(t *testing.T) (*vnetDevice, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	dev, err := newVNetDevice(near)
	if err != nil {
		t.Fatal(err)
	}
	return dev, far
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// TestVNetRead reads packets of sizes on both sides of each bound.
func TestVNetRead(t *testing.T) {
	dev, far := newVNetPair(t)
	for i, size := range []int{
		1, headView/2 - 1, headView / 2, headView - 1, headView, headView + 1,
		headView + tailView/2 - 1, headView + tailView/2, maxGSO, header.IPv6MinimumSize + maxGSO,
	} {
		for _, c := range []struct {
			flags, gsoType byte
			verified, gso  bool
		}{
			{0, unix.VIRTIO_NET_HDR_GSO_NONE, false, false},
			{unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, unix.VIRTIO_NET_HDR_GSO_TCPV4, true, true},
			{unix.VIRTIO_NET_HDR_F_DATA_VALID, unix.VIRTIO_NET_HDR_GSO_NONE, true, false},
			{unix.VIRTIO_NET_HDR_F_RSC_INFO, unix.VIRTIO_NET_HDR_GSO_TCPV6, false, true},
		} {
			want := randomBytes(size)
			if _, err := far.Write(append([]byte{c.flags, c.gsoType, 9: 0}, want...)); err != nil {
				t.Fatal(err)
			}
			in, err := dev.read()
			if err != nil {
				t.Fatal(i, err)
			}
			if in.verified != c.verified || in.gso != c.gso {
				t.Errorf("flags %d, type %d: verified %v, GSO %v", c.flags, c.gsoType, in.verified, in.gso)
			}
			if !bytes.Equal(in.payload.Flatten(), want) {
				t.Errorf("%d bytes: others arrive than were sent", size)
			}
			in.payload.Release()
		}
	}
}

// TestVNetReadKeeps reads a packet while the ones before are still in use.
func TestVNetReadKeeps(t *testing.T) {
	dev, far := newVNetPair(t)
	var want [][]byte
	var got []inbound
	for _, size := range []int{100, 1500, 100, 40000, 5000, 65000, 1500} {
		p := randomBytes(size)
		if _, err := far.Write(append(make([]byte, vnetHdrLen), p...)); err != nil {
			t.Fatal(err)
		}
		in, err := dev.read()
		if err != nil {
			t.Fatal(err)
		}
		want, got = append(want, p), append(got, in)
	}
	for i, in := range got {
		if !bytes.Equal(in.payload.Flatten(), want[i]) {
			t.Errorf("packet %d has changed", i)
		}
		in.payload.Release()
	}
}

func TestVNetReadEnds(t *testing.T) {
	dev, _ := newVNetPair(t)
	errs := make(chan error)
	go func() {
		_, err := dev.read()
		errs <- err
	}()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
	if err := <-errs; err == nil {
		t.Error("read from a closed device")
	}
	pkt := outgoing(1, 10, stack.GSO{})
	defer pkt.DecRef()
	if err := dev.write(pkt); err == nil {
		t.Error("written to a closed device")
	}
}

// outgoing returns an IPv4 packet with an option and TCP. Its data has size bytes. If
// there is more than one view, each has one byte.
func outgoing(views, size int, gso stack.GSO) *stack.PacketBuffer {
	var data buffer.Buffer
	for i := range views {
		part := size / views
		if i == 0 {
			part += size % views
		}
		data.Append(buffer.NewViewWithData(randomBytes(part)))
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 100, Payload: data})
	rand.Read(pkt.TransportHeader().Push(header.TCPMinimumSize))
	rand.Read(pkt.NetworkHeader().Push(header.IPv4MinimumSize + 4))
	pkt.GSOOptions = gso
	return pkt
}

func TestVNetWrite(t *testing.T) {
	dev, far := newVNetPair(t)
	const ip, tcp, mss = header.IPv4MinimumSize + 4, header.TCPMinimumSize, 1000
	tcp4 := stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: header.TCPChecksumOffset, MSS: mss, L3HdrLen: header.IPv4MinimumSize}
	tcp6 := tcp4
	tcp6.Type = stack.GSOTCPv6
	const needsCsum = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	for _, c := range []struct {
		name                                 string
		gso                                  stack.GSO
		views, size                          int
		flags, gsoType                       byte
		hdrLen, gsoSize, csumStart, csumOffs uint16
	}{
		{"plain", stack.GSO{}, 1, 1400, 0, unix.VIRTIO_NET_HDR_GSO_NONE, 0, 0, 0, 0},
		{"one segment", tcp4, 2, mss, needsCsum, unix.VIRTIO_NET_HDR_GSO_NONE, 0, 0, ip, header.TCPChecksumOffset},
		{"TCPv4", tcp4, 1, mss + 1, needsCsum, unix.VIRTIO_NET_HDR_GSO_TCPV4, ip + tcp, mss, ip, header.TCPChecksumOffset},
		{"TCPv6", tcp6, 3, 65000, needsCsum, unix.VIRTIO_NET_HDR_GSO_TCPV6, ip + tcp, mss, ip, header.TCPChecksumOffset},
		{"fragmented memory", tcp4, maxIovecs - 2, 2 * maxIovecs, needsCsum, unix.VIRTIO_NET_HDR_GSO_TCPV4, ip + tcp, mss, ip, header.TCPChecksumOffset},
		{"more fragments than writev takes", tcp4, 2 * maxIovecs, 2 * maxIovecs, needsCsum, unix.VIRTIO_NET_HDR_GSO_TCPV4, ip + tcp, mss, ip, header.TCPChecksumOffset},
	} {
		pkt := outgoing(c.views, c.size, c.gso)
		if err := dev.write(pkt); err != nil {
			t.Fatal(c.name, err)
		}
		got := make([]byte, 1<<17)
		n, err := far.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		hdr, body := got[:vnetHdrLen], got[vnetHdrLen:n]
		want := []byte{c.flags, c.gsoType}
		for _, v := range []uint16{c.hdrLen, c.gsoSize, c.csumStart, c.csumOffs} {
			want = binary.NativeEndian.AppendUint16(want, v)
		}
		if !bytes.Equal(hdr, want) {
			t.Errorf("%s: header %v, want %v", c.name, hdr, want)
		}
		whole := pkt.ToView()
		if !bytes.Equal(body, whole.AsSlice()) {
			t.Errorf("%s: %d bytes of %d, or others than were sent", c.name, len(body), whole.Size())
		}
		whole.Release()
		pkt.DecRef()
	}
}

// TestPacketDevice reads and writes without a header.
func TestPacketDevice(t *testing.T) {
	near, far := newSocketPipe(t)
	dev := newPacketDevice(near, 1500)
	for _, size := range []int{1, 749, 750, 1500} {
		want := randomBytes(size)
		if _, err := far.Write(want); err != nil {
			t.Fatal(err)
		}
		in, err := dev.read()
		if err != nil {
			t.Fatal(err)
		}
		if in.verified || in.gso || !bytes.Equal(in.payload.Flatten(), want) {
			t.Errorf("%d bytes: %+v", size, in)
		}
		in.payload.Release()
	}
	pkt := outgoing(3, 1000, stack.GSO{})
	defer pkt.DecRef()
	if err := dev.write(pkt); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2000)
	n, err := far.Read(got)
	if want := pkt.ToView(); err != nil || !bytes.Equal(got[:n], want.AsSlice()) {
		t.Errorf("%d bytes, or others than were sent: %v", n, err)
	}
}

func newSocketPipe(t *testing.T) (near, far io.ReadWriteCloser) {
	t.Helper()
	dev, far := newVNetPair(t)
	return dev.file, far
}
