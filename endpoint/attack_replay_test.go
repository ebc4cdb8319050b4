// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// record returns the last request of n attempts that failed, as from mallory.
func (v *victim) record(n int) (request segment) {
	for range n {
		request = v.capture(v.c)
	}
	return request.with(withSource(v.mallory.local))
}

// replays sends a segment from many ports, again and again, until the result is called.
func (v *victim) replays(s segment, every time.Duration) (stop func()) {
	var stopped atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint16(0); !stopped.Load(); i++ {
			v.mallory.puts(s.with(withSource(v.mallory.at(1000 + i%100).local)))
			v.sleep(every)
			v.mallory.takes()
		}
	})
	v.sleep(10 * every)
	return func() {
		stopped.Store(true)
		wg.Wait()
	}
}

// TestReplaysBlockNothing has requests that were recorded, and never completed, come again
// and again while either end moves, or binds a key. The attempts before have used up the
// window of counters.
//
// M432: The initiator MUST NOT run farther than the window of M413 ahead of what it knows
// of the responder's done. At that limit it MUST use the last counter again.
//
// M528: A valid request MUST be answered each time that it comes, from whatever tuple.
// Nothing else MUST come of it, except that lower counters become void.
func TestReplaysBlockNothing(t *testing.T) {
	for name, do := range map[string]func(v *victim) error{
		"client moves": func(v *victim) error { return v.c.Migrate(context.Background(), addr(v.second)) },
		"server moves": func(v *victim) error {
			local, _ := v.s.addrs()
			return v.s.Migrate(context.Background(), netip.AddrPortFrom(local.Addr(), 9999))
		},
		"keys are bound": func(v *victim) error {
			secret := make([]byte, migrate.MinSecret)
			return errors.Join(v.s.BindKey(context.Background(), secret), v.c.BindKey(context.Background(), secret))
		},
	} {
		for _, every := range []time.Duration{5 * time.Millisecond, 100 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", every), func(t *testing.T) {
				eachFront(t, func(t *testing.T, v *victim) {
					stop := v.replays(v.record(3), every)
					begin := v.net.Clock.Elapsed()
					err := do(v)
					took := v.net.Clock.Elapsed() - begin
					stop()
					if err != nil || took > 2*baseRTT {
						t.Errorf("%v after %v", err, took)
					}
					bothWays(t, v.c, v.s, 64<<10)()
				})
			})
		}
	}
}

// TestReplaysSlowNothing has a recorded request come again and again during a download.
//
// M521: Until step 4 the responder MUST send and receive on the old path as before.
func TestReplaysSlowNothing(t *testing.T) {
	var took [2]time.Duration
	for i, attack := range []bool{false, true} {
		v := newVictim(t, rigConfig{paced: true}, migrate.SuiteX25519SHA256)
		stop := func() {}
		if attack {
			stop = v.replays(v.record(1), 5*time.Millisecond)
		}
		begin := v.net.Clock.Elapsed()
		exchange(t, v.s, v.c, 20<<20)
		took[i] = v.net.Clock.Elapsed() - begin
		stop()
	}
	if limit := took[0] + took[0]/50; took[1] > limit {
		t.Errorf("%v instead of %v", took[1], took[0])
	}
}

// TestCopyOvertakes has a copy of each SYN of the client arrive ahead of it, from another
// address.
func TestCopyOvertakes(t *testing.T) {
	eachFront(t, func(t *testing.T, v *victim) {
		v.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
			if s, ok := p.TCP(); ok && s.Flags() == fSYN {
				v.mallory.puts(decode(p.Bytes()).with(withSource(v.mallory.local)))
				return simnet.Delay(10 * time.Millisecond)
			}
			return simnet.Pass
		})
		begin := v.net.Clock.Elapsed()
		v.migrate(v.c, v.second)
		if took := v.net.Clock.Elapsed() - begin; took > 2*baseRTT {
			t.Errorf("took %v", took)
		}
		bothWays(t, v.c, v.s, 64<<10)()
	})
}

// TestProbeDuringDownload probes another path, and does not move there. The prober's host
// answers step 3 by a RST.
func TestProbeDuringDownload(t *testing.T) {
	eachFront(t, func(t *testing.T, v *victim) {
		down := newStream(v.s, v.c, 1)
		wait := down.sending(t, 8<<20)
		v.sleep(50 * time.Millisecond)
		p, err := v.c.AddPath(netip.AddrPortFrom(addr(v.second).Addr(), 0))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := p.Probe(context.Background()); err != nil {
				t.Fatal(err)
			}
			v.sleep(20 * time.Millisecond)
			if v.s.Migration().Holding {
				t.Fatal("the server holds")
			}
		}
		wait()
		down.finish(t)
	})
}
