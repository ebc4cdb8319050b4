// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// pageSize is the size of a page, in bytes: many full segments.
const pageSize = 256 << 10

// pages answers each byte on a connection with a page.
func (w *world) pages(ns *kernel.Namespace, addr string) {
	w.t.Helper()
	l, err := ns.Listen(w.ctx, "tcp", addr)
	w.must(err)
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for page, request := make([]byte, pageSize), make([]byte, 1); ; {
					if _, err := c.Read(request); err != nil {
						return
					}
					if _, err := c.Write(page); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// page fails the test unless a page arrives in time.
func (w *world) page(what string, c net.Conn) {
	w.t.Helper()
	const limit = 10 * time.Second
	w.must(c.SetDeadline(time.Now().Add(limit)))
	_, err := c.Write([]byte{0})
	w.must(err)
	if n, err := io.ReadFull(c, make([]byte, pageSize)); err != nil {
		w.t.Errorf("%s: %d of %d bytes in %v: %v", what, n, pageSize, limit, err)
	}
}

// filterTooBig keeps a router from telling that a packet is too big (RFC 1191; RFC 8201).
func (w *world) filterTooBig(ns *kernel.Namespace) {
	w.t.Helper()
	const (
		reg                 = 1
		typeV4, typeV6 byte = 3, 2 // Destination Unreachable; Packet Too Big
	)
	w.must(ns.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Name: "toobig", Family: nftables.TableFamilyINet})
		out := c.AddChain(&nftables.Chain{Name: "output", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter})
		for proto, typ := range map[byte]byte{unix.IPPROTO_ICMP: typeV4, unix.IPPROTO_ICMPV6: typeV6} {
			c.AddRule(&nftables.Rule{Table: table, Chain: out, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
				&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{proto}},
				&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Len: 1},
				&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{typ}},
				&expr.Verdict{Kind: expr.VerdictDrop},
			}})
		}
		return c.Flush()
	}))
}

// TestSmallUplink has a second uplink of a smaller MTU, whose router does not tell that
// packets are too big. Downloads go on after a move there, and after a dial, as those of
// the kernel do.
func TestSmallUplink(t *testing.T) {
	for _, c := range []struct {
		name           string
		server, kernel netip.Addr
	}{
		{"IPv4", kernel.ServerAddr4, kernel.HostAddr4},
		{"IPv6", kernel.ServerAddr6, kernel.HostAddr6},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, kernel.TopologyConfig{
				Uplinks:     [2]kernel.WireConfig{{}, {MTU: 1300}},
				ServerPorts: []uint16{80},
			})
			const service = "127.0.0.1:9000"
			w.pages(w.Server, service)
			w.pages(w.Host, netip.AddrPortFrom(c.kernel, 9000).String())
			w.filterTooBig(w.NATs[1])
			w.server("--serve", "80="+service)
			client := w.client()
			addr := w.service(client, "forward", fmt.Sprintf("0=%v", netip.AddrPortFrom(c.server, 80)))

			conn := w.dial(w.Client, addr)
			w.page("before", conn)
			before := w.moves(client)
			w.must(w.Uplinks[0].Down(kernel.AddressGone))
			w.eventually("moved", patience, func() error {
				for id, n := range w.moves(client) {
					if n == before[id] {
						return fmt.Errorf("connection %s has not moved", id)
					}
				}
				return nil
			})
			w.page("kernel", w.dial(w.Client, netip.AddrPortFrom(c.kernel, 9000).String()))
			w.page("after a move", conn)
			w.page("after a dial", w.dial(w.Client, addr))
		})
	}
}
