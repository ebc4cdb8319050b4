// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestLast keeps the last packets of two links, one of which was connected later.
func TestLast(t *testing.T) {
	n := New(1)
	n.KeepLast(3)
	a, b, c := newProbe(n, "a"), newProbe(n, "b"), newProbe(n, "c")
	r := n.NewRouter("r", RouterConfig{})
	toA := n.Connect(a.Interface, r, Symmetric(Wire{Delay: time.Millisecond}))
	toB := n.Connect(r, b.Interface, LinkConfig{})
	r.Route(hostPrefix(clientAddr.Addr()), toA)
	r.Route(hostPrefix(serverAddr.Addr()), toB)
	drop := false
	toB.Use(Filter(func(*Packet, Direction, int) Verdict {
		if drop {
			return Drop
		}
		return Pass
	}))
	for i := range 5 {
		drop = i == 3
		a.send(tcpPacket(clientAddr, serverAddr, segment{seq: uint32(1000 + 10*i), ack: 7, flags: fACK, payload: 10}))
		n.Clock.RunFor(2 * time.Millisecond)
	}
	a.send(tcpPacket(clientAddr, serverAddr, segment{seq: 1050, ack: 7, flags: fACK, payload: 10}))
	n.Clock.RunFor(time.Millisecond / 2)
	toA.SetDown(true) // under the last one
	n.Clock.RunFor(time.Millisecond)
	var got []string
	for _, rec := range n.Last() {
		got = append(got, fmt.Sprintf("%s>%s %d len %d %v", rec.From, rec.To, rec.Seq, rec.Payload, rec.Fate))
	}
	want := []string{
		"r>b 1030 len 10 sent", "r>b 1030 len 10 dropped",
		"a>r 1040 len 10 sent", "r>b 1040 len 10 sent",
		"a>r 1050 len 10 sent", "a>r 1050 len 10 down",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("kept\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// One that is connected later keeps its packets, too, until none is to.
	n.Connect(c.Interface, r, LinkConfig{})
	c.send(udpPacket(serverAddr, clientAddr, 100))
	n.Clock.RunFor(time.Millisecond)
	if l := n.Last(); len(l) != len(want)+2-1 || l[len(l)-2].From != "c" || l[len(l)-1].Fate != FateDown {
		t.Errorf("kept\n%v", l)
	}
	n.KeepLast(0)
	if l := n.Last(); len(l) != 0 {
		t.Errorf("kept %v", l)
	}
}

// TestMermaidSpaces draws two connections, one of which migrates. Its numbers go on.
func TestMermaidSpaces(t *testing.T) {
	tcp := func(d Direction, s, e string, seq, ack uint32, opts ...byte) Record {
		r := Record{From: "a", To: "b", Dir: d, Protocol: protoTCP, Flags: fACK, Seq: seq, Ack: ack, Options: opts}
		r.Src, r.Dst = netip.MustParseAddrPort(s), netip.MustParseAddrPort(e)
		if d == BtoA {
			r.From, r.To = "b", "a"
		}
		return r
	}
	const high, high2 = 0xffffff00, 0x100 // 512 later, after the wrap
	got := Mermaid([]Record{
		tcp(AtoB, "10.0.0.1:1", "10.0.0.9:80", high, 5000),
		tcp(BtoA, "10.0.0.9:80", "10.0.0.1:1", 5000, high2),
		tcp(AtoB, "10.0.0.3:3", "10.0.0.9:80", 1<<30, 1<<31),
		tcp(AtoB, "10.0.0.2:2", "10.0.0.9:80", high2, 4900, 5, 10, 0, 0, 0x13, 0x88+10, 0, 0, 0x13, 0x88+20),
	})
	want := `sequenceDiagram
    a->>b: 0.000 s 10.0.0.1:1 > 10.0.0.9:80 ACK seq 0 ack 0 win 0
    b->>a: 0.000 s 10.0.0.9:80 > 10.0.0.1:1 ACK seq 0 ack 512 win 0
    a->>b: 0.000 s 10.0.0.3:3 > 10.0.0.9:80 ACK seq 0 ack 0 win 0
    a->>b: 0.000 s 10.0.0.2:2 > 10.0.0.9:80 ACK seq 512 ack -100 win 0 [sack 10-20]
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestOptionString renders the options of TCP migration.
func TestOptionString(t *testing.T) {
	for _, tt := range []struct {
		opts []byte
		want string
	}{
		{[]byte{15, 3, 2}, "Migrate-Permitted suite 2"},
		{append([]byte{15, 20, 1}, make([]byte, 17)...), "Migrate-Permitted suite 1"},
		{[]byte{15, 2}, "Migrate-Permitted"},
		{append([]byte{15, 18}, make([]byte, 16)...), "Key-Rest"},
		{[]byte{15, 10, 1, 2, 3, 4, 5, 6, 7, 8}, "Key-Confirm 0102030405060708"},
		{[]byte{16, 19, 9, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2}, "Migrate 9 0101010101010101 0202020202020202"},
		{[]byte{16, 3, 9}, "kind 16 09"},
	} {
		if got := optionString(tt.opts, absolute); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.opts, got, tt.want)
		}
	}
}
