// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Mermaid returns the kept records as a mermaid sequence diagram. Sequence
// numbers are relative to the first one of each end; packets that don't arrive
// end in a cross.
func (r *Recorder) Mermaid() string {
	var b strings.Builder
	b.WriteString("sequenceDiagram\n")
	base := make(map[string]uint32)
	for _, rec := range r.Records() {
		arrow := "->>"
		if rec.Fate != FateSent {
			arrow = "-x"
		}
		rec.relate(base)
		fmt.Fprintf(&b, "    %s%s%s: %.3f s %s\n", rec.From, arrow, rec.To, rec.Time.Seconds(), rec.summary())
	}
	return b.String()
}

// relate makes the numbers of a TCP record relative to each end's first.
func (r *Record) relate(base map[string]uint32) {
	if r.Protocol != protoTCP {
		return
	}
	if _, ok := base[r.From]; !ok {
		base[r.From] = r.Seq
	}
	r.Seq -= base[r.From]
	if _, ok := base[r.To]; ok && r.Flags&header.TCPFlagAck != 0 {
		r.Ack -= base[r.To]
	}
}
