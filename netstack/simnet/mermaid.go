// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"
	"strings"
)

// Mermaid returns the kept records as a mermaid sequence diagram; see [Mermaid].
func (r *Recorder) Mermaid() string { return Mermaid(r.Records()) }

// Mermaid returns records, in their order, as a mermaid sequence diagram. Packets that
// don't arrive end in a cross. Addresses are shown if they are not the same for all
// records. Sequence numbers count from the first of their connection and direction, also
// after the connection has changed its addresses.
func Mermaid(records []Record) string {
	var b strings.Builder
	b.WriteString("sequenceDiagram\n")
	var seen [2]sequenceSpaces // by the direction of the sender
	one := oneTuple(records)
	for _, rec := range records {
		arrow, fate := "->>", ""
		if rec.Fate != FateSent {
			arrow, fate = "-x", fmt.Sprintf(" (%v)", rec.Fate)
		}
		fmt.Fprintf(&b, "    %s%s%s: %.3f s ", rec.From, arrow, rec.To, rec.Time.Seconds())
		if !one {
			fmt.Fprintf(&b, "%v > %v ", rec.Src, rec.Dst)
		}
		text := rec.summary(seen[rec.Dir].relative, seen[rec.Dir.Reverse()].relative)
		fmt.Fprintf(&b, "%s%s\n", text, fate)
	}
	return b.String()
}

// oneTuple reports whether all records are between the same two addresses.
func oneTuple(records []Record) bool {
	tuples := make(map[[2]netip.AddrPort]bool)
	for _, r := range records {
		t := [2]netip.AddrPort{r.Src, r.Dst}
		if t[1].Compare(t[0]) < 0 {
			t[0], t[1] = t[1], t[0]
		}
		tuples[t] = true
	}
	return len(tuples) <= 1
}

// sequenceSpaces tells the sequence spaces of several connections apart, by the distance
// of their numbers. Addresses don't tell: a connection that migrates keeps its numbers.
type sequenceSpaces []sequenceSpace

// sequenceSpace holds the sequence numbers seen so far in one direction of a
// connection.
type sequenceSpace struct{ first, last uint32 }

// spaceDistance is the most by which numbers of a space that follow each other in a
// trace may differ. It is more than is in flight. It is so little that two random
// initial sequence numbers are hardly ever as close.
const spaceDistance = 1 << 24

// relative returns n relative to the first number of its space.
func (s *sequenceSpaces) relative(n uint32) int64 {
	for i := range *s {
		sp := &(*s)[i]
		if d := int32(n - sp.last); -spaceDistance < d && d < spaceDistance {
			sp.last = n
			return int64(int32(n - sp.first))
		}
	}
	*s = append(*s, sequenceSpace{n, n})
	return 0
}
