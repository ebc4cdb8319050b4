// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"io"
	"testing"
	"time"
)

// deadlineCases are about calls that time out.
var deadlineCases = []pairCase{{
	name: "deadline in the past",
	run: func(t *testing.T, a, b tcpConn) []string {
		mustWrite(t, b, "xy")
		mustRead(t, a, 1)
		buf := make([]byte, 8)
		saw := []string{describe(a.SetDeadline(past))}
		_, err := a.Read(buf)
		saw = append(saw, describe(err))
		_, err = a.Read(nil)
		saw = append(saw, describe(err))
		_, err = a.Write(buf)
		saw = append(saw, describe(err))
		_, err = a.Write(nil)
		saw = append(saw, describe(err))
		_, err = a.ReadFrom(bytes.NewReader(buf))
		saw = append(saw, describe(err))
		_, err = a.WriteTo(io.Discard)
		saw = append(saw, describe(err))
		// Nothing was lost meanwhile, and it all works again.
		saw = append(saw, describe(a.SetDeadline(time.Time{})))
		n, err := a.Read(buf)
		saw = append(saw, string(buf[:n]), describe(err))
		_, err = a.Write([]byte("z"))
		return append(saw, describe(err), mustRead(t, b, 1))
	},
	want: []string{
		"ok",
		"read src addr deadline timeout", "ok",
		"write src addr deadline timeout", "write src addr deadline timeout",
		"readfrom src addr deadline timeout", "writeto src addr deadline timeout",
		"ok", "y", "ok", "ok", "z",
	},
}, {
	name: "deadline passes",
	run: func(t *testing.T, a, b tcpConn) []string {
		a.SetReadDeadline(now(a).Add(10 * time.Millisecond))
		_, err := a.Read(make([]byte, 1))
		saw := []string{describe(err)}
		_, err = a.Read(make([]byte, 1))
		return append(saw, describe(err))
	},
	want: []string{"read src addr deadline timeout", "read src addr deadline timeout"},
}, {
	name: "deadline moved while blocked",
	run: func(t *testing.T, a, b tcpConn) []string {
		read := make(chan error)
		a.SetReadDeadline(now(a).Add(time.Hour))
		go func() {
			for range 2 {
				_, err := a.Read(make([]byte, 1))
				read <- err
			}
		}()
		// Nearer: the reader fails.
		a.SetReadDeadline(past)
		saw := []string{describe(<-read)}
		// Farther, and away: it waits for the data. The reader may see the past
		// deadline once more before that.
		a.SetReadDeadline(now(a).Add(time.Hour))
		a.SetReadDeadline(time.Time{})
		mustWrite(t, b, "x")
		if err := <-read; err != nil && describe(err) != saw[0] {
			saw = append(saw, describe(err))
		}
		return saw
	},
	want: []string{"read src addr deadline timeout"},
}, {
	name: "write times out in the middle",
	run: func(t *testing.T, a, b tcpConn) []string {
		data := pattern(overflow, 1)
		type result struct {
			n   int
			err error
		}
		written := make(chan result)
		write := func(data []byte) {
			n, err := a.Write(data)
			written <- result{n, err}
		}
		go write(data)
		// Once the peer has got something, the writer is at work.
		got := make([]byte, len(data))
		got[0] = mustRead(t, b, 1)[0]
		a.SetWriteDeadline(now(a).Add(10 * time.Millisecond))
		w := <-written
		saw := []string{describe(w.err)}
		if w.n <= 0 || w.n >= len(data) {
			t.Fatalf("wrote %d of %d bytes", w.n, len(data))
		}
		// Exactly the number of bytes that it returned arrives, and the rest can
		// follow.
		a.SetWriteDeadline(time.Time{})
		go write(data[w.n:])
		if _, err := io.ReadFull(b, got[1:]); err != nil || !bytes.Equal(got, data) {
			t.Errorf("what arrived differs from the %d bytes written, or %v", len(data), err)
		}
		w = <-written
		a.CloseWrite()
		_, err := b.Read(got)
		return append(saw, describe(err), describe(w.err))
	},
	want: []string{"write src addr deadline timeout", "EOF", "ok"},
}}
