// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pcap writes the packets of NICs to a pcapng file, which Wireshark and tcpdump
// read.
//
//	w := pcap.NewWriter(file, pcap.Config{})
//	nic, err := stack.Attach(link, netstack.AttachOptions{Capture: w.Interface("tun0")})
//	...
//	err = w.Close()
package pcap

import (
	"errors"
	"io"
	"sync"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mnet-dev/mnet/netstack"
)

// HeaderSnapLen is a Config.SnapLen for which the longest headers of IP and TCP are kept,
// 60 bytes each, and little else.
const HeaderSnapLen = 128

// Config configures a [Writer].
type Config struct {
	// SnapLen is how many bytes of each packet are kept. Zero means all.
	SnapLen uint32
}

// Writer writes a pcapng file. Its methods are safe for concurrent use.
type Writer struct {
	snapLen uint32

	mu   sync.Mutex
	out  io.Writer
	ng   *pcapgo.NgWriter // nil before the first interface
	next int              // index of the next interface
	err  error            // the first; nothing is written after it
}

// errClosed ends the writing: a stack may still send when its file is complete.
var errClosed = errors.New("pcap: writer is closed")

// NewWriter returns a writer to out, which stays open. Each interface that is added is
// one in the file.
func NewWriter(out io.Writer, cfg Config) *Writer {
	return &Writer{out: out, snapLen: cfg.SnapLen}
}

// Interface adds an interface with the given name. It returns a function that writes
// the packets of the interface, for [netstack.AttachOptions]. Errors come with
// [Writer.Close].
func (w *Writer) Interface(name string) func(netstack.CapturedPacket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	index := w.next
	w.next++
	if w.err == nil {
		w.err = w.addInterface(name)
	}
	return func(p netstack.CapturedPacket) { w.write(index, p) }
}

// addInterface is called with w.mu held.
func (w *Writer) addInterface(name string) (err error) {
	intf := pcapgo.NgInterface{Name: name, LinkType: layers.LinkTypeRaw, SnapLength: w.snapLen}
	if w.ng != nil {
		_, err = w.ng.AddInterface(intf)
		return err
	}
	options := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "mnet"}}
	w.ng, err = pcapgo.NewNgWriterInterface(w.out, intf, options)
	return err
}

func (w *Writer) write(index int, p netstack.CapturedPacket) {
	direction := pcapgo.NgEpbFlagDirectionInbound
	if p.Outbound {
		direction = pcapgo.NgEpbFlagDirectionOutbound
	}
	data := p.Data
	if w.snapLen > 0 {
		data = data[:min(int(w.snapLen), len(data))]
	}
	info := gopacket.CaptureInfo{
		Timestamp:      p.Time,
		CaptureLength:  len(data),
		Length:         len(p.Data),
		InterfaceIndex: index,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = w.ng.WritePacketWithOptions(info, data, pcapgo.NgPacketOptions{
			Flags: &pcapgo.NgEpbFlags{Direction: direction},
		})
	}
}

// Close writes the buffered packets and returns the first error of the Writer. Later
// packets are not written. Further calls do nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && w.ng != nil {
		w.err = w.ng.Flush()
	}
	err := w.err
	w.err = errClosed
	if errors.Is(err, errClosed) {
		return nil
	}
	return err
}
