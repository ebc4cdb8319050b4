// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestShrinkReceiveBuffer makes the receive buffer of a busy download smaller. All that the
// peer has sent for the window before still arrives: the window that was advertised is not
// taken back (RFC 9293, section 3.8.6).
func TestShrinkReceiveBuffer(t *testing.T) {
	for _, moment := range []struct {
		name   string
		lost   int           // segments in a row before the change
		unread time.Duration // the application does not read for so long before and after it
	}{
		{"idle reader", 0, time.Second},
		{"hole", 1, 0},
		{"wide hole", 20, 0},
		{"hole and idle reader", 1, time.Second},
		{"full window", 0, 10 * time.Second},
		{"hole in a full window", 1, 10 * time.Second},
	} {
		for _, first := range []int{0, 1 << 20} { // 0 leaves the size to auto-tuning
			for _, second := range []int{1, 4 << 10, 16 << 10, 64 << 10, 256 << 10} {
				for _, third := range []int{0, 2 << 10, 1 << 20} { // 0 leaves the second size
					if testing.Short() && (first != 0 || third != 0 || second != 1 && second != 64<<10) {
						continue
					}
					t.Run(fmt.Sprintf("%s, %d to %d to %d", moment.name, first, second, third), func(t *testing.T) {
						r := newRig(t, rigConfig{seed: 1, paced: true})
						r.dialer.Migration, r.listen.Migration = Off, Off
						d := &download{t: t}
						r.inner[0].set(d.process)
						c, s := r.pair(serverAddr)
						if first != 0 {
							c.SetReadBuffer(first)
						}
						d.begin(c, s)
						d.receive(time.Second)
						d.lose.Store(int32(moment.lost))
						r.sleep(baseRTT + moment.unread)
						d.ends.Store(true)
						c.SetReadBuffer(second)
						r.sleep(baseRTT)
						if third != 0 {
							c.SetReadBuffer(third)
						}
						r.sleep(moment.unread)
						d.finish()
					})
				}
			}
		}
	}
}

// download is an endless download of numbered bytes. It checks that the window of the
// receiving end is not taken back.
type download struct {
	t    *testing.T
	c, s *Conn
	lose atomic.Int32 // the next segments with data
	ends atomic.Bool  // with the next write

	sent chan int64
	got  int64

	mu    sync.Mutex
	scale int          // of the window, from the SYN
	right seqnum.Value // edge of the window
	known bool         // right is set
}

// process is a gate of the client's uplink.
func (d *download) process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	s, ok := p.TCP()
	if !ok {
		return simnet.Pass
	}
	if at.Dir == simnet.BtoA {
		if len(s.Payload()) > 0 && d.lose.Load() > 0 {
			d.lose.Add(-1)
			return simnet.Drop
		}
		return simnet.Pass
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.Flags().Contains(fSYN) {
		d.scale = header.ParseSynOptions(s.Options(), false).WS
		return simnet.Pass
	}
	if s.Flags().Contains(fRST) {
		return simnet.Pass
	}
	right := seqnum.Value(s.AckNumber()) + seqnum.Value(s.WindowSize())<<d.scale
	// A window is a multiple of its scale: its edge may be less exact than the one before
	// (RFC 7323, section 2.4).
	if d.known && (right + 1<<d.scale).LessThan(d.right) {
		d.t.Errorf("window taken back by %d", right.Size(d.right))
	}
	if !d.known || d.right.LessThan(right) {
		d.right, d.known = right, true
	}
	return simnet.Pass
}

// begin begins to send. No more than the write buffer is left to send when it ends.
func (d *download) begin(c, s *Conn) {
	d.c, d.s, d.sent = c, s, make(chan int64, 1)
	s.SetWriteBuffer(512 << 10)
	go func() {
		var n int64
		for buf := make([]byte, 4<<10); !d.ends.Load(); n += int64(len(buf)) {
			for i := range buf {
				buf[i] = byte((n + int64(i)) >> 8)
			}
			if _, err := s.Write(buf); err != nil {
				d.t.Error(err)
				break
			}
		}
		s.CloseWrite()
		d.sent <- n
	}()
}

// Write implements io.Writer: it checks what has come.
func (d *download) Write(b []byte) (int, error) {
	for i, x := range b {
		if n := d.got + int64(i); x != byte(n>>8) {
			return i, fmt.Errorf("byte %d is wrong", n)
		}
	}
	d.got += int64(len(b))
	return len(b), nil
}

// receive takes what arrives within a time.
func (d *download) receive(within time.Duration) {
	d.t.Helper()
	for clock, end := d.c.stack.Clock(), d.c.stack.Clock().Now().Add(within); clock.Now().Before(end); {
		if _, err := io.CopyN(d, d.c, 16<<10); err != nil {
			d.t.Fatal(err)
		}
	}
}

// finish takes the rest.
func (d *download) finish() {
	d.t.Helper()
	d.c.SetReadDeadline(d.c.stack.Clock().Now().Add(patience))
	if _, err := io.Copy(d, d.c); err != nil {
		d.t.Fatalf("%v after %d bytes", err, d.got)
	}
	if sent := <-d.sent; d.got != sent {
		d.t.Errorf("got %d of %d bytes", d.got, sent)
	}
}
