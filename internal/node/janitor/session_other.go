// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package janitor

import "syscall"

func ownSession() *syscall.SysProcAttr { return nil }
