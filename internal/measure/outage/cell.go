// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"fmt"
	"slices"
	"time"
)

// Peer is whose handover is measured.
type Peer string

// Peers.
const (
	Mnet      Peer = "mnet"
	Reconnect Peer = "reconnect" // a kernel's TCP; the application dials again
)

// Mode is how the uplinks change.
type Mode string

// Modes.
const (
	BreakBeforeMake Mode = "bbm"
	MakeBeforeBreak Mode = "mbb"
)

// Direction is the kind of traffic on the connection.
type Direction string

// Directions.
const (
	Download    Direction = "download"
	Upload      Direction = "upload"
	Interactive Direction = "interactive"
	// Idle is many connections that carry nothing meanwhile.
	Idle Direction = "idle"
)

// Cell is a kind of handover, which is measured a number of times.
type Cell struct {
	Peer      Peer
	RTT       time.Duration
	Mode      Mode
	Direction Direction
}

func (c Cell) String() string {
	return fmt.Sprintf("%s %v %s %s", c.Peer, c.RTT, c.Mode, c.Direction)
}

// bound is a floor and a limit, in round-trip times.
type bound struct{ floor, limit float64 }

// See the package's documentation.
var bounds = map[Mode]map[Direction]bound{
	BreakBeforeMake: {
		Download:    {2, 2.2},
		Upload:      {1.5, 1.8},
		Interactive: {2, 2.3},
	},
	MakeBeforeBreak: {
		Download:    {0, 0.5},
		Upload:      {0, 0.5},
		Interactive: {1, 1.3}, // the answer's own round trip
	},
}

// floor is the least outage that is possible, in round-trip times.
func (c Cell) floor() float64 {
	if c.Peer == Reconnect && c.Direction == Upload {
		return 2.5 // it has to ask how much has arrived
	}
	return bounds[c.Mode][c.Direction].floor
}

// Limit is the largest median that mnet's outage should have, in round-trip times;
// zero if there is none.
func (c Cell) Limit() float64 {
	if c.Peer != Mnet {
		return 0
	}
	return bounds[c.Mode][c.Direction].limit
}

// Cells returns all combinations for which there is a client: the one that dials
// again has nothing to make before the break.
func Cells(rtts []time.Duration, modes []Mode, directions []Direction) []Cell {
	var cells []Cell
	for _, rtt := range rtts {
		for _, m := range modes {
			for _, d := range directions {
				if m == BreakBeforeMake {
					cells = append(cells, Cell{Reconnect, rtt, m, d})
				}
				cells = append(cells, Cell{Mnet, rtt, m, d})
			}
		}
	}
	return cells
}

// ParseMode takes a mode as it is in a [Row].
func ParseMode(s string) (Mode, error) {
	return parse("mode", s, BreakBeforeMake, MakeBeforeBreak)
}

// ParseDirection takes a direction as it is in a [Row].
func ParseDirection(s string) (Direction, error) {
	return parse("direction", s, Download, Upload, Interactive)
}

func parse[T ~string](what, s string, known ...T) (T, error) {
	if i := slices.Index(known, T(s)); i >= 0 {
		return known[i], nil
	}
	return "", fmt.Errorf("%s %q: choose of %q", what, s, known)
}
