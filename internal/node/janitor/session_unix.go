// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package janitor

import "syscall"

// ownSession keeps signals of the terminal, and signals to the parent's process group,
// from the child.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
