// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

var allSuites = []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1, migrate.SuiteNull}

// listening opens a listener in the way of the victim's connection.
func (v *victim) listening() {
	v.tb.Helper()
	ln, err := v.listen.Listen(context.Background(), "tcp", ":80")
	if err != nil {
		v.tb.Fatal(err)
	}
	v.tb.Cleanup(func() { ln.Close() })
}

// TestBadRequests sends migrate SYNs that prove nothing.
//
// M410: A migrate SYN that is dropped MUST get no answer, at constant cost, without
// state or allocation. It MUST be counted.
//
// M411: A migrate SYN MUST be dropped if its token is unknown. A setting answers it
// with RST, as the draft has it.
//
// M412: A migrate SYN MUST be dropped if its tag is wrong.
func TestBadRequests(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			right := v.capture(v.c).with(withSource(v.mallory.local))
			o := migrateOption(t, right.opts)
			local, _ := v.c.addrs()
			unknown := tally{migrate.CountUnknownToken: 1}
			badTag := tally{migrate.CountBadTag: 1}
			with := func(o option) field { return withOptions(o.encode()...) }
			for _, test := range []struct {
				name    string
				want    tally
				changes []field
			}{
				{"unknown token", unknown, []field{with(option{o.reqNo, o.token ^ 1, o.tag})}},
				{"unknown token, closed port", unknown, []field{
					with(option{o.reqNo, ^o.token, o.tag}), withDestination(addr("10.9.0.1:81")),
				}},
				{"unknown token, from the peer's tuple", unknown, []field{
					with(option{o.reqNo, ^o.token, o.tag}), withSource(local),
				}},
				{"unknown token, bad checksum", unknown, []field{
					with(option{o.reqNo, ^o.token, o.tag}), withBadChecksum,
				}},
				{"unknown token, IPv6", unknown, []field{
					with(option{o.reqNo, ^o.token, o.tag}), withSource(addr("[fd00:6::6]:666")), withDestination(addr("[fd00:9::1]:80")),
				}},
				{"zero token", unknown, []field{with(option{o.reqNo, 0, o.tag})}},
				{"forged tag", badTag, []field{with(option{o.reqNo, o.token, o.tag ^ 1})}},
				{"zero tag", badTag, []field{with(option{o.reqNo, o.token, 0})}},
				{"another ReqNo", badTag, []field{with(option{o.reqNo + 1, o.token, o.tag})}},
				{"another sequence number", badTag, []field{withSeq(right.seq + 1)}},
				{"forged tag, IPv6", badTag, []field{
					with(option{o.reqNo, o.token, ^o.tag}), withSource(addr("[fd00:6::6]:666")), withDestination(addr("[fd00:9::1]:80")),
				}},
				{"bad checksum", tally{migrate.CountMalformed: 1}, []field{withBadChecksum}},
			} {
				v.ignored(t, test.name, v.server, test.want, func() { v.mallory.plays(right, test.changes...) })
			}
			v.unharmed(t)
		})
	}
}

// TestBadAddresses has a right migrate SYN come from and go to addresses that no
// connection has.
func TestBadAddresses(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.listening()
	right := v.capture(v.c).with(withSource(v.mallory.local))
	server := addr("10.9.0.1").Addr()
	// Routers would not forward these: they change behind the last one.
	var src, dst netip.Addr
	bend := new(gate)
	v.net.Bottleneck.Use(bend)
	for _, test := range [][2]string{
		{"0.0.0.0", "10.9.0.1"},
		{"224.0.0.1", "10.9.0.1"},
		{"255.255.255.255", "10.9.0.1"},
		{"10.9.0.255", "10.9.0.1"},
		{"127.0.0.1", "10.9.0.1"},
		{"10.6.6.6", "0.0.0.0"},
		{"10.6.6.6", "224.0.0.1"},
		{"10.6.6.6", "255.255.255.255"},
		{"10.6.6.6", "10.9.0.255"},
		{"10.6.6.6", "127.0.0.1"},
		{"10.6.6.6", "10.9.0.77"},
	} {
		src, dst = netip.MustParseAddr(test[0]), netip.MustParseAddr(test[1])
		bend.set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
			if p.Src() == right.src && p.Dst().Addr() == server {
				copy(p.Bytes()[12:], src.AsSlice())
				copy(p.Bytes()[16:], dst.AsSlice())
				p.FixChecksums()
			}
			return simnet.Pass
		})
		v.ignored(t, fmt.Sprint(test), v.server, tally{}, func() { v.mallory.plays(right) })
	}
	bend.set(nil)
	// The same from an address that could be somebody's is answered.
	v.mallory.plays(right)
	v.mallory.wants("right request", fSYNACK)
	v.mallory.takes() // an ACK, where the window is large
	v.unharmed(t)
}

