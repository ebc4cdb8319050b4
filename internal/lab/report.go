// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// Result is the result of a scene for each connection.
type Result struct {
	Scene string `json:"scene"`
	Title string `json:"title"`

	// Uplink is the client's device that the download goes by at the end of the
	// scene, Public where the server sees it come from.
	Uplink string         `json:"uplink"`
	Public netip.AddrPort `json:"public"`

	Bulk        FlowResult   `json:"bulk"`
	Interactive FlowResult   `json:"interactive"`
	Kernel      KernelResult `json:"kernel"`
}

// FlowResult is about one connection of mnet.
type FlowResult struct {
	// OutageMS is the longest time without an arrival, from the last one before
	// the event on.
	OutageMS float64 `json:"outage_ms"`
	// ResumedMS is when the first bytes arrived, from the instant on at which the
	// uplinks were back. Only where both have been gone.
	ResumedMS float64 `json:"resumed_ms,omitempty"`
	// Causes of the moves, as the roamer told them.
	Causes []string `json:"causes"`
	// Bytes that have arrived so far, and whether they equal the bytes that were sent.
	Bytes  int64 `json:"bytes"`
	Intact bool  `json:"intact"`
}

// Fate is the state of a connection of the kernel after a scene.
type Fate string

// Fates.
const (
	Alive   Fate = "alive"
	Stalled Fate = "stalled" // nothing has arrived for a while
	Dead    Fate = "dead"    // reset, or timed out
)

// KernelResult is about the kernel's connection. Each scene begins with one that
// is alive.
type KernelResult struct {
	Fate     Fate    `json:"fate"`
	OutageMS float64 `json:"outage_ms"` // so far, if it has not ended
	Error    string  `json:"error,omitempty"`
}

// Report is the end of a run.
type Report struct {
	Scenes []Result `json:"-"` // told one by one

	Bulk        Transfer `json:"bulk"`
	Interactive Transfer `json:"interactive"`
	// ServerMoves is how many migrations the server started: none, it stays where
	// it is.
	ServerMoves uint64 `json:"server_moves"`
	// Lost says how a connection of mnet was lost.
	Lost string `json:"lost,omitempty"`
}

// Transfer is a connection of mnet from its beginning to its end.
type Transfer struct {
	Sent           int64  `json:"sent"` // bytes
	Received       int64  `json:"received"`
	SentSHA256     string `json:"sent_sha256"`
	ReceivedSHA256 string `json:"received_sha256"`
	Equal          bool   `json:"equal"`
	Moves          int    `json:"moves"`
}

// Errors of a report.
var (
	ErrLost    = errors.New("a connection was lost")
	ErrCorrupt = errors.New("what arrived is not what was sent")
)

// Err is nil if no connection was lost and every byte was right.
func (r *Report) Err() error {
	if r.Lost != "" {
		return fmt.Errorf("%w: %s", ErrLost, r.Lost)
	}
	if !r.Bulk.Equal || !r.Interactive.Equal {
		return ErrCorrupt
	}
	return nil
}
