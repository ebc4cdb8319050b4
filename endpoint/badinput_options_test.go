// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestMalformedRequests sends SYNs with Migrate options of every length, cut and
// doubled. They are SYNs like any other, to a port that nobody listens on.
func TestMalformedRequests(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	right := v.capture(v.c).with(withSource(v.mallory.local))
	o := migrateOption(t, right.opts).encode()
	send := func(name string, opts []byte) {
		t.Helper()
		before := v.state(v.server)
		v.mallory.plays(right, withOptions(opts...))
		v.mallory.wants(name, fRST|fACK)
		v.mallory.wantsNothing(name)
		now := v.state(v.server)
		now.sent = before.sent
		if now != before {
			t.Errorf("%s: changed %+v\nto %+v", name, before, now)
		}
	}
	for n := range 41 {
		if n == len(o) {
			continue
		}
		opts := append(bytes.Clone(o), make([]byte, 40)...)[:max(n, 2)]
		opts[1] = byte(n)
		send(fmt.Sprintf("length %d", n), opts)
		if n > 2 && n <= 16 { // beyond, padding would complete it
			opts[1] = byte(len(o))
			send(fmt.Sprintf("cut to %d", n), opts)
		}
	}
	send("two", append(bytes.Clone(o), o...))
	send("behind the end", append([]byte{header.TCPOptionEOL}, o...))
	send("behind a broken one", append([]byte{header.TCPOptionMSS, 1}, o...))
	send("behind one that is too long", append([]byte{header.TCPOptionMSS, 40}, o...))
	v.unharmed(t)
}

// TestMigrateOptionElsewhere sends a right Migrate option on segments that are
// no request.
func TestMigrateOptionElsewhere(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	right := v.capture(v.c)
	local, _ := v.c.addrs()
	for _, flags := range []header.TCPFlags{fACK, fSYN | fACK, fRST, fRST | fACK, fFIN, fFIN | fACK, fSYN | fFIN, fSYN | fRST, 0} {
		for _, from := range []netip.AddrPort{v.mallory.local, right.src, local} {
			before := v.state(v.server)
			v.mallory.plays(right, withSource(from), withFlags(flags), withAck(4711))
			now := v.state(v.server)
			now.sent = before.sent
			if now != before || v.s.Migration().Holding {
				t.Errorf("flags %#x from %v: changed %+v\nto %+v", flags, from, before, now)
			}
		}
	}
	v.unharmed(t)
}

// permitted is a Migrate-Permitted option with a suite and so many bytes of key.
func permitted(suite byte, key []byte) []byte {
	return append([]byte{kindPermitted, byte(3 + len(key)), suite}, key...)
}

// TestMalformedOffers opens connections with Migrate-Permitted options of every length
// and suite. A wrong option counts as absent.
func TestMalformedOffers(t *testing.T) {
	r := newRig(t, rigConfig{})
	r.suites(allSuites...)
	m := r.mallory()
	v := &victim{rig: r, mallory: m}
	v.listening()
	key := bytes.Repeat([]byte{9}, 40)
	port := uint16(2000)
	check := func(name string, opts []byte, want bool) {
		t.Helper()
		port++
		p := m.at(port)
		p.sends(fSYN, withOptions(opts...))
		answer := p.wants(name, fSYNACK).opts
		p.wantsNothing(name)
		if got := bytes.IndexByte(answer, kindPermitted) >= 0; got != want {
			t.Errorf("%s: option in the SYN-ACK %v, want %v: %x", name, got, want, answer)
		}
		p.sends(fRST | fACK)
		p.takes()
	}
	for n := range 38 {
		for suite := range byte(3) {
			opts := permitted(suite, key[:n])
			right := suite == 0 && n == 0 || suite > 0 && n == 17
			check(fmt.Sprintf("suite %d, %d bytes", suite, n), opts, right)
		}
	}
	for suite := 3; suite < 256; suite++ {
		check(fmt.Sprintf("suite %d", suite), permitted(byte(suite), key[:17]), false)
		check(fmt.Sprintf("suite %d", suite), permitted(byte(suite), nil), false)
	}
	right := permitted(2, key[:17])
	check("two", append(bytes.Clone(right), right...), false)
	check("cut", right[:16], false)
	check("length 0", []byte{kindPermitted, 0}, false)
	check("length 1", []byte{kindPermitted, 1}, false)
	check("no length", []byte{header.TCPOptionNOP, header.TCPOptionNOP, header.TCPOptionNOP, kindPermitted}, false)
	if n := connections(r.server); n != 2 {
		t.Errorf("%d connections are left", n)
	}
}

