// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
)

// FuzzBoxes sends any bytes through everything that parses packets.
func FuzzBoxes(f *testing.F) {
	syn := tcpPacket(clientAddr, serverAddr, segment{flags: fSYN, win: 1000, opts: synOpts})
	syn6 := tcpPacket(client6, server6, segment{flags: fSYN, win: 1000, opts: synOpts})
	for _, p := range []*Packet{
		syn, syn6, udpPacket(clientAddr, serverAddr, 100),
		tcpPacket(serverAddr, clientAddr, segment{flags: fACK, opts: sackOpts(1, 2)}),
		newTooBig(syn, natAddr, 1300), newTooBig(syn6, natAddr6, 1300),
	} {
		f.Add(p.Bytes(), p.Bytes())
	}
	f.Fuzz(func(t *testing.T, out, in []byte) {
		n := New(1)
		a, b := newProbe(n, "a"), newProbe(n, "b")
		r := n.NewRouter("r", routerConfig)
		up := n.Connect(a.Interface, r, LinkConfig{})
		down := n.Connect(r, b.Interface, LinkConfig{MTU: 60})
		r.Route(hostPrefix(serverAddr.Addr()), down)
		r.Route(hostPrefix(clientAddr.Addr()), up)
		r.Route(hostPrefix(natAddr), up)
		rec := NewRecorder(10)
		for _, act := range []OptionAction{GarbleOption, MirrorOption, RemoveOption} {
			up.Use(&OptionBox{Action: act, Kinds: []uint8{2, 3, 4}, Segments: OnAny})
		}
		up.Use(NewSequenceShifter(1), NewNAT(NATConfig{Addr4: natAddr, Addr6: natAddr6}), NewFirewall(FirewallConfig{}), rec)
		for range 2 {
			if p := newPacket(buffer.NewViewWithData(out)); p != nil {
				a.send(p)
			}
			if p := newPacket(buffer.NewViewWithData(in)); p != nil {
				b.send(p)
			}
			n.Clock.RunFor(time.Second)
		}
		_ = rec.String() + rec.Mermaid()
	})
}
