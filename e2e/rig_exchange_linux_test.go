// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

// pace is how fast bytes came, in each direction.
type pace struct {
	down, up time.Duration // for interopSize
	gap      time.Duration // the longest without anything, of the download
}

func (p pace) String() string {
	rate := func(d time.Duration) float64 { return interopSize * 8 / d.Seconds() / 1e6 }
	return fmt.Sprintf("down %.1f, up %.1f Mbit/s, longest gap %v", rate(p.down), rate(p.up), p.gap)
}

// check compares with the pace of the kernel among itself.
func (p pace) check(among pace) error {
	switch {
	case p.down > slower*among.down, p.up > slower*among.up:
		return fmt.Errorf("more than %d times slower than the kernel among itself: %v", slower, p)
	case p.gap > longestGap:
		return fmt.Errorf("nothing came for a while: %v", p)
	}
	return nil
}

// asFast fails the test unless one of a few connections is as fast as two kernels among
// themselves. A pause of a busy machine looks like a queue, and ends slow start.
func (w *world) asFast(t *testing.T, among pace, dial func() relay.Conn) {
	t.Helper()
	const tries = 3
	var err error
	for range tries {
		p := w.exchange(dial())
		t.Log(p)
		if err = p.check(among); err == nil {
			return
		}
	}
	t.Error(err)
}

// content returns the bytes that an exchange transfers in both directions, and their
// hash.
func content() (io.Reader, []byte) {
	hash := sha256.New()
	io.CopyN(hash, rand.NewChaCha8([32]byte{}), interopSize)
	return io.LimitReader(rand.NewChaCha8([32]byte{}), interopSize), hash.Sum(nil)
}

// exchangeServer accepts connections: it sends the content, reads all that comes and
// answers with the hash of it.
func (w *world) exchangeServer(l net.Listener, accepted func(net.Conn)) {
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted(c)
			serving.Go(func() {
				defer c.Close()
				down, _ := content()
				if _, err := io.Copy(c, down); err != nil {
					return // the client sees it
				}
				hash := sha256.New()
				if _, err := io.Copy(hash, c); err == nil {
					c.Write(hash.Sum(nil))
				}
			})
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
}

// exchange is the client's side. It fails the test unless all bytes have arrived.
func (w *world) exchange(c relay.Conn) (p pace) {
	w.t.Helper()
	defer c.Close()
	w.must(c.SetDeadline(time.Now().Add(patience)))
	up, sum := content()

	hash, begin := sha256.New(), time.Now()
	gaps := &gapMeter{last: begin}
	_, err := io.CopyN(io.MultiWriter(hash, gaps), c, interopSize)
	w.must(err)
	p.down, p.gap = time.Since(begin), gaps.longest
	if !bytes.Equal(hash.Sum(nil), sum) {
		w.t.Error("download: other bytes than were sent")
	}

	begin = time.Now()
	_, err = io.Copy(c, up)
	w.must(err)
	w.must(c.CloseWrite())
	got, err := io.ReadAll(c)
	w.must(err)
	p.up = time.Since(begin)
	if !bytes.Equal(got, sum) {
		w.t.Error("upload: other bytes than were sent")
	}
	return p
}

// gapMeter finds the longest time between two writes, after the first.
type gapMeter struct {
	last    time.Time
	started bool
	longest time.Duration
}

func (g *gapMeter) Write(b []byte) (int, error) {
	now := time.Now()
	if g.started {
		g.longest = max(g.longest, now.Sub(g.last))
	}
	g.last, g.started = now, true
	return len(b), nil
}
