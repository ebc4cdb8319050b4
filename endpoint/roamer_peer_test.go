// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
	"github.com/mnet-dev/mnet/endpoint/roam"
)

// registry is a resolver whose answers a test changes.
type registry struct {
	mu    sync.Mutex
	addrs []netip.Addr
	asked int
	block chan struct{} // if not nil, nobody answers
}

func (n *registry) set(addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = addrs
}

func (n *registry) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	n.asked++
	block, addrs := n.block, slices.Clone(n.addrs)
	n.mu.Unlock()
	if block != nil {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if host != "server.example" {
		return nil, errors.New("no such host")
	}
	return addrs, nil
}

var server1, server2 = netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")

// openNamed returns a connection to server.example, whose client roams.
func openNamed(t *testing.T, n *registry) (r *roamRig, c, s *Conn) {
	n.set(server1)
	r = newRoamRig(t, rigConfig{homes: twoAddresses}, RoamerConfig{})
	r.dialer.Resolver = n
	ln, err := r.listen.Listen(context.Background(), "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d, err := r.dialer.Dial("tcp", "server.example:80")
	if err != nil {
		t.Fatal(err)
	}
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, s = d.(*Conn), a.(*Conn)
	t.Cleanup(func() { c.Close(); s.Close() })
	r.await(c, s)
	return r, c, s
}

// loseServer takes the server's first address away.
func (r *roamRig) loseServer() {
	r.tb.Helper()
	if err := r.eth.RemoveAddress(server1); err != nil {
		r.tb.Fatal(err)
	}
}

// TestRoamBothMove moves both ends at the same instant. The client finds the
// server by its name, which is changed at that instant, or later.
func TestRoamBothMove(t *testing.T) {
	for _, later := range []time.Duration{0, 20 * time.Second} {
		t.Run(later.String(), func(t *testing.T) {
			n := new(registry)
			r, c, s := openNamed(t, n)
			r.breakUplink(0)
			r.loseServer()
			r.sleep(later)
			n.set(server2)
			begin := r.net.Clock.Elapsed()
			ev := r.moved(1, limits.MaxBackoff+limits.MaxTry, roam.PathGone)
			if _, remote := c.addrs(); remote.Addr() != server2 || ev.To.Addr() != local2 {
				t.Errorf("at %v, the peer at %v", ev.To, remote)
			}
			// An attempt towards the old address, and the pause after it.
			if took := r.net.Clock.Elapsed() - begin; later == 0 && took > limits.FirstTry+limits.FirstBackoff+200*time.Millisecond {
				t.Errorf("after %v", took)
			}
			bothWays(t, c, s, 64<<10)()
		})
	}
}

// TestRoamServerMoves has the server's address change while the client waits for
// data. The client notices that nobody answers.
func TestRoamServerMoves(t *testing.T) {
	n := new(registry)
	r, c, s := openNamed(t, n)
	r.loseServer()
	n.set(server2)
	r.moved(1, time.Minute, roam.PathDead)
	bothWays(t, c, s, 64<<10)()
}

// TestRoamSharedName: a name may have addresses of several hosts. All are tried, the
// one that the connection knows among them.
func TestRoamSharedName(t *testing.T) {
	n := new(registry)
	r, c, s := openNamed(t, n)
	n.set(netip.MustParseAddr("10.8.0.1"), server1, netip.MustParseAddr("10.8.0.2"))
	r.net.Uplinks[1].SetDown(true)
	r.breakUplink(0)
	r.sleep(20 * time.Second)
	r.net.Uplinks[1].SetDown(false)
	r.moved(1, 3*(limits.MaxBackoff+limits.MaxTry), roam.PathGone)
	if _, remote := c.addrs(); remote.Addr() != server1 {
		t.Errorf("the peer at %v", remote)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamSilentResolver: a name server that does not answer takes no time from
// attempts towards the address that is known.
func TestRoamSilentResolver(t *testing.T) {
	n := new(registry)
	r, c, s := openNamed(t, n)
	n.mu.Lock()
	n.block = make(chan struct{})
	n.mu.Unlock()
	r.net.Uplinks[1].SetDown(true)
	r.breakUplink(0)
	r.sleep(20 * time.Second)
	r.net.Uplinks[1].SetDown(false)
	r.moved(1, limits.MaxBackoff+limits.MaxTry+lookupTimeout, roam.PathGone)
	n.mu.Lock()
	asked := n.asked
	n.mu.Unlock()
	if asked < 2 {
		t.Errorf("asked %d times", asked)
	}
	bothWays(t, c, s, 64<<10)()
}
