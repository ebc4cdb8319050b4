// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timer sleeps as exactly as the kernel's high-resolution timers allow. The Go
// runtime's own are rounded to the millisecond of its epoll_wait.
type timer struct {
	file *os.File
	conn interface {
		Control(func(fd uintptr)) error
	}
	buf [8]byte
}

func newTimer() (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "timer")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &timer{file: file, conn: conn}, nil
}

// sleep returns when d, more than zero, has passed. The error is os.ErrClosed if the
// timer is closed before.
func (t *timer) sleep(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	var err error
	if ctlErr := t.conn.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), 0, &spec, nil) }); ctlErr != nil {
		return ctlErr
	}
	if err != nil {
		return os.NewSyscallError("timerfd_settime", err)
	}
	_, err = t.file.Read(t.buf[:])
	return err
}

func (t *timer) close() { t.file.Close() }
