// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package simnet

import (
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestAutoStuckSyscall checks that a goroutine that blocks in the kernel does not hold
// the time up forever.
func TestAutoStuckSyscall(t *testing.T) {
	var fd [2]int
	if err := syscall.Pipe(fd[:]); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := syscall.Read(fd[0], make([]byte, 1)); err != nil {
			t.Error(err)
		}
		syscall.Close(fd[0])
	})
	c := NewClock()
	c.Start()
	defer c.Stop()
	for range 10 {
		c.Sleep(time.Hour)
	}
	syscall.Close(fd[1]) // ends the read
	wg.Wait()
}
