// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// captured collects the packets that a NIC captures.
type captured struct {
	mu   sync.Mutex
	pkts []CapturedPacket
}

func (c *captured) see(p CapturedPacket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Data = bytes.Clone(p.Data)
	c.pkts = append(c.pkts, p)
}

// find returns the packets with data in their payload.
func (c *captured) find(data string) (found []CapturedPacket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pkts {
		if ip := header.IPv4(p.Data); ip.IsValid(len(p.Data)) && bytes.HasSuffix(ip.Payload(), []byte(data)) {
			found = append(found, p)
		}
	}
	return found
}

// TestCapture has both ends of a link see a segment: whole, with the time of the
// stack's clock. The segment goes out at one end and comes in at the other.
func TestCapture(t *testing.T) {
	clock := faketime.NewManualClock()
	clock.Advance(time.Hour)
	cfg := Config{Clock: clock}
	a, b := newStack(t, cfg), newStack(t, cfg)
	la, lb := Pipe(PipeConfig{})
	var seenA, seenB captured
	for _, n := range []struct {
		s    *Stack
		link *PipeEnd
		addr string
		see  func(CapturedPacket)
	}{{a, la, "10.0.0.1/24", seenA.see}, {b, lb, "10.0.0.2/24", seenB.see}} {
		nic, err := n.s.Attach(n.link, AttachOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(n.addr)}, Capture: n.see})
		if err != nil {
			t.Fatal(err)
		}
		if nic.Link() != n.link {
			t.Error("the NIC's link is not the one that was attached")
		}
	}
	ln := listen(t, b, "10.0.0.2:80")
	c := connect(t, a, "10.0.0.2:80")
	s := accept(t, ln)
	const text = "captured"
	if _, terr := c.Write(bytes.NewReader([]byte(text)), tcpip.WriteOptions{}); terr != nil {
		t.Fatal(terr)
	}
	var got bytes.Buffer
	s.wait(func() bool {
		_, terr := s.Read(&got, tcpip.ReadOptions{})
		return terr == nil
	})
	out, in := seenA.find(text), seenB.find(text)
	if got.String() != text || len(out) != 1 || len(in) != 1 {
		t.Fatalf("read %q, captured %d times at the sender, %d at the receiver", &got, len(out), len(in))
	}
	if !out[0].Outbound || in[0].Outbound || !bytes.Equal(out[0].Data, in[0].Data) {
		t.Errorf("sent %+v, received %+v", out[0], in[0])
	}
	if now := clock.Now(); !out[0].Time.Equal(now) || !in[0].Time.Equal(now) {
		t.Errorf("sent at %v, received at %v, by a clock that says %v", out[0].Time, in[0].Time, now)
	}
}
