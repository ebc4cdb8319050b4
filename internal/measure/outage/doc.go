// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package outage measures how long an application is without data when its
// connection changes to another uplink: over real kernels, NATs and a firewall (see
// package lab/kernel), in real time, beside a plain TCP client that dials again.
//
// # Network
//
// The client has two uplinks of 50 Mbit/s with a drop-tail queue of 256 KiB and half
// of the round-trip time each way. That is what an echo between two applications over
// the kernels' TCP takes; the wires are shorter by what the hosts need. Behind each
// is a NAT. The mnet stacks of client
// and server sit behind TUN devices: the client's behind the masquerade of its host,
// as with mnet up --masquerade, the server's behind a redirected port.
//
// # Handover
//
// Break before make: at one instant the uplink in use loses what is under way, the
// other one begins to work, and the host loses address and routes of the old one. A
// Roamer that follows the host's uplinks moves the connection. The reconnecting
// client knows of the handover at that instant, closes, and dials over the new one.
//
// Make before break: both uplinks work, and the stack has an address for each, which
// the host routes by source. The application has probed the new path before and
// switches to it at the instant of the handover. The old path stays.
//
// # Figures
//
// The outage of a download or upload is the longest time between two arrivals at
// the receiving application, from the handover until 1 MB has come.
//
// Interactive is a client that sends 64 bytes every 20 ms, whether the last was
// answered or not, to a server that sends them back. Its outage is the longest that
// one of the next 25 answers has kept it waiting, from the handover or, if that is
// later, from when it asked. The handover comes when it has just asked, so the 20 ms
// are in no figure, but a round trip is in all.
//
// The floors are what is due to the speed of light. Break before make, SYN and
// SYN-ACK take a round trip. Then the client's segments need half of one to arrive:
// the upload's data, or the ACK that lets the server send, whose data takes another
// half, as an answer does. A client that dials again has to ask how much of an
// upload has come, for one more.
package outage
