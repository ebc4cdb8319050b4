// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/mnet-dev/mnet/internal/node"
)

// column numbers of the table of connections.
const (
	colID = iota
	colKind
	colPeer
	colState
	colLocal
	colRemote
	colSuite
	colPath
	colRTT
	colHeard
	colMoves
	colIn
	colOut
	colLast
	columnCount
)

var connColumns = []column{
	colID:     {title: "ID", right: true, weight: 13},
	colKind:   {title: "KIND", weight: 4},
	colPeer:   {title: "PEER", weight: 14, least: 16},
	colState:  {title: "STATE", weight: 12},
	colLocal:  {title: "LOCAL", weight: 2},
	colRemote: {title: "-> REMOTE", weight: 3},
	colSuite:  {title: "SUITE", weight: 1, least: 13},
	colPath:   {title: "PATH", weight: 6, least: 12},
	colRTT:    {title: "RTT", right: true, weight: 8},
	colHeard:  {title: "HEARD", right: true, weight: 11},
	colMoves:  {title: "MOVES", right: true, weight: 10},
	colIn:     {title: "IN", right: true, weight: 9},
	colOut:    {title: "OUT", right: true, weight: 7},
	colLast:   {title: "LAST MOVE", weight: 5, least: 24},
}

// connections writes a table, and a line about columns that had no room.
func connections(conns []node.ConnStatus, o Options) []string {
	rows := make([][]cell, len(conns))
	for i, c := range conns {
		rows[i] = connRow(c, o.Now)
	}
	lines, hidden := table(connColumns, rows, o)
	if len(hidden) > 0 {
		// The titles read "-> remote" where they stand alone, too.
		note := "no room for: " + strings.ReplaceAll(strings.Join(hidden, ", "), "-> ", "")
		lines = append(lines, o.paint(faint, limit(note, o)))
	}
	return lines
}

func connRow(c node.ConnStatus, now time.Time) []cell {
	r := make([]cell, columnCount)
	r[colID].text = clean(c.ID)
	r[colKind].text = string(c.Kind)
	r[colPeer] = cell{clean(c.Peer), bold}
	r[colState] = state(c)
	r[colLocal].text = c.Local.String()
	r[colRemote].text = "-> " + c.Remote.String()
	r[colSuite] = suite(c)
	r[colPath].text = clean(c.Path)
	if c.RTTMS > 0 {
		r[colRTT].text = Milliseconds(c.RTTMS)
	}
	r[colHeard] = heard(c)
	r[colMoves] = moves(c)
	r[colIn].text, r[colOut].text = Bytes(c.BytesIn), Bytes(c.BytesOut)
	if m := c.LastMove; m != nil {
		r[colLast] = lastMove(*m, now)
	}
	return r
}

// stateHeld is the state of a connection that waits for a path.
const stateHeld = "MIGRATE-WAIT"

func state(c node.ConnStatus) cell {
	switch c.State {
	case stateHeld:
		return cell{c.State, red}
	case "ESTABLISHED":
		return cell{c.State, green}
	default:
		return cell{c.State, plain}
	}
}

// suite is the suite that protects migration, or the reason why there is none.
func suite(c node.ConnStatus) cell {
	if c.Migratable {
		return cell{c.Suite, plain}
	}
	return cell{"plain: " + clean(c.Why), yellow}
}

// silence is when a peer that owes an answer is worth a warning. A peer that owes
// none may be silent for hours.
const silence = 2 * time.Second

// heard is when the peer was last heard of.
func heard(c node.ConnStatus) cell {
	if c.LastContactMS == nil {
		return cell{"", plain}
	}
	ago := time.Duration(*c.LastContactMS * float64(time.Millisecond))
	text := Span(ago) + " ago"
	switch {
	case c.State == stateHeld:
		return cell{text + " !", red}
	case c.Unanswered > 0 && ago >= silence:
		return cell{text + " !", yellow}
	default:
		return cell{text, plain}
	}
}

// moves counts migrations: by this end, and by the peer. A connection that cannot move
// says so here, too: any terminal has room for this column.
func moves(c node.ConnStatus) cell {
	switch {
	case !c.Migratable:
		return cell{"plain", yellow}
	case c.Accepted == 0:
		return cell{fmt.Sprint(c.Initiated), plain}
	default:
		return cell{fmt.Sprintf("%d+%d", c.Initiated, c.Accepted), plain}
	}
}

func lastMove(m node.MoveStatus, now time.Time) cell {
	ago := Span(now.Sub(m.At)) + " ago"
	if m.Error != "" {
		return cell{fmt.Sprintf("failed %s (%s): %s", ago, clean(m.Cause), clean(m.Error)), red}
	}
	return cell{fmt.Sprintf("%s, %s, took %s", clean(m.Cause), ago, Milliseconds(m.TookMS)), plain}
}
