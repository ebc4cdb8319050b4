// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// patience is the time after which a test that hangs fails.
const patience = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noUndo is for nodes that change nothing on their host.
type noUndo struct{}

func (noUndo) Restore(hostnet.Setting) error { return nil }

// pair is two nodes on hosts of their own, with routers between them:
//
//	client 10.1.0.2 ── 10.1.0.1 host ── wire ── host 10.2.0.1 ── 10.2.0.2 server
type pair struct {
	network        *kernel.Network
	hosts          [2]*kernel.Namespace
	client, server *Node
}

const serverAddr = "10.2.0.2"

// needPatched skips the test unless connections can migrate.
func needPatched(t *testing.T) {
	t.Helper()
	if err := netstack.Patched(); err != nil {
		t.Skip(err)
	}
}

// newPair starts two nodes. The wire between their hosts has that delay each way.
func newPair(t *testing.T, delay time.Duration) *pair {
	t.Helper()
	return newPairOver(t, kernel.WireConfig{Delay: delay})
}

func newPairOver(t *testing.T, wire kernel.WireConfig) *pair {
	t.Helper()
	network, err := kernel.New()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(network.Close)
	p := &pair{network: network}
	for i, name := range []string{"client", "server"} {
		p.hosts[i], err = network.Namespace(name)
		must(t, err)
	}
	_, err = network.Wire(p.hosts[0], "wan0", p.hosts[1], "wan0", wire)
	must(t, err)
	prefixes := [2]netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("10.2.0.0/24")}
	for i, h := range p.hosts {
		must(t, h.Forward())
		must(t, h.AddRoute(kernel.Route{To: prefixes[1-i], Dev: "wan0"}))
	}
	p.client = startNode(t, p.hosts[0], prefixes[0])
	p.server = startNode(t, p.hosts[1], prefixes[1])
	return p
}

// startNode starts a node whose host has the first address of a prefix, and whose
// stack has the second.
func startNode(t *testing.T, host *kernel.Namespace, p netip.Prefix) (n *Node) {
	t.Helper()
	first := p.Addr().Next()
	cfg := Config{
		Host:      []netip.Prefix{netip.PrefixFrom(first, p.Bits())},
		Addresses: []netip.Prefix{netip.PrefixFrom(first.Next(), p.Bits())},
	}
	must(t, host.Do(func() (err error) {
		n, err = Start(cfg, slog.New(slog.DiscardHandler), noUndo{})
		return err
	}))
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}
