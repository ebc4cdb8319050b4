// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// netCase is an action in a network and the results that the user sees. The user is one
// of package net on Linux, or one of this package.
type netCase struct {
	name string
	run  func(t *testing.T, tn *tcpNet) []string
	want []string
}

func TestDialAndListen(t *testing.T) {
	for name, newNet := range map[string]func(testing.TB) *tcpNet{"kernel": kernelNet, "stack": pipeNet} {
		t.Run(name, func(t *testing.T) {
			for _, c := range netCases {
				t.Run(c.name, func(t *testing.T) {
					if got := c.run(t, newNet(t)); !slices.Equal(got, c.want) {
						t.Errorf("saw\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
					}
				})
			}
		})
	}
}

var netCases = []netCase{{
	name: "refused",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		l.Close()
		return []string{tn.dialError("tcp", l.Addr().String())}
	},
	want: []string{"dial addr connect:connection refused -"},
}, {
	name: "bad arguments",
	run: func(t *testing.T, tn *tcpNet) []string {
		_, err := tn.listen("udp6x", tn.host4+":0")
		saw := []string{describe(err)}
		_, err = tn.listen("tcp", tn.host4)
		saw = append(saw, describe(err))
		_, err = tn.listen("tcp6", tn.host4+":0")
		saw = append(saw, describe(err))
		_, err = tn.listen("tcp6", "0.0.0.0:0")
		saw = append(saw, describe(err))
		l, err := tn.listen("tcp4", "[::]:0")
		if err == nil {
			l.Close()
		}
		saw = append(saw, describe(err))
		return append(saw,
			tn.dialError("udp6x", tn.host4+":80"),
			tn.dialError("tcp", tn.host4),
			tn.dialError("tcp", ""),
			tn.dialError("tcp6", tn.host4+":80"))
	},
	want: []string{
		"listen net.UnknownNetworkError -",
		"listen *net.AddrError -", "listen *net.AddrError -", "listen *net.AddrError -", "ok",
		"dial net.UnknownNetworkError -", "dial *net.AddrError -", "dial dial tcp: missing address -", "dial *net.AddrError -",
	},
}, {
	name: "address in use",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		_, err := tn.listen("tcp", l.Addr().String())
		return []string{describe(err)}
	},
	want: []string{"listen addr bind:address already in use -"},
}, {
	name: "address not available",
	run: func(t *testing.T, tn *tcpNet) []string {
		_, err := tn.listen("tcp", net.JoinHostPort(tn.nobody, "0"))
		_, derr := tn.dial(context.Background(), "tcp", tn.host4+":1", &net.TCPAddr{IP: net.ParseIP(tn.nobody)})
		return []string{describe(err), describe(derr)}
	},
	want: []string{
		"listen addr bind:cannot assign requested address -",
		"dial src addr bind:cannot assign requested address -",
	},
}, {
	name: "mismatched local address",
	run: func(t *testing.T, tn *tcpNet) []string {
		_, err := tn.dial(context.Background(), "tcp", tn.host4+":1", &net.TCPAddr{IP: net.IPv6loopback})
		_, uerr := tn.dial(context.Background(), "tcp", tn.host4+":1", &net.UDPAddr{})
		return []string{describe(err), cause(uerr)}
	},
	want: []string{"dial *net.AddrError -", "*net.AddrError"},
}, {
	name: "local port of a dial",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		first, _ := tn.connect(t, l, "tcp")
		port := first.LocalAddr().(*net.TCPAddr).Port
		_, err := tn.dial(context.Background(), "tcp", l.Addr().String(), &net.TCPAddr{Port: port})
		first.Close()
		return []string{describe(err)}
	},
	want: []string{"dial src addr bind:address already in use -"},
}, {
	name: "context",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := tn.dial(ctx, "tcp", l.Addr().String(), nil)
		saw := []string{describe(err)}
		ctx, cancel = context.WithTimeout(context.Background(), 0)
		defer cancel()
		_, err = tn.dial(ctx, "tcp", l.Addr().String(), nil)
		return append(saw, describe(err))
	},
	want: []string{"dial addr canceled -", "dial addr context-deadline timeout"},
}, {
	name: "closed listener",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		addr := l.Addr().String()
		accepted := make(chan error)
		for range 2 {
			go func() {
				_, err := l.Accept()
				accepted <- err
			}()
		}
		saw := []string{describe(l.Close()), describe(<-accepted), describe(<-accepted)}
		_, err := l.Accept()
		saw = append(saw, describe(err), describe(l.Close()), cause(l.SetDeadline(time.Time{})))
		if l.Addr().String() != addr {
			t.Errorf("address is %v after close, was %s", l.Addr(), addr)
		}
		return saw
	},
	want: []string{
		"ok", "accept addr closed -", "accept addr closed -",
		"accept addr closed -", "close addr closed -", "closed",
	},
}, {
	name: "deadline of a listener",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		saw := []string{describe(l.SetDeadline(time.Now().Add(5 * time.Millisecond)))}
		_, err := l.Accept()
		saw = append(saw, describe(err), describe(l.SetDeadline(time.Time{})))
		tn.connect(t, l, "tcp")
		return saw
	},
	want: []string{"ok", "accept addr deadline timeout", "ok"},
}, {
	name: "not accepted before close",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		c, err := tn.dial(context.Background(), "tcp", l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		l.Close()
		_, err = c.Read(make([]byte, 1))
		return []string{describe(err)}
	},
	want: []string{"read src addr read:connection reset by peer -"},
}, {
	name: "port is free after close",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		d, a := tn.connect(t, l, "tcp")
		saw := []string{describe(l.Close())}
		again, err := tn.listen("tcp", l.Addr().String())
		if err != nil {
			return append(saw, describe(err))
		}
		defer again.Close()
		// The old connection does not mind, nor does a new one.
		tn.connect(t, again, "tcp")
		mustWrite(t, d, "x")
		return append(saw, mustRead(t, a, 1))
	},
	want: []string{"ok", "x"},
}, {
	name: "both families",
	run: func(t *testing.T, tn *tcpNet) []string {
		l := tn.mustListen(t, "tcp", ":0")
		saw := []string{l.Addr().(*net.TCPAddr).IP.String()}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, host := range []string{tn.host4, tn.host6, "::ffff:" + tn.host4} {
			a, err := tn.dial(context.Background(), "tcp", net.JoinHostPort(host, port), nil)
			if err != nil {
				return append(saw, describe(err))
			}
			defer a.Close()
			b, err := l.Accept()
			if err != nil {
				return append(saw, describe(err))
			}
			defer b.Close()
			mustWrite(t, a, "x")
			mustRead(t, b, 1)
			remote, local := a.RemoteAddr().(*net.TCPAddr), b.LocalAddr().(*net.TCPAddr)
			if !remote.IP.Equal(net.ParseIP(host)) || !local.IP.Equal(remote.IP) {
				t.Errorf("dialled %s, the ends say %v and %v", host, remote, local)
			}
		}
		return saw
	},
	want: []string{"::"},
}, {
	name: "one family",
	run: func(t *testing.T, tn *tcpNet) []string {
		l4 := tn.mustListen(t, "tcp4", ":0")
		l6 := tn.mustListen(t, "tcp6", ":0")
		_, port4, _ := net.SplitHostPort(l4.Addr().String())
		_, port6, _ := net.SplitHostPort(l6.Addr().String())
		return []string{
			l4.Addr().(*net.TCPAddr).IP.String(), l6.Addr().(*net.TCPAddr).IP.String(),
			tn.dialError("tcp", net.JoinHostPort(tn.host6, port4)),
			tn.dialError("tcp", net.JoinHostPort(tn.host4, port6)),
		}
	},
	want: []string{"0.0.0.0", "::", "dial addr connect:connection refused -", "dial addr connect:connection refused -"},
}, {
	name: "wildcard of tcp takes both families",
	run: func(t *testing.T, tn *tcpNet) []string {
		return []string{tn.mustListen(t, "tcp", "0.0.0.0:0").Addr().(*net.TCPAddr).IP.String()}
	},
	want: []string{"::"},
}, {
	name: "many connections at once",
	run: func(t *testing.T, tn *tcpNet) []string {
		const n = 50
		l := tn.mustListen(t, "tcp", net.JoinHostPort(tn.host4, "0"))
		echoed := make(chan error)
		for range n {
			go func() {
				c, err := l.Accept()
				if err == nil {
					_, err = io.Copy(c, c)
					c.Close()
				}
				echoed <- err
			}()
			go func() {
				c, err := tn.dial(context.Background(), "tcp", l.Addr().String(), nil)
				if err == nil {
					_, err = c.Write([]byte("hello"))
					c.(tcpConn).CloseWrite()
					if data, rerr := io.ReadAll(c); string(data) != "hello" || rerr != nil {
						t.Errorf("echo of hello is %q, %v", data, rerr)
					}
					c.Close()
				}
				echoed <- err
			}()
		}
		var saw []string
		for range 2 * n {
			saw = append(saw, describe(<-echoed))
		}
		return slices.Compact(saw)
	},
	want: []string{"ok"},
}}

func (tn *tcpNet) mustListen(t *testing.T, network, address string) tcpListener {
	t.Helper()
	l, err := tn.listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(tcpListener)
}

func (tn *tcpNet) dialError(network, address string) string {
	c, err := tn.dial(context.Background(), network, address, nil)
	if err == nil {
		c.Close()
	}
	return describe(err)
}
