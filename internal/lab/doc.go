// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lab shows how TCP connections fare when a host changes its network:
// connections of mnet, and one of the kernel beside them.
//
// It builds the standard network of package lab/kernel, and starts two nodes in it as
// child processes. The client's node lets its stack out by the uplink that its host
// uses. The server's node serves ports of the address of its host. Over them go a
// download and an interactive connection, while a script takes uplinks away and brings
// them back. The kernel's TCP downloads from a third host meanwhile.
//
//	l, err := lab.Start(ctx, lab.Config{})
//	...
//	defer l.Close()
//	report, err := l.Run(ctx, lab.Hooks{})
//
// Nothing is left when the process ends, even if it is killed: see packages lab/kernel
// and janitor.
package lab
