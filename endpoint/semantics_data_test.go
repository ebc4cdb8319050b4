// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// overflow is more than the buffers of both ends hold while nobody reads. The sender's
// grows to 4 MiB (tcp_wmem in Linux, netstack.MaxSendBuffer), and the receiver's only
// as data is read.
const overflow = 6 << 20

// dataCases are about calls that succeed.
var dataCases = []pairCase{{
	name: "concurrent writes do not interleave",
	run: func(t *testing.T, a, b tcpConn) []string {
		const size, writers = overflow, 2
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
		const size, readers = 1 << 20, 4
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
		const size = 4 << 20
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
	name:  "addresses",
	fixed: true,
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
