// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

const (
	// lastSegments is how many segments of each direction TestClosingOrder disturbs. A
	// direction ends with two segments of data, the FIN and an acknowledgement.
	lastSegments = 4

	// gone is the time within which both endpoints of a closed connection are released.
	// TIME-WAIT takes a minute of it.
	gone = 5 * time.Minute

	// overtaken is by how much a segment is late for each segment that overtakes it. Within
	// that time, the peer's answer to a later segment gets an answer as well. Retransmissions
	// come later.
	overtaken = delay + 5*time.Millisecond
)

// fate is what happens to the last segments of a direction, by number.
type fate struct {
	place [lastSegments]int // in the order of arrival
	twice int               // the segment that arrives again, after all others; -1 for none
	lost  int               // a bit for each segment that does not arrive
}

func inOrder() fate { return fate{place: [lastSegments]int{0, 1, 2, 3}, twice: -1} }

// fates is a middlebox that disturbs the last segments of both directions.
type fates struct {
	mu   sync.Mutex
	fate [2]fate
	seen [2]int
	// copied is set while the second copy of a segment is next.
	copied [2]bool
}

var _ simnet.Box = (*fates)(nil)

// begin makes the next segments the last ones.
func (f *fates) begin(up, down fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fate = [2]fate{simnet.AtoB: up, simnet.BtoA: down}
	f.seen, f.copied = [2]int{}, [2]bool{}
}

// Process implements simnet.Box. A box in front of it has copied the segments.
func (f *fates) Process(_ *simnet.Packet, at simnet.Hop) simnet.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, fate := f.seen[at.Dir], f.fate[at.Dir]
	if f.copied[at.Dir] {
		f.copied[at.Dir] = false
		return simnet.Delay(lastSegments * overtaken)
	}
	if n >= lastSegments {
		return simnet.Pass
	}
	f.seen[at.Dir]++
	f.copied[at.Dir] = n == fate.twice
	if fate.lost&(1<<n) != 0 {
		return simnet.Drop
	}
	return simnet.Delay(time.Duration(fate.place[n]) * overtaken)
}

// copies returns the box that makes the copies for f.
func (f *fates) copies(_ *simnet.Packet, at simnet.Hop) simnet.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.seen[at.Dir]; n < lastSegments && n == f.fate[at.Dir].twice {
		return simnet.Duplicate
	}
	return simnet.Pass
}

// closings are the ways in which two ends close a connection.
var closings = []struct {
	name string
	run  func(t *testing.T, a, b *Conn)
}{{
	name: "both at once",
	run: func(t *testing.T, a, b *Conn) {
		for _, c := range []*Conn{a, b} {
			mustWrite(t, c, "1")
			mustWrite(t, c, "2")
			c.CloseWrite()
		}
		wantRest(t, b, "12")
		wantRest(t, a, "12")
		a.Close()
		b.Close()
	},
}, {
	name: "one after the other",
	run: func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "1")
		mustWrite(t, a, "2")
		a.CloseWrite()
		wantRest(t, b, "12")
		b.Close()
		wantRest(t, a, "")
		a.Close()
	},
}, {
	name: "half closed",
	run: func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "1")
		a.CloseWrite()
		wantRest(t, b, "1")
		mustWrite(t, b, "1")
		mustWrite(t, b, "2")
		b.Close()
		wantRest(t, a, "12")
		a.Close()
	},
}, {
	name: "data one way",
	run: func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "1")
		a.CloseWrite()
		b.CloseWrite()
		wantRest(t, b, "1")
		wantRest(t, a, "")
		a.Close()
		b.Close()
	},
}, {
	name: "without data",
	run: func(t *testing.T, a, b *Conn) {
		a.Close()
		b.Close()
	},
}}

