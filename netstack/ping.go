// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/waiter"
)

// echoHeader is the length of an echo request before its data, in bytes, the same
// in RFC 792 and in RFC 4443, section 4.1.
const echoHeader = header.ICMPv4MinimumSize

// Pinger sends ICMP echo requests to one address. Its methods must not be called
// concurrently.
type Pinger struct {
	clock tcpip.Clock
	to    netip.Addr
	ep    tcpip.Endpoint
	wq    waiter.Queue
	seq   uint16
	close func()
}

// EchoReply is the reply to an echo request.
type EchoReply struct {
	Seq uint16 // of the request; the first has 1
	TTL uint8  // TTL or hop limit of the reply
	RTT time.Duration
}

// NewPinger prepares to ping an address. The caller closes the Pinger. It fails with the
// error number of [Errno] if there is no route.
func (s *Stack) NewPinger(to netip.Addr) (*Pinger, error) {
	to = to.Unmap()
	p := &Pinger{clock: s.clock, to: to}
	proto := header.ICMPv4ProtocolNumber
	if to.Is6() {
		proto = header.ICMPv6ProtocolNumber
	}
	err := s.Do(func(gv *stack.Stack) error {
		ep, terr := gv.NewEndpoint(proto, Protocol(to), &p.wq)
		if terr != nil {
			return Error(terr)
		}
		ep.SocketOptions().SetReceiveTTL(true)
		ep.SocketOptions().SetReceiveHopLimit(true)
		if terr := ep.Connect(FullAddress(netip.AddrPortFrom(to, 0))); terr != nil {
			ep.Close()
			return Error(terr)
		}
		p.ep, p.close = ep, sync.OnceFunc(ep.Close)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ping %v: %w", to, err)
	}
	return p, nil
}

// Close ends the Pinger.
func (p *Pinger) Close() { p.close() }

// Ping sends a request with data and waits for its reply. If ctx is done first, the
// error is ctx's cause. Late replies to earlier requests are ignored.
func (p *Pinger) Ping(ctx context.Context, data []byte) (EchoReply, error) {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp)
	p.wq.EventRegister(&entry)
	defer p.wq.EventUnregister(&entry)
	p.seq++
	sent := p.clock.Now()
	if err := p.send(data); err != nil {
		return EchoReply{Seq: p.seq}, fmt.Errorf("ping %v: %w", p.to, err)
	}
	for {
		r, terr := p.receive(data)
		switch {
		case terr == nil && r != nil && r.Seq == p.seq:
			r.RTT = max(r.at.Sub(sent), 0)
			return r.EchoReply, nil
		case terr == nil:
			continue // not the reply
		}
		if _, wait := terr.(*tcpip.ErrWouldBlock); !wait {
			return EchoReply{Seq: p.seq}, ErrClosed // by Close of the stack: nothing else ends the reading side
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return EchoReply{Seq: p.seq}, context.Cause(ctx)
		}
	}
}

// send sends a request. gVisor fills in identifier and checksum.
func (p *Pinger) send(data []byte) error {
	b := make([]byte, echoHeader, echoHeader+len(data))
	b[0] = byte(header.ICMPv4Echo)
	if p.to.Is6() {
		b[0] = byte(header.ICMPv6EchoRequest)
	}
	binary.BigEndian.PutUint16(b[6:], p.seq)
	_, terr := p.ep.Write(bytes.NewReader(append(b, data...)), tcpip.WriteOptions{})
	return Error(terr)
}

// received is a reply, and when it came.
type received struct {
	EchoReply
	at time.Time
}

// receive reads the next reply. It returns nil if the reply has other data.
func (p *Pinger) receive(data []byte) (*received, tcpip.Error) {
	var b bytes.Buffer
	res, terr := p.ep.Read(&b, tcpip.ReadOptions{})
	if terr != nil {
		return nil, terr
	}
	reply := b.Bytes()
	if len(reply) < echoHeader || !bytes.Equal(reply[echoHeader:], data) {
		return nil, nil
	}
	cm := res.ControlMessages
	r := &received{at: cm.Timestamp}
	r.Seq = binary.BigEndian.Uint16(reply[6:])
	r.TTL = cm.TTL
	if p.to.Is6() {
		r.TTL = cm.HopLimit
	}
	return r, nil
}
