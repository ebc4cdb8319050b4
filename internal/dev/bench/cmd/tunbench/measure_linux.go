// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// chunk is the size of a read or write, in bytes.
	chunk = 256 << 10

	// warmUp is how long data flows before the clock starts: slow start is over.
	warmUp = 200 * time.Millisecond

	// patience is the time after which a measurement that hangs ends.
	patience = 30 * time.Second
)

// direction is where the data goes: from the stack to the kernel, or the other way.
type direction string

const (
	send    direction = "send"
	receive direction = "receive"
)

var directions = []direction{send, receive}

// measurement is the result of one measurement.
type measurement struct {
	gbits float64 // Gbit/s
	cpu   float64 // s/GB: of the process and of the kernel on its behalf, both ends
}

// measure sends data over a new connection for d.
func (l link) measure(ctx context.Context, dir direction, d time.Duration) (m measurement, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+d)
	defer cancel()
	from, to, err := l.connect(ctx)
	if err != nil {
		return m, err
	}
	defer to.Close()
	defer from.Close()
	if dir == receive {
		to, from = from, to
	}
	// At the end neither side is waited for.
	stop := context.AfterFunc(ctx, func() { from.Close(); to.Close() })
	defer stop()

	sent := make(chan error, 1)
	go func() { sent <- pour(from) }()
	m, err = meter(to, d)
	from.Close()
	to.Close()
	if serr := <-sent; err != nil {
		return m, errors.Join(err, serr)
	}
	return m, context.Cause(ctx)
}

// connect returns both ends of a new connection.
func (l link) connect(ctx context.Context) (dialled, accepted net.Conn, err error) {
	ln, err := l.listen(ctx, "tcp4", net.JoinHostPort(near.Addr().String(), "0"))
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if dialled, err = l.dial(ctx, "tcp4", ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	if accepted, err = ln.Accept(); err != nil {
		dialled.Close()
		return nil, nil, err
	}
	return dialled, accepted, nil
}

// pour writes until the connection is closed, and returns why it could not go on.
func pour(c net.Conn) error {
	buf := make([]byte, chunk)
	for {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
}

// meter reads for d, after a while.
func meter(c net.Conn, d time.Duration) (m measurement, err error) {
	buf := make([]byte, chunk)
	if _, _, err = readFor(c, buf, warmUp); err != nil {
		return m, err
	}
	before, err := cpuTime()
	if err != nil {
		return m, err
	}
	n, took, err := readFor(c, buf, d)
	if err != nil {
		return m, err
	}
	after, err := cpuTime()
	if err != nil {
		return m, err
	}
	bytes := float64(n)
	return measurement{
		gbits: bytes * 8 / took.Seconds() / 1e9,
		cpu:   (after - before).Seconds() / bytes * 1e9,
	}, nil
}

// readFor reads for at least d.
func readFor(c net.Conn, buf []byte, d time.Duration) (n int64, took time.Duration, err error) {
	for begin := time.Now(); took < d; took = time.Since(begin) {
		k, err := c.Read(buf)
		if err != nil {
			return n, took, err
		}
		n += int64(k)
	}
	return n, took, nil
}

// cpuTime returns the CPU time that the process has used, in user and kernel mode.
func cpuTime() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
