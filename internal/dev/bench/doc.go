// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bench measures what it costs that a connection can migrate: in time,
// in allocations, on the wire, on the heap. It has benchmarks only.
//
// The same source is built twice, with gVisor as released and with the patched
// one, and each build is told by -migratable what its connections are to be. So
// the benchmarks have the same names everywhere and benchstat can compare them.
// The program in cmd/pairbench does all of that.
package bench
