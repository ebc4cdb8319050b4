// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig() Config {
	return Config{
		Size:       6 << 20,
		Migrations: 6,
		RTT:        40 * time.Millisecond,
		Rate:       50e6,
		Suite:      migrate.SuiteX25519SHA256,
		Seed:       1,
	}
}

func needsPatches(t *testing.T) {
	t.Helper()
	if err := netstack.Patched(); err != nil {
		t.Skip(err.Error())
	}
}

// maxProofs is what proofs of the address may add to a data segment, in bytes, on average
// over all segments after the first move.
const maxProofs = 0.2

func TestRun(t *testing.T) {
	needsPatches(t)
	for _, suite := range []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1, migrate.SuiteNull} {
		t.Run(suite.String(), func(t *testing.T) {
			cfg := testConfig()
			cfg.Suite = suite
			var last Progress
			cfg.Progress = func(p Progress) {
				if p.Received < last.Received || p.Virtual < last.Virtual || p.Migrations < last.Migrations {
					t.Errorf("from %+v back to %+v", last, p)
				}
				last = p
			}
			r, err := Run(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if r.Bytes != cfg.Size || !r.SHA256Equal || last.Received != cfg.Size || last.Total != cfg.Size {
				t.Errorf("%d bytes, equal: %v, last progress %+v", r.Bytes, r.SHA256Equal, last)
			}
			if r.Migrations != cfg.Migrations || len(r.Moves) != cfg.Migrations || r.Suite != suite.String() {
				t.Errorf("%d migrations, %d moves, suite %s", r.Migrations, len(r.Moves), r.Suite)
			}
			// M546: the first segments on a new path carry the proof.
			if h := r.HeaderBytes; h.After < h.Before || h.After > h.Before+maxProofs || h.Before < 20 {
				t.Errorf("header bytes %+v", h)
			}
			if r.NATInvalid != 0 {
				t.Errorf("%d packets did not fit the connection at the NAT", r.NATInvalid)
			}
			for i, m := range r.Moves {
				// The floor is a client's break: three handshake segments and the data.
				if floor := 2.0; m.BreakFirst && m.Initiator == Client && m.OutageRTT < floor {
					t.Errorf("move %d: outage of %.2f RTT, less than light allows", i, m.OutageRTT)
				}
				if m.OutageRTT > 4 {
					t.Errorf("move %d: outage of %.2f RTT without loss", i, m.OutageRTT)
				}
			}
			if r.OutageMS.Max < r.OutageMS.Median || r.OutageMS.Median == 0 || r.VirtualSeconds == 0 {
				t.Errorf("%+v in %v s", r.OutageMS, r.VirtualSeconds)
			}
		})
	}
}

func TestRunRepeats(t *testing.T) {
	needsPatches(t)
	cfg := testConfig()
	cfg.Size, cfg.Migrations, cfg.Loss = 1<<20, 2, 0.001
	var reports [2]*Report
	for i := range reports {
		r, err := Run(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.RealSeconds = 0
		reports[i] = r
	}
	if reports[0].SHA256 != reports[1].SHA256 {
		t.Error("other content")
	}
	path := func(m Move) [2]Path { return [2]Path{m.From, m.To} }
	for i := range reports[0].Moves {
		if a, b := path(reports[0].Moves[i]), path(reports[1].Moves[i]); !reflect.DeepEqual(a, b) {
			t.Errorf("move %d: %v and %v", i, a, b)
		}
	}
	cfg.Seed++
	r, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.SHA256 == reports[0].SHA256 {
		t.Error("another seed gives the same content")
	}
}

// TestRunCapture captures at each NIC. Each full segment of the server reaches the NICs
// of the client.
func TestRunCapture(t *testing.T) {
	needsPatches(t)
	cfg := testConfig()
	cfg.Size, cfg.Migrations = 1<<20, 2
	var mu sync.Mutex
	received := make(map[string]int64) // bytes, by NIC
	cfg.Capture = func(nic string) func(netstack.CapturedPacket) {
		received[nic] = 0
		return func(p netstack.CapturedPacket) {
			mu.Lock()
			defer mu.Unlock()
			if !p.Outbound {
				received[nic] += int64(len(p.Data))
			}
		}
	}
	if _, err := Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	client := received["client up0"] + received["client up1"] + received["client up2"]
	if len(received) != 4 || client < cfg.Size || received["server eth0"] == 0 {
		t.Errorf("received %v", received)
	}
}

func TestRunFile(t *testing.T) {
	needsPatches(t)
	cfg := testConfig()
	cfg.Migrations = 2
	cfg.File = filepath.Join(t.TempDir(), "file.html")
	data := []byte(strings.Repeat("<html>", 200_000))
	if err := os.WriteFile(cfg.File, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Bytes != int64(len(data)) || !r.SHA256Equal {
		t.Errorf("%d bytes, equal: %v", r.Bytes, r.SHA256Equal)
	}
}

func TestRunErrors(t *testing.T) {
	needsPatches(t)
	cancelled, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	cancel(why)
	small := filepath.Join(t.TempDir(), "small")
	if err := os.WriteFile(small, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		change func(*Config)
		want   string
	}{
		{"cancelled", cancelled, func(*Config) {}, "enough"},
		{"no file", context.Background(), func(c *Config) { c.File = small + ".none" }, "no such file"},
		{"small file", context.Background(), func(c *Config) { c.File = small }, "need a file of at least"},
		{"invalid", context.Background(), func(c *Config) { c.Loss = -1 }, "loss"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			tt.change(&cfg)
			_, err := Run(tt.ctx, cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestDownloadEndsTooEarly: a migration of a connection that is idle measures
// nothing.
func TestDownloadEndsTooEarly(t *testing.T) {
	_, steps := plan(2)
	r := &run{steps: steps}
	r.ended.Store(true)
	triggers := make(chan struct{})
	close(triggers)
	if err := r.migrateAll(context.Background(), triggers); err == nil || !strings.Contains(err.Error(), "ended after 0 of 2") {
		t.Error(err)
	}
}

func TestRunUnpatched(t *testing.T) {
	if netstack.Patched() == nil {
		t.Skip("gVisor is patched")
	}
	if _, err := Run(context.Background(), testConfig()); !errors.Is(err, netstack.ErrUnpatched) {
		t.Errorf("%v, want %v", err, netstack.ErrUnpatched)
	}
}

func TestValidate(t *testing.T) {
	ok := testConfig()
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"migrations":      func(c *Config) { c.Migrations = -1 },
		"many migrations": func(c *Config) { c.Migrations = MaxMigrations + 1 },
		"rtt":             func(c *Config) { c.RTT = 0 },
		"long rtt":        func(c *Config) { c.RTT = MaxRTT + 1 },
		"rate":            func(c *Config) { c.Rate = 0 },
		"high rate":       func(c *Config) { c.Rate = MaxRate + 1 },
		"loss":            func(c *Config) { c.Loss = MaxLoss * 1.01 },
		"size of a leg":   func(c *Config) { c.Size = 7*250_000 - 1 },
		"size":            func(c *Config) { c.Rate, c.Size = 1e6, 7*MinLeg-1 },
	} {
		cfg := testConfig()
		change(&cfg)
		if cfg.Validate() == nil {
			t.Errorf("%s: %+v passes", name, cfg)
		}
	}
}
