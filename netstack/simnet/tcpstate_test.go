// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestNextState compares the state machine with the whole table: for each kind
// of segment the next state from each state. "ig" is ignored, "--" invalid.
func TestNextState(t *testing.T) {
	names := map[string]tcpState{
		"no": tcpNone, "ss": tcpSynSent, "sr": tcpSynRecv, "es": tcpEstablished, "fw": tcpFinWait,
		"cw": tcpCloseWait, "la": tcpLastAck, "tw": tcpTimeWait, "cl": tcpClose, "s2": tcpSynSent2,
		"ig": tcpIgnore, "--": tcpInvalid,
	}
	from := strings.Fields("no ss sr es fw cw la tw cl s2")
	for _, row := range []struct {
		dir   ctDir
		flags header.TCPFlags
		next  string
	}{
		{ctOriginal, fSYN, "ss ss ig ig ig ig ig ss ss s2"},
		{ctOriginal, fSYN | fACK, "-- -- ig ig ig ig ig ig ig sr"},
		{ctOriginal, fFIN | fACK, "-- -- fw fw la la la tw cl --"},
		{ctOriginal, fACK, "es -- es es cw cw tw tw cl --"},
		{ctOriginal, fRST, "-- cl cl cl cl cl cl cl cl cl"},
		{ctOriginal, 0, "-- -- -- -- -- -- -- -- -- --"},
		{ctReply, fSYN, "-- s2 -- -- -- -- -- -- -- s2"},
		{ctReply, fSYN | fACK, "-- sr ig ig ig ig ig ig ig sr"},
		{ctReply, fFIN | fACK, "-- -- fw fw la la la tw cl --"},
		{ctReply, fACK, "-- ig sr es cw cw tw tw cl ig"},
		{ctReply, fRST | fACK, "-- cl cl cl cl cl cl cl cl cl"},
		{ctReply, header.TCPFlagPsh, "-- -- -- -- -- -- -- -- -- --"},
	} {
		for i, want := range strings.Fields(row.next) {
			if got := nextState(names[from[i]], row.dir, classify(row.flags)); got != names[want] {
				t.Errorf("%v in %v direction, state %v: %v, want %v",
					classify(row.flags), row.dir, names[from[i]], got, names[want])
			}
		}
	}
}

func TestSaneFlags(t *testing.T) {
	valid := map[header.TCPFlags]bool{
		fSYN: true, fSYN | fACK: true, fACK: true, fFIN | fACK: true, fRST: true, fRST | fACK: true,
		fSYN | header.TCPFlagUrg: true, fACK | header.TCPFlagUrg: true, fFIN | fACK | header.TCPFlagUrg: true,
	}
	for f := range header.TCPFlags(64) {
		if got := saneFlags(f); got != valid[f&^header.TCPFlagPsh] {
			t.Errorf("%v: %v", f, got)
		}
	}
}
