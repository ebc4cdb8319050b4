// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestNewPathTampered has a middlebox on the new path that tampers with the
// Migrate option. The attempt fails and the connection stays where it is.
func TestNewPathTampered(t *testing.T) {
	box := func(a simnet.OptionAction, s simnet.Segments) *simnet.OptionBox {
		return &simnet.OptionBox{Action: a, Kinds: []uint8{kindMigrate}, Segments: s}
	}
	for _, test := range []struct {
		name string
		box  simnet.Box
		// want is the error, idle that if nobody listens at the server: a
		// migrate SYN without its option is any SYN.
		want, idle error
	}{
		{"strip SYN", box(simnet.StripOption, simnet.OnSYN), ErrNotProven, ErrPeerRefused},
		{"remove SYN", box(simnet.RemoveOption, simnet.OnSYN), ErrNotProven, ErrPeerRefused},
		{"garble SYN", box(simnet.GarbleOption, simnet.OnSYN), ErrNoAnswer, ErrNoAnswer},
		{"discard SYN", box(simnet.DiscardOption, simnet.OnSYN), ErrNoAnswer, ErrNoAnswer},
		{"strip SYN-ACK", box(simnet.StripOption, simnet.OnSYNACK), ErrNotProven, ErrNotProven},
		{"garble SYN-ACK", box(simnet.GarbleOption, simnet.OnSYNACK), ErrNotProven, ErrNotProven},
		{"discard SYN-ACK", box(simnet.DiscardOption, simnet.OnSYNACK), ErrNoAnswer, ErrNoAnswer},
		{"mirror", box(simnet.MirrorOption, simnet.OnAny), ErrNotProven, ErrNotProven},
		{"strip all", box(simnet.StripOption, simnet.OnAny), ErrNotProven, ErrPeerRefused},
		{"discard all", box(simnet.DiscardOption, simnet.OnAny), ErrNoAnswer, ErrNoAnswer},
	} {
		for _, suite := range []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1, migrate.SuiteNull} {
			t.Run(test.name+"/"+suite.String(), func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.suites(suite)
				c, s := r.open(serverAddr)
				r.net.Uplinks[1].Use(test.box)
				finish := bothWays(t, c, s, 256<<10)
				stays(t, c, s, test.idle)
				ln, err := r.listen.Listen(context.Background(), "tcp", serverAddr)
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				stays(t, c, s, test.want)
				finish()
			})
		}
	}
}

// stays has c try to migrate to the second uplink, which must fail and leave the
// connection where it is, at both ends.
func stays(t *testing.T, c, s *Conn, want error) {
	t.Helper()
	beforeC, beforeS := c.Migration().Current, s.Migration().Current
	err := c.Migrate(context.Background(), addr("10.2.0.2"))
	if !errors.Is(err, want) {
		t.Errorf("migrate: %v, want %v", err, want)
	}
	if ic, is := c.Migration(), s.Migration(); ic.Current != beforeC || is.Current != beforeS {
		t.Errorf("moved to %v, %v", ic.Current, is.Current)
	}
}

// TestNewPathACKTampered has a middlebox on the new path that tampers with the option
// on the segments that complete the handshake. To the client all is well; the server stays.
// A later move to another path repairs that.
func TestNewPathACKTampered(t *testing.T) {
	for _, a := range []simnet.OptionAction{simnet.StripOption, simnet.GarbleOption, simnet.DiscardOption} {
		r := newRig(t, rigConfig{})
		c, s := r.open(serverAddr)
		box := &simnet.OptionBox{Action: a, Kinds: []uint8{kindMigrate}, Segments: simnet.OnACK | simnet.OnData}
		r.inner[1].set(oneWay{box, simnet.AtoB}.Process)
		finish := bothWays(t, c, s, 256<<10)
		before := s.Migration().Current
		r.migrate(c, "10.2.0.2")
		r.sleep(10 * delay)
		if now := s.Migration().Current; now != before {
			t.Errorf("action %d: the server moved to %v", a, now)
		}
		if c.Migration().Holding { // because of the RSTs that its segments draw
			t.Errorf("action %d: the client holds", a)
		}
		r.migrate(c, "10.1.0.2")
		finish()
	}
}

