// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// hasProof reports whether a segment carries a third ACK's option, in either format.
func hasProof(opts []byte) bool {
	return bytes.Contains(opts, []byte{kindMigrate, 26}) || bytes.Contains(opts, []byte{253, 28, 0x6d, 0x67})
}

// TestProofOnEverySegment has both ends send during a move of the client, with SACK and
// without. Without SACK, full segments have no room for an option by themselves.
//
// M546: Until step 5 has arrived, the initiator MUST put the Migrate option on each
// segment, with payload or without. SACK blocks give way to it.
func TestProofOnEverySegment(t *testing.T) {
	for _, format := range []migrate.Format{migrate.FormatKinds, migrate.FormatExperimental} {
		for _, sack := range []bool{true, false} {
			for _, keepOld := range []bool{true, false} {
				t.Run(fmt.Sprintf("format %d/SACK %v/make before break %v", format, sack, keepOld), func(t *testing.T) {
					cfg := netstack.Config{DisableSACK: !sack, Migration: netstack.MigrationConfig{Format: format}}
					r := newRig(t, rigConfig{client: cfg, server: cfg, paced: true})
					c, s := r.open(serverAddr)
					finish := bothWays(t, c, s, 4<<20)
					r.sleep(3 * baseRTT)
					if !keepOld {
						r.breakUplink(0)
					}
					moved, largest, receipt := false, 0, false
					r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
						seg, ok := p.TCP()
						switch {
						case !ok:
						case seg.Flags()&fRST != 0 && !receipt:
							t.Error("a RST")
						case seg.Flags()&fSYN != 0:
						case at.Dir == simnet.BtoA:
							receipt = receipt || hasProof(seg.Options())
						case !receipt:
							moved = true
							if !hasProof(seg.Options()) {
								t.Errorf("%d bytes of payload, options %x", len(seg.Payload()), seg.Options())
							}
						default:
							largest = max(largest, len(seg.Payload()))
						}
						return simnet.Pass
					})
					r.migrate(c, "10.2.0.2")
					finish()
					if !moved || !receipt {
						t.Errorf("moved %v, receipt %v", moved, receipt)
					}
					full := 1460 - 12
					if sack {
						full -= 28
					}
					if largest != full {
						t.Errorf("segments of at most %d bytes after the receipt, want %d", largest, full)
					}
				})
			}
		}
	}
}

// thirdACK has c move to its second uplink, along which nothing but SYNs arrives, and
// returns its first third ACK.
func (r *rig) thirdACK(c *Conn) segment {
	r.tb.Helper()
	got := make(chan []byte, 1)
	r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		s, ok := p.TCP()
		if !ok || at.Dir == simnet.BtoA || s.Flags()&fSYN != 0 {
			return simnet.Pass
		}
		select {
		case got <- bytes.Clone(p.Bytes()):
		default:
		}
		return simnet.Drop
	})
	r.migrate(c, "10.2.0.2")
	return decode(<-got)
}

// TestProofsQueue has third ACKs queue at the server behind what makes them void. They were
// found to be right when they came. None opens a connection at a listener.
//
// M526: The responder MUST NOT move before a valid third ACK has come.
func TestProofsQueue(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String()+"/twice", func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			third := v.thirdACK(v.c)
			v.mallory.playsTogether(third, third, third)
			i := v.s.Migration()
			if i.Accepted != 1 || i.Current.Remote != third.src {
				t.Errorf("%d moves, at %v", i.Accepted, i.Current)
			}
			v.inner[1].set(nil)
			bothWays(t, v.c, v.s, 64<<10)()
		})
		t.Run(suite.String()+"/behind an abort", func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			third := v.thirdACK(v.c).with(func(s *segment) { s.payload = []byte("data") })
			abort := v.captureAbort(v.c)
			before := connections(v.server)
			v.mallory.playsTogether(abort, third)
			if err := v.readError(v.s); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
			v.sleep(time.Second)
			if n := connections(v.server); n != before-1 {
				t.Errorf("%d connections, had %d", n, before)
			}
		})
	}
	t.Run("behind a move of the server's peer", func(t *testing.T) {
		v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
		third := v.thirdACK(v.c)
		v.inner[1].set(nil)
		v.sleep(time.Second)
		v.migrate(v.c, "10.1.0.2")
		at := v.s.Migration().Current
		v.mallory.plays(third)
		if now := v.s.Migration().Current; now != at {
			t.Errorf("moved to %v", now)
		}
		bothWays(t, v.c, v.s, 64<<10)()
	})
	t.Run("after a key was bound", func(t *testing.T) {
		v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
		third := v.thirdACK(v.c)
		if err := v.s.BindKey(t.Context(), make([]byte, migrate.MinSecret)); err != nil {
			t.Fatal(err)
		}
		at := v.s.Migration().Current
		v.mallory.plays(third)
		if now := v.s.Migration().Current; now != at {
			t.Errorf("moved to %v", now)
		}
	})
}

// TestProofIsCut moves during an upload whose segments the NIC cuts. Each part has the same
// option, and proves the move.
//
// M546: Until step 5 has arrived, the initiator MUST put the Migrate option on each
// segment, with payload or without. SACK blocks give way to it.
func TestProofIsCut(t *testing.T) {
	for _, suite := range allSuites {
		r := newRig(t, rigConfig{offload: true, paced: true})
		r.suites(suite)
		c, s := r.open(serverAddr)
		up := newStream(c, s, 1)
		wait := up.sending(t, 4<<20)
		r.sleep(3 * baseRTT)
		r.breakUplink(0)
		r.migrate(c, "10.2.0.2")
		wait()
		up.finish(t)
		if n := counts(r.server, migrate.CountUnproven); n != 0 {
			t.Errorf("%v: unproven: %d", suite, n)
		}
	}
}
