// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// countingClock counts the timers that are running.
type countingClock struct {
	tcpip.Clock

	mu      sync.Mutex
	running map[*countedTimer]bool
}

type countedTimer struct {
	tcpip.Timer
	clock *countingClock
}

func newCountingClock() *countingClock {
	return &countingClock{Clock: tcpip.NewStdClock(), running: make(map[*countedTimer]bool)}
}

func (c *countingClock) set(t *countedTimer, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if running {
		c.running[t] = true
	} else {
		delete(c.running, t)
	}
}

func (c *countingClock) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.running)
}

func (c *countingClock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &countedTimer{clock: c}
	c.set(t, true)
	t.Timer = c.Clock.AfterFunc(d, func() {
		c.set(t, false)
		f()
	})
	return t
}

func (t *countedTimer) Stop() bool {
	t.clock.set(t, false)
	return t.Timer.Stop()
}

func (t *countedTimer) Reset(d time.Duration) {
	t.clock.set(t, true)
	t.Timer.Reset(d)
}

// TestCloseReleasesEverything closes a stack that has an endpoint in every state
// that lasts.
func TestCloseReleasesEverything(t *testing.T) {
	leak := goleak.IgnoreCurrent()
	clock := newCountingClock()
	a, b := newPair(t, Config{Clock: clock})
	l := listen(t, b, "10.0.0.2:80")
	l6 := listen(t, b, "[fd00::2]:80")

	open := func() (c, peer socket) {
		c = connect(t, a, "10.0.0.2:80")
		return c, accept(t, l)
	}
	// Established, with more data than anybody reads or there is room for.
	established, peer := open()
	data := bytes.NewReader(make([]byte, 16<<20))
	if _, terr := established.Write(data, tcpip.WriteOptions{}); terr != nil {
		t.Fatal(terr)
	}
	connect(t, a, "[fd00::2]:80")
	accept(t, l6)
	idle, _ := open()
	idle.SocketOptions().SetKeepAlive(true)
	// FIN-WAIT-2, closed, and TIME-WAIT.
	finWait, finWaitPeer := open()
	finWait.Close()
	awaitFIN(finWaitPeer)
	timeWait, timeWaitPeer := open()
	timeWait.Shutdown(tcpip.ShutdownWrite)
	awaitFIN(timeWaitPeer)
	timeWaitPeer.Close()
	timeWait.wait(func() bool { return tcp.EndpointState(timeWait.State()) == tcp.StateTimeWait })
	// SYN-SENT: nobody has the address.
	lost := newSocket(t, a, ipv4.ProtocolNumber)
	lost.Connect(FullAddress(netip.MustParseAddrPort("10.0.0.77:80")))
	// Established, but never accepted.
	connect(t, a, "10.0.0.2:80")
	bound := newSocket(t, a, ipv4.ProtocolNumber)
	if terr := bound.Bind(tcpip.FullAddress{Port: 99}); terr != nil {
		t.Fatal(terr)
	}
	if clock.count() == 0 {
		t.Error("no timer runs, so the test tests nothing")
	}

	if err := b.Close(); err != nil {
		t.Error(err)
	}
	// The peer was told, and so was every holder of an endpoint of the stack.
	established.wait(func() bool { return tcp.EndpointState(established.State()) == tcp.StateError })
	if terr := established.LastError(); Errno(terr) != Errno(&tcpip.ErrConnectionReset{}) {
		t.Errorf("peer of a closed stack: %v", terr)
	}
	if terr := peer.LastError(); Errno(terr) != Errno(&tcpip.ErrConnectionAborted{}) {
		t.Errorf("connection of a closed stack: %v", terr)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if n := clock.count(); n != 0 {
		t.Errorf("%d timers still run", n)
	}
	for name, s := range map[string]*Stack{"a": a, "b": b} {
		if n := len(s.GVisor().RegisteredEndpoints()) + len(s.GVisor().CleanupEndpoints()); n != 0 {
			t.Errorf("%s has %d endpoints left", name, n)
		}
	}
	goleak.VerifyNone(t, leak)
}

// awaitFIN waits for the peer's FIN. The state follows the notification, but Read
// waits for it.
func awaitFIN(s socket) {
	s.wait(func() bool {
		_, terr := s.Read(io.Discard, tcpip.ReadOptions{})
		_, closed := terr.(*tcpip.ErrClosedForReceive)
		return closed
	})
}

func TestClosedStack(t *testing.T) {
	s := newStack(t, Config{})
	link, _ := Pipe(PipeConfig{})
	n := attach(t, s, link, "10.0.0.1/24")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { s.Close() })
	}
	wg.Wait()
	other, _ := Pipe(PipeConfig{})
	_, attachErr := s.Attach(other, AttachOptions{})
	for name, err := range map[string]error{
		"Do":         s.Do(func(*stack.Stack) error { t.Error("called"); return nil }),
		"Attach":     attachErr,
		"AddAddress": n.AddAddress(client),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if link.IsAttached() || other.IsAttached() {
		t.Error("links are still attached")
	}
}

// TestCloseWaitsForDo has endpoints come up while the stack closes. Close must find
// them all, or it would wait for them forever.
func TestCloseWaitsForDo(t *testing.T) {
	for range 20 {
		a, b := newPair(t, Config{})
		listen(t, b, "10.0.0.2:80")
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				for {
					err := a.Do(func(*stack.Stack) error {
						c := newSocket(t, a, ipv4.ProtocolNumber)
						c.Connect(FullAddress(netip.MustParseAddrPort("10.0.0.2:80")))
						return nil
					})
					if err != nil {
						return
					}
				}
			})
		}
		close(start)
		wg.Go(func() { b.Close() })
		a.Close()
		wg.Wait()
		if n := len(a.GVisor().RegisteredEndpoints()) + len(b.GVisor().RegisteredEndpoints()); n != 0 {
			t.Fatalf("%d endpoints left", n)
		}
	}
}
