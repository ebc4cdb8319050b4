// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pairFunc makes two connected ends; a dialled, b accepted.
type pairFunc func(testing.TB) (a, b tcpConn)

// pairCase is something to do to a pair of connections, and what is seen of it:
// by a user of the net package on Linux, and by one of this package.
type pairCase struct {
	name string
	// aborts is set where a RST or the lack of an answer is part of the case.
	aborts bool
	run    func(t *testing.T, a, b tcpConn) []string
	want   []string
}

// runSemantics runs all cases, or those without aborts, on pairs that newPair
// makes.
func runSemantics(t *testing.T, newPair pairFunc, aborts bool) {
	for _, c := range pairCases {
		if c.aborts && !aborts {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			a, b := newPair(t)
			if got := c.run(t, a, b); !slices.Equal(got, c.want) {
				t.Errorf("saw\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestSemantics(t *testing.T) {
	t.Run("kernel", func(t *testing.T) {
		runSemantics(t, func(tb testing.TB) (a, b tcpConn) { return kernelWorld(tb).pair(tb) }, true)
	})
	t.Run("stack", func(t *testing.T) {
		runSemantics(t, func(tb testing.TB) (a, b tcpConn) { return pipeWorld(tb).pair(tb) }, true)
	})
}

var past = time.Unix(1, 0)

var pairCases = []pairCase{{
	name: "after own close",
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
		// What arrived before the RST is not lost.
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
}, {
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
		a.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
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
		a.SetReadDeadline(time.Now().Add(time.Hour))
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
		a.SetReadDeadline(time.Now().Add(time.Hour))
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
		// More than the buffers of both ends hold.
		data := pattern(16<<20, 1)
		a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := a.Write(data)
		saw := []string{describe(err)}
		if n <= 0 || n >= len(data) {
			t.Fatalf("wrote %d of %d bytes", n, len(data))
		}
		// Exactly what it said was written arrives, and the rest can follow.
		a.SetWriteDeadline(time.Time{})
		done := make(chan error)
		go func() {
			_, err := a.Write(data[n:])
			a.CloseWrite()
			done <- err
		}()
		got := make([]byte, len(data))
		if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, data) {
			t.Errorf("what arrived differs from the %d bytes written, or %v", len(data), err)
		}
		_, err = b.Read(got)
		return append(saw, describe(err), describe(<-done))
	},
	want: []string{"write src addr deadline timeout", "EOF", "ok"},
}, {
	name: "concurrent writes do not interleave",
	run: func(t *testing.T, a, b tcpConn) []string {
		const size, writers = 8 << 20, 2
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				if _, err := a.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
					t.Errorf("write: %v", err)
				}
			})
		}
		buf := make([]byte, size)
		seen := make(map[byte]bool)
		for range writers {
			if _, err := io.ReadFull(b, buf); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf, bytes.Repeat(buf[:1], size)) {
				t.Error("writes are interleaved")
			}
			seen[buf[0]] = true
		}
		wg.Wait()
		if len(seen) != writers {
			t.Errorf("got the data of %d writers, want %d", len(seen), writers)
		}
		return nil
	},
}, {
	name: "concurrent reads lose nothing",
	run: func(t *testing.T, a, b tcpConn) []string {
		const size, readers = 4 << 20, 4
		var mu sync.Mutex
		var sum, count int
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() {
				buf := make([]byte, 1000)
				for {
					n, err := b.Read(buf)
					mu.Lock()
					count += n
					for _, v := range buf[:n] {
						sum += int(v)
					}
					mu.Unlock()
					if err == io.EOF {
						return
					}
					if err != nil {
						t.Errorf("read: %v", err)
						return
					}
				}
			})
		}
		data := pattern(size, 2)
		if _, err := a.Write(data); err != nil {
			t.Fatal(err)
		}
		a.CloseWrite()
		wg.Wait()
		want := 0
		for _, v := range data {
			want += int(v)
		}
		if count != size || sum != want {
			t.Errorf("read %d bytes with sum %d, want %d with sum %d", count, sum, size, want)
		}
		return nil
	},
}, {
	name: "transfers in both directions at once",
	run: func(t *testing.T, a, b tcpConn) []string {
		const size = 16 << 20
		var wg sync.WaitGroup
		for i, end := range []struct{ from, to tcpConn }{{a, b}, {b, a}} {
			data := pattern(size, int64(i))
			wg.Go(func() {
				// Odd sizes, so that segments and writes do not line up.
				for rest := data; len(rest) > 0; {
					n, err := end.from.Write(rest[:min(len(rest), 77_777)])
					if err != nil {
						t.Errorf("write: %v", err)
						return
					}
					rest = rest[n:]
				}
				end.from.CloseWrite()
			})
			wg.Go(func() {
				h := sha256.New()
				n, err := io.Copy(h, end.to)
				if want := sha256.Sum256(data); n != size || err != nil || !bytes.Equal(h.Sum(nil), want[:]) {
					t.Errorf("direction %d: %d bytes, error %v, or the hash differs", i, n, err)
				}
			})
		}
		wg.Wait()
		return nil
	},
}, {
	name: "ReadFrom and WriteTo",
	run: func(t *testing.T, a, b tcpConn) []string {
		data := pattern(3<<20+17, 3)
		type result struct {
			n   int64
			err error
		}
		sent := make(chan result)
		go func() {
			// Struct: hide bytes.Reader's WriteTo, so that io.Copy uses a.ReadFrom.
			n, err := io.Copy(a, struct{ io.Reader }{bytes.NewReader(data)})
			a.CloseWrite()
			sent <- result{n, err}
		}()
		var got bytes.Buffer
		n, err := io.Copy(struct{ io.Writer }{&got}, b)
		s := <-sent
		if n != int64(len(data)) || s.n != n || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("sent %d, received %d, want %d equal bytes", s.n, n, len(data))
		}
		return []string{describe(s.err), describe(err)}
	},
	want: []string{"ok", "ok"},
}, {
	name: "ReadFrom and WriteTo pass errors on",
	run: func(t *testing.T, a, b tcpConn) []string {
		n, err := a.ReadFrom(io.MultiReader(strings.NewReader("xy"), failing{}))
		saw := []string{describe(err), mustRead(t, b, int(n))}
		mustWrite(t, a, "z")
		_, err = b.WriteTo(failing{})
		return append(saw, describe(err))
	},
	want: []string{"readfrom src addr boom -", "xy", "writeto src addr boom -"},
}, {
	name: "zero length",
	run: func(t *testing.T, a, b tcpConn) []string {
		n, err := a.Write(nil)
		m, rerr := a.Read([]byte{})
		if n != 0 || m != 0 {
			t.Errorf("wrote %d, read %d bytes", n, m)
		}
		return []string{describe(err), describe(rerr)}
	},
	want: []string{"ok", "ok"},
}, {
	name: "options",
	run: func(t *testing.T, a, b tcpConn) []string {
		var saw []string
		for _, err := range []error{
			a.SetNoDelay(false), a.SetNoDelay(true), a.SetLinger(-1), a.SetLinger(3),
			a.SetReadBuffer(1 << 16), a.SetWriteBuffer(1 << 16), a.SetReadBuffer(1), a.SetWriteBuffer(1),
			a.SetKeepAlive(true), a.SetKeepAlivePeriod(time.Minute),
			a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: -1, Count: 3}),
			a.SetKeepAlive(false),
		} {
			saw = append(saw, describe(err))
		}
		return slices.Compact(saw)
	},
	want: []string{"ok"},
}, {
	name: "addresses",
	run: func(t *testing.T, a, b tcpConn) []string {
		for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr()} {
			if _, ok := addr.(*net.TCPAddr); !ok || addr.Network() != "tcp" {
				t.Errorf("%v is a %T of network %s", addr, addr, addr.Network())
			}
		}
		if a.LocalAddr().String() != b.RemoteAddr().String() || b.LocalAddr().String() != a.RemoteAddr().String() {
			t.Errorf("ends disagree: %v to %v, and %v to %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
		return nil
	},
}}

// fill writes to c until it fails.
func fill(c net.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
}

func mustWrite(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	buf := make([]byte, n)
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	return string(buf)
}

// pattern returns n bytes that depend on seed.
func pattern(n int, seed int64) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// failing fails to read and to write.
type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, errBoom }
func (failing) Write([]byte) (int, error) { return 0, errBoom }
