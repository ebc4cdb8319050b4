// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

// flows are random bytes both ways at once over one connection.
type flows struct {
	w    *world
	stop chan struct{} // closed to end both
	dirs [2]*flow
}

// flow is one direction.
type flow struct {
	name           string
	sent, received atomic.Int64
	sentSum, sum   []byte // once done
	done           sync.WaitGroup
	sendErr, err   error
}

// flows begins to send both ways, as fast as it goes.
func (w *world) flows(a, b relay.Conn) *flows {
	f := &flows{w: w, stop: make(chan struct{}), dirs: [2]*flow{{name: "a to b"}, {name: "b to a"}}}
	for i, ends := range [2][2]relay.Conn{{a, b}, {b, a}} {
		d := f.dirs[i]
		d.done.Go(func() { d.send(ends[0], byte(i), f.stop) })
		d.done.Go(func() { d.receive(ends[1]) })
	}
	w.t.Cleanup(func() { // should the test fail halfway
		a.Close()
		b.Close()
		for _, d := range f.dirs {
			d.done.Wait()
		}
	})
	return f
}

func (d *flow) send(c relay.Conn, seed byte, stop <-chan struct{}) {
	random, hash := rand.NewChaCha8([32]byte{seed}), sha256.New()
	buf := make([]byte, 64<<10)
	for {
		select {
		case <-stop:
			d.sentSum, d.sendErr = hash.Sum(nil), c.CloseWrite()
			return
		default:
		}
		random.Read(buf)
		hash.Write(buf)
		n, err := c.Write(buf)
		d.sent.Add(int64(n))
		if err != nil {
			d.sendErr = err
			return
		}
	}
}

func (d *flow) receive(c io.Reader) {
	hash := sha256.New()
	_, d.err = io.CopyBuffer(io.MultiWriter(hash, (*tally)(&d.received)), struct{ io.Reader }{c}, make([]byte, 64<<10))
	d.sum = hash.Sum(nil)
}

// tally counts the bytes written.
type tally atomic.Int64

func (t *tally) Write(b []byte) (int, error) {
	(*atomic.Int64)(t).Add(int64(len(b)))
	return len(b), nil
}

// advance waits until n more bytes have arrived both ways.
func (f *flows) advance(n int64, limit time.Duration) {
	f.w.t.Helper()
	var want [2]int64
	for i, d := range f.dirs {
		want[i] = d.received.Load() + n
	}
	f.w.eventually("both directions flow", limit, func() error {
		for i, d := range f.dirs {
			if got := d.received.Load(); got < want[i] {
				return fmt.Errorf("%s: %d of %d bytes", d.name, got, want[i])
			}
		}
		return nil
	})
}

// finish ends both directions, and fails the test unless all bytes have arrived.
func (f *flows) finish() {
	f.w.t.Helper()
	close(f.stop)
	for _, d := range f.dirs {
		done := make(chan struct{})
		go func() { d.done.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(patience):
			f.w.t.Fatalf("%s: %d of %d bytes have arrived, and no end", d.name, d.received.Load(), d.sent.Load())
		}
		if d.sendErr != nil || d.err != nil {
			f.w.t.Errorf("%s: send: %v, receive: %v", d.name, d.sendErr, d.err)
		}
		if d.received.Load() != d.sent.Load() || !bytes.Equal(d.sum, d.sentSum) {
			f.w.t.Errorf("%s: %d bytes were sent and %d received, or they differ", d.name, d.sent.Load(), d.received.Load())
		}
	}
}
