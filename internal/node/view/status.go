// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"

	"github.com/mnet-dev/mnet/internal/node"
)

// Status writes a node and its connections, as lines that end with a newline each.
func Status(s *node.Status, o Options) string {
	lines := header(s, o)
	lines = append(lines, "")
	if len(s.Connections) == 0 {
		lines = append(lines, o.paint(faint, limit("no connections", o)))
	} else {
		lines = append(lines, connections(s.Connections, o)...)
	}
	return strings.Join(lines, "\n") + "\n"
}

// header describes the node.
func header(s *node.Status, o Options) []string {
	first := fmt.Sprintf("%s  %s, MTU %d, up %s, pid %d", clean(s.Device), s.Driver, s.MTU, Span(o.Now.Sub(s.Started)), s.PID)
	lines := []string{o.paint(bold, limit(first, o))}
	add := func(name string, st style, texts ...string) {
		lines = append(lines, field(name, texts, st, o)...)
	}

	policy := s.Policy
	if s.Masquerade {
		policy += ", behind the host's addresses"
	}
	add("host", plain, texts(s.Host)...)
	stack := texts(s.Addresses)
	if s.Chosen {
		stack = append(stack, "(chosen: nothing else of the host uses them)")
	}
	add("stack", plain, stack...)
	add("policy", plain, policy)
	if len(s.Router) > 0 {
		add("router", plain, "somebody else made the host a router ("+strings.Join(s.Router, ", ")+"): it forwards for others, too")
	}
	if len(s.Uplinks) == 0 {
		add("uplinks", red, "none")
	}
	var items []string
	for _, u := range s.Uplinks {
		items = append(items, uplink(u))
	}
	add("uplinks", plain, items...)
	items = nil
	for _, svc := range s.Services {
		items = append(items, service(svc))
	}
	add("services", plain, items...)
	if s.Holds > 0 {
		add("held", yellow, fmt.Sprintf("%d without a path, %s to send", s.Holds, Bytes(s.HoldBytes)))
	}
	return lines
}

func uplink(u node.UplinkStatus) string {
	if u.Via == "" {
		return u.Local.String()
	}
	return fmt.Sprintf("%v (%s)", u.Local, clean(u.Via))
}

func service(s node.Service) string {
	text := fmt.Sprintf("%s %s", s.Kind, clean(s.Listen))
	if s.Target != "" {
		text += " -> " + clean(s.Target)
	}
	if s.DNAT {
		text += " (dnat)"
	}
	return text
}

func texts[T fmt.Stringer](values []T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.String()
	}
	return list
}

// nameWidth is the longest name of a field, with the space around it.
const nameWidth = 12

// field writes a name and items beside it, as many on a line as fit; nothing if
// there are none.
func field(name string, items []string, st style, o Options) (lines []string) {
	room := max(o.Width-nameWidth, 1)
	line := ""
	flush := func() {
		lines = append(lines, o.paint(faint, fmt.Sprintf("  %-*s", nameWidth-2, name))+o.paint(st, line))
		name, line = "", ""
	}
	for _, item := range items {
		if o.Width > 0 {
			item = Cut(item, room)
		}
		if line != "" {
			if o.Width > 0 && width(line+gap+item) > room {
				flush()
			} else {
				line += gap
			}
		}
		line += item
	}
	if line != "" {
		flush()
	}
	return lines
}

// limit cuts a line to the terminal.
func limit(line string, o Options) string {
	if o.Width <= 0 {
		return line
	}
	return Cut(line, o.Width)
}
