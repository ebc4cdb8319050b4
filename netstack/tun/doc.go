// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tun connects a netstack.Stack to the host by a TUN device.
//
// [Open] creates the device. [Link.Configure] gives the host its side of it: addresses,
// routes, up. netstack's Stack.Attach takes the [Link]. Package endpoint/host does all
// three, and gets the stack onto the network.
//
// The device is not persistent. The kernel removes it, with its addresses and routes,
// when the link is closed or the process ends in any way.
//
// # Drivers
//
// [VNetHdr] is for Linux. Each packet carries a virtio-net header (Virtual I/O Device
// Version 1.2, section 5.1.6). So the kernel and the stack can hand each other TCP
// segments of up to 64 kB, without a checksum. Nobody cuts a segment to the MTU unless
// it leaves the host. Such packets must end in the stack: a stack with Forwarding needs
// the other driver.
//
// [Water] is for all systems that github.com/songgao/water knows. It passes one packet
// of at most MTU bytes per system call, with all checksums.
package tun
