// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package control is how commands talk to a running node: HTTP with JSON over a
// Unix socket that only its owner (and root) may open.
//
//	GET  /v1/status                a node.Status
//	GET  /v1/events                node.Events, one a line, until the client goes
//	POST /v1/dial?address=A        becomes a byte stream (Upgrade: mnet) to A
//	GET  /v1/end?conn=ID           how a connection ended
//	POST /v1/serve                 ports served, until the client goes
//	POST /v1/forward               ports forwarded, until the client goes
//	POST /v1/socks                 a SOCKS proxy, until the client goes
//	POST /v1/ping                  pings, one node.PingEvent a line
//	POST /v1/bench                 a measurement, one node.BenchEvent a line
//	POST /v1/bench/serve           listens for measurements, until the client goes
//	POST /v1/migrate               moves a connection
//	POST /v1/address               gives or takes an address of the stack
//
// Requests have the types of this package as body. An error has a status of 400,
// if the request is wrong, or 500, and an [Error] as body.
package control
