// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e has the end-to-end tests. They run the mnet command and the Go API on
// real kernels, NATs and firewalls, with programs that know nothing of either. They
// need root and make network namespaces of their own, see package lab/kernel.
package e2e
