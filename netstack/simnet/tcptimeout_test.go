// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"testing"
	"time"
)

// TestTrackerTimeouts checks how long entries live.
func TestTrackerTimeouts(t *testing.T) {
	cfg := Conntrack{}
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	tests := []struct {
		name string
		pkts []pkt
		want time.Duration
	}{
		{"SYN", opening()[:1], 2 * time.Minute},
		{"SYN-ACK", opening()[:2], time.Minute},
		{"established", opening(), 5 * 24 * time.Hour},
		{"data not acknowledged", after(opening(), c(fACK, 0, 0, w, 100)), 5 * time.Minute},
		{"acknowledged", after(opening(), c(fACK, 0, 0, w, 100), s(fACK, 0, 100, w)), 5 * 24 * time.Hour},
		{"zero window", after(opening(), s(fACK, 0, 0, 0)), 5 * time.Minute},
		{"FIN", after(opening(), c(fFIN|fACK, 0, 0, w)), 2 * time.Minute},
		{"RST", after(opening(), c(fRST, 0, 0, 0)), 10 * time.Second},
		{"retransmitted SYN", after(opening()[:1], opening()[0]), 0},
		{"picked up", []pkt{c(fACK, 0, 0, 10)}, 5 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			last := tt.pkts[len(tt.pkts)-1]
			tr := &tcpTracker{}
			if len(tt.pkts) == 1 {
				if why := tr.open(&last.seg, &cfg); why != "" {
					t.Fatal(why)
				}
			} else {
				tr = play(t, cfg, 0, 0, tt.pkts[:len(tt.pkts)-1])
			}
			v, why, got := tr.track(&last.seg, last.dir, &cfg)
			if v != ctAccept || got != tt.want {
				t.Errorf("timeout %v, want %v (verdict %d %s)", got, tt.want, v, why)
			}
		})
	}
}

// TestTrackerShorten checks that FINs from both ends, though invalid, keep the
// entry from living on for days.
func TestTrackerShorten(t *testing.T) {
	cfg := Conntrack{}
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	tr := play(t, cfg, 0, 0, after(opening(), c(fACK, 0, 0, w)))
	for i, fin := range []pkt{c(fFIN|fACK, 0, 1e6, w), s(fFIN|fACK, 0, 1e6, w)} {
		v, _, got := tr.track(&fin.seg, fin.dir, &cfg)
		if want := []time.Duration{0, 5 * time.Minute}[i]; v != ctInvalidPacket || got != want {
			t.Errorf("invalid FIN %d: verdict %d, timeout %v, want %v", i, v, got, want)
		}
	}
}
