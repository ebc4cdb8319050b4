// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node"
)

// TestSurvive has people work while the network changes under them: a shell and copies
// by OpenSSH, and downloads by curl. All use TCP connections of programs that know
// nothing of it.
func TestSurvive(t *testing.T) {
	const (
		size = 40 << 20
		rate = 1 << 20 // each, so that they last longer than the events
	)
	w := newWorld(t, kernel.TopologyConfig{
		Uplinks: [2]kernel.WireConfig{
			{Delay: 5 * time.Millisecond, Rate: 100e6},
			{Delay: 20 * time.Millisecond, Rate: 50e6},
		},
		ServerPorts: []uint16{22, 80},
	})
	w.httpServer(w.Server, "127.0.0.1:8000")
	server := w.server("--serve", "22="+sshdAddr, "--serve", "80=127.0.0.1:8000")
	client := w.client("--host", "10.77.0.1/24,fd77::1/64", "--address", "10.77.0.2/24,fd77::2/64")
	ssh := w.sshd(w.Server, client)
	web := fmt.Sprintf("%v:80", kernel.ServerAddr4)
	forwarded := w.service(client, "forward", "0="+web)
	socks := w.service(client, "socks", "0")

	sh := w.shell(ssh)
	transfers := []*transfer{
		w.scp(ssh, true, size, rate),
		w.scp(ssh, false, size, rate),
		w.curl("forward", nil, "http://"+forwarded, size, rate),
		w.curl("socks", []string{"--proxy", "socks5h://" + socks}, "http://"+web, size, rate),
	}
	all := 1 + len(transfers)
	started := w.status(server).Started

	// migrated waits until every connection has moved since before, and makes sure
	// that all go on.
	migrated := func(what string, before map[string]uint64, limit time.Duration) {
		t.Helper()
		w.eventually("moved: "+what, limit, func() error {
			for _, c := range w.status(client).Connections {
				if c.Initiated <= before[c.ID] {
					return fmt.Errorf("%+v", c)
				}
			}
			return nil
		})
		sh.check()
		for _, x := range transfers {
			x.running()
		}
		w.progress(client)
	}

	sh.check()
	w.eventually("all connections migratable", patience, func() error {
		s := w.status(client)
		for _, c := range s.Connections {
			if !c.Migratable || c.BytesIn == 0 {
				return fmt.Errorf("%+v", c)
			}
		}
		if len(s.Connections) != all {
			return fmt.Errorf("%d connections, want %d", len(s.Connections), all)
		}
		return nil
	})

	before := w.moves(client)
	w.must(client.ctl.Address(w.ctx, addAddress("10.77.0.3/24")))
	w.must(client.ctl.Address(w.ctx, removeAddress("10.77.0.2")))
	migrated("the stack's address has changed", before, 10*time.Second)
	for _, c := range w.status(client).Connections {
		if c.Local.Addr() != netip.MustParseAddr("10.77.0.3") {
			t.Errorf("connection %s is at %v", c.ID, c.Local)
		}
	}

	before = w.moves(client)
	w.must(w.Uplinks[0].Down(kernel.AddressGone))
	migrated("the uplink is another, behind another NAT", before, 10*time.Second)
	w.seenFrom(server, w.publicAddr(1), all)

	before = w.moves(client)
	w.must(w.NATs[1].FlushConntrack())
	migrated("the NAT has forgotten", before, 25*time.Second)

	before = w.moves(client)
	w.must(w.Uplinks[1].Down(kernel.LinkDown))
	w.eventually("held", 10*time.Second, func() error {
		for _, c := range w.status(client).Connections {
			if c.State != "MIGRATE-WAIT" {
				return fmt.Errorf("%+v", c)
			}
		}
		return nil
	})
	w.pass(60 * time.Second)
	w.must(w.Uplinks[0].Up())
	migrated("the link was down for 60 s", before, 10*time.Second)
	w.seenFrom(server, w.publicAddr(0), all)

	if now := w.status(server).Started; !now.Equal(started) {
		t.Errorf("the server has been started at %v, and again at %v", started, now)
	}
	// The shell's process is the one of the beginning, by now cat.
	if name, err := os.ReadFile("/proc/" + sh.pid + "/comm"); err != nil || string(name) != "cat\n" {
		t.Errorf("the process of the remote shell, %s, is %q, %v", sh.pid, name, err)
	}
	sh.end()
	for _, x := range transfers {
		x.finish()
	}
}

// moves is how often each connection of a node has moved.
func (w *world) moves(p *peer) map[string]uint64 {
	w.t.Helper()
	moves := make(map[string]uint64)
	for _, c := range w.status(p).Connections {
		moves[c.ID] = c.Initiated
	}
	return moves
}

// progress waits until data has come in by every connection but the shell's, which
// has just shown that it works.
func (w *world) progress(p *peer) {
	w.t.Helper()
	total := func() map[string]int64 {
		n := make(map[string]int64)
		for _, c := range w.status(p).Connections {
			n[c.ID] = c.BytesIn + c.BytesOut
		}
		return n
	}
	before := total()
	shells := 1
	w.eventually("data flows", 10*time.Second, func() error {
		silent := 0
		for id, n := range total() {
			if n == before[id] {
				silent++
			}
		}
		if silent > shells {
			return fmt.Errorf("%d connections carry nothing", silent)
		}
		return nil
	})
}

// seenFrom waits until the server sees n connections from an address.
func (w *world) seenFrom(server *peer, addr netip.Addr, n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d connections seen from %v", n, addr), 10*time.Second, func() error {
		seen := 0
		for _, c := range w.status(server).Connections {
			if c.Kind == node.KindServe && c.Remote.Addr() == addr {
				seen++
			}
		}
		if seen != n {
			return fmt.Errorf("%d", seen)
		}
		return nil
	})
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	select {
	case <-time.After(d):
	case <-w.ctx.Done():
		w.t.Fatal(w.ctx.Err())
	}
}
