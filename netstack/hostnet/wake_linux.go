// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxSkew stops clocks that were read with a pause of the thread in between from
// looking as if one had jumped.
const maxSkew = 100 * time.Millisecond

// readClocks returns the time on all clocks. ok is false if they could not be read
// at one moment.
func readClocks() (c clocks, ok bool) {
	c.monotonic = readClock(unix.CLOCK_MONOTONIC)
	c.boot = readClock(unix.CLOCK_BOOTTIME)
	c.wall = readClock(unix.CLOCK_REALTIME)
	return c, readClock(unix.CLOCK_MONOTONIC)-c.monotonic <= maxSkew
}

func readClock(id int32) time.Duration {
	var ts unix.Timespec
	// All three exist since Linux 2.6.39; there is nothing else to go wrong.
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic(os.NewSyscallError("clock_gettime", err))
	}
	return time.Duration(ts.Nano())
}

// wakeTick is how often the clocks are compared, should the kernel not tell.
const wakeTick = 10 * time.Second

// wakeTimer tells when it is time to compare the clocks. It is a timer on the wall
// clock: the kernel cancels it when that is set, and after each resume
// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
type wakeTimer struct{ file *os.File }

func newWakeTimer() (wakeTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return wakeTimer{}, os.NewSyscallError("timerfd_create", err)
	}
	return wakeTimer{os.NewFile(uintptr(fd), "timerfd")}, nil
}

// run calls check at once, after each jump of a clock and every tick, until the
// timer is closed.
func (t wakeTimer) run(tick time.Duration, check func()) {
	for {
		// Armed first, so that no jump gets lost between check and Read.
		if err := t.arm(tick); err != nil {
			return
		}
		check()
		if _, err := t.file.Read(make([]byte, 8)); err != nil && !errors.Is(err, unix.ECANCELED) {
			return
		}
	}
}

func (t wakeTimer) arm(d time.Duration) error {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec((readClock(unix.CLOCK_REALTIME) + d).Nanoseconds())}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &at, nil)
	})
	return errors.Join(err, failed)
}

func (t wakeTimer) close() { t.file.Close() }
