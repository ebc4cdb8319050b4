// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestLossRecovery takes the path of a bulk flow away for 300 ms, at various moments.
// Then there is a path again, the same or another one to which the connection moves.
// The next 1 MB has to arrive within a second of that time.
func TestLossRecovery(t *testing.T) {
	skipShort(t)
	runs := 2
	if soaking() {
		runs = 20
	}
	for _, cc := range []string{netstack.CUBIC, netstack.Reno} {
		for _, moved := range []bool{false, true} {
			name := cc
			if moved {
				name += " and a migration"
			}
			t.Run(name, func(t *testing.T) {
				var next []time.Duration
				for i := range runs {
					before := 2*time.Second + time.Duration(i)*7*time.Millisecond
					next = append(next, outage(t, cc, moved, before, 300*time.Millisecond))
				}
				slices.Sort(next)
				t.Logf("next 1 MB after: median %v, worst %v", next[runs/2], next[runs-1])
				if worst := next[runs-1]; worst > time.Second {
					t.Errorf("worst of %d runs is %v, want at most 1 s", runs, worst)
				}
			})
		}
	}
}

// outage returns how long after the path's return the next 1 MB has arrived. If
// moved, it is the connection that goes to another path then.
func outage(t *testing.T, cc string, moved bool, before, length time.Duration) time.Duration {
	t.Helper()
	cfg := netstack.Config{CongestionControl: cc}
	r := newRig(t, rigConfig{seed: uint64(before), paced: true, client: cfg, server: cfg})
	defer r.close()
	c, s, err := r.connect(serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer s.Close()
	r.await(c, s)

	clock := r.net.Clock
	go func() {
		// Ended by the reader, or with the connection.
		content(s, 1, 1<<30)
	}()
	var back time.Duration
	path := make(chan error, 1)
	go func() {
		clock.Sleep(before)
		r.net.Uplinks[0].SetDown(true)
		clock.Sleep(length)
		back = clock.Elapsed()
		if moved {
			path <- c.Migrate(context.Background(), addr("10.2.0.2"))
			return
		}
		r.net.Uplinks[0].SetDown(false)
		path <- nil
	}()
	a := &arrivals{clock: clock}
	for restored := false; ; {
		if _, err := io.CopyN(struct{ io.Writer }{a}, c, 64<<10); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-path:
			if err != nil {
				t.Fatal(err)
			}
			restored = true
		default:
		}
		if !restored {
			continue
		}
		if _, next := a.from(back, 1<<20); next != 0 {
			return next
		}
	}
}

// TestMoveEndsBackOff takes the path from a segment until its timeout has been doubled
// a few times. Then the connection moves to another port, which keeps the knowledge of
// the path. The test loses the segment once more.
//
// M603: If only ports differ from the old path, these MUST be kept, except that the RTO
// loses its back-off.
func TestMoveEndsBackOff(t *testing.T) {
	const outage, limit = 400 * time.Millisecond, time.Second
	r := newRig(t, rigConfig{})
	c, s := r.open(serverAddr)
	send := func() {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(limit time.Duration) {
		s.SetReadDeadline(r.net.Clock.Now().Add(limit))
		if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	send()
	receive(limit)
	r.inner[0].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if s, ok := p.TCP(); ok && len(s.Payload()) > 0 {
			return simnet.Drop
		}
		return simnet.Pass
	})
	send()
	r.sleep(10 * time.Second)
	if rto := c.TCPInfo().RTO; rto < 2*limit {
		t.Fatalf("timeout %v, want more than %v", rto, 2*limit)
	}
	r.migrate(c, "10.1.0.2")
	r.sleep(outage)
	r.inner[0].set(nil)
	receive(limit)
}

// TestRTTAfterLostACKs loses the acknowledgements of a segment that has arrived, for a
// while. The timer's wait meanwhile is not a round trip.
func TestRTTAfterLostACKs(t *testing.T) {
	r := newRig(t, rigConfig{})
	c, s := r.open(serverAddr)
	u := newStream(c, s, 1)
	u.send(t, 64<<10)
	r.sleep(time.Second)
	r.inner[0].set(func(_ *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if at.Dir == simnet.BtoA {
			return simnet.Drop
		}
		return simnet.Pass
	})
	u.send(t, 1000)
	r.sleep(3 * time.Second)
	r.inner[0].set(nil)
	r.sleep(10 * time.Second)
	u.send(t, 1000)
	u.finish(t)
	if rtt, limit := c.TCPInfo().RTT, 2*baseRTT; rtt > limit {
		t.Errorf("RTT %v, want at most %v", rtt, limit)
	}
}
