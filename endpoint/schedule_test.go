// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// seedEnv is the seed of the only schedule that TestSchedules then plays.
const seedEnv = "MNET_SEED"

// coalescing is for how long packets queue at the hosts, by seed.
var coalescing = []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond}

// TestSchedules plays random networks, transfers and moves. In each of them, every byte
// arrives once and in order, and nothing is left afterwards.
func TestSchedules(t *testing.T) {
	needPatched(t)
	first, n := uint64(1), uint64(100)
	switch {
	case soaking():
		n = 10_000
	case testing.Short():
		n = 25
	}
	if s := os.Getenv(seedEnv); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, n = seed, 1
	}
	var moves, failures int
	for seed := first; seed < first+n; seed++ {
		ok := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			p := &schedule{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0))}
			if err := p.playWatched(); err != nil {
				t.Fatalf("%v\n%s", err, p.log)
			}
			moves += p.moves
			failures += p.failures
		})
		if !ok {
			return
		}
	}
	t.Logf("%d schedules, %d moves, %d attempts that failed", n, moves, failures)
	if moves == 0 && n > 1 {
		t.Error("nothing ever moved")
	}
}

// schedule is one random play.
type schedule struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	log  []byte

	moves, failures int
}

func (p *schedule) say(format string, args ...any) {
	p.log = fmt.Appendf(p.log, format+"\n", args...)
}

func (p *schedule) chance(percent int) bool { return p.rng.IntN(100) < percent }

// wire is a random direction of a link.
func (p *schedule) wire() simnet.Wire {
	w := simnet.Wire{
		Delay: time.Duration(1+p.rng.IntN(60)) * time.Millisecond,
		Rate:  int64(2+p.rng.IntN(80)) * 1_000_000,
		Queue: (16 + p.rng.IntN(256)) << 10,
	}
	if p.chance(50) {
		w.Loss = p.rng.Float64() * 0.03
	}
	if p.chance(30) {
		w.Duplicate = p.rng.Float64() * 0.02
	}
	if p.chance(30) {
		w.Reorder, w.ReorderDelay = p.rng.Float64()*0.05, time.Duration(p.rng.IntN(30))*time.Millisecond
	}
	return w
}

func (p *schedule) topology() rigConfig {
	cfg := rigConfig{
		seed:       p.seed,
		coalescing: coalescing[p.seed%uint64(len(coalescing))],
		env:        fmt.Sprintf("%s=%d", seedEnv, p.seed),
		homes: []netip.Prefix{
			netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("fd00:9::1/64"),
		},
	}
	for range 2 + p.rng.IntN(2) {
		up := simnet.Uplink{Link: simnet.LinkConfig{AtoB: p.wire(), BtoA: p.wire()}}
		if p.chance(40) {
			up.NAT = &simnet.NATConfig{}
		}
		cfg.uplinks = append(cfg.uplinks, up)
	}
	p.say("uplinks %+v", cfg.uplinks)
	p.say("packets queue for %v", cfg.coalescing)
	return cfg
}

// stuck is how long a play may take in real time. A connection without a timer that
// waits forever stops virtual time.
const stuck = 30 * time.Second

func (p *schedule) playWatched() error {
	done := make(chan error, 1)
	go func() { done <- p.play() }()
	select {
	case err := <-done:
		return err
	case <-time.After(stuck):
		return errors.New("stuck")
	}
}

func (p *schedule) play() error {
	r := newRig(p.t, p.topology())
	suites := []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1, migrate.SuiteNull}
	o := MigrationOptions{Suites: suites[p.rng.IntN(3):][:1]}
	r.dialer.MigrationOptions, r.listen.MigrationOptions = o, o
	p.say("suite %v", o.Suites[0])
	c, s, err := r.connect(serverAddr)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	size := [2]int64{int64(p.rng.IntN(600_000)), int64(p.rng.IntN(600_000))}
	flows := make(chan error, 2)
	for i, f := range []struct{ src, dst *Conn }{{c, s}, {s, c}} {
		go func() { flows <- transfer(f.src, f.dst, p.seed*2+uint64(i), size[i]) }()
	}
	done := make(chan error, 1)
	go func() { done <- errors.Join(<-flows, <-flows) }()
	p.move(r, c, s, done)
	if err := <-done; err != nil {
		return fmt.Errorf("%w; client %+v; server %+v", err, c.Migration(), s.Migration())
	}
	return p.nothingLeft(r, c, s)
}