// TestNewPathSYNProxy has something on the new path that answers every SYN
// itself.
func TestNewPathSYNProxy(t *testing.T) {
	for _, opts := range [][]byte{nil, {header.TCPOptionMSS, 4, 5, 180}} {
		r := newRig(t, rigConfig{})
		c, s := r.open(serverAddr)
		proxy := r.mallory()
		r.outer[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
			t, ok := p.TCP()
			if !ok || t.Flags() != fSYN {
				return simnet.Pass
			}
			proxy.puts(segment{
				src: p.Dst(), dst: p.Src(), seq: 4711, ack: t.SequenceNumber() + 1, flags: fSYNACK, opts: opts,
			})
			return simnet.Drop
		})
		finish := bothWays(t, c, s, 256<<10)
		stays(t, c, s, ErrNotProven)
		if n := counts(r.client, migrate.CountUnproven); n != 1 {
			t.Errorf("unproven: %d", n)
		}
		finish()
	}
}

// rewriter is a middlebox that shifts the sequence numbers of all connections by
// the same distance in each direction.
type rewriter [2]uint32

func (r rewriter) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	t, ok := p.TCP()
	if !ok {
		return simnet.Pass
	}
	t.SetSequenceNumber(t.SequenceNumber() + r[at.Dir])
	if t.Flags().Contains(fACK) {
		t.SetAckNumber(t.AckNumber() - r[at.Dir.Reverse()])
	}
	for o := t.Options(); len(o) > 1; {
		switch {
		case o[0] == header.TCPOptionNOP:
			o = o[1:]
			continue
		case o[0] == header.TCPOptionEOL || o[1] < 2 || int(o[1]) > len(o):
			o = nil
			continue
		case o[0] == header.TCPOptionSACK:
			for e := o[2:o[1]]; len(e) >= 4; e = e[4:] {
				binary.BigEndian.PutUint32(e, binary.BigEndian.Uint32(e)-r[at.Dir.Reverse()])
			}
		}
		o = o[o[1]:]
	}
	p.FixChecksums()
	return simnet.Pass
}

// TestSequenceRewriting has a middlebox that rewrites sequence numbers.
func TestSequenceRewriting(t *testing.T) {
	box := rewriter{0x12345678, 0x9abcdef0}
	t.Run("x25519-sha256", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		r.net.Bottleneck.Use(box)
		c, s := r.open(serverAddr)
		finish := bothWays(t, c, s, 1<<20)
		r.migrate(c, "10.2.0.2")
		finish()
	})
	t.Run("x25519-sha1", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		r.suites(migrate.SuiteX25519SHA1)
		r.net.Bottleneck.Use(box)
		c, s := r.pair(serverAddr)
		finish := bothWays(t, c, s, 256<<10)
		plainTCP(t, "client", c, migrate.PlainUnconfirmed)
		plainTCP(t, "server", s, migrate.PlainUnconfirmed, migrate.PlainNoAnswer)
		finish()
	})
	t.Run("null", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		r.suites(migrate.SuiteNull)
		r.net.Bottleneck.Use(box)
		c, s := r.open(serverAddr)
		finish := bothWays(t, c, s, 256<<10)
		stays(t, c, s, ErrNoAnswer)
		finish()
	})
	// A middlebox that draws new numbers for every connection draws new ones for the
	// new path. Segments there have no place in the old sequence space.
	t.Run("per flow", func(t *testing.T) {
		for _, place := range []string{"uplink", "bottleneck"} {
			r := newRig(t, rigConfig{})
			links := r.net.Uplinks
			if place == "bottleneck" {
				links = []*simnet.Link{r.net.Bottleneck}
			}
			for i, link := range links {
				link.Use(simnet.NewSequenceShifter(uint64(i)))
			}
			c, s := r.open(serverAddr)
			finish := bothWays(t, c, s, 1<<20)
			stays(t, c, s, ErrNoAnswer)
			finish()
		}
	})
}
