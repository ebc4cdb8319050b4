// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// soakEnv asks for the long version of tests (make soak).
const soakEnv = "MNET_SOAK"

// soaking reports whether the long version of a test is wanted.
func soaking() bool { return os.Getenv(soakEnv) != "" }

// skipShort skips a test that moves very many segments in one flow. The race detector
// makes it ten times as long, and sees nothing in it that it does not see elsewhere.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long: not with -short")
	}
}

// TestSoakOneConnection moves one connection again and again, past the wrap of ReqNo,
// at the request of either end. Data flows in both directions over lossy links.
func TestSoakOneConnection(t *testing.T) {
	moves := 150
	switch {
	case soaking():
		moves = 1000
	case testing.Short():
		moves = 30
	}
	for _, suite := range []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1, migrate.SuiteNull} {
		t.Run(suite.String(), func(t *testing.T) { soakOneConnection(t, suite, moves) })
	}
}

func soakOneConnection(t *testing.T, suite migrate.SuiteID, moves int) {
	w := wire(5 * time.Millisecond)
	w.Rate, w.Loss = 10_000_000, 0.02
	up := simnet.Uplink{Link: simnet.Symmetric(w)}
	r := newRig(t, rigConfig{
		seed:       7,
		coalescing: time.Millisecond,
		uplinks:    []simnet.Uplink{up, up},
		homes:      []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("fd00:9::1/64")},
	})
	r.dialer.MigrationOptions.Suites = []migrate.SuiteID{suite}
	r.listen.MigrationOptions.Suites = []migrate.SuiteID{suite}
	c, s := r.pair(serverAddr)
	r.await(c, s)

	stop := make(chan struct{})
	type result struct {
		sent, got [sha256.Size]byte
		n         int64
		err       error
	}
	flow := func(src, dst *Conn, seed uint64) <-chan result {
		out := make(chan result, 1)
		sent := make(chan hashed, 1)
		go func() {
			sent <- sendUntil(src, seed, stop)
			src.CloseWrite()
		}()
		go func() {
			got := drainHash(dst)
			w := <-sent
			out <- result{w.sum, got.sum, got.n, errors.Join(w.err, got.err)}
		}()
		return out
	}
	down, upward := flow(s, c, 1), flow(c, s, 2)

	rng := rand.New(rand.NewPCG(1, 2))
	clientAddrs := []string{"10.1.0.2", "10.2.0.2", "fd00:1::2", "fd00:2::2"}
	serverAddrs := []string{"10.9.0.1", "10.9.0.2", "fd00:9::1"}
	var failed int
	for done := 0; done < moves; {
		r.net.Clock.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
		var err error
		if rng.IntN(2) == 0 {
			err = r.moveTo(c, s, clientAddrs[rng.IntN(len(clientAddrs))])
		} else {
			err = r.moveTo(s, c, serverAddrs[rng.IntN(len(serverAddrs))])
		}
		if err != nil {
			if failed++; failed > moves {
				t.Fatalf("move %d: %v", done, err)
			}
			continue
		}
		done++
	}
	close(stop)
	for _, f := range []<-chan result{down, upward} {
		res := <-f
		if res.err != nil || res.sent != res.got {
			t.Errorf("%d bytes, %v, hash equal %v", res.n, res.err, res.sent == res.got)
		}
		t.Logf("%d bytes", res.n)
	}
	i, a := c.Migration().Initiated, c.Migration().Accepted
	t.Logf("%d moves initiated by the client, %d by the server, %d attempts failed; counts %v",
		i, a, failed, r.client.MigrationStats().Counts)
}

// moveTo moves c to a local address, with its peer at an address of the same
// family.
func (r *rig) moveTo(c, peer *Conn, local string) error {
	to := addr(local)
	var remote netip.AddrPort
	if _, cur := c.addrs(); cur.Addr().Is4() != to.Addr().Is4() {
		for _, n := range append(r.up, r.eth) {
			for _, p := range n.Addresses() {
				port, _ := peer.addrs()
				if n.Stack() == peer.stack && p.Addr().Is4() == to.Addr().Is4() {
					remote = netip.AddrPortFrom(p.Addr(), port.Port())
				}
			}
		}
	}
	return c.MigrateTo(context.Background(), to, remote)
}

// sendUntil writes reproducible bytes until stop is closed.
func sendUntil(w *Conn, seed uint64, stop <-chan struct{}) hashed {
	src := rand.NewChaCha8([32]byte{byte(seed)})
	h := sha256.New()
	buf := make([]byte, 32<<10)
	var n int64
	for {
		select {
		case <-stop:
			return hashed{n, [sha256.Size]byte(h.Sum(nil)), nil}
		default:
		}
		src.Read(buf)
		m, err := w.Write(buf)
		h.Write(buf[:m])
		n += int64(m)
		if err != nil {
			return hashed{n, [sha256.Size]byte(h.Sum(nil)), err}
		}
	}
}
