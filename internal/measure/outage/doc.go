// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package outage measures how long an application is without data when its connection
// changes to another uplink. It uses real kernels, NATs and a firewall (see package
// lab/kernel), in real time. A plain TCP client that dials again is measured beside it.
//
// # Network
//
// The client has two uplinks of 50 Mbit/s with a drop-tail queue of 256 KiB and half of
// the round-trip time each way. The round-trip time is the time of an echo between two
// applications over the kernels' TCP. The wires are shorter by the time that the hosts
// need. Behind each uplink is a NAT.
//
// The mnet stacks of client and server sit behind TUN devices. The client's is behind
// the masquerade of its host, as with mnet up --masquerade, and the server's behind a
// redirected port.
//
// # Handover
//
// Break before make: at one instant, the uplink in use loses everything that is under
// way. The other one begins to work, and the host loses address and routes of the old
// one. A Roamer that follows the host's uplinks moves the connection. The reconnecting
// client knows of the handover at that instant, closes, and dials over the new one.
//
// Make before break: both uplinks work. The stack has an address for each, and the host
// routes each by its source. The application has probed the new path before, and
// switches to it at the instant of the handover. The old path stays.
//
// # Figures
//
// The outage of a download or upload is the longest time between two arrivals at the
// receiving application. It counts from the handover until 1 MB has come.
//
// The interactive client sends 64 bytes every 20 ms, whether the last message was
// answered or not. The server sends them back. The outage is the longest wait for one
// of the next 25 answers, from the handover or from the request, whichever is later.
// The handover comes just after a request. So the 20 ms are in no figure, but a round
// trip is in all.
//
// The floors are due to the speed of light. Break before make, SYN and SYN-ACK take a
// round trip. Then the client's segments need half of one to arrive: the upload's data,
// or the ACK that lets the server send. The server's data or answer takes another half.
// A client that dials again has to ask how much of an upload has come, which takes one
// more.
package outage
