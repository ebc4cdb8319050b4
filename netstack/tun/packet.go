// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"fmt"
	"io"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// packetDevice has packets as they are on the wire, one per Read and Write.
type packetDevice struct {
	io.ReadWriteCloser
	in *buffer.View
}

// newPacketDevice reads packets of up to mtu bytes.
func newPacketDevice(rwc io.ReadWriteCloser, mtu uint32) *packetDevice {
	return &packetDevice{ReadWriteCloser: rwc, in: buffer.NewViewSize(int(mtu))}
}

func (d *packetDevice) read() (inbound, error) {
	n, err := d.Read(d.in.AsSlice())
	if err != nil {
		return inbound{}, err
	}
	return inbound{payload: buffer.MakeWithView(take(&d.in, n))}, nil
}

func (d *packetDevice) write(pkt *stack.PacketBuffer) error {
	v := pkt.ToView()
	defer v.Release()
	if n, err := d.Write(v.AsSlice()); err != nil {
		return err
	} else if n != v.Size() {
		return fmt.Errorf("%d of %d bytes: %w", n, v.Size(), io.ErrShortWrite)
	}
	return nil
}
