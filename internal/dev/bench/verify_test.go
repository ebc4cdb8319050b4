// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/mnet-dev/mnet/migrate"
)

// crowd is the number of tokens in the table: the tokens of 10000 connections, so that
// the table does not fit a core's cache.
const crowd = 10000 * migrate.MaxTokens

// BenchmarkVerify does the machine's part of BenchmarkReject: it parses the option,
// looks the token up and checks the tag.
func BenchmarkVerify(b *testing.B) {
	if !*migratable {
		b.Skip("needs -migratable")
	}
	for _, suite := range []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1} {
		var table migrate.Table[*migrate.Machine]
		owner, req, seq := machines(b, suite)
		table.Set(owner, nil, owner.Tokens())
		fill(&table)

		b.Run("request=unknown-token/suite="+suite.String(), func(b *testing.B) {
			opts := option(req)
			token := opts[3:]
			b.ReportAllocs()
			for b.Loop() {
				// Another one each time, or the cache would know the answer.
				binary.BigEndian.PutUint64(token, binary.BigEndian.Uint64(token)+oddStep)
				r, ok := migrate.ParseRequest(migrate.FormatKinds, opts)
				if _, _, found := table.Lookup(r.Token); !ok || found {
					b.Fatal("known token")
				}
			}
		})
		b.Run("request=forged-tag/suite="+suite.String(), func(b *testing.B) {
			forged := req
			forged.Tag ^= 1
			opts := option(forged)
			b.ReportAllocs()
			for b.Loop() {
				r, _ := migrate.ParseRequest(migrate.FormatKinds, opts)
				conn, counter, ok := table.Lookup(r.Token)
				if !ok || conn.Verifier().Verify(r, counter, seq) {
					b.Fatal("forgery accepted")
				}
			}
		})
	}
}

// oddStep leads from one token to all others.
const oddStep = 0x9e3779b97f4a7c15

func fill(table *migrate.Table[*migrate.Machine]) {
	others := new(migrate.Machine)
	for i := range uint64(crowd) {
		table.Set(others, nil, []migrate.TokenEntry{{Token: migrate.Token(i * oddStep), Counter: i}})
	}
}

// machines negotiates a suite and returns the acceptor's machine and a genuine
// request of the opener with its sequence number.
func machines(b *testing.B, suite migrate.SuiteID) (acceptor *migrate.Machine, req migrate.Request, seq uint32) {
	const (
		iss, irs = 1000, 2000
		room     = 28 // in an ACK with timestamps
	)
	cfg := &migrate.Config{Suites: []migrate.SuiteID{suite}}
	ends := map[migrate.Role]*migrate.Machine{}
	for _, role := range []migrate.Role{migrate.Opener, migrate.Acceptor} {
		c, err := migrate.NewMachine(role, cfg, new(migrate.Secret), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		ends[role] = c
	}
	opener, acceptor := ends[migrate.Opener], ends[migrate.Acceptor]
	acceptor.PeerSYN(opener.SYNOption(nil, room))
	opener.PeerSYN(acceptor.SYNOption(nil, room))
	opener.Established(0, iss, irs)
	acceptor.Established(0, irs, iss)
	for range 2 {
		acceptor.PeerACK(0, iss+1, opener.ACKOption(nil, room, iss+1, migrate.TCB{}), migrate.TCB{RcvNxt: iss + 1})
		opener.PeerACK(0, irs+1, acceptor.ACKOption(nil, room, irs+1, migrate.TCB{}), migrate.TCB{RcvNxt: irs + 1})
	}
	if opener.State() != migrate.Confirmed {
		b.Fatalf("negotiation: %v", opener.State())
	}

	at := func(port uint16) migrate.Tuple {
		return migrate.Tuple{Local: netip.AddrPortFrom(clientPrefixes[0].Addr(), port)}
	}
	acts, err := opener.Start(0, at(2), at(1), migrate.TCB{SndUna: iss + 1, SndNxt: iss + 1, RcvNxt: irs + 1, Movable: true}, false)
	if err != nil {
		b.Fatal(err)
	}
	for _, a := range acts {
		if a.Kind == migrate.ActSendSYN {
			req, _ = migrate.ParseRequest(migrate.FormatKinds, a.Option)
			seq = a.Seq
		}
	}
	if !acceptor.Verifier().Verify(req, 1, seq) {
		b.Fatal("genuine request rejected")
	}
	return acceptor, req, seq
}
