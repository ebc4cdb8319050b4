// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"io"
	"math"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// pairs opens n connections to a listener of the server and returns the two ends of each, one
// after the other.
func (r *roamRig) pairs(n int, address string) (conns []*Conn) {
	r.tb.Helper()
	ln, err := r.listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer ln.Close()
	for range n {
		c, err := r.dialer.Dial("tcp", address)
		if err != nil {
			r.tb.Fatal(err)
		}
		s, err := ln.Accept()
		if err != nil {
			r.tb.Fatal(err)
		}
		r.tb.Cleanup(func() { c.Close(); s.Close() })
		conns = append(conns, c.(*Conn), s.(*Conn))
	}
	return conns
}

// crowd is many connections of one client.
type crowd struct {
	*roamRig
	conns []*Conn // two ends of each
	peak  int     // attempts under way at once
}

func newCrowd(tb testing.TB, n int) *crowd {
	w := &crowd{roamRig: newRoamRig(tb, rigConfig{}, RoamerConfig{})}
	w.conns = w.pairs(n, serverAddr)
	w.await(w.conns...)
	return w
}

// leave takes the uplink in use away and waits until all connections have moved
// to the other. It returns when each had, in order.
func (w *crowd) leave(i int) (took []time.Duration) {
	w.tb.Helper()
	before, n := len(w.events.moves()), len(w.conns)/2
	begin := w.net.Clock.Elapsed()
	w.breakUplink(i)
	w.until("moved all", time.Minute, func() bool { return len(w.events.moves()) >= before+n })
	moves := w.events.moves()[before:]
	for _, m := range moves {
		took = append(took, m.at-begin)
		w.peak = max(w.peak, overlap(moves, m))
	}
	slices.Sort(took)
	return took
}

// overlap returns how many of the attempts were under way when m ended.
func overlap(moves []timedEvent, m timedEvent) (n int) {
	for _, o := range moves {
		if o.at-o.Took < m.at && m.at <= o.at {
			n++
		}
	}
	return n
}

// carry calls f for one of step connections.
func (w *crowd) carry(step int, f func(i int) error) {
	w.tb.Helper()
	for i := 0; i < len(w.conns); i += 2 * step {
		if err := f(i); err != nil {
			w.tb.Fatalf("connection %d: %v", i/2, err)
		}
	}
}

// write has a client send bytes that no other sends, and read checks that they arrive.
func (w *crowd) write(i int) error {
	_, err := w.conns[i].Write([]byte{byte(i >> 1), byte(i >> 9)})
	return err
}

func (w *crowd) read(i int) error {
	var b [2]byte
	w.conns[i+1].SetReadDeadline(w.net.Clock.Now().Add(patience))
	if _, err := io.ReadFull(w.conns[i+1], b[:]); err != nil {
		return err
	}
	if b != [2]byte{byte(i >> 1), byte(i >> 9)} {
		return syscall.EBADMSG
	}
	return nil
}

// TestRoamMany moves a thousand connections, not all at once. Connections that wait for
// an answer go before the others. Data in flight arrives.
func TestRoamMany(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	w := newCrowd(t, n)
	w.net.Uplinks[0].SetDown(true) // data that is written now gets lost
	w.carry(10, w.write)
	took := w.leave(0)
	if attempts := w.events.count(); attempts != n {
		t.Errorf("%d attempts", attempts)
	}
	if w.peak > MaxRoamAttempts {
		t.Errorf("%d attempts at once", w.peak)
	}
	// A handshake takes a round trip; so do the waves of them.
	waves := time.Duration(math.Ceil(float64(n) / MaxRoamAttempts))
	if last, limit := took[n-1], (waves+1)*3*2*delay; last > limit {
		t.Errorf("the last has moved after %v, want %v", last, limit)
	}
	waiting := make(map[*Conn]bool)
	w.carry(10, func(i int) error { waiting[w.conns[i]] = true; return nil })
	for i, m := range w.events.moves() {
		if first := i < len(waiting)+MaxRoamAttempts; waiting[m.Conn] && !first {
			t.Errorf("a connection that waits for an answer was number %d", i)
		}
	}
	w.carry(10, w.read)
	w.carry(1, w.write)
	w.carry(1, w.read)
	w.until("moved at the server", time.Second, func() bool { return counts(w.server, migrate.CountAccepted) == uint64(n) })
	w.carry(1, func(i int) error {
		if localOf(w.conns[i]) != local2 {
			t.Errorf("connection %d is at %v", i/2, localOf(w.conns[i]))
		}
		return nil
	})
	t.Logf("%d connections: median %v, last %v, %d attempts at once", n, took[n/2], took[n-1], w.peak)
}

// TestRoamManyRetries: connections whose peers are silent do not keep others
// waiting that have just lost their path.
func TestRoamManyRetries(t *testing.T) {
	const silent, n = 2 * MaxRoamAttempts, 10
	r, m := newMonitored(t, rigConfig{homes: twoAddresses}, RoamerConfig{}, wlan)
	lost, others := r.pairs(silent, "10.9.0.2:80"), r.pairs(n, serverAddr)
	r.await(append(lost, others...)...)
	r.inner[0].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if p.Dst().Addr() == twoAddresses[1].Addr() {
			return simnet.Drop
		}
		return simnet.Pass
	})
	for i := 0; i < len(lost); i += 2 {
		lost[i].Write([]byte("x"))
	}
	r.until("tried all", time.Minute, func() bool { return r.events.count() >= silent })
	r.until("all in a pause", 10*time.Minute, func() bool {
		return !slices.ContainsFunc(lost, func(c *Conn) bool { return c.Migration().Phase == migrate.SYNSent })
	})
	begin := r.net.Clock.Elapsed()
	m.set(false, wwan)
	r.until("moved", 10*time.Second, func() bool { return len(r.events.moves()) == n })
	// The attempts of the others need not end for that.
	if took := r.net.Clock.Elapsed() - begin; took > 200*time.Millisecond {
		t.Errorf("moved after %v", took)
	}
}
