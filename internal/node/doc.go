// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package node is a running mnet: a stack on a TUN device of the host, what the
// host does for it, and what it serves, forwards and dials for others.
//
// # Who owns what
//
// A [Node] owns the device, the stack on it, the share of the host's network
// (package hostnet), the roamer, and the registry of connections. Each of its
// services (a port served, a port forwarded, a SOCKS proxy) is a listener with a
// goroutine; each connection is a relay with two. All of them end in [Node.Close],
// which then waits for the host to be as it was.
//
// Locks: that of the registry is a leaf, nothing is called with it held.
package node
