// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

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
		// The runtime cannot end the main thread, and /proc/<pid>/ns shows its
		// namespace. Keep it until another thread has taken over.
		started := make(chan struct{})
		thread(func() { close(started); f() })
		<-started
		runtime.UnlockOSThread()
	}()
}

// onThread runs f on an OS thread of its own, and returns when that is gone.
func onThread(f func() error) error {
	var tid int
	result := make(chan error)
	thread(func() {
		tid = unix.Gettid()
		result <- f()
	})
	err := <-result
	awaitExit(tid)
	return err
}

// awaitExit waits until the kernel has taken the thread away. There is no event for
// that before Linux 6.9 (PIDFD_THREAD).
func awaitExit(tid int) {
	pause := 20 * time.Microsecond
	for deadline := time.Now().Add(threadExit); time.Now().Before(deadline); pause *= 2 {
		if unix.Tgkill(unix.Getpid(), tid, 0) != nil {
			return
		}
		time.Sleep(pause)
	}
}
