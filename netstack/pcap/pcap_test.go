// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mnet-dev/mnet/netstack"
)

// TestWriter reads its own file: two interfaces, both directions, one packet cut.
func TestWriter(t *testing.T) {
	const snapLen = 4
	var file bytes.Buffer
	w := NewWriter(&file, Config{SnapLen: snapLen})
	up, eth := w.Interface("up0"), w.Interface("eth0")
	at := time.Date(2026, 1, 1, 0, 0, 0, 123456789, time.UTC)
	up(netstack.CapturedPacket{Time: at, Outbound: true, Data: []byte("long packet")})
	eth(netstack.CapturedPacket{Time: at.Add(time.Nanosecond), Data: []byte("ab")})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	up(netstack.CapturedPacket{Time: at, Data: []byte("too late")})
	if err := w.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}

	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if r.LinkType() != layers.LinkTypeRaw {
		t.Errorf("link type %v", r.LinkType())
	}
	for _, want := range []struct {
		intf, data string
		length     int
		at         time.Time
		direction  pcapgo.NgEpbFlag
	}{
		{"up0", "long", 11, at, pcapgo.NgEpbFlagDirectionOutbound},
		{"eth0", "ab", 2, at.Add(time.Nanosecond), pcapgo.NgEpbFlagDirectionInbound},
	} {
		data, info, opts, err := r.ReadPacketDataWithOptions()
		if err != nil {
			t.Fatal(err)
		}
		intf, err := r.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		if intf.Name != want.intf || string(data) != want.data || info.Length != want.length || !info.Timestamp.Equal(want.at) {
			t.Errorf("%s: %q of %d bytes at %v, want %+v", intf.Name, data, info.Length, info.Timestamp, want)
		}
		if opts.Flags == nil || opts.Flags.Direction != want.direction {
			t.Errorf("%s: flags %+v", want.intf, opts.Flags)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// failing fails once it has taken so many bytes.
type failing int

var errFull = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	if *f -= failing(len(b)); *f < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// TestWriterError has Close return the error of a write, once.
func TestWriterError(t *testing.T) {
	out := failing(1000)
	w := NewWriter(&out, Config{})
	see := w.Interface("up0")
	for range 100 {
		see(netstack.CapturedPacket{Data: make([]byte, 1000)})
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// TestWriterUnused closes a writer to which no interface was added.
func TestWriterUnused(t *testing.T) {
	var file bytes.Buffer
	if err := NewWriter(&file, Config{}).Close(); err != nil || file.Len() != 0 {
		t.Errorf("%v, %d bytes", err, file.Len())
	}
}
