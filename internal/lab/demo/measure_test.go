// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

var (
	oldClient = netip.MustParseAddr("10.1.0.2")
	newClient = netip.MustParseAddr("10.2.0.2")
	anyServer = netip.MustParseAddr("10.9.0.1")
)

// nearWrap makes the sequence numbers of the tests wrap within the first bytes.
var nearWrap uint32 = 0xffffffff - 50

func segment(seq uint32, flags header.TCPFlags, payload int) header.TCP {
	t := header.TCP(make([]byte, header.TCPMinimumSize+payload))
	t.Encode(&header.TCPFields{SeqNum: seq, Flags: flags, DataOffset: header.TCPMinimumSize})
	return t
}

// script drives a meter.
type script struct {
	*meter
	clock *simnet.Clock
}

func newScript() *script {
	c := simnet.NewClock()
	s := &script{&meter{clock: c}, c}
	s.meter.arrived(anyServer, oldClient, segment(nearWrap, header.TCPFlagSyn|header.TCPFlagAck, 0))
	return s
}

// data lets n bytes at offset arrive for a client's address.
func (s *script) data(to netip.Addr, offset, n int) {
	s.meter.arrived(anyServer, to, segment(nearWrap+1+uint32(offset), header.TCPFlagAck, n))
}

func (s *script) begin(breakFirst bool) *outage {
	return s.meter.begin(step{to: position{client: place{addr: newClient}, server: anyServer}, breakFirst: breakFirst})
}

func (s *script) wait(ms int) { s.clock.RunFor(time.Duration(ms) * time.Millisecond) }

func (o *outage) over() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

func TestMeterBreakBeforeMake(t *testing.T) {
	s := newScript()
	s.data(oldClient, 0, 100)
	s.delivered(100)
	s.wait(10)
	o := s.begin(true)
	s.wait(70)
	s.data(newClient, 0, 100) // again: the application has it
	s.wait(5)
	s.delivered(0)
	s.data(newClient, 200, 100) // behind a hole
	s.wait(5)
	s.data(oldClient, 100, 50) // late, over the old path
	s.delivered(50)
	if o.over() {
		t.Fatal("ended by data of the old path")
	}
	s.wait(20)
	s.data(newClient, 150, 50)
	s.delivered(150)
	if !o.over() {
		t.Fatal("not ended by data of the new path")
	}
	if want := 100 * time.Millisecond; o.longest != want {
		t.Errorf("%v, want %v", o.longest, want)
	}
	if s.current != nil {
		t.Error("still measuring")
	}
}

func TestMeterMakeBeforeBreak(t *testing.T) {
	s := newScript()
	s.wait(900)
	s.delivered(100)
	s.wait(500) // before the move: does not count
	o := s.begin(false)
	for i, gap := range []int{5, 30, 10} {
		s.wait(gap)
		s.data(oldClient, 100+i, 1)
		s.delivered(1)
	}
	s.wait(20)
	s.data(newClient, 103, 10)
	s.delivered(10)
	if want := 30 * time.Millisecond; !o.over() || o.longest != want {
		t.Errorf("over: %v, %v, want %v", o.over(), o.longest, want)
	}
	if want := 500*time.Millisecond + 5*time.Millisecond; s.longestStall() != want {
		t.Errorf("longest stall %v, want %v", s.longestStall(), want)
	}
}

func TestMeterEnd(t *testing.T) {
	s := newScript()
	s.end() // nothing is measured
	o := s.begin(false)
	s.wait(5)
	s.delivered(100)
	s.wait(50)
	s.end()
	if want := 5 * time.Millisecond; !o.over() || o.longest != want {
		t.Errorf("over: %v, %v, want %v", o.over(), o.longest, want)
	}
}

func TestSender(t *testing.T) {
	var s sender
	send := func(offset, n int) { s.sent(segment(nearWrap+1+uint32(offset), header.TCPFlagAck, n)) }
	s.sent(segment(nearWrap, header.TCPFlagSyn|header.TCPFlagAck, 0))
	send(0, 40)
	send(40, 40) // wraps
	send(80, 0)  // an ACK is no data segment
	send(0, 40)  // all again
	send(60, 40) // half again
	send(100, 10)
	s.migrated()
	s.sent(func() header.TCP {
		h := header.TCP(make([]byte, 32+10))
		h.Encode(&header.TCPFields{SeqNum: nearWrap + 111, Flags: header.TCPFlagAck, DataOffset: 32})
		return h
	}())
	again, before, after := s.snapshot()
	if again != 60 || before != 20 || after != 32 {
		t.Errorf("%d bytes again, headers of %v and %v bytes; want 60, 20, 32", again, before, after)
	}
}

func TestSenderWithoutData(t *testing.T) {
	var s sender
	if again, before, after := s.snapshot(); again != 0 || before != 0 || after != 0 {
		t.Error(again, before, after)
	}
}
