// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"io"
	"testing"
)

// BenchmarkThroughput sends over a pipe with an MTU of 1500 bytes, reading and
// writing in pieces of different sizes.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			from, to := pipeNet(b).pair(b)
			buf := make([]byte, size)
			done := make(chan error)
			go func() {
				in := make([]byte, size)
				for {
					if _, err := to.Read(in); err != nil {
						done <- err
						return
					}
				}
			}()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := from.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
			from.CloseWrite()
			if err := <-done; err != io.EOF {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkPingPong sends a byte there and back, which measures the cost of waking up.
func BenchmarkPingPong(b *testing.B) {
	from, to := pipeNet(b).pair(b)
	go io.Copy(to, to)
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := from.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(from, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDial opens and closes connections.
func BenchmarkDial(b *testing.B) {
	tn := pipeNet(b)
	l, err := tn.listen("tcp", tn.host4+":0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		c, err := tn.dial(b.Context(), "tcp", l.Addr().String(), nil)
		if err != nil {
			b.Fatal(err)
		}
		a, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		// RST, so that no port is left in TIME-WAIT.
		c.(tcpConn).SetLinger(0)
		c.Close()
		a.Close()
	}
}
