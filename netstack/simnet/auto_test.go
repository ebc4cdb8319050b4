// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
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
	data := payload(8 << 20)
	start := time.Now()
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
	c.Close()
	wg.Wait()
	if !bytes.Equal(got, data) {
		t.Error("other bytes arrived than were sent")
	}
	took := p.Clock.Elapsed()
	t.Logf("%v virtual, %v real", took, time.Since(start))
	if rate := float64(len(data)) * 8 / took.Seconds() / 1e6; rate < 15 || rate > 50 {
		t.Errorf("%.1f Mbit/s through a link of 50", rate)
	}
}

var _ = errors.Is
var _ = os.Args
var _ net.Conn
