// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/measure"
	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/internal/node"
)

func TestPingSummary(t *testing.T) {
	var s pingSummary
	for _, r := range []node.PingReply{{RTTMS: 3}, {Error: "lost"}, {RTTMS: 1}, {RTTMS: 5}} {
		s.add(&r)
	}
	if want := (pingSummary{Sent: 4, Answered: 3, LossPct: 25, Min: 1, Avg: 3, Max: 5}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

func TestPingEnd(t *testing.T) {
	broken := errors.New("broken")
	answered := pingSummary{Sent: 1, Answered: 1}
	for _, tt := range []struct {
		name   string
		target *node.PingTarget
		sum    pingSummary
		err    error
		want   error
	}{
		{"answered", &node.PingTarget{}, answered, nil, nil},
		{"answered, then interrupted", &node.PingTarget{}, answered, context.Canceled, nil},
		{"answered, then broken", &node.PingTarget{}, answered, broken, broken},
		{"no answer", &node.PingTarget{}, pingSummary{Sent: 1}, nil, errNoAnswer},
		{"interrupted before anything", nil, pingSummary{}, context.Canceled, context.Canceled},
	} {
		p := &pinging{out: new(strings.Builder), target: tt.target, sum: tt.sum}
		if err := p.end(tt.err); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	p := &pinging{out: new(strings.Builder), target: &node.PingTarget{Port: 22, Why: "old"}}
	if p.end(nil) == nil {
		t.Error("a peer that cannot migrate is fine")
	}
}

func TestBenchRequest(t *testing.T) {
	base := benchFlags{port: 5201, seconds: 1.5, parallel: 2}
	for _, tt := range []struct {
		name    string
		target  string
		change  func(*benchFlags)
		address string
		mode    measure.Mode
		fails   bool
	}{
		{"name", "server", nil, "server:5201", measure.Upload, false},
		{"name and port", "server:80", nil, "server:80", measure.Upload, false},
		{"IPv6", "fd00::1", nil, "[fd00::1]:5201", measure.Upload, false},
		{"IPv6 and port", "[fd00::1]:80", nil, "[fd00::1]:80", measure.Upload, false},
		{"reverse", "server", func(f *benchFlags) { f.reverse = true }, "server:5201", measure.Download, false},
		{"interactive", "server", func(f *benchFlags) { f.interactive = true }, "server:5201", measure.Interactive, false},
		{"both", "server", func(f *benchFlags) { f.reverse, f.interactive = true, true }, "", "", true},
		{"to nowhere", "server", func(f *benchFlags) { f.to = "x" }, "", "", true},
		{"dnat", "server", func(f *benchFlags) { f.dnat = true }, "", "", true},
	} {
		f := base
		if tt.change != nil {
			tt.change(&f)
		}
		req, err := f.request(tt.target)
		if (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil && (req.Address != tt.address || req.Mode != tt.mode || req.Duration != 1500*time.Millisecond || req.Parallel != 2) {
			t.Errorf("%s: %+v", tt.name, req)
		}
	}
}

func TestBenchPrint(t *testing.T) {
	var b strings.Builder
	p := &benching{out: &b}
	for _, ev := range []node.BenchEvent{
		{Start: &node.BenchStart{Connections: []node.BenchConnection{{ID: "3", Why: "plain"}}}},
		{Interval: &node.BenchInterval{Begin: 1, End: 2, Bytes: 1e6, BitsPerSecond: 8e6}},
		{Interval: &node.BenchInterval{Messages: 50, MessageMS: &stats.Summary{Median: 20, Max: 30}}},
		{Report: &node.BenchReport{
			Seconds: 2, Bytes: 2e6, BitsPerSecond: 8e6, Asked: 2, Migrations: 1, Failed: 1,
			OutageMS: stats.Summary{Median: 40, P95: 41, Max: 42},
			Moves:    []node.BenchMove{{Conn: "3", At: 1, OutageMS: 40, OutageRTT: 2}, {Conn: "3", At: 1.5, Error: "no way"}},
		}},
	} {
		if err := p.event(ev); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"connection 3", "plain", "1.00 MB", "8.00 Mbit/s", "50 messages, median 20.00 ms, max 30.00 ms",
		"40.0 ms", "2.00 RTT", "no way", "2000000, all of them right", "median 40.00 ms, 95 % 41.00 ms, max 42.00 ms",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if err := p.end(); err == nil || !strings.Contains(err.Error(), "1 of 2 migrations have failed") {
		t.Error(err)
	}
	if err := p.event(node.BenchEvent{Error: "broken"}); err == nil || err.Error() != "broken" {
		t.Error(err)
	}
	if (&benching{}).end() == nil {
		t.Error("no report is fine")
	}
	p.report = &node.BenchReport{Asked: 3, Migrations: 1}
	if err := p.end(); err == nil || !strings.Contains(err.Error(), "1 of 3") {
		t.Error(err)
	}
}
