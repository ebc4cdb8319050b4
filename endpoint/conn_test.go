// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"github.com/mnet-dev/mnet/netstack"
)

// clockPair returns two ends whose stacks run on a clock that only moves when
// told.
func clockPair(t *testing.T, lc ListenConfig, d Dialer) (clock *faketime.ManualClock, a, b *Conn) {
	t.Helper()
	clock = faketime.NewManualClock()
	client, server := newStacks(t, netstack.Config{Clock: clock}, netstack.PipeConfig{})
	d.Stack, lc.Stack = client, server
	tn := &tcpNet{dial: func(ctx context.Context, network, address string, _ net.Addr) (net.Conn, error) {
		return d.DialContext(ctx, network, address)
	}}
	l, err := lc.Listen(context.Background(), "tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	dialled, accepted := tn.connect(t, l, "tcp")
	return clock, dialled.(*Conn), accepted.(*Conn)
}

func TestDeadlineOnStackClock(t *testing.T) {
	clock, a, b := clockPair(t, ListenConfig{}, Dialer{})
	read := make(chan error, 1)
	a.SetReadDeadline(clock.Now().Add(time.Hour))
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	clock.Advance(time.Hour - 1)
	// Still time: a byte that comes now is read.
	mustWrite(t, b, "x")
	if err := <-read; err != nil {
		t.Errorf("before the deadline: %v", err)
	}
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	clock.Advance(1)
	if got := describe(<-read); got != "read src addr deadline timeout" {
		t.Errorf("at the deadline: %s", got)
	}
	// The system clock, which is decades ahead, has no say.
	a.SetWriteDeadline(clock.Now().Add(time.Second))
	mustWrite(t, a, "y")
}

// TestKeepAlive leaves a connection idle, and lets a peer vanish.
func TestKeepAlive(t *testing.T) {
	cfg := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	for name, configure := range map[string]func(r *rig){
		"dialer":   func(r *rig) { r.dialer.KeepAliveConfig = cfg },
		"listener": func(r *rig) { r.listen.KeepAliveConfig = cfg },
	} {
		t.Run(name, func(t *testing.T) {
			r := openRig(t, rigConfig{paced: true})
			configure(r)
			a, b := r.pair(serverAddr)
			if name == "listener" {
				a, b = b, a
			}
			received := func() uint64 { return b.Stack().GVisor().Stats().TCP.ValidSegmentsReceived.Value() }
			// More probes are sent than may stay without an answer.
			before, probes := received(), uint64(cfg.Count+2)
			r.net.Clock.Sleep(time.Duration(probes+1) * cfg.Idle)
			if n := received() - before; n < probes {
				t.Errorf("%d segments while idle, want at least %d probes", n, probes)
			}
			mustWrite(t, b, "x")
			mustRead(t, a, 1)
			// The peer vanishes.
			r.net.Uplinks[0].SetDown(true)
			gone := r.net.Clock.Elapsed()
			for range 2 {
				_, err := a.Read(make([]byte, 1))
				if got := describe(err); got != "read src addr read:connection timed out timeout" {
					t.Error(got)
				}
			}
			least := cfg.Idle + time.Duration(cfg.Count)*cfg.Interval
			if after := r.net.Clock.Elapsed() - gone; after < least-baseRTT || after > least+baseRTT {
				t.Errorf("given up after %v, want %v", after, least)
			}
		})
	}
}

// TestAbortIsNoEOF reads on after a connection was lost: a caller that polls must
// not take that for the end of the stream.
func TestAbortIsNoEOF(t *testing.T) {
	for name, first := range map[string]func(c *Conn) error{
		"read": func(c *Conn) error {
			_, err := c.Read(make([]byte, 1))
			return err
		},
		"write": func(c *Conn) error { return fill(c) },
	} {
		t.Run(name, func(t *testing.T) {
			d, a := pipeNet(t).pair(t)
			d.SetLinger(0)
			d.Close()
			c := a.(*Conn)
			if err := first(c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("at first: %v", err)
			}
			for range 3 {
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("later read: %v", err)
				}
				if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("later write: %v", err)
				}
			}
		})
	}
}

