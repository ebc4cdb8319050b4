// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// twoHomes gives the server a second address.
var twoHomes = []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("10.9.0.2/24")}

// TestMigrateClosing moves either end while the two sides close: one transfer is
// short, so that its FIN is there while the other still runs.
func TestMigrateClosing(t *testing.T) {
	for _, short := range []string{"up", "down"} {
		for _, mover := range []string{"client", "server"} {
			t.Run(fmt.Sprintf("%s ends, %s moves", short, mover), func(t *testing.T) {
				r := newRig(t, rigConfig{seed: 3, paced: true, homes: twoHomes})
				c, s := r.pair(serverAddr)
				r.await(c, s)
				up, down := int64(1000), int64(2_000_000)
				if short == "down" {
					up, down = down, up
				}
				done := make(chan error, 2)
				go func() { done <- transfer(c, s, 1, up) }()
				go func() { done <- transfer(s, c, 2, down) }()
				r.net.Clock.Sleep(150 * time.Millisecond)
				var err error
				if mover == "client" {
					r.breakUplink(0)
					err = c.Migrate(context.Background(), addr("10.2.0.2"))
				} else {
					err = s.Migrate(context.Background(), addr("10.9.0.2"))
				}
				if err := errors.Join(err, <-done, <-done); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestMigrateLastStates moves a connection whose client has a FIN queued behind data that
// gets lost, and has the server's FIN.
//
// M417: A migrate SYN MUST be dropped if the connection is not in ESTABLISHED, FIN-WAIT-1,
// FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK or TIME-WAIT.
func TestMigrateLastStates(t *testing.T) {
	for _, state := range []string{"CLOSING", "LAST-ACK"} {
		for _, mover := range []string{"client", "server"} {
			t.Run(state+", "+mover+" moves", func(t *testing.T) {
				r := newRig(t, rigConfig{homes: twoHomes})
				c, s := r.open(serverAddr)
				exchange(t, c, s, 1000)
				r.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
					if seg, ok := p.TCP(); ok && at.Dir == simnet.AtoB && len(seg.Payload()) > 0 {
						return simnet.Drop
					}
					return simnet.Pass
				})
				ends := []*Conn{c, s}
				if state == "LAST-ACK" {
					ends = []*Conn{s, c}
				}
				c.Write([]byte("last words"))
				for _, e := range ends {
					if err := e.CloseWrite(); err != nil {
						t.Fatal(err)
					}
					r.sleep(2 * delay)
				}
				if now := c.TCPInfo().State; now != state {
					t.Fatalf("client is in %s", now)
				}
				e, to := c, "10.2.0.2"
				if mover == "server" {
					e, to = s, "10.9.0.2"
				}
				r.migrate(e, to)
				r.inner[0].set(nil)
				s.SetReadDeadline(r.net.Clock.Now().Add(time.Second))
				if b, err := io.ReadAll(s); string(b) != "last words" || err != nil {
					t.Errorf("read %q, %v", b, err)
				}
			})
		}
	}
}

// TestCrossingRequests has both ends move at once, again and again. Attempts may
// fail, the connection may not.
func TestCrossingRequests(t *testing.T) {
	r := newRig(t, rigConfig{seed: 4, paced: true, homes: twoHomes})
	c, s := r.pair(serverAddr)
	r.await(c, s)
	done := make(chan error, 2)
	go func() { done <- transfer(c, s, 1, 3_000_000) }()
	go func() { done <- transfer(s, c, 2, 3_000_000) }()
	var moved int
	for i := range 10 {
		errs := make(chan error, 2)
		go func() { errs <- c.Migrate(context.Background(), addr([]string{"10.2.0.2", "10.1.0.2"}[i%2])) }()
		go func() { errs <- s.Migrate(context.Background(), addr([]string{"10.9.0.2", "10.9.0.1"}[i%2])) }()
		for range 2 {
			if <-errs == nil {
				moved++
			}
		}
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
	if moved < 10 {
		t.Errorf("%d of 20 attempts succeeded", moved)
	}
}

// TestMigrateErrors: a migration that cannot be done returns an error, and the
// connection goes on.
func TestMigrateErrors(t *testing.T) {
	r := newRig(t, rigConfig{seed: 5, paced: true})
	c, s := r.pair(serverAddr)
	r.await(c, s)
	ctx := context.Background()

	if err := c.Migrate(ctx, addr("10.7.7.7")); !errors.Is(err, ErrNoRoute) {
		t.Errorf("foreign address: %v", err)
	}
	local, _ := c.addrs()
	if err := c.Migrate(ctx, local); !errors.Is(err, ErrAddrInUse) {
		t.Errorf("own tuple: %v", err)
	}
	p, err := c.AddPath(addr("10.2.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Switch(ctx); !errors.Is(err, ErrPathNotValidated) {
		t.Errorf("switch without probe: %v", err)
	}

	// Nobody answers beyond a dead link: cancelled, superseded, given up.
	r.net.Uplinks[1].SetDown(true)
	cause := errors.New("enough")
	cancelled, cancel := context.WithCancelCause(ctx)
	first := make(chan error, 1)
	go func() { first <- c.Migrate(cancelled, addr("10.2.0.2")) }()
	r.net.Clock.Sleep(10 * time.Millisecond)
	cancel(cause)
	if err := <-first; !errors.Is(err, cause) {
		t.Errorf("cancelled: %v", err)
	}
	go func() { first <- c.Migrate(ctx, addr("10.2.0.2")) }()
	r.net.Clock.Sleep(10 * time.Millisecond)
	if err := c.Migrate(ctx, addr("10.2.0.2")); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("dead path: %v", err)
	}
	if err := <-first; !errors.Is(err, ErrSuperseded) {
		t.Errorf("replaced: %v", err)
	}
	if now, _ := c.addrs(); now != local {
		t.Errorf("moved to %v by failures", now)
	}
	if err := transfer(c, s, 1, 10_000); err != nil {
		t.Error(err)
	}
}

// TestMigrateClosed closes connections under an attempt to move them, and after.
func TestMigrateClosed(t *testing.T) {
	for _, closer := range []string{"this end", "the peer"} {
		r := newRig(t, rigConfig{})
		c, s := r.open(serverAddr)
		p, err := c.AddPath(addr("10.2.0.2"))
		if err != nil {
			t.Fatal(err)
		}
		syn := r.firstSYN(simnet.Drop)
		attempt := make(chan error, 1)
		go func() { attempt <- c.Migrate(context.Background(), addr("10.2.0.2")) }()
		<-syn
		end := c
		if closer == "the peer" {
			end = s
		}
		end.SetLinger(0)
		end.Close()
		if err := <-attempt; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s closes during an attempt: %v", closer, err)
		}
		_, probe := p.Probe(context.Background())
		for _, err := range []error{
			c.Migrate(context.Background(), addr("10.2.0.2")), probe,
			c.AwaitMigratable(context.Background()), c.BindKey(context.Background(), make([]byte, 32)),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s has closed: %v", closer, err)
			}
		}
	}
}

// TestProbeSwitch makes before it breaks: the probe tells the path's distance,
// and the application notices less than a round trip.
func TestProbeSwitch(t *testing.T) {
	r := newRig(t, rigConfig{seed: 6, paced: true})
	c, s := r.pair(serverAddr)
	r.await(c, s)
	p, err := c.AddPath(addr("10.2.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Probe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if st.RTT < baseRTT || st.RTT > baseRTT+5*time.Millisecond {
		t.Errorf("RTT %v, want about %v", st.RTT, baseRTT)
	}
	before, _ := c.addrs()
	if before.Addr() != netip.MustParseAddr("10.1.0.2") {
		t.Errorf("the probe moved to %v", before)
	}
	done := make(chan error, 1)
	go func() { done <- transfer(s, c, 1, 2_000_000) }()
	r.net.Clock.Sleep(100 * time.Millisecond)
	if err := p.Switch(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if after, _ := c.addrs(); after.Addr() != netip.MustParseAddr("10.2.0.2") {
		t.Errorf("at %v after the switch", after)
	}
}

// TestBindKey: with the same secret at both ends the connection moves, with one
// at one end only it does not.
func TestBindKey(t *testing.T) {
	for _, both := range []bool{true, false} {
		t.Run(fmt.Sprintf("both %v", both), func(t *testing.T) {
			r := newRig(t, rigConfig{seed: 7, paced: true})
			c, s := r.pair(serverAddr)
			r.await(c, s)
			secret := []byte("exported keying material")
			err := c.BindKey(t.Context(), secret)
			if both {
				err = errors.Join(err, s.BindKey(t.Context(), secret))
			}
			if err != nil {
				t.Fatal(err)
			}
			err = c.Migrate(context.Background(), addr("10.2.0.2"))
			if both && err != nil || !both && !errors.Is(err, ErrNoAnswer) {
				t.Errorf("migrate: %v", err)
			}
			if err := transfer(c, s, 1, 10_000); err != nil {
				t.Error(err)
			}
		})
	}
}
