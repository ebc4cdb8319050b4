// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// lossAt is a middlebox on all paths that drops one segment, by number.
type lossAt struct {
	mu   sync.Mutex
	left int
}

// Process implements simnet.Box.
func (l *lossAt) Process(*simnet.Packet, simnet.Hop) simnet.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left--
	if l.left == -1 {
		return simnet.Drop
	}
	return simnet.Pass
}

// begin has the n-th segment from now on dropped, none if n is negative.
func (l *lossAt) begin(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = n
	if n < 0 {
		l.left = -2
	}
}

// endings are the ways in which two ends close a connection at about the same time. Each
// returns at once.
var endings = []struct {
	name string
	run  func(r *rig, c, s *Conn)
}{
	{"both close", func(_ *rig, c, s *Conn) { go c.Close(); go s.Close() }},
	{"both end their data", func(r *rig, c, s *Conn) {
		for _, e := range []*Conn{c, s} {
			go e.CloseWrite()
			r.net.Clock.AfterFunc(time.Second, func() { go e.Close() })
		}
	}},
	{"the client closes, then the server", func(_ *rig, c, s *Conn) { go c.Close(); go closeAtEOF(s) }},
	{"the server closes, then the client", func(_ *rig, c, s *Conn) { go s.Close(); go closeAtEOF(c) }},
}

func closeAtEOF(c *Conn) {
	c.Read(make([]byte, 1))
	c.Close()
}

// TestCloseWhileMoving has either end move while both close, at each moment around the
// closes, and any one segment get lost. Nothing is left after TIME-WAIT and a few
// retransmissions.
//
// M732: An end in TIME-WAIT MUST answer requests, and take third ACKs, as in any other state.
func TestCloseWhileMoving(t *testing.T) {
	moves := []struct {
		name string
		move func(c, s *Conn) error
	}{
		{"client", func(c, _ *Conn) error { return c.Migrate(context.Background(), addr("10.2.0.2")) }},
		{"server", func(_, s *Conn) error { return s.Migrate(context.Background(), addr("10.9.0.2")) }},
	}
	const (
		segments = 14 // that the closes and the move take
		step     = 7 * time.Millisecond
		// soon is more than TIME-WAIT, and less than a FIN without an answer takes.
		soon = 100 * time.Second
	)
	for _, how := range endings {
		for _, mover := range moves {
			t.Run(how.name+", "+mover.name+" moves", func(t *testing.T) {
				r := newRig(t, rigConfig{seed: 7, homes: twoHomes})
				loss := new(lossAt)
				for _, g := range r.outer {
					g.set(loss.Process)
				}
				for at := -baseRTT; at <= baseRTT; at += step {
					for lost := -1; lost < segments; lost++ {
						if testing.Short() && lost >= 0 && (lost+int(at/step))%4 != 0 {
							continue
						}
						loss.begin(-1)
						c, s, err := r.connect(serverAddr)
						if err != nil {
							t.Fatal(err)
						}
						r.await(c, s)
						r.sleep(time.Second)
						loss.begin(lost)
						r.net.Clock.AfterFunc(baseRTT, func() { how.run(r, c, s) })
						r.sleep(baseRTT + at)
						err = mover.move(c, s)
						r.sleep(soon)
						if left := r.left(); left != "" {
							t.Fatalf("moved at %v, lost %d (%v): left %s, client in %s, server in %s",
								at, lost, err, left, c.TCPInfo().State, s.TCPInfo().State)
						}
					}
				}
			})
		}
	}
}

// TestMoveAcknowledgesFIN has a move tell that the FIN has arrived. The acknowledgements
// get lost.
//
// M731: An end that learns from a move that its FIN has arrived MUST take that for an
// acknowledgement, and change its state.
func TestMoveAcknowledgesFIN(t *testing.T) {
	for _, test := range []struct {
		before, after string
		close         func(r *rig, c, s *Conn)
	}{
		{"FIN-WAIT1", "FIN-WAIT2", func(_ *rig, c, _ *Conn) { c.CloseWrite() }},
		{"CLOSING", "TIME-WAIT", func(_ *rig, c, s *Conn) { c.CloseWrite(); s.CloseWrite() }},
		{"LAST-ACK", "CLOSED", func(r *rig, c, s *Conn) { s.CloseWrite(); r.sleep(2 * delay); c.CloseWrite() }},
	} {
		t.Run(test.before, func(t *testing.T) {
			r := newRig(t, rigConfig{})
			c, s := r.open(serverAddr)
			r.sleep(time.Second)
			for _, g := range r.inner {
				g.set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
					if seg, ok := p.TCP(); ok && at.Dir == simnet.BtoA && seg.Flags() == fACK {
						return simnet.Drop
					}
					return simnet.Pass
				})
			}
			test.close(r, c, s)
			r.sleep(3 * delay)
			if now := c.TCPInfo().State; now != test.before {
				t.Fatalf("client is in %s", now)
			}
			r.migrate(c, "10.2.0.2")
			if now := c.TCPInfo().State; now != test.after {
				t.Errorf("client is in %s, want %s", now, test.after)
			}
		})
	}
}

// left says what connections have left on either stack.
func (r *rig) left() (what string) {
	for _, st := range []*netstack.Stack{r.client, r.server} {
		stats := st.MigrationStats()
		if n := connections(st); n != 0 || stats.Tokens != 0 || stats.Holds != 0 {
			what += fmt.Sprintf("%d connections, %d tokens, %d holds; ", n, stats.Tokens, stats.Holds)
		}
	}
	return what
}
