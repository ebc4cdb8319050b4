// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package node is a running mnet: a stack behind the host, and the services that it serves,
// forwards and dials for others.
//
// # Who owns what
//
// A [Node] owns a host.Host, which has the device, the stack, the share of the host's
// network and the Roamer. It also owns the registry of connections. Each service (a port
// served, a port forwarded, a SOCKS proxy) is a listener with a goroutine. Each connection
// is a relay with two. [Node.Close] ends all of them, and waits until the host is as it
// was.
//
// The lock of the registry is a leaf: nothing is called with it held.
package node
