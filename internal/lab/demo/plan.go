// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import "net/netip"

// place is where the client can be: an address on one of its uplinks.
type place struct {
	uplink int
	addr   netip.Addr
}

// The uplinks of the client.
const (
	dualStack  = iota // IPv4 and IPv6
	behindNAT         // IPv4 behind a NAT that tracks windows strictly
	dualStack2        // as the first
	uplinks
)

// tour is the places where the client goes, round and round, beginning at the first.
// Each leg changes the uplink. The legs go from IPv4 to IPv6 and back, into the NAT and
// out of it.
var tour = []place{
	{dualStack, netip.MustParseAddr("10.1.0.2")},
	{dualStack2, netip.MustParseAddr("fd00:3::2")},
	{behindNAT, netip.MustParseAddr("10.2.0.2")},
	{dualStack, netip.MustParseAddr("fd00:1::2")},
	{dualStack2, netip.MustParseAddr("10.3.0.2")},
}

// servers are the addresses that the server alternates between, by family.
var servers = [2][2]netip.Addr{
	{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")},
	{netip.MustParseAddr("fd00:9::1"), netip.MustParseAddr("fd00:9::2")},
}

// family is the index into servers.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// Of the migrations, every serverEvery-th and the last are the server's, and the
// second of every makeEvery makes before it breaks.
const (
	serverEvery = 6
	makeEvery   = 3
)

// position is where both ends are.
type position struct {
	client place
	server netip.Addr
}

func (p position) path() Path {
	return Path{Client: p.client.addr, Server: p.server, NAT: p.client.uplink == behindNAT}
}

// step is one planned migration.
type step struct {
	from, to  position
	initiator string
	// breakFirst takes the old address away before the move begins.
	breakFirst bool
}

// Ends of the connection.
const (
	Client = "client"
	Server = "server"
)

// plan returns the migrations of a run of n, and where the connection begins.
func plan(n int) (start position, steps []step) {
	leg := 0
	var server [2]int // by family: which of servers it is at
	at := position{tour[0], servers[0][0]}
	start = at
	for i := range n {
		s := step{from: at, initiator: Client, breakFirst: i%makeEvery != 1}
		f := family(at.server)
		if isServers(i, n) {
			s.initiator = Server
			server[f] ^= 1
		} else {
			leg = (leg + 1) % len(tour)
			// The server cannot move while a NAT stands in front of the client: its
			// segments from a new address do not pass.
			if tour[leg].uplink == behindNAT && isServers(i+1, n) {
				leg = (leg + 1) % len(tour)
			}
			at.client = tour[leg]
			f = family(at.client.addr)
		}
		at.server = servers[f][server[f]]
		s.to = at
		steps = append(steps, s)
	}
	return start, steps
}

// isServers says whether the i-th of n migrations is the server's. The first is
// always the client's.
func isServers(i, n int) bool {
	return i > 0 && (i%serverEvery == serverEvery-1 || i == n-1)
}
