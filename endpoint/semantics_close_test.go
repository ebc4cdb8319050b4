// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// closeCases are about how connections end.
var closeCases = []pairCase{{
	name:  "after own close",
	fixed: true,
	run: func(t *testing.T, a, b tcpConn) []string {
		local, remote := a.LocalAddr().String(), a.RemoteAddr().String()
		buf := make([]byte, 1)
		saw := []string{describe(a.Close())}
		_, err := a.Read(buf)
		saw = append(saw, describe(err))
		_, err = a.Read(nil)
		saw = append(saw, describe(err))
		_, err = a.Write(buf)
		saw = append(saw, describe(err))
		_, err = a.ReadFrom(bytes.NewReader(buf))
		saw = append(saw, describe(err))
		_, err = a.WriteTo(io.Discard)
		saw = append(saw, describe(err))
		for _, err := range []error{
			a.Close(), a.CloseRead(), a.CloseWrite(),
			a.SetDeadline(time.Time{}), a.SetReadDeadline(past), a.SetWriteDeadline(past),
			a.SetLinger(0), a.SetNoDelay(true), a.SetReadBuffer(1 << 16), a.SetWriteBuffer(1 << 16),
			a.SetKeepAlive(true), a.SetKeepAlivePeriod(time.Minute), a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}),
		} {
			saw = append(saw, describe(err))
		}
		if a.LocalAddr().String() != local || a.RemoteAddr().String() != remote {
			t.Errorf("addresses are %v, %v after close, were %v, %v", a.LocalAddr(), a.RemoteAddr(), local, remote)
		}
		return saw
	},
	want: []string{
		"ok",
		"read src addr closed -", "read src addr closed -", "write src addr closed -",
		"readfrom src addr closed -", "writeto src addr closed -",
		"close src addr closed -", "close src addr closed -", "close src addr closed -",
		"set addr closed -", "set addr closed -", "set addr closed -",
		"set src addr closed -", "set src addr closed -", "set addr closed -", "set addr closed -",
		"set src addr closed -", "set src addr closed -", "set src addr closed -",
	},
}, {
	name: "concurrent close",
	run: func(t *testing.T, a, b tcpConn) []string {
		errs := make(chan error)
		for range 4 {
			go func() { errs <- a.Close() }()
		}
		var saw []string
		for range 4 {
			saw = append(saw, describe(<-errs))
		}
		slices.Sort(saw)
		return saw
	},
	want: []string{"close src addr closed -", "close src addr closed -", "close src addr closed -", "ok"},
}, {
	name: "close wakes reader and writer",
	run: func(t *testing.T, a, b tcpConn) []string {
		read, written := make(chan error), make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			read <- err
		}()
		go func() { written <- fill(a) }()
		// Once the peer has got something, the writer is at work.
		mustRead(t, b, 1)
		a.Close()
		return []string{describe(<-read), describe(<-written)}
	},
	want: []string{"read src addr closed -", "write src addr closed -"},
}, {
	name: "half close",
	run: func(t *testing.T, a, b tcpConn) []string {
		var saw []string
		saw = append(saw, describe(b.CloseWrite()))
		_, err := a.Read(make([]byte, 1))
		saw = append(saw, describe(err))
		// The other direction still works, to its end.
		_, err = a.Write([]byte("data"))
		saw = append(saw, describe(err), describe(a.CloseWrite()))
		data, err := io.ReadAll(b)
		saw = append(saw, string(data), describe(err))
		_, err = a.Read(make([]byte, 1))
		return append(saw, describe(err), describe(a.Close()), describe(b.Close()))
	},
	want: []string{"ok", "EOF", "ok", "ok", "data", "ok", "EOF", "ok", "ok"},
}, {
	name: "write after own CloseWrite",
	run: func(t *testing.T, a, b tcpConn) []string {
		saw := []string{describe(a.CloseWrite()), describe(a.CloseWrite())}
		_, err := a.Write([]byte("x"))
		saw = append(saw, describe(err))
		_, err = a.Write(nil)
		return append(saw, describe(err))
	},
	want: []string{"ok", "ok", "write src addr write:broken pipe -", "write src addr write:broken pipe -"},
}, {
	name: "read after own CloseRead",
	run: func(t *testing.T, a, b tcpConn) []string {
		mustWrite(t, b, "xy")
		mustRead(t, a, 1)
		saw := []string{describe(a.CloseRead())}
		data, err := io.ReadAll(a)
		return append(saw, string(data), describe(err))
	},
	want: []string{"ok", "y", "ok"},
}, {
	name: "CloseRead wakes reader",
	run: func(t *testing.T, a, b tcpConn) []string {
		read := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			read <- err
		}()
		return []string{describe(a.CloseRead()), describe(<-read)}
	},
	want: []string{"ok", "EOF"},
}, {
	name:   "reset by peer",
	aborts: true,
	run: func(t *testing.T, a, b tcpConn) []string {
		mustWrite(t, b, "xy")
		mustRead(t, a, 1)
		saw := []string{describe(b.SetLinger(0)), describe(b.Close())}
		// Data that arrived before the RST is not lost.
		buf := make([]byte, 8)
		n, err := a.Read(buf)
		saw = append(saw, string(buf[:n]), describe(err))
		_, err = a.Read(buf)
		saw = append(saw, describe(err))
		_, err = a.Write(buf)
		return append(saw, describe(err), describe(a.CloseWrite()), describe(a.Close()))
	},
	want: []string{
		"ok", "ok", "y", "ok",
		"read src addr read:connection reset by peer -",
		"write src addr write:broken pipe -",
		"close src addr shutdown:transport endpoint is not connected -",
		"ok",
	},
}, {
	name:   "reset while blocked in read",
	aborts: true,
	run: func(t *testing.T, a, b tcpConn) []string {
		read := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			read <- err
		}()
		return []string{describe(b.SetLinger(0)), describe(b.Close()), describe(<-read)}
	},
	want: []string{"ok", "ok", "read src addr read:connection reset by peer -"},
}, {
	name:   "reset while blocked in write",
	aborts: true,
	run: func(t *testing.T, a, b tcpConn) []string {
		written := make(chan error)
		go func() { written <- fill(a) }()
		mustRead(t, b, 1)
		return []string{describe(b.SetLinger(0)), describe(b.Close()), describe(<-written)}
	},
	want: []string{"ok", "ok", "write src addr write:connection reset by peer -"},
}, {
	name:   "close with unread data resets",
	aborts: true,
	run: func(t *testing.T, a, b tcpConn) []string {
		mustWrite(t, b, "xy")
		mustRead(t, a, 1)
		saw := []string{describe(a.Close())}
		_, err := b.Read(make([]byte, 1))
		return append(saw, describe(err))
	},
	want: []string{"ok", "read src addr read:connection reset by peer -"},
}, {
	name:   "write after peer's close",
	aborts: true,
	run: func(t *testing.T, a, b tcpConn) []string {
		saw := []string{describe(b.Close())}
		_, err := a.Read(make([]byte, 1))
		saw = append(saw, describe(err), describe(fill(a)))
		_, err = a.Read(make([]byte, 1))
		return append(saw, describe(err))
	},
	want: []string{"ok", "EOF", "write src addr write:broken pipe -", "EOF"},
}}
