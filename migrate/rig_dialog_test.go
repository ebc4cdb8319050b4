// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// dialog drives one machine of a default negotiation by hand.
type dialog struct {
	t    *testing.T
	c    *Machine
	peer *Machine // whose options are real
	now  Time
}

func newDialog(t *testing.T, r Role, suite SuiteID) *dialog {
	cfg := &Config{Suites: []SuiteID{suite}}
	d := &dialog{t: t}
	var conns [2]*Machine
	for r := range conns {
		c, err := NewMachine(Role(r), cfg, new(Secret), constReader(r+1))
		if err != nil {
			t.Fatal(err)
		}
		conns[r] = c
	}
	conns[Acceptor].PeerSYN(conns[Opener].SYNOption(nil, 40))
	conns[Opener].PeerSYN(conns[Acceptor].SYNOption(nil, 40))
	conns[Opener].Established(0, 100, 200)
	conns[Acceptor].Established(0, 200, 100)
	d.c, d.peer = conns[r], conns[r.peer()]
	return d
}

// take gives options to the machine, a second later.
func (d *dialog) take(opts []byte) bool {
	d.now = d.now.Add(time.Second)
	return d.c.PeerACK(d.now, 0, opts, TCB{})
}

func (d *dialog) want(s NegotiationState, r PlainReason) {
	d.t.Helper()
	if d.c.State() != s || d.c.Reason() != r {
		d.t.Fatalf("%v, %v, want %v, %v", d.c.State(), d.c.Reason(), s, r)
	}
}

// exchange lets both ends talk until both have confirmed.
func (d *dialog) exchange() {
	d.t.Helper()
	for range 3 {
		d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
		d.peer.PeerACK(d.now, 0, d.c.ACKOption(nil, 40, 0, TCB{}), TCB{})
	}
	d.want(Confirmed, PlainNone)
	if d.peer.State() != Confirmed {
		d.t.Fatalf("peer: %v", d.peer.State())
	}
}

func keyRest(key byte) []byte {
	return append([]byte{kindPermitted, 24, 0}, slices.Repeat([]byte{key}, nFresh+15)...)
}

func keyConfirm(tag uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindPermitted, 10}, tag)
}
