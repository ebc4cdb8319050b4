// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"
)

func newPinger(t *testing.T, s *Stack, to string) *Pinger {
	t.Helper()
	p, err := s.NewPinger(netip.MustParseAddr(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestPing(t *testing.T) {
	a, _ := newPair(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, to := range []string{"10.0.0.2", "fd00::2", "::ffff:10.0.0.2", "127.0.0.1"} {
		p := newPinger(t, a, to)
		for i, data := range [][]byte{nil, make([]byte, 56), make([]byte, 4000)} {
			r, err := p.Ping(ctx, data)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", to, len(data), err)
			}
			if int(r.Seq) != i+1 || r.TTL != 64 || r.RTT > patience {
				t.Errorf("%s, %d bytes: %+v", to, len(data), r)
			}
		}
	}
}

func TestPingNobody(t *testing.T) {
	a, _ := newPair(t, Config{})
	p := newPinger(t, a, "10.0.0.9")
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if r, err := p.Ping(ctx, nil); !errors.Is(err, why) || r.Seq != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestPingLate has a reply come after its request was given up: it is not taken for
// that of the next.
func TestPingLate(t *testing.T) {
	a, _ := newPair(t, Config{})
	p := newPinger(t, a, "10.0.0.2")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	// The reply of the first may be there in time, or not.
	if r, err := p.Ping(gone, nil); err == nil && r.Seq != 1 {
		t.Errorf("first: %+v", r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if r, err := p.Ping(ctx, nil); err != nil || r.Seq != 2 {
		t.Errorf("second: %+v, %v", r, err)
	}
}

func TestPingNoRoute(t *testing.T) {
	s := newStack(t, Config{})
	if _, err := s.NewPinger(netip.MustParseAddr("192.0.2.1")); !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.ENETUNREACH) {
		t.Error(err)
	}
}

func TestPingOfClosedStack(t *testing.T) {
	a, _ := newPair(t, Config{})
	p := newPinger(t, a, "10.0.0.9")
	ended := make(chan error)
	go func() {
		_, err := p.Ping(t.Context(), nil)
		ended <- err
	}()
	a.Close()
	if err := <-ended; err == nil {
		t.Error("a reply from nobody")
	}
	if _, err := a.NewPinger(netip.MustParseAddr("10.0.0.2")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
