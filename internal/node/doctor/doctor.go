// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package doctor finds out whether a host has everything that a node needs. It changes
// nothing: it undoes each trial at once.
package doctor

import (
	"context"
	"errors"
)

// Level is how serious a finding is.
type Level string

// Levels.
const (
	OK   Level = "ok"
	Info Level = "info" // may be good to know
	Warn Level = "warn" // some uses of mnet will not work, or not well
	Fail Level = "FAIL" // a node cannot run, or its connections cannot migrate
)

// Finding is the outcome of a check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // the remedy
}

// check looks at one thing.
type check struct {
	name string
	run  func(context.Context, *System) Finding
}

// checks are the checks of Run, in its order.
var checks = []check{
	{"privileges", privileges},
	{"TUN device", tunDevice},
	{"gVisor", gvisor},
	{"TUN driver", tunDriver},
	{"nf_tables", nftables},
	{"forwarding", forwarding},
	{"firewall", firewall},
	{"conntrack", conntrack},
	{"uplinks", uplinks},
	{"addresses", addresses},
	{"IPv6", ipv6},
	{"node", running},
}

// Run makes all checks.
func Run(ctx context.Context, s *System) []Finding {
	findings := make([]Finding, len(checks))
	for i, c := range checks {
		findings[i] = c.run(ctx, s)
		findings[i].Check = c.name
	}
	return findings
}

// Healthy reports whether a node can run.
func Healthy(findings []Finding) bool {
	for _, f := range findings {
		if f.Level == Fail {
			return false
		}
	}
	return true
}

// trouble is a finding about an error. Systems that mnet does not run on have no
// other.
func trouble(level Level, err error, do string) Finding {
	if errors.Is(err, errors.ErrUnsupported) {
		level = Warn
	}
	return Finding{Level: level, Text: err.Error(), Do: do}
}
