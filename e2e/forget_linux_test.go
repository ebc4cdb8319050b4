// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/control"
)

// tracked returns how many connections a namespace tracks that lead to port 80 of an
// address.
func (w *world) tracked(ns *kernel.Namespace, server netip.Addr) (n int) {
	w.t.Helper()
	all, err := ns.Conntracks()
	w.must(err)
	for _, c := range all {
		if c.Protocol == unix.IPPROTO_TCP && c.Destination == netip.AddrPortFrom(server, 80) {
			n++
		}
	}
	return n
}

// TestForgetsOldTuples moves a connection often. The hosts of both ends track one
// connection afterwards. The NAT between them keeps all, as it cannot know.
func TestForgetsOldTuples(t *testing.T) {
	const moves = 5
	for name, server := range map[string]netip.Addr{"IPv4": kernel.ServerAddr4, "IPv6": kernel.ServerAddr6} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
			const service = "127.0.0.1:9000"
			w.pages(w.Server, service)
			w.server("--serve", "80="+service)
			client := w.client()
			conn := w.dial(w.Client, w.service(client, "forward", fmt.Sprintf("0=%v", netip.AddrPortFrom(server, 80))))
			w.page("before", conn)
			for range moves {
				w.must(client.ctl.Migrate(w.ctx, control.MigrateRequest{Conn: "all"}))
				w.page("after a move", conn)
			}
			w.eventually("forgotten", patience/4, func() error {
				if c, s := w.tracked(w.Client, server), w.tracked(w.Server, server); c != 1 || s != 1 {
					return fmt.Errorf("the client tracks %d, the server %d", c, s)
				}
				return nil
			})
			if n := w.tracked(w.NATs[0], server); n != moves+1 {
				t.Errorf("the NAT tracks %d connections, want %d", n, moves+1)
			}
			w.page("after all", conn)
		})
	}
}
