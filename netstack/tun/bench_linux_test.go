// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkThroughput sends data between the kernel and the stack at an MTU of
// 1500 bytes. cpu-s/GB is the CPU time of the process and of the kernel on its
// behalf, both ends included.
func BenchmarkThroughput(b *testing.B) {
	for _, driver := range drivers {
		for _, receive := range []bool{true, false} {
			name := driver.String() + "/send"
			if receive {
				name = driver.String() + "/receive"
			}
			b.Run(name, func(b *testing.B) {
				r := newRig(b, driver, 0)
				from, to := connect(b, "tcp4", r.netstack(), r.kernel())
				if receive {
					from, to = to, from
				}
				transfer(b, from, to)
			})
		}
	}
}

func transfer(b *testing.B, from, to net.Conn) {
	const chunk = 1 << 20
	b.SetBytes(chunk)
	for _, c := range []net.Conn{from, to} {
		c.SetDeadline(time.Time{})
	}
	sent := make(chan error, 1)
	before := cpuTime(b)
	b.ResetTimer()
	go func() {
		buf := make([]byte, chunk)
		for range b.N {
			if _, err := from.Write(buf); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	buf := make([]byte, chunk)
	for left := b.N * chunk; left > 0; {
		n, err := to.Read(buf[:min(left, chunk)])
		if err != nil && err != io.EOF || n == 0 {
			b.Fatal(err, <-sent)
		}
		left -= n
	}
	b.StopTimer()
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	bytes := float64(b.N) * chunk
	b.ReportMetric((cpuTime(b)-before).Seconds()/bytes*1e9, "cpu-s/GB")
	b.ReportMetric(bytes*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
}

// cpuTime returns the CPU time that the process has used, in user and kernel mode.
func cpuTime(b *testing.B) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
