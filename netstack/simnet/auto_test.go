// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

// TestAutoTransfer moves data between goroutines that block.
func TestAutoTransfer(t *testing.T) {
	p := NewPair(1, access)
	a, b := newStack(t, p.A), newStack(t, p.B)
	p.Start()
	defer p.Close()

	at := fullAddr(netip.AddrPortFrom(PairB4.Addr(), 80))
	ln, err := gonet.ListenTCP(b, at, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	data := payload(4 << 20)
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := c.Write(data); err != nil {
			t.Error(err)
		}
	})
	c, err := gonet.DialContextTCP(context.Background(), a, at, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	took := p.Clock.Elapsed()
	c.Close()
	wg.Wait()
	if !bytes.Equal(got, data) {
		t.Error("other bytes arrived than were sent")
	}
	if rate := float64(len(data)) * 8 / took.Seconds() / 1e6; rate < 10 || rate > 50 {
		t.Errorf("%.1f Mbit/s through a link of 50", rate)
	}
}

func TestAutoSleep(t *testing.T) {
	c := NewClock()
	c.Start()
	defer c.Stop()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		woke []time.Duration
		want []time.Duration
	)
	for i := range 20 {
		d := time.Duration(i*7%20+1) * time.Hour
		want = append(want, d)
		wg.Go(func() {
			c.Sleep(d)
			mu.Lock()
			defer mu.Unlock()
			woke = append(woke, c.Elapsed())
		})
	}
	wg.Wait()
	slices.Sort(want)
	if !slices.Equal(woke, want) {
		t.Errorf("woke at %v, want %v", woke, want)
	}
}

// TestAutoWaitsForBusy checks that time stands still while a goroutine runs.
func TestAutoWaitsForBusy(t *testing.T) {
	c := NewClock()
	c.Start()
	defer c.Stop()
	c.Sleep(time.Second)
	timer := c.NewTimer(time.Nanosecond)
	for range 100000 {
		if d := c.Elapsed(); d != time.Second {
			t.Fatalf("time went on to %v", d)
		}
	}
	<-timer.C
	if d := c.Elapsed(); d != time.Second+1 {
		t.Errorf("the time is %v", d)
	}
}

// TestAutoWaitsForCollector checks that time stands still while a goroutine makes
// garbage. The goroutine begins collections, stops the world for them, and waits for
// them.
func TestAutoWaitsForCollector(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	c := NewClock()
	c.Start()
	defer c.Stop()
	c.Sleep(time.Second)
	timer := c.NewTimer(time.Hour)
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	const collections = 200
	for end := stats.NumGC + collections; stats.NumGC < end; debug.ReadGCStats(&stats) {
		for range 100 {
			garbage = make([]byte, 10<<10)
			if d := c.Elapsed(); d != time.Second {
				t.Fatalf("time went on to %v", d)
			}
		}
	}
	<-timer.C
}

// garbage keeps the compiler from putting the allocations on the stack.
var garbage []byte

func TestAutoTwoClocks(t *testing.T) {
	var wg sync.WaitGroup
	for range 2 {
		c := NewClock()
		c.Start()
		defer c.Stop()
		wg.Go(func() {
			for range 100 {
				c.Sleep(time.Hour)
			}
		})
	}
	wg.Wait()
}

func TestAutoRun(t *testing.T) {
	c := NewClock()
	ctx, cancel := context.WithCancelCause(context.Background())
	end := errors.New("the end")
	c.AfterFunc(time.Minute, func() { cancel(end) })
	late := c.AfterFunc(time.Hour, func() { t.Error("fired after the end") })
	if err := c.Run(ctx); err != end {
		t.Errorf("Run returned %v", err)
	}
	if !late.Stop() || c.Elapsed() != time.Minute {
		t.Errorf("stopped at %v", c.Elapsed())
	}
}

func TestAutoStop(t *testing.T) {
	c := NewClock()
	c.Stop() // nothing to stop
	for range 3 {
		c.Start()
		c.Sleep(time.Second)
		c.Stop()
	}
	c.Stop()
	pending := c.AfterFunc(0, func() { t.Error("fired in a stopped clock") })
	if c.Elapsed() != 3*time.Second || !pending.Stop() {
		t.Errorf("stopped at %v", c.Elapsed())
	}
	c.RunFor(time.Second) // stepping is possible again
}
