// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// preferred has the process run before processes of normal priority, since its wires
// are as exact as its scheduling. A thread hands its policy to threads that it makes,
// but the runtime has made some before. So the program is executed again.
func preferred() error {
	const priority = 1 // the least that is real time
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return fmt.Errorf("scheduling policy: %w", os.NewSyscallError("sched_getattr", err))
	}
	if attr.Policy == unix.SCHED_RR {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr = &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: priority}
	if err := unix.SchedSetAttr(0, attr, 0); err != nil {
		return fmt.Errorf("real-time priority: %w", os.NewSyscallError("sched_setattr", err))
	}
	return os.NewSyscallError("execve", unix.Exec(self, os.Args, os.Environ()))
}
