// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

// TestGigabytes moves a connection at the marks where sequence numbers could be
// mistaken for others:
//
//   - 2^31 bytes from the beginning, beyond which earlier numbers look like later ones
//     (RFC 9293, section 3.4);
//   - at the wrap of the sender's sequence numbers;
//   - at 2^32, where the numbers are the same again;
//   - beyond.
//
// Either end sends.
func TestGigabytes(t *testing.T) {
	needPatched(t)
	if !soaking() {
		t.Skip("carries 9 GiB: make soak")
	}
	for _, upload := range []bool{true, false} {
		t.Run(fmt.Sprintf("upload=%v", upload), func(t *testing.T) {
			client, server := newStacks(t, netstack.Config{}, netstack.PipeConfig{MTU: netstack.MaxMTU - 1})
			tn := &tcpNet{dial: stackDial(client), listen: stackListen(server), host4: server4.Addr().String()}
			dialled, accepted := tn.pair(t)
			c, s := dialled.(*Conn), accepted.(*Conn)
			if err := c.AwaitMigratable(context.Background()); err != nil {
				t.Fatal(err)
			}
			src, dst := s, c
			if upload {
				src, dst = c, s
			}
			l := &longHaul{src: src, dst: dst, pattern: newPattern()}
			wrap := int64(1<<32) - int64(sequenceOf(src).nxt)
			marks := []int64{1 << 31, 1 << 32, 1<<32 + 1<<28}
			// The wrap comes in its place, unless that is close to another mark.
			switch {
			case wrap > 1<<24 && wrap < 1<<31-1<<24:
				marks = append([]int64{wrap}, marks...)
			case wrap > 1<<31+1<<24 && wrap < 1<<32-1<<24:
				marks = []int64{marks[0], wrap, marks[1], marks[2]}
			}
			for _, mark := range marks {
				l.carry(t, mark-(8<<20))
				// The connection moves while it carries the bytes around the mark.
				moved := make(chan error, 1)
				go func() {
					local := c.LocalAddr().(*net.TCPAddr).AddrPort()
					moved <- c.Migrate(context.Background(), netip.AddrPortFrom(local.Addr(), 0))
				}()
				l.carry(t, mark+(8<<20))
				if err := <-moved; err != nil {
					t.Fatalf("move at %d bytes: %v", mark, err)
				}
				l.echo(t)
			}
			if n := c.Migration().Initiated; n != uint64(len(marks)) {
				t.Errorf("%d moves, want %d", n, len(marks))
			}
		})
	}
}

// longHaul carries bytes in one direction that are cheap to make and to check.
type longHaul struct {
	src, dst *Conn
	pattern  []byte // twice the period, so that each window of it is in one piece
	n        int64
}

// patternPeriod is a prime. No multiple of it is the size of a segment, a buffer or a
// sequence space. So a byte that is out of place shows.
const patternPeriod = 1<<18 - 5

func newPattern() []byte {
	p := make([]byte, patternPeriod)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return append(p, p...)
}

// at returns the bytes from position n on, up to a period of them.
func (l *longHaul) at(n int64) []byte {
	from := n % patternPeriod
	return l.pattern[from : from+patternPeriod]
}

// carry sends and receives up to position to.
func (l *longHaul) carry(t *testing.T, to int64) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		for n := l.n; n < to; {
			b := l.at(n)
			m, err := l.src.Write(b[:min(int64(len(b)), to-n)])
			if n += int64(m); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	buf := make([]byte, patternPeriod)
	for l.n < to {
		n, err := l.dst.Read(buf[:min(int64(len(buf)), to-l.n)])
		if err != nil {
			t.Fatalf("read at %d: %v", l.n, err)
		}
		if !bytes.Equal(buf[:n], l.at(l.n)[:n]) {
			t.Fatalf("not the bytes sent, from %d to %d", l.n, l.n+int64(n))
		}
		l.n += int64(n)
	}
	if err := <-sent; err != nil {
		t.Fatalf("write: %v", err)
	}
}

// echo sends a word the other way.
func (l *longHaul) echo(t *testing.T) {
	t.Helper()
	word := []byte("still here")
	if _, err := l.dst.Write(word); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(l.src, got); err != nil || !bytes.Equal(got, word) {
		t.Fatalf("%q, %v", got, err)
	}
}
