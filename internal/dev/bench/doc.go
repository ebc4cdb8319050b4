// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bench measures the cost of the ability to migrate: in time, in allocations,
// on the wire, on the heap. It has benchmarks only.
//
// The same source is built twice, with gVisor as released and with the patched one. The
// flag -migratable tells each build which connections to use. So the benchmarks have
// the same names everywhere, and benchstat can compare them. The program in
// cmd/pairbench does all of that.
package bench
