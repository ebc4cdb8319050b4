// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"sync/atomic"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// resets counts the RSTs on the client's uplinks, and between a NAT and the server.
type resets struct {
	w       *world
	wires   atomic.Uint64
	already uint64 // when armed
}

const resetCounter = "rst"

// Where the flags of a TCP header are, in bytes, and which is RST (RFC 9293, section
// 3.1).
const (
	flagsOffset = 13
	flagRST     = 1 << 2
)

// tap is for the uplinks' wires.
func (r *resets) tap(_ kernel.Direction, packet []byte) bool {
	const header6 = 40 // no extension headers are in use
	proto, tcp := packet[6], packet[min(header6, len(packet)):]
	if packet[0]>>4 == 4 {
		proto, tcp = packet[9], packet[int(packet[0]&0xf)*4:]
	}
	if proto == unix.IPPROTO_TCP && len(tcp) > flagsOffset && tcp[flagsOffset]&flagRST != 0 {
		r.wires.Add(1)
	}
	return true
}

func (r *resets) table() *nftables.Table {
	return &nftables.Table{Name: resetCounter, Family: nftables.TableFamilyINet}
}

// install counts the RSTs that the Internet forwards.
func (r *resets) install() {
	r.w.t.Helper()
	r.w.must(r.w.Internet.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		table := conn.AddTable(r.table())
		conn.AddObj(&nftables.CounterObj{Table: table, Name: resetCounter})
		chain := conn.AddChain(&nftables.Chain{Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flagsOffset, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{flagRST}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0}},
			&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: resetCounter},
		}})
		return conn.Flush()
	}))
}

// seen is how many there were, on the wires and in between.
func (r *resets) seen() uint64 {
	r.w.t.Helper()
	n := r.wires.Load()
	r.w.must(r.w.Internet.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		obj, err := conn.GetObject(&nftables.CounterObj{Table: r.table(), Name: resetCounter})
		if err != nil {
			return err
		}
		n += obj.(*nftables.CounterObj).Packets
		return nil
	}))
	return n
}

// arm forgets the RSTs so far.
func (r *resets) arm() {
	r.w.t.Helper()
	r.already = r.seen()
}

// none fails the test if there were any since.
func (r *resets) none() {
	r.w.t.Helper()
	if n := r.seen() - r.already; n != 0 {
		r.w.t.Errorf("%d RSTs were seen", n)
	}
}
