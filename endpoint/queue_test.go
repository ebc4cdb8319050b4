// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestRequestsQueue has copies of a request queue at the server. Each is answered, to the
// address that it came from, and nothing moves.
//
// M528: A valid request MUST be answered each time that it comes, from whatever tuple.
// Nothing else MUST come of it, except that lower counters become void.
func TestRequestsQueue(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			request := v.capture(v.c).with(withSource(v.mallory.local))
			other := request.with(withSource(v.mallory.at(667).local))
			before, counted := v.state(v.server), v.server.MigrationStats().Counts
			v.mallory.playsTogether(request, other, request)
			answers := make(map[netip.AddrPort]int)
			for _, s := range v.mallory.takes() {
				if s.flags == fSYNACK {
					answers[s.dst]++
				}
			}
			if want := map[netip.AddrPort]int{request.src: 2, other.src: 1}; !maps.Equal(answers, want) {
				t.Errorf("answered %v, want %v", answers, want)
			}
			v.sleep(30 * time.Second)
			v.mallory.wantsNothing("after the answers")
			now := v.state(v.server)
			now.sent = before.sent
			if now != before {
				t.Errorf("changed %+v\nto %+v", before, now)
			}
			if got := since(counted, v.server.MigrationStats().Counts); len(got) > 0 {
				t.Errorf("counted %v", got)
			}
			v.unharmed(t)
		})
	}
}

// TestResetsQueue has the host at a replayed address answer SYN-ACK and ACK by a RST each,
// and the two queue at the server. They are for a tuple that no connection has: they must
// not count as ones on the current path.
func TestResetsQueue(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.mallory.plays(v.capture(v.c), withSource(v.mallory.local))
	answer := v.mallory.wants("replay", fSYNACK)
	v.mallory.takes() // an ACK, where the window is large
	rst := segment{src: answer.dst, dst: answer.src, seq: answer.ack, flags: fRST}
	v.ignored(t, "resets", v.server, tally{}, func() { v.mallory.playsTogether(rst, rst) })
	if v.s.Migration().Holding {
		t.Error("holding")
	}
	v.unharmed(t)
}

// TestRequestQueuesBehindReset has a request queue behind a forged RST. The connection
// waits because of the one, and takes the other.
func TestRequestQueuesBehindReset(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	request := v.capture(v.c).with(withSource(v.mallory.local))
	v.mallory.playsTogether(resetOf(v.s), request)
	if !v.s.Migration().Holding {
		t.Error("not holding")
	}
	v.mallory.wants("request", fSYNACK)
	v.unharmed(t)
	if v.s.Migration().Holding {
		t.Error("still holding")
	}
}

// TestRequestQueuesBehindAbort has a request queue behind the RST by which the peer's
// application aborts. It has been found to be for a connection that then is gone. Nobody
// else must get it, not even a listener.
func TestRequestQueuesBehindAbort(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.listening()
	request := v.capture(v.c).with(withSource(v.mallory.local))
	abort := v.captureAbort(v.c)
	before, counted := connections(v.server), v.server.MigrationStats().Counts
	v.mallory.playsTogether(abort, request)
	v.mallory.wantsNothing("request behind an abort")
	if err := v.readError(v.s); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if n := connections(v.server); n != before-1 {
		t.Errorf("%d connections, had %d", n, before)
	}
	want := tally{migrate.CountAborted: 1}
	if got := since(counted, v.server.MigrationStats().Counts); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// captureAbort has c abort and returns its RST, which is lost.
func (r *rig) captureAbort(c *Conn) segment {
	r.tb.Helper()
	got := make(chan []byte, 1)
	for _, g := range r.inner {
		g.set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
			if t, ok := p.TCP(); ok && t.Flags()&fRST != 0 {
				select {
				case got <- bytes.Clone(p.Bytes()):
				default:
				}
			}
			return simnet.Drop
		})
		defer g.set(nil)
	}
	c.SetLinger(0)
	c.Close()
	return decode(<-got)
}
