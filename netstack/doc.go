// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package netstack builds and owns a gVisor TCP/IP stack.
//
// A [Stack] has IPv4, IPv6, ICMP and TCP with SACK, timestamps, RACK and buffer
// auto-tuning. Links are attached to it as NICs. Addresses and routes come and go while
// it runs, and the source address of new connections follows them. [Stack.Close]
// releases everything that was started: connections, timers, goroutines, links.
//
// The package uses the types of net/netip and Go errors. For functions that are not
// wrapped here, [Stack.GVisor] returns the gVisor stack below.
//
// Package endpoint dials and accepts connections on a stack. A [Migration] moves one of
// them to other addresses and reports how its peer answers.
//
// # Addresses and routes
//
// Adding an address with a prefix shorter than the address adds the connected route to
// that prefix; removing the address removes it. Further routes, the default route among
// them, are added with [NIC.AddRoute].
//
// A new stack has a loopback, "lo", with 127.0.0.1 and ::1. Links are layer 3: there is
// no ARP, and a gateway only decides about the source address.
//
// A destination takes the route with the longest prefix. Among equals the lowest metric
// decides, and then the age: the oldest route wins. Routes over a NIC that is down, or
// that has no address of the family, are passed over.
//
// The source address is chosen within the NIC of the route. For IPv4, it is the address
// whose prefix holds the gateway or, without a gateway, the destination prefix. If
// there is none, it is the oldest address of the NIC. For IPv6, RFC 6724, section 5
// decides, and the oldest address wins a tie.
//
// IPv6 runs without duplicate address detection, router discovery and MLD: there is no
// neighbour to ask.
package netstack
