// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/netstack"
)

// blackhole is a network, 192.0.2.0/24, that answers nothing.
type blackhole struct {
	packets chan struct{} // one token per packet sent to it
}

func (b *blackhole) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {
	b.packets <- struct{}{}
}

func (b *blackhole) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// newBlackhole connects s to one.
func newBlackhole(t *testing.T, s *netstack.Stack) *blackhole {
	t.Helper()
	near, far := netstack.Pipe(netstack.PipeConfig{})
	// More than the SYNs of any test, so that deliveries never wait.
	b := &blackhole{packets: make(chan struct{}, 100)}
	far.Attach(b)
	t.Cleanup(func() { far.Close(); far.Wait() })
	if _, err := s.Attach(near, netstack.AttachOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")},
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

const nowhere = "192.0.2.77:80"

// dialResult is the result of a dial in another goroutine.
type dialResult struct {
	c   net.Conn
	err error
}

func goDial(ctx context.Context, d *Dialer, address string) <-chan dialResult {
	done := make(chan dialResult, 1)
	go func() {
		c, err := d.DialContext(ctx, "tcp", address)
		done <- dialResult{c, err}
	}()
	return done
}

func TestDialTimeout(t *testing.T) {
	const limit = 3 * time.Second
	for name, configure := range map[string]func(d *Dialer, now time.Time){
		"timeout":          func(d *Dialer, now time.Time) { d.Timeout = limit },
		"deadline":         func(d *Dialer, now time.Time) { d.Deadline = now.Add(limit) },
		"timeout is less":  func(d *Dialer, now time.Time) { d.Timeout, d.Deadline = limit, now.Add(time.Hour) },
		"deadline is less": func(d *Dialer, now time.Time) { d.Timeout, d.Deadline = time.Hour, now.Add(limit) },
	} {
		t.Run(name, func(t *testing.T) {
			clock := faketime.NewManualClock()
			s := newStack(t, netstack.Config{Clock: clock})
			hole := newBlackhole(t, s)
			d := &Dialer{Stack: s}
			configure(d, clock.Now())
			done := goDial(context.Background(), d, nowhere)
			<-hole.packets
			clock.Advance(limit - 1)
			select {
			case r := <-done:
				t.Fatalf("too early: %v", r.err)
			default:
			}
			clock.Advance(1)
			if got := describe((<-done).err); got != "dial addr deadline timeout" {
				t.Error(got)
			}
		})
	}
	t.Run("past", func(t *testing.T) {
		s := newStack(t, netstack.Config{})
		hole := newBlackhole(t, s)
		_, err := (&Dialer{Stack: s, Deadline: past}).Dial("tcp", nowhere)
		if got := describe(err); got != "dial addr deadline timeout" || len(hole.packets) != 0 {
			t.Errorf("%s, %d packets", got, len(hole.packets))
		}
	})
}

// TestDialContextDeadline has the timer of the attempt be first, rather than that of
// the context. Callers must not see a difference.
func TestDialContextDeadline(t *testing.T) {
	const limit = 10 * time.Second
	clock := faketime.NewManualClock()
	s := newStack(t, netstack.Config{Clock: clock})
	hole := newBlackhole(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := goDial(ctx, &Dialer{Stack: s}, nowhere)
	<-hole.packets
	clock.Advance(limit)
	if err := (<-done).err; !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestDialGivesUp(t *testing.T) {
	clock := faketime.NewManualClock()
	s := newStack(t, netstack.Config{Clock: clock})
	hole := newBlackhole(t, s)
	start := clock.Now()
	done := goDial(context.Background(), &Dialer{Stack: s}, nowhere)
	<-hole.packets
	clock.Advance(4 * time.Minute)
	err := (<-done).err
	if got := describe(err); got != "dial addr connect:connection timed out timeout" {
		t.Errorf("after %v: %s", clock.Now().Sub(start), got)
	}
}

func TestDialCancel(t *testing.T) {
	s := newStack(t, netstack.Config{})
	hole := newBlackhole(t, s)
	ctx, cancel := context.WithCancelCause(context.Background())
	done := goDial(ctx, &Dialer{Stack: s}, nowhere)
	<-hole.packets
	cancel(errBoom)
	r := <-done
	if got := describe(r.err); got != "dial addr boom -" || r.c != nil {
		t.Errorf("%s, connection %v", got, r.c)
	}
	// Nothing is left of it.
	if n := len(s.GVisor().RegisteredEndpoints()); n != 0 {
		t.Errorf("%d endpoints left", n)
	}
}

// names is a Resolver.
type names map[string][]netip.Addr

func (n names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	addrs, ok := n[network+" "+host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func addrs(s ...string) (a []netip.Addr) {
	for _, v := range s {
		a = append(a, netip.MustParseAddr(v))
	}
	return a
}

func TestDialNames(t *testing.T) {
	client, server := newStacks(t, netstack.Config{}, netstack.PipeConfig{})
	l, err := (&ListenConfig{Stack: server}).Listen(context.Background(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	resolver := names{
		"ip both":   addrs("10.0.0.2", "fd00::2"),
		"ip4 both":  addrs("10.0.0.2"),
		"ip6 both":  addrs("fd00::2"),
		"ip mapped": addrs("::ffff:10.0.0.2"),
		"ip second": addrs("127.0.0.1", "10.0.0.2"), // nobody listens at the first
		"ip none":   {},
		"ip dead":   addrs("127.0.0.1", "::1"),
	}
	for _, c := range []struct{ network, host, want string }{
		{"tcp", "both", "10.0.0.2"},
		{"tcp4", "both", "10.0.0.2"},
		{"tcp6", "both", "fd00::2"},
		{"tcp", "mapped", "10.0.0.2"},
		{"tcp", "second", "10.0.0.2"},
		{"tcp", "none", "dial *net.AddrError -"},
		{"tcp", "dead", "dial addr connect:connection refused -"},
		{"tcp", "unknown", "dial *net.DNSError -"},
		{"tcp", "", "dial addr connect:connection refused -"}, // the own host
		{"tcp", "fe80::1%eth0", "dial *net.AddrError -"},
	} {
		got := ""
		conn, err := (&Dialer{Stack: client, Resolver: resolver}).Dial(c.network, net.JoinHostPort(c.host, port))
		if err != nil {
			got = describe(err)
		} else {
			got = conn.RemoteAddr().(*net.TCPAddr).IP.String()
			conn.Close()
		}
		if got != c.want {
			t.Errorf("%s to %q: %s, want %s", c.network, c.host, got, c.want)
		}
	}
	if _, err := (&Dialer{Stack: client}).Dial("tcp", "both:"+port); !strings.Contains(err.Error(), "no resolver") {
		t.Errorf("without resolver: %v", err)
	}
	if _, err := (&Dialer{}).Dial("tcp", "10.0.0.2:"+port); !errors.Is(err, errNoStack) {
		t.Errorf("without stack: %v", err)
	}
	if _, err := (&ListenConfig{}).Listen(context.Background(), "tcp", ":0"); !errors.Is(err, errNoStack) {
		t.Errorf("listen without stack: %v", err)
	}
}

// TestDialSharesTimeout has an address that does not answer use up its share, and
// no more.
func TestDialSharesTimeout(t *testing.T) {
	clock := faketime.NewManualClock()
	client, server := newStacks(t, netstack.Config{Clock: clock}, netstack.PipeConfig{})
	hole := newBlackhole(t, client)
	l, err := (&ListenConfig{Stack: server}).Listen(context.Background(), "tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := goDial(context.Background(), &Dialer{
		Stack: client, Timeout: 10 * time.Second,
		Resolver: names{"ip host": addrs("192.0.2.77", "10.0.0.2")},
	}, "host:80")
	<-hole.packets
	clock.Advance(5 * time.Second)
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.c.Close()
	if got := r.c.RemoteAddr().String(); got != "10.0.0.2:80" {
		t.Errorf("connected to %s", got)
	}
}

func TestPartialTimeout(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		n    int
		want time.Duration
	}{
		{0, 3, 0},
		{9 * time.Second, 1, 9 * time.Second},
		{9 * time.Second, 3, 3 * time.Second},
		{3 * time.Second, 3, minPartialTimeout},
		{time.Second, 3, time.Second},
	} {
		if got := partialTimeout(c.left, c.n); got != c.want {
			t.Errorf("share(%v, %d) = %v, want %v", c.left, c.n, got, c.want)
		}
	}
}

// TestClosedStack has the stack go away under everything that can block.
func TestClosedStack(t *testing.T) {
	client, server := newStacks(t, netstack.Config{}, netstack.PipeConfig{})
	hole := newBlackhole(t, client)
	tn := &tcpNet{
		dial: func(ctx context.Context, network, address string, _ net.Addr) (net.Conn, error) {
			return (&Dialer{Stack: client}).DialContext(ctx, network, address)
		},
	}
	l, err := (&ListenConfig{Stack: server}).Listen(context.Background(), "tcp", "10.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	own, err := (&ListenConfig{Stack: client}).Listen(context.Background(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	a, b := tn.connect(t, l, "tcp")
	read, written, accepted := make(chan error), make(chan error), make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	go func() { written <- fill(a) }()
	go func() {
		_, err := own.Accept()
		accepted <- err
	}()
	dialled := goDial(context.Background(), &Dialer{Stack: client}, nowhere)
	<-hole.packets
	mustRead(t, b, 1)

	client.Close()
	// One of the two gets the reason.
	rerr, werr := <-read, <-written
	if !errors.Is(rerr, syscall.ECONNABORTED) && !errors.Is(werr, syscall.ECONNABORTED) {
		t.Errorf("read: %v, write: %v", rerr, werr)
	}
	if rerr == io.EOF || werr == nil {
		t.Errorf("read: %v, write: %v", rerr, werr)
	}
	if err := <-accepted; !errors.Is(err, netstack.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if err := (<-dialled).err; !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("dial: %v", err)
	}
	if _, err := (&Dialer{Stack: client}).Dial("tcp", l.Addr().String()); !errors.Is(err, netstack.ErrClosed) {
		t.Errorf("dial afterwards: %v", err)
	}
	if _, err := (&ListenConfig{Stack: client}).Listen(context.Background(), "tcp", ":0"); !errors.Is(err, netstack.ErrClosed) {
		t.Errorf("listen afterwards: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("close afterwards: %v", err)
	}
	if err := own.Close(); err != nil {
		t.Errorf("close of the listener afterwards: %v", err)
	}
	for {
		_, err := b.Read(make([]byte, 1<<20))
		if err != nil {
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("peer: %v", err)
			}
			return
		}
	}
}

// TestDialSelf dials the own stack, by each of its addresses.
func TestDialSelf(t *testing.T) {
	client, _ := newStacks(t, netstack.Config{}, netstack.PipeConfig{})
	l, err := (&ListenConfig{Stack: client}).Listen(context.Background(), "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, host := range []string{"", "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "::1", "::", "fd00::1"} {
		c, err := (&Dialer{Stack: client}).Dial("tcp", net.JoinHostPort(host, "80"))
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		a, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		data := pattern(1<<20, 5)
		go func() {
			c.Write(data)
			c.Close()
		}()
		if got, err := io.ReadAll(a); err != nil || string(got) != string(data) {
			t.Errorf("%q: %d bytes, %v", host, len(got), err)
		}
		a.Close()
	}
}