// TestBufferSizes is in virtual time: when the deadline comes, the buffers are full. The
// window from before the buffer got smaller may be used once: it is not taken back (RFC
// 9293, section 3.8.6).
func TestBufferSizes(t *testing.T) {
	const before = 64 << 10
	r := openRig(t, rigConfig{paced: true, server: netstack.Config{ReceiveBuffer: netstack.BufferSizes{Default: before}}})
	a, b := r.pair(serverAddr)
	a.SetWriteBuffer(1)
	b.SetReadBuffer(1)
	for _, most := range []int{before, 4 * netstack.MinBuffer} {
		a.SetWriteDeadline(r.net.Clock.Now().Add(time.Second))
		n, err := a.Write(make([]byte, 1<<20))
		if describe(err) != "write src addr deadline timeout" {
			t.Errorf("write: %v", err)
		}
		if n == 0 || n > most {
			t.Errorf("wrote %d bytes into buffers of %d at each end, want at most %d", n, netstack.MinBuffer, most)
		}
		if _, err := io.ReadFull(b, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoGoroutinePerConnection(t *testing.T) {
	client, server := newStacks(t, netstack.Config{}, netstack.PipeConfig{})
	l, err := (&ListenConfig{Stack: server}).Listen(context.Background(), "tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	before := runtime.NumGoroutine()
	const n = 20
	for range n {
		c, err := (&Dialer{Stack: client}).Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		a, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		c.SetDeadline(time.Now().Add(time.Hour))
	}
	// Timers that fire have a goroutine for a moment.
	if now := runtime.NumGoroutine(); now > before+n/2 {
		t.Errorf("%d goroutines before, %d with %d connections", before, now, n)
	}
}

// TestAllocations looks at operations that do not need a packet; see the benchmarks for
// the rest.
func TestAllocations(t *testing.T) {
	a, b := pipeNet(t).pair(t)
	const runs = 1000
	mustWrite(t, b, string(make([]byte, 2*runs)))
	mustRead(t, a, 1)
	buf := make([]byte, 1)
	for name, f := range map[string]func(){
		"Read": func() {
			if _, err := a.Read(buf); err != nil {
				t.Fatal(err)
			}
		},
		"SetDeadline": func() {
			if err := a.SetDeadline(time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if n := testing.AllocsPerRun(runs, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// TestHTTP runs the standard library's HTTP client and server over it.
func TestHTTP(t *testing.T) {
	client, server := newStacks(t, netstack.Config{}, netstack.PipeConfig{})
	l, err := (&ListenConfig{Stack: server}).Listen(context.Background(), "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	data := pattern(2<<20, 9)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			h := sha256.New()
			io.Copy(h, r.Body)
			fmt.Fprintf(w, "%x", h.Sum(nil))
			return
		}
		w.Write(data)
	})}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	transport := &http.Transport{DialContext: (&Dialer{Stack: client}).DialContext}
	c := &http.Client{Transport: transport}
	for _, host := range []string{"10.0.0.2", "[fd00::2]"} {
		resp, err := c.Get("http://" + host + "/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
			t.Errorf("GET from %s: %d bytes, %v", host, len(got), err)
		}
		body := io.LimitReader(io.MultiReader(&endless{}), 1<<20) // no WriterTo: sent by ReadFrom
		resp, err = c.Post("http://"+host+"/", "", body)
		if err != nil {
			t.Fatal(err)
		}
		got, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf("%x", sha256.Sum256(make([]byte, 1<<20))); err != nil || string(got) != want {
			t.Errorf("POST to %s: %s, %v, want %s", host, got, err, want)
		}
	}
	transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}

type endless struct{}

func (*endless) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
