// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package demo downloads a file over HTTP through one TCP connection that changes its
// addresses all the time, and measures the cost of that. net/http is unmodified at both
// ends. Both ends and the network between them are in this process, in virtual time.
package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// Bounds of a [Config].
const (
	// MinLeg is the least number of bytes per migration.
	MinLeg = 64 << 10
	// MaxMigrations bounds the report.
	MaxMigrations = 100_000

	MinRTT  = time.Millisecond
	MaxRTT  = 5 * time.Second
	MinRate = 100_000         // bit/s
	MaxRate = 100_000_000_000 // bit/s
	MaxLoss = 0.2             // beyond that, TCP does not get anywhere
)

// Config describes a run.
type Config struct {
	// File is the file to download. Empty means Size bytes generated from Seed.
	File string
	Size int64 // bytes

	// Migrations is how often the connection moves, evenly spread over the bytes.
	Migrations int

	RTT  time.Duration // of every path, without queueing
	Rate int64         // of the bottleneck, bit/s
	Loss float64       // probability that the bottleneck loses a packet, either way

	Suite migrate.SuiteID
	// Seed is the source of content, ports, sequence numbers, keys and losses.
	Seed uint64

	// Progress, if not nil, is called as data arrives, by one goroutine. It must
	// not wait for virtual time to pass.
	Progress func(Progress)

	// Capture, if not nil, is called with the name of each NIC. The function that it
	// returns gets the NIC's packets, in virtual time; see [netstack.AttachOptions].
	Capture func(nic string) func(netstack.CapturedPacket)
}

// captureOf returns the function that gets the packets of a NIC, or nil.
func (c *Config) captureOf(nic string) func(netstack.CapturedPacket) {
	if c.Capture == nil {
		return nil
	}
	return c.Capture(nic)
}

// Progress is where a run is.
type Progress struct {
	Received, Total int64         // bytes
	Virtual         time.Duration // since the start
	Migrations      int           // done so far
	Path            Path          // in use
}

// Validate returns an error if a value of c is wrong.
func (c *Config) Validate() error {
	switch {
	case c.Migrations < 0 || c.Migrations > MaxMigrations:
		return fmt.Errorf("%d migrations are not within 0 and %d", c.Migrations, MaxMigrations)
	case c.RTT < MinRTT || c.RTT > MaxRTT:
		return fmt.Errorf("a round-trip time of %v is not within %v and %v", c.RTT, MinRTT, MaxRTT)
	case c.Rate < MinRate || c.Rate > MaxRate:
		return fmt.Errorf("a rate of %d bit/s is not within %d and %d", c.Rate, MinRate, int64(MaxRate))
	case c.Loss < 0 || c.Loss > MaxLoss:
		return fmt.Errorf("a loss of %v %% is not within 0 and %v %%", c.Loss*100, MaxLoss*100)
	case c.File == "":
		return c.validateSize(c.Size)
	}
	return nil // the size of File shows when it is opened
}

// validateSize says whether there are enough bytes: a migration takes round trips,
// and the download must not be over before the last one begins.
func (c *Config) validateSize(size int64) error {
	perRTT := min(float64(c.Rate)/8*c.RTT.Seconds(), netstack.MaxReceiveBuffer/2)
	if least := int64(c.Migrations+1) * max(MinLeg, int64(perRTT)); size < least {
		return fmt.Errorf("%d migrations at this rate and round-trip time need a file of at least %d bytes, not %d", c.Migrations, least, size)
	}
	return nil
}

// Run does a run. The error is netstack.ErrUnpatched if this program was built
// with a gVisor that cannot migrate, or ctx's cause.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := netstack.Patched(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	began := time.Now()
	f, err := openSource(cfg)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := cfg.validateSize(f.size); err != nil {
		return nil, err
	}
	start, steps := plan(cfg.Migrations)
	n, err := newNetwork(cfg, start)
	if err != nil {
		return nil, err
	}
	defer n.close()

	r := &run{cfg: cfg, network: n, source: f, steps: steps, at: start}
	if err := r.do(ctx, start); err != nil {
		return nil, err
	}
	report, err := r.report()
	if err != nil {
		return nil, err
	}
	report.RealSeconds = time.Since(began).Seconds()
	return report, nil
}