// rest is a Key-Rest option.
func rest(key []byte) []byte { return append([]byte{kindPermitted, 24, 0, 1, 2, 3, 4, 5, 6}, key...) }

// confirm is a Key-Confirm option.
func confirm(tag uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindPermitted, 10}, tag)
}

// TestBadKeys negotiates with keys that are none, in steps that make no sense.
func TestBadKeys(t *testing.T) {
	zero := make([]byte, 32)
	one := append([]byte{1}, zero[1:]...)
	good := bytes.Repeat([]byte{9}, 32)
	// A point of order 8 (RFC 7748, section 6.1 has the check for these).
	low := []byte{
		0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
		0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
	}
	for _, test := range []struct {
		name string
		key  []byte
		acks [][]byte
		want migrate.PlainReason
	}{
		{"zero", zero, [][]byte{rest(zero[17:])}, migrate.PlainWeakKey},
		{"one", one, [][]byte{rest(one[17:])}, migrate.PlainWeakKey},
		{"low order", low, [][]byte{rest(low[17:])}, migrate.PlainWeakKey},
		{"two rests", good, [][]byte{rest(good[17:]), rest(zero[17:])}, migrate.PlainInconsistent},
		{"wrong confirmation", good, [][]byte{rest(good[17:]), confirm(4711)}, migrate.PlainUnconfirmed},
		{"confirmation at once", good, [][]byte{append(rest(good[17:]), confirm(4711)...)}, migrate.PlainUnconfirmed},
		{"confirmation first", good, [][]byte{confirm(4711), confirm(4711)}, migrate.PlainNoAnswer},
		{"short rest", good, [][]byte{{kindPermitted, 17, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}}, migrate.PlainNoAnswer},
		{"no rest", good, [][]byte{nil}, migrate.PlainNoAnswer},
	} {
		for suite := range byte(2) {
			t.Run(fmt.Sprintf("%s/%d", test.name, suite+1), func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.suites(migrate.SuiteID(suite + 1))
				p := r.mallory()
				ln, err := r.listen.Listen(t.Context(), "tcp", serverAddr)
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				p.sends(fSYN, withOptions(permitted(suite+1, test.key[:17])...))
				p.wants("offer", fSYNACK)
				p.wantsNothing("offer")
				for _, opts := range test.acks {
					p.sends(fACK, withOptions(opts...))
				}
				s, err := ln.(*Listener).AcceptConn()
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				r.sleep(30 * time.Second)
				if i := s.Migration(); i.State != migrate.Plain || i.Reason != test.want {
					t.Errorf("%v, %v; want plain, %v", i.State, i.Reason, test.want)
				}
				if n := r.server.MigrationStats().Tokens; n != 0 {
					t.Errorf("%d tokens", n)
				}
				// A peer that does not answer gets so many segments, and no more.
				if n := len(p.takes()); n > 20 {
					t.Errorf("%d segments", n)
				}
				// It is plain TCP: a RST ends it at once.
				p.sends(fRST | fACK)
				if n := connections(r.server); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		}
	}
}

// TestForgedKeys has an attacker who knows the tuple, but not the sequence numbers,
// send keys while the negotiation is open.
func TestForgedKeys(t *testing.T) {
	r := newRig(t, rigConfig{})
	m := r.mallory()
	// No key half arrives until the forged ones have.
	r.inner[0].set((&simnet.OptionBox{Kinds: []uint8{kindPermitted}, Segments: simnet.OnACK}).Process)
	c, s := r.pair(serverAddr)
	local, remote := c.addrs()
	forged := append(rest(bytes.Repeat([]byte{9}, 15)), confirm(4711)...)
	for _, to := range []struct {
		victim   *Conn
		src, dst netip.AddrPort
	}{{s, local, remote}, {c, remote, local}} {
		at := sequenceOf(to.victim)
		for _, off := range []uint32{1, 1000, 1 << 20, 1 << 31, ^uint32(0)} {
			m.plays(segment{src: to.src, dst: to.dst, seq: at.rcv + off, ack: at.nxt, flags: fACK, opts: forged})
		}
		if st := to.victim.Migration().State; st != migrate.Keying {
			t.Errorf("%v: %v", to.dst, st)
		}
	}
	r.inner[0].set(nil)
	r.await(c, s)
	finish := bothWays(t, c, s, 64<<10)
	r.migrate(c, "10.2.0.2")
	finish()
}
