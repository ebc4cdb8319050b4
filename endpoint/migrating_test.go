// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

// migratingPairs makes pairs of connections that another goroutine moves between
// addresses, of both families, for as long as they live. moves counts.
func migratingPairs(moves *atomic.Int64) pairFunc {
	return func(tb testing.TB) (a, b tcpConn) {
		client, server := newStack(tb, netstack.Config{}), newStack(tb, netstack.Config{})
		left, right := netstack.Pipe(jumboPipe)
		for _, n := range []struct {
			s    *netstack.Stack
			link *netstack.PipeEnd
			addr []netip.Prefix
		}{
			{client, left, []netip.Prefix{client4, client6, netip.MustParsePrefix("10.0.0.3/24"), netip.MustParsePrefix("fd00::3/64")}},
			{server, right, []netip.Prefix{server4, server6}},
		} {
			if _, err := n.s.Attach(n.link, netstack.AttachOptions{
				Addresses: n.addr,
				Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
			}); err != nil {
				tb.Fatal(err)
			}
		}
		tn := &tcpNet{}
		tn.dial, tn.listen = stackDial(client), stackListen(server)
		tn.host4, tn.host6 = server4.Addr().String(), server6.Addr().String()
		a, b = tn.pair(tb)

		c := a.(*Conn)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, first := c.addrs()
			there := map[bool]netip.AddrPort{
				true:  netip.AddrPortFrom(server4.Addr(), first.Port()),
				false: netip.AddrPortFrom(server6.Addr(), first.Port()),
			}
			if c.AwaitMigratable(ctx) != nil {
				return
			}
			for _, local := range cycle("10.0.0.3", "fd00::1", "fd00::3", "10.0.0.1") {
				if err := c.MigrateTo(ctx, local, there[local.Addr().Is4()]); err != nil {
					// Over: the case has closed the connection.
					return
				}
				moves.Add(1)
			}
		}()
		tb.Cleanup(func() {
			cancel()
			<-done
		})
		return a, b
	}
}

// cycle yields addresses forever.
func cycle(addrs ...string) func(func(int, netip.AddrPort) bool) {
	return func(yield func(int, netip.AddrPort) bool) {
		for i := 0; yield(i, addr(addrs[i%len(addrs)])); i++ {
		}
	}
}

// TestSemanticsMigrating runs the cases on connections that are moved meanwhile. It
// leaves out cases that want fixed addresses, and cases with a RST. A RST that arrives
// where the connection is no more does not close it (docs/protocol.md, M702).
func TestSemanticsMigrating(t *testing.T) {
	needPatched(t)
	var moves atomic.Int64
	runSemantics(t, migratingPairs(&moves), func(c pairCase) bool { return !c.fixed && !c.aborts })
	if moves.Load() == 0 {
		t.Error("nothing ever moved")
	}
	t.Logf("%d moves", moves.Load())
}

func TestConformanceMigrating(t *testing.T) {
	needPatched(t)
	var moves atomic.Int64
	runConformance(t, migratingPairs(&moves))
	if moves.Load() == 0 {
		t.Error("nothing ever moved")
	}
	t.Logf("%d moves", moves.Load())
}
