// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

// arrival is a packet offered to a shaper, and its expected fate.
type arrival struct {
	now  time.Duration
	size int
	at   time.Duration
	fate fate
}

func TestShaper(t *testing.T) {
	// At 12 Mbit/s a packet of 1500 bytes takes 1 ms.
	const rate = 12e6
	for _, test := range []struct {
		name     string
		cfg      WireConfig
		arrivals []arrival
	}{
		{"zero config", WireConfig{}, []arrival{
			{0, 1500, 0, passes},
			{0, 1500, 0, passes},
			{5 * ms, 40, 5 * ms, passes},
		}},
		{"delay", WireConfig{Delay: 10 * ms}, []arrival{
			{0, 1500, 10 * ms, passes},
			{0, 1500, 10 * ms, passes},
			{3 * ms, 40, 13 * ms, passes},
		}},
		{"rate", WireConfig{Rate: rate}, []arrival{
			{0, 1500, 1 * ms, passes},
			{0, 1500, 2 * ms, passes},
			{1 * ms, 750, 2*ms + ms/2, passes},
			{10 * ms, 1500, 11 * ms, passes}, // the sender has been idle
		}},
		{"rate and delay", WireConfig{Rate: rate, Delay: 10 * ms}, []arrival{
			{0, 1500, 11 * ms, passes},
			{0, 1500, 12 * ms, passes},
		}},
		{"queue", WireConfig{Rate: rate, Queue: 4500}, []arrival{
			{0, 1500, 1 * ms, passes},
			{0, 1500, 2 * ms, passes},
			{0, 1500, 3 * ms, passes},
			{0, 1, 0, queueFull},
			{ms / 2, 1500, 0, queueFull}, // half a packet has been sent
			{ms / 2, 750, 3*ms + ms/2, passes},
			{2 * ms, 1500, 4*ms + ms/2, passes},
		}},
		{"packet larger than the queue", WireConfig{Rate: rate, Queue: 100}, []arrival{
			{0, 1500, 1 * ms, passes},
			{ms / 2, 1500, 0, queueFull},
			{1 * ms, 1500, 2 * ms, passes},
		}},
		{"default queue", WireConfig{Rate: rate}, []arrival{
			{0, DefaultQueue, DefaultQueue * ms / 1500, passes},
			{0, 1, 0, queueFull},
		}},
		{"all lost", WireConfig{Loss: 1}, []arrival{
			{0, 1500, 0, lost},
			{0, 1500, 0, lost},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShaper(test.cfg, AtoB)
			for i, a := range test.arrivals {
				at, fate := s.offer(a.now, a.size)
				if at != a.at || fate != a.fate {
					t.Errorf("packet %d: at %v, fate %v, want %v, %v", i, at, fate, a.at, a.fate)
				}
			}
		})
	}
}

func TestShaperLostPacketTakesItsTime(t *testing.T) {
	s := newShaper(WireConfig{Rate: 12e6, Loss: 1}, AtoB)
	if _, fate := s.offer(0, 1500); fate != lost {
		t.Fatalf("fate %v, want lost", fate)
	}
	s.cfg.Loss = 0
	if at, _ := s.offer(0, 1500); at != 2*ms {
		t.Errorf("the packet behind a lost one arrives at %v, want 2 ms", at)
	}
}

func TestShaperChangesDoNotReorder(t *testing.T) {
	s := newShaper(WireConfig{Delay: 50 * ms}, AtoB)
	first, _ := s.offer(0, 1500)
	s.configure(WireConfig{Delay: 10 * ms}, AtoB)
	if at, _ := s.offer(1*ms, 1500); at != first {
		t.Errorf("a packet arrives at %v, want with the one ahead of it, at %v", at, first)
	}
	if at, _ := s.offer(45*ms, 1500); at != 55*ms {
		t.Errorf("a later packet arrives at %v, want 55 ms", at)
	}
}

func TestShaperLossIsRepeatable(t *testing.T) {
	const packets = 10000
	fates := func(seed uint64, d Direction) (lossy [packets]bool, n int) {
		s := newShaper(WireConfig{Loss: 0.1, Seed: seed}, d)
		for i := range lossy {
			_, fate := s.offer(0, 100)
			if lossy[i] = fate == lost; lossy[i] {
				n++
			}
		}
		return lossy, n
	}
	a, n := fates(1, AtoB)
	if again, _ := fates(1, AtoB); a != again {
		t.Error("the same seed loses other packets")
	}
	if other, _ := fates(2, AtoB); a == other {
		t.Error("another seed loses the same packets")
	}
	if other, _ := fates(1, BtoA); a == other {
		t.Error("the other direction loses the same packets")
	}
	// Six standard deviations.
	if d := math.Abs(float64(n) - 0.1*packets); d > 6*math.Sqrt(packets*0.1*0.9) {
		t.Errorf("%d of %d packets lost, want about a tenth", n, packets)
	}
}

// TestShaperInvariants offers random bursts: packets arrive in order, not before
// they can, and no more of them than the rate and the queue allow.
func TestShaperInvariants(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		cfg := WireConfig{Delay: time.Duration(rng.IntN(50)) * ms, Rate: 1e6 + rng.Int64N(1e9), Queue: 1500 + rng.IntN(1e5)}
		s := newShaper(cfg, AtoB)
		var now, last time.Duration
		var passed int64
		longest := s.serialisation(cfg.Queue) + s.serialisation(maxMTU)
		for range 2000 {
			if rng.IntN(4) == 0 {
				now += time.Duration(rng.Int64N(int64(ms)))
			}
			size := 40 + rng.IntN(1460)
			at, fate := s.offer(now, size)
			if fate == queueFull {
				continue
			}
			passed += int64(size)
			switch {
			case at < last:
				t.Fatalf("seed %d: a packet arrives at %v, the one ahead of it at %v", seed, at, last)
			case at < now+cfg.Delay+s.serialisation(size):
				t.Fatalf("seed %d: offered at %v, a packet of %d bytes arrives at %v already", seed, now, size, at)
			case at > now+cfg.Delay+longest:
				t.Fatalf("seed %d: offered at %v, a packet waits until %v", seed, now, at)
			}
			last = at
			// Each duration is rounded down to the nanosecond.
			elapsed := (last - cfg.Delay + 2000).Seconds()
			if float64(passed)*8 > elapsed*float64(cfg.Rate)+8 {
				t.Fatalf("seed %d: %d bytes pass in %v s at %d bit/s", seed, passed, elapsed, cfg.Rate)
			}
		}
	}
}
