// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// victim is an idle connection, and a peer that sends what the connection has to ignore.
// The peer has proved no address.
type victim struct {
	*rig
	c, s    *Conn
	mallory *peer
	second  string // address of the client's second uplink
}

func newVictim(tb testing.TB, cfg rigConfig, suite migrate.SuiteID) *victim {
	tb.Helper()
	return fronts[0].victim(tb, cfg, suite)
}

// front is a family and a format in which an attack is made.
type front struct {
	server, second, mallory string
	format                  migrate.Format
}

var fronts = []front{
	{serverAddr, "10.2.0.2", "10.6.6.6:666", migrate.FormatKinds},
	{"[fd00:9::1]:80", "fd00:2::2", "[fd00:6::6]:666", migrate.FormatKinds},
	{serverAddr, "10.2.0.2", "10.6.6.6:666", migrate.FormatExperimental},
	{"[fd00:9::1]:80", "fd00:2::2", "[fd00:6::6]:666", migrate.FormatExperimental},
}

// eachFront runs f with a victim of the default suite in each family and format.
func eachFront(t *testing.T, f func(t *testing.T, v *victim)) {
	for _, fr := range fronts {
		t.Run(fmt.Sprintf("%s/format %d", fr.second, fr.format), func(t *testing.T) {
			f(t, fr.victim(t, rigConfig{}, migrate.SuiteX25519SHA256))
		})
	}
}

func (f front) victim(tb testing.TB, cfg rigConfig, suite migrate.SuiteID) *victim {
	tb.Helper()
	cfg.client.Migration.Format, cfg.server.Migration.Format = f.format, f.format
	r := newRig(tb, cfg)
	r.suites(suite)
	v := &victim{rig: r, mallory: r.mallory(), second: f.second}
	v.mallory.local, v.mallory.remote = addr(f.mallory), addr(f.server)
	v.c, v.s = r.open(f.server)
	r.sleep(time.Second)
	tb.Cleanup(v.mallory.staysUnproved)
	return v
}

type tally = map[migrate.Counter]uint64

// state is the state that bad input must not change.
type state struct {
	current, peer      migrate.Tuple
	moves, connections int
	tokens, holds      int
	sent               uint64 // packets to the client and to mallory
}

func (v *victim) state(st *netstack.Stack) state {
	c, s := v.c.Migration(), v.s.Migration()
	stats := st.MigrationStats()
	return state{
		current: c.Current, peer: s.Current, moves: len(c.Moves) + len(s.Moves),
		connections: connections(st), tokens: stats.Tokens, holds: stats.Holds,
		sent: v.net.Bottleneck.Stats(simnet.BtoA).Sent + v.net.Uplinks[0].Stats(simnet.AtoB).Sent + v.net.Uplinks[1].Stats(simnet.AtoB).Sent,
	}
}

// ignored checks that packets which f sends to st get no answer, change nothing and are
// counted as want.
func (v *victim) ignored(t *testing.T, what string, st *netstack.Stack, want tally, f func()) {
	t.Helper()
	before, counted := v.state(st), st.MigrationStats().Counts
	f()
	v.sleep(100 * time.Millisecond)
	if now := v.state(st); now != before {
		t.Errorf("%s: changed %+v\nto %+v", what, before, now)
	}
	if got := since(counted, st.MigrationStats().Counts); !maps.Equal(got, want) {
		t.Errorf("%s: counted %v, want %v", what, got, want)
	}
	v.mallory.wantsNothing(what)
}

// since returns the counts between two snapshots.
func since(before, now tally) tally {
	d := make(tally)
	for c, n := range now {
		if n > before[c] {
			d[c] = n - before[c]
		}
	}
	return d
}

// resetOf is a RST to c as from its peer, with the sequence number that c expects.
func resetOf(c *Conn) segment {
	local, remote := c.addrs()
	at := sequenceOf(c)
	return segment{src: remote, dst: local, seq: at.rcv, ack: at.nxt, flags: fRST | fACK}
}

// unharmed checks that the connection carries data and can move, and ends it.
func (v *victim) unharmed(t *testing.T) {
	t.Helper()
	finish := bothWays(t, v.c, v.s, 64<<10)
	v.migrate(v.c, v.second)
	finish()
}

// capture returns the SYN of an attempt of the client to move to its second
// uplink, which is lost there and given up.
func (r *rig) capture(c *Conn) segment {
	r.tb.Helper()
	got := r.firstSYN(simnet.Drop)
	defer r.inner[1].set(nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	to := "10.2.0.2"
	if local, _ := c.addrs(); local.Addr().Is6() {
		to = "fd00:2::2"
	}
	result := make(chan error)
	go func() { result <- c.Migrate(ctx, addr(to)) }()
	b := <-got
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		r.tb.Fatalf("migrate: %v", err)
	}
	r.sleep(2 * delay) // packets on the wire get lost, too
	return decode(b)
}

// firstSYN returns the first SYN on the client's second uplink from now on, and
// passes verdict on all that is sent there.
func (r *rig) firstSYN(verdict simnet.Verdict) <-chan []byte {
	got := make(chan []byte, 1)
	r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if t, ok := p.TCP(); ok && t.Flags() == fSYN {
			select {
			case got <- bytes.Clone(p.Bytes()):
			default:
			}
		}
		return verdict
	})
	return got
}

// option is the content of a Migrate option.
type option struct {
	reqNo      uint8
	token, tag uint64
}

func (o option) encode() []byte {
	b := []byte{kindMigrate, 19, o.reqNo}
	b = binary.BigEndian.AppendUint64(b, o.token)
	return binary.BigEndian.AppendUint64(b, o.tag)
}

// migrateOption returns the content of the Migrate option among opts.
func migrateOption(tb testing.TB, opts []byte) option {
	tb.Helper()
	i := bytes.Index(opts, []byte{kindMigrate, 19})
	if i < 0 || len(opts) < i+19 {
		tb.Fatalf("no Migrate option in %x", opts)
	}
	return option{opts[i+2], binary.BigEndian.Uint64(opts[i+3:]), binary.BigEndian.Uint64(opts[i+11:])}
}

// nullOption is the option of a request in the null suite. Anybody who knows the
// initial sequence numbers of opener and acceptor can make it.
func nullOption(ni, nj, seq uint32, reqNo uint8) option {
	b := binary.BigEndian.AppendUint32(nil, ni)
	b = binary.BigEndian.AppendUint32(b, nj)
	b = append(b, make([]byte, 25)...)
	token := sha1.Sum(b)
	b = binary.BigEndian.AppendUint32(b, seq)
	tag := sha1.Sum(append(b, reqNo))
	return option{reqNo, binary.BigEndian.Uint64(token[:]), binary.BigEndian.Uint64(tag[:])}
}
