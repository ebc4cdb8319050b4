// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package host puts a TCP/IP stack of mnet behind the host that the program runs on.
//
// [Open] makes all parts in one call:
//
//   - a TUN device with an address of the host (package tun),
//   - a stack with addresses of its own on that device (package netstack),
//   - masquerade and redirected ports, so that the stack is on the network by the
//     addresses of the host (package hostnet),
//   - a Roamer that moves connections when the uplinks of the host change (package
//     endpoint).
//
// [Host.Close] undoes all of it. If the process is killed, the kernel removes the device
// and the address translation. Forwarding settings below /proc/sys/net stay changed;
// [Config].Changed lets another process restore them.
//
// A program with a link of its own needs packages endpoint and netstack alone.
//
// Masquerade and redirected ports are for Linux. Open needs CAP_NET_ADMIN there.
package host
