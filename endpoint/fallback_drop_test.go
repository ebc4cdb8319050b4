// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestFallbackDropped has a middlebox that drops segments with an option that it does
// not know. The dial succeeds all the same. Data in one direction depends on
// acknowledgements that nothing else rides on. It takes no longer than a few
// retransmissions do.
func TestFallbackDropped(t *testing.T) {
	const (
		none     = migrate.PlainNotOffered
		noAnswer = migrate.PlainNoAnswer

		thirdSYN     = 4 * time.Second // 3 s after the first
		secondSYNACK = 2 * time.Second // after 1 s; the ACK that answers it passes
	)
	for _, test := range []struct {
		name           string
		on             simnet.Segments
		limit          time.Duration
		client, server migrate.PlainReason
	}{
		{"SYN", simnet.OnSYN, thirdSYN, none, none},
		{"SYN-ACK", simnet.OnSYNACK, thirdSYN, none, noAnswer},
		{"SYN and SYN-ACK", simnet.OnSYN | simnet.OnSYNACK, thirdSYN, none, none},
		{"ACK", simnet.OnACK, secondSYNACK, noAnswer, noAnswer},
		{"all", simnet.OnAny, thirdSYN, none, none},
	} {
		for _, up := range []bool{false, true} {
			name := test.name + "/download"
			if up {
				name = test.name + "/upload"
			}
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				box := &simnet.OptionBox{Action: simnet.DiscardOption, Kinds: []uint8{kindPermitted}, Segments: test.on}
				r.net.Uplinks[0].Use(box)
				c, s := r.pair(serverAddr)
				one, other := newStream(s, c, 1), newStream(c, s, 2)
				if up {
					one, other = other, one
				}
				one.send(t, 256<<10)
				one.finish(t)
				if at := r.net.Clock.Elapsed(); at > test.limit {
					t.Errorf("256 kB took %v, want at most %v", at, test.limit)
				}
				if box.Hits() == 0 {
					t.Error("nothing dropped")
				}
				plainTCP(t, "client", c, test.client)
				plainTCP(t, "server", s, test.server)
				other.finish(t)
			})
		}
	}
}

// TestRequiredDropped: an end that requires migration goes on offering it, and gets no
// connection.
func TestRequiredDropped(t *testing.T) {
	r := newRig(t, rigConfig{})
	box := &simnet.OptionBox{Action: simnet.DiscardOption, Kinds: []uint8{kindPermitted}, Segments: simnet.OnSYN}
	r.net.Uplinks[0].Use(box)
	r.dialer.Migration = Required
	r.dialer.Timeout = 10 * time.Second
	ln, err := r.listen.Listen(t.Context(), "tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := r.dialer.Dial("tcp", serverAddr)
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("dial: %v, %v", c, err)
	}
	if n := box.Hits(); n != 4 { // at 0, 1, 3 and 7 s
		t.Errorf("%d SYNs with the option", n)
	}
}