// move moves the connection about until the transfers are done or enough is
// enough.
func (p *schedule) move(r *rig, c, s *Conn, done chan error) {
	for range p.rng.IntN(8) {
		r.net.Clock.Sleep(time.Duration(p.rng.IntN(400)) * time.Millisecond)
		select {
		case err := <-done:
			done <- err
			return
		default:
		}
		var ctx, cancel = context.Background(), context.CancelFunc(func() {})
		if p.chance(10) {
			ctx, cancel = withClockTimeout(ctx, r.net.Clock, time.Duration(p.rng.IntN(100))*time.Millisecond)
		}
		err := p.moveOnce(ctx, r, c, s)
		cancel()
		if err != nil {
			p.failures++
		} else {
			p.moves++
		}
	}
}

func (p *schedule) moveOnce(ctx context.Context, r *rig, c, s *Conn) error {
	at := r.net.Clock.Elapsed()
	if p.chance(25) {
		// The server moves; behind a NAT it reaches the client only from where
		// the client has a mapping to, so this often fails.
		local, _ := s.addrs()
		to := netip.AddrPortFrom(netip.MustParseAddr([]string{"10.9.0.1", "10.9.0.2", "fd00:9::1"}[p.rng.IntN(3)]), 0)
		if local.Addr().Is4() != to.Addr().Is4() {
			to = netip.AddrPortFrom(local.Addr(), 0)
		}
		err := s.Migrate(ctx, to)
		p.say("%v server to %v: %v", at, to, err)
		return err
	}
	i := p.rng.IntN(len(r.up))
	addrs := r.up[i].Addresses()
	to := addrs[p.rng.IntN(len(addrs))].Addr()
	remote := addr(serverAddr)
	if to.Is6() {
		remote = addr("[fd00:9::1]:80")
	}
	if _, cur := c.addrs(); cur.Addr().Is4() == to.Is4() {
		remote = netip.AddrPort{}
	}
	err := c.MigrateTo(ctx, netip.AddrPortFrom(to, 0), remote)
	p.say("%v client to %v: %v", at, to, err)
	return err
}

// nothingLeft closes the connection and looks for traces of it.
func (p *schedule) nothingLeft(r *rig, c, s *Conn) error {
	c.Close()
	s.Close()
	for _, st := range []*netstack.Stack{r.client, r.server} {
		for _, ep := range st.GVisor().RegisteredEndpoints() {
			ep.Abort()
		}
		if n := len(st.GVisor().RegisteredEndpoints()); n != 0 {
			return fmt.Errorf("%d endpoints are registered after the end", n)
		}
		if m := st.MigrationStats(); m.Tokens != 0 || m.Holds != 0 {
			return fmt.Errorf("%d tokens, %d holds after the end", m.Tokens, m.Holds)
		}
	}
	return nil
}

// transfer sends size reproducible bytes and compares the bytes that arrive.
func transfer(src, dst *Conn, seed uint64, size int64) error {
	type sent struct {
		sum [sha256.Size]byte
		err error
	}
	out := make(chan sent, 1)
	go func() {
		sum, err := content(src, seed, size)
		out <- sent{sum, errors.Join(err, src.CloseWrite())}
	}()
	got := drainHash(dst)
	if got.err != nil {
		src.Close()
	}
	w := <-out
	if err := errors.Join(got.err, w.err); err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", got.n, size, err)
	}
	if got.n != size || got.sum != w.sum {
		return fmt.Errorf("%d of %d bytes, hash equal %v", got.n, size, got.sum == w.sum)
	}
	return nil
}
