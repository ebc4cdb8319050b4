// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package control

import "syscall"

// restrict does nothing: a socket has no mode here, its directory decides.
func restrict(_, _ string, _ syscall.RawConn) error { return nil }
