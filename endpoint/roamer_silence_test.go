// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestRoamDownloadForgotten has a NAT lose the mapping in the middle of a download:
// the client has nothing of its own that could go unanswered.
func TestRoamDownloadForgotten(t *testing.T) {
	r := newRoamRig(t, rigConfig{nat: &strictNAT, jumbo: true}, RoamerConfig{})
	c, s := r.open(serverAddr)
	down := newStream(s, c, 1)
	wait := down.sending(t, 8<<20)
	r.sleep(500 * time.Millisecond)
	r.net.NATs[0].Flush()
	r.moved(1, 4*time.Second, roam.PathDead)
	wait()
	down.finish(t)
}

// TestRoamSilence counts the packets by which a connection is asked whether it is still
// there: soon after data, then ever less.
func TestRoamSilence(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, s := r.open(serverAddr)
	down := newStream(s, c, 1)
	down.send(t, 64<<10)
	r.sleep(500 * time.Millisecond) // everything has been acknowledged
	var packets atomic.Int64
	r.inner[0].set(func(*simnet.Packet, simnet.Hop) simnet.Verdict {
		packets.Add(1)
		return simnet.Pass
	})
	// Probes after 1, 2, 4, 8 and then each 10 s, and their answers; the answers of
	// the negotiation have come by then.
	r.sleep(15*time.Second + 500*time.Millisecond)
	if n := packets.Load(); n < 6 || n > 10 {
		t.Errorf("%d packets in the first 15 s of silence", n)
	}
	packets.Store(0)
	r.sleep(time.Minute)
	if n := packets.Load(); n < 10 || n > 14 {
		t.Errorf("%d packets in a minute of silence", n)
	}
	if n := r.events.count(); n > 0 {
		t.Errorf("%d attempts to move", n)
	}
	down.finish(t)
}

// TestProbesEndNothing: a connection that is asked early does not end early for want
// of an answer.
func TestProbesEndNothing(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: Manual})
	r.dialer.MigrationOptions.HoldOnTimeout = time.Nanosecond
	c, s := r.open(serverAddr)
	down := newStream(s, c, 1)
	down.send(t, 64<<10)
	r.sleep(500 * time.Millisecond)
	r.net.Uplinks[0].SetDown(true)
	begin := r.net.Clock.Elapsed()
	r.sleep(roamKeepAlive.Idle + time.Duration(roamKeepAlive.Count-1)*roamKeepAlive.Interval)
	if n := c.TCPInfo().Unanswered; n < 3 {
		t.Errorf("%d probes unanswered", n)
	}
	if st := c.TCPInfo().State; st != "ESTABLISHED" {
		t.Errorf("%s after %v", st, r.net.Clock.Elapsed()-begin)
	}
	r.until("ended", 10*time.Second, func() bool { return c.TCPInfo().State == "CLOSED" })
}
