// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"errors"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestRequestsQueue has copies of a request queue at the server. Their token is known when
// they are looked up, even where the first has used it up. One is answered, from the
// address that it came from, and nothing moves.
func TestRequestsQueue(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			request := v.capture(v.c).with(withSource(v.mallory.local))
			other := request.with(withSource(v.mallory.at(667).local))
			before, counted := v.state(v.server), v.server.MigrationStats().Counts
			v.mallory.playsTogether(request, other, request)
			v.mallory.wants("requests", fSYNACK, withDestination(v.mallory.local))
			for _, s := range v.mallory.takes() {
				if s.flags == fSYNACK || s.dst != v.mallory.local {
					t.Errorf("answer to a copy: %v", s)
				}
			}
			v.sleep(30 * time.Second)
			now := v.state(v.server)
			now.sent = before.sent
			if now != before {
				t.Errorf("changed %+v\nto %+v", before, now)
			}
			want := tally{migrate.CountReplayedTuple: 1, migrate.CountDuplicateSYN: 1, migrate.CountPathExpired: 1}
			if got := since(counted, v.server.MigrationStats().Counts); !maps.Equal(got, want) {
				t.Errorf("counted %v, want %v", got, want)
			}
			v.unharmed(t)
		})
	}
}

// TestResetsQueue has the host at a replayed address answer SYN-ACK and ACK by a RST each,
// and the two queue at the server. The first ends the path on trial. The second was for a
// tuple that the connection does not have any more: it must not count as one on the
// current path.
//
// M527: A RST on the provisional path with SEQ = Cuna MUST end that path. Any other RST
// there MUST be ignored.
func TestResetsQueue(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.mallory.plays(v.capture(v.c), withSource(v.mallory.local))
	answer := v.mallory.wants("replay", fSYNACK)
	v.mallory.takes() // an ACK, where the window is large
	rst := segment{src: answer.dst, dst: answer.src, seq: answer.ack, flags: fRST}
	counted := v.server.MigrationStats().Counts
	v.mallory.playsTogether(rst, rst)
	if v.s.Migration().Holding {
		t.Error("holding")
	}
	want := tally{migrate.CountRefused: 1}
	if got := since(counted, v.server.MigrationStats().Counts); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	v.mallory.wantsNothing("resets")
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
	r.inner[0].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if t, ok := p.TCP(); ok && t.Flags()&fRST != 0 {
			select {
			case got <- bytes.Clone(p.Bytes()):
			default:
			}
		}
		return simnet.Drop
	})
	defer r.inner[0].set(nil)
	c.SetLinger(0)
	c.Close()
	return decode(<-got)
}