// wantRest reads to the end.
func wantRest(t *testing.T, c *Conn, want string) {
	t.Helper()
	c.SetReadDeadline(c.stack.Clock().Now().Add(gone))
	if got, err := io.ReadAll(c); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestClosingOrder closes connections whose last segments arrive in every order, twice, or
// not at all. Each byte arrives, and both endpoints are released.
func TestClosingOrder(t *testing.T) {
	var orders [][lastSegments]int
	permute(lastSegments, func(p []int) { orders = append(orders, [lastSegments]int(p)) })
	var pairs [][2]fate
	for i, up := range orders {
		for j, down := range orders {
			if testing.Short() && (i+j)%5 != 0 {
				continue
			}
			f := [2]fate{inOrder(), inOrder()}
			f[0].place, f[1].place = up, down
			pairs = append(pairs, f)
		}
		for n := range lastSegments {
			f := [2]fate{inOrder(), inOrder()}
			f[0].place, f[0].twice = up, n
			pairs = append(pairs, f, [2]fate{f[1], f[0]})
		}
	}
	for lost := range 1 << (2 * lastSegments) {
		f := [2]fate{inOrder(), inOrder()}
		f[0].lost, f[1].lost = lost&(1<<lastSegments-1), lost>>lastSegments
		pairs = append(pairs, f)
	}
	for _, how := range closings {
		t.Run(how.name, func(t *testing.T) {
			r := newRig(t, rigConfig{seed: 1})
			r.dialer.Migration, r.listen.Migration = Off, Off
			f := new(fates)
			r.inner[0].set(f.copies)
			r.outer[0].set(f.Process)
			for _, fate := range pairs {
				c, s, err := r.connect(serverAddr)
				if err != nil {
					t.Fatal(err)
				}
				r.sleep(time.Second)
				f.begin(fate[0], fate[1])
				how.run(t, c, s)
				r.sleep(gone)
				if n, m := connections(r.client), connections(r.server); n+m != 0 {
					t.Errorf("left: client %d in %v, server %d in %v", n, c.TCPInfo().State, m, s.TCPInfo().State)
				}
				if t.Failed() {
					t.Fatalf("up %+v, down %+v", fate[0], fate[1])
				}
			}
		})
	}
}

// permute calls f with every permutation of the numbers below n.
func permute(n int, f func([]int)) {
	p := make([]int, 0, n)
	var step func()
	step = func() {
		if len(p) == n {
			f(slices.Clone(p))
			return
		}
		for i := range n {
			if !slices.Contains(p, i) {
				p = append(p, i)
				step()
				p = p[:len(p)-1]
			}
		}
	}
	step()
}

// TestFINWithData has a peer that joins the FIN to data, as some kernels do when they
// retransmit. The segments come in every order, some of them twice. The FIN counts when all
// data in front of it has come, even if its own data came before.
func TestFINWithData(t *testing.T) {
	const data = "abcd"
	parts := []struct {
		from, to int
		fin      bool
	}{{0, 2, false}, {2, 4, false}, {2, 4, true}, {0, 4, true}}
	permute(len(parts), func(order []int) {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			r := newRig(t, rigConfig{seed: 1})
			r.listen.Migration = Off
			ln, err := r.listen.Listen(t.Context(), "tcp", serverAddr)
			if err != nil {
				t.Fatal(err)
			}
			p := r.mallory()
			p.sends(fSYN)
			p.wants("answer", fSYNACK)
			p.sends(fACK)
			s, err := ln.(*Listener).AcceptConn()
			if err != nil {
				t.Fatal(err)
			}
			ln.Close()
			begin := p.nxt
			for _, i := range order {
				part := parts[i]
				flags := fACK
				if part.fin {
					flags |= fFIN
				}
				p.plays(segment{src: p.local, dst: p.remote, seq: begin + uint32(part.from), ack: p.rcv,
					flags: flags, payload: []byte(data[part.from:part.to])})
			}
			got := p.takes()
			if len(got) == 0 || got[len(got)-1].ack != begin+uint32(len(data))+1 {
				t.Errorf("the FIN is not acknowledged:\n%v", segments(got))
			}
			wantRest(t, s, data)
			s.Close()
			r.sleep(answerTime)
			p.wants("FIN", fFIN|fACK)
			p.nxt = begin + uint32(len(data)) + 1
			p.sends(fACK)
			r.sleep(gone)
			if n := connections(r.server); n != 0 {
				t.Errorf("%d connections left", n)
			}
		})
	})
}
