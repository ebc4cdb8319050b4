// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"

	"github.com/mnet-dev/mnet/internal/node"
)

// Event writes an event as one line without a newline.
func Event(e node.Event, o Options) string {
	text, s := describe(e)
	// Escape sequences take no columns, so they come after the cut.
	line := limit(e.Time.Format("15:04:05.000")+gap+text, o)
	return o.paint(s, line)
}

func describe(e node.Event) (string, style) {
	conn := clean(fmt.Sprintf("%-8s %s %s", e.Kind, e.Conn, e.Peer))
	switch e.Kind {
	case node.EventMoved:
		return conn + ": " + move(e.Move), green
	case node.EventStuck:
		return conn + ": " + clean(e.Error) + " (" + cause(e.Move) + ")", red
	case node.EventClosed:
		if e.Error != "" {
			return conn + ": " + clean(e.Error), yellow
		}
		return conn, plain
	case node.EventUplinks:
		return fmt.Sprintf("%-8s %s", e.Kind, uplinks(e)), yellow
	case node.EventRenumbered:
		return fmt.Sprintf("%-8s host %s, stack %s: this host uses an address of the device", e.Kind,
			strings.Join(texts(e.Host), ", "), strings.Join(texts(e.Addresses), ", ")), yellow
	case node.EventLost:
		return fmt.Sprintf("%-8s %d events were not shown: too many at once", e.Kind, e.Lost), yellow
	default:
		return conn, plain
	}
}

func cause(m *node.MoveStatus) string {
	if m == nil {
		return "no cause told"
	}
	return clean(m.Cause)
}

func move(m *node.MoveStatus) string {
	if m == nil {
		return cause(nil)
	}
	text := fmt.Sprintf("%s, took %s, %v -> %v", cause(m), Milliseconds(m.TookMS), m.From, m.To)
	if m.Uplink != "" {
		text += " by " + clean(m.Uplink)
	}
	return text
}

func uplinks(e node.Event) string {
	list := make([]string, len(e.Uplinks))
	for i, u := range e.Uplinks {
		list[i] = uplink(u)
	}
	text := strings.Join(list, ", ")
	if text == "" {
		text = "none"
	}
	if e.Woke {
		text += "; the machine was asleep"
	}
	return text
}