// TestReplayFromElsewhere sends a request that the server never saw from other addresses.
// The proof of the address is missing: no move. Each copy is answered once, by less than
// three times its bytes.
//
// M526: The responder MUST NOT move before a valid third ACK has come.
//
// M530: The answers to one SYN MUST NOT be larger than three times the SYN, headers
// included.
func TestReplayFromElsewhere(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			replay := v.capture(v.c).with(withSource(v.mallory.local))
			before, counted := v.state(v.server), v.server.MigrationStats().Counts
			for i := range uint16(100) {
				copied := replay.with(withSource(v.mallory.at(1000 + i%10).local))
				v.mallory.plays(copied)
				synacks, bytes := 0, 0
				for _, s := range v.mallory.takes() {
					if bytes += len(s.encode()); s.flags == fSYNACK {
						synacks++
					}
					if s.dst != copied.src {
						t.Errorf("answer to somebody else: %v", s)
					}
				}
				if limit := 3 * len(copied.encode()); synacks != 1 || bytes > limit {
					t.Errorf("%d SYN-ACKs, %d bytes of at most %d", synacks, bytes, limit)
				}
			}
			v.sleep(30 * time.Second)
			v.mallory.wantsNothing("after the answers")
			now := v.state(v.server)
			now.sent = before.sent
			if now != before {
				t.Errorf("changed %+v\nto %+v", before, now)
			}
			if got := since(counted, v.server.MigrationStats().Counts); len(got) > 0 {
				t.Errorf("counted %v", got)
			}
			v.unharmed(t)
		})
	}
}

// TestReplayLater sends a request again that has been completed, and one that a
// later one has overtaken.
func TestReplayLater(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			v.listening()
			overtaken := v.capture(v.c)
			seen := v.firstSYN(simnet.Pass)
			v.migrate(v.c, "10.2.0.2")
			completed := decode(<-seen)
			exchange(t, v.c, v.s, 64<<10)
			v.sleep(5 * time.Second) // the old tuple has drained

			want := tally{migrate.CountStaleRequest: 1}
			if suite == migrate.SuiteX25519SHA256 {
				want = tally{migrate.CountUnknownToken: 1}
			}
			for _, s := range []segment{overtaken, completed} {
				v.ignored(t, "same address", v.server, want, func() { v.mallory.plays(s) })
				v.ignored(t, "another address", v.server, want, func() {
					v.mallory.plays(s, withSource(v.mallory.local))
				})
			}
			bothWays(t, v.c, v.s, 64<<10)()
		})
	}
}

// TestReflection sends a request back to the end that it is from.
func TestReflection(t *testing.T) {
	for _, suite := range allSuites {
		t.Run(suite.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{}, suite)
			s := v.capture(v.c)
			want := tally{migrate.CountReflected: 1}
			if suite == migrate.SuiteX25519SHA256 {
				// Whose token it is, is in the token.
				want = tally{migrate.CountUnknownToken: 1}
			}
			v.ignored(t, "reflected", v.client, want, func() {
				v.mallory.plays(s, withSource(v.mallory.local), withDestination(addr("10.1.0.2:80")))
			})
			v.unharmed(t)
		})
	}
}

// TestBadSequence makes requests that no window allows. It uses the null suite: anybody
// who knows the sequence numbers can make its requests.
func TestBadSequence(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteNull)
	v.listening()
	ni, nj := sequenceOf(v.c).nxt-1, sequenceOf(v.s).nxt-1
	requests := func(seq uint32, reqNo uint8, fields ...field) {
		request := []field{withSeq(seq), withOptions(nullOption(ni, nj, seq, reqNo).encode()...)}
		v.mallory.sends(fSYN, append(request, fields...)...)
	}
	rcv := sequenceOf(v.s).rcv
	for _, seq := range []uint32{rcv, rcv + 1, rcv + 1<<30, rcv + 1<<31, rcv - 1<<30 - 2} {
		v.ignored(t, fmt.Sprintf("SEQ %d", int32(seq-rcv)), v.server, tally{migrate.CountBadSequence: 1}, func() {
			requests(seq, 1)
		})
	}
	for _, reqNo := range []uint8{0, 128, 200, 255} {
		v.ignored(t, fmt.Sprintf("ReqNo %d", reqNo), v.server, tally{migrate.CountStaleRequest: 1}, func() {
			requests(rcv-1, reqNo)
		})
	}
	local, _ := v.c.addrs()
	v.ignored(t, "current tuple", v.server, tally{migrate.CountDuplicateSYN: 1}, func() {
		requests(rcv-1, 1, withSource(local))
	})
	requests(rcv-1, 127)
	v.mallory.wants("right request", fSYNACK)
}
