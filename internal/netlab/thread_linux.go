// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// threadExit bounds the wait for a thread to end after its last instruction,
// which is up to the scheduler.
const threadExit = time.Second

// thread runs f on an OS thread of its own, which ends with f: f may put it into
// another namespace.
func thread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f() // the goroutine ends locked, and takes the thread with it
			return
		}
		// The runtime cannot end the main thread, and its namespace is what
		// /proc/<pid>/ns shows: keep it until another has taken over.
		started := make(chan struct{})
		thread(func() { close(started); f() })
		<-started
		runtime.UnlockOSThread()
	}()
}

// awaitExit waits until the kernel has taken the thread away.
func awaitExit(tid int) {
	for deadline := time.Now().Add(threadExit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if unix.Tgkill(unix.Getpid(), tid, 0) != nil {
			return
		}
	}
}
