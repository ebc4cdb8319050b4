// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bench

import (
	"syscall"
	"time"
)

// cpuTime returns the time that all threads of the process have run so far, in
// user and kernel mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // only invalid arguments make it fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
