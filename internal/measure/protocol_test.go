// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is the two ends of a connection over the loopback.
func pair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, c := range []net.Conn{c, s} {
		c.SetDeadline(time.Now().Add(patience))
	}
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// serve has conn served, and returns where its error will be.
func serve(t *testing.T, s *Server, conn relay.Conn) <-chan error {
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), conn) }()
	return served
}

func TestModes(t *testing.T) {
	for _, mode := range []Mode{Upload, Download, Interactive} {
		t.Run(string(mode), func(t *testing.T) {
			client, server := pair(t)
			served := serve(t, new(Server), server)
			s, err := Start(t.Context(), client, Test{Mode: mode, Duration: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			m := s.Mark()
			if err := s.Run(t.Context()); err != nil {
				t.Error(err)
			}
			client.Close()
			if err := <-served; err != nil {
				t.Error("server:", err)
			}
			if s.Bytes() < messageSize || s.RTT() <= 0 {
				t.Errorf("%d bytes, RTT %v", s.Bytes(), s.RTT())
			}
			if got := s.Outages([]int64{m}); len(got) != 1 || got[0] > patience {
				t.Errorf("outages %v", got)
			}
			if got := s.RoundTrips(0); (len(got) > 0) != (mode == Interactive) {
				t.Errorf("%d messages", len(got))
			}
		})
	}
}

func TestServerRefuses(t *testing.T) {
	for _, tt := range []struct{ name, hello, want string }{
		{"version", `{"mnet_bench":99,"mode":"upload","seconds":1}`, "version 99"},
		{"mode", `{"mnet_bench":1,"mode":"sideways","seconds":1}`, "mode"},
		{"no time", `{"mnet_bench":1,"mode":"upload"}`, "0 seconds"},
		{"for ever", `{"mnet_bench":1,"mode":"upload","seconds":1e300}`, "at most 3600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := pair(t)
			served := serve(t, new(Server), server)
			fmt.Fprintln(client, tt.hello)
			answer, err := io.ReadAll(client)
			if err != nil || !strings.Contains(string(answer), tt.want) {
				t.Errorf("%q, %v", answer, err)
			}
			if err := <-served; err == nil {
				t.Error("the server is content")
			}
		})
	}
}

func TestServerHangsUp(t *testing.T) {
	for name, hello := range map[string]string{
		"not JSON": "GET / HTTP/1.1\r\n",
		"endless":  strings.Repeat("x", 2*maxLine),
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			served := serve(t, new(Server), server)
			io.WriteString(client, hello)
			if err := <-served; err == nil {
				t.Error("the server is content")
			}
		})
	}
}

func TestServerBusy(t *testing.T) {
	var srv Server
	srv.running.Store(MaxServed)
	client, server := pair(t)
	served := serve(t, &srv, server)
	_, err := Start(t.Context(), client, Test{Mode: Upload, Duration: time.Second})
	if err == nil || !strings.Contains(err.Error(), errBusy.Error()) {
		t.Error(err)
	}
	<-served
	if n := srv.running.Load(); n != MaxServed {
		t.Errorf("%d are running afterwards", n)
	}
}

// TestWrongByte has each receiver get a byte that was not sent.
func TestWrongByte(t *testing.T) {
	bad := []byte("these are not the bytes")
	t.Run("upload", func(t *testing.T) {
		client, server := pair(t)
		served := serve(t, new(Server), server)
		if _, err := Start(t.Context(), client, Test{Mode: Upload, Duration: time.Second}); err != nil {
			t.Fatal(err)
		}
		client.Write(bad)
		client.CloseWrite()
		var o outcome
		if err := readLine(bufio.NewReader(client), maxOutcome, &o); err != nil || !strings.Contains(o.Error, "wrong byte at offset 0") {
			t.Errorf("%+v, %v", o, err)
		}
		if err := <-served; err == nil {
			t.Error("the server is content")
		}
	})
	for _, mode := range []Mode{Download, Interactive} {
		t.Run(string(mode), func(t *testing.T) {
			client, server := pair(t)
			sent := make(chan error, 1)
			go func() {
				var h hello
				err := readLine(bufio.NewReader(server), maxLine, &h)
				if err == nil {
					err = writeLine(server, welcome{Version: Version})
				}
				if err == nil {
					_, err = server.Write(bytes.Repeat(bad, 10))
				}
				sent <- err
			}()
			s, err := Start(t.Context(), client, Test{Mode: mode, Duration: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context()); err == nil {
				t.Error("nothing was noticed")
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNotAServer dials something else.
func TestNotAServer(t *testing.T) {
	for name, answer := range map[string]string{
		"hangs up":       "",
		"says something": "SSH-2.0-OpenSSH\r\n",
		"echoes":         `{"mnet_bench":1,"mode":"upload","seconds":1}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			io.WriteString(server, answer)
			server.CloseWrite()
			_, err := Start(t.Context(), client, Test{Mode: Upload, Duration: time.Second})
			if err == nil || !strings.Contains(err.Error(), "mnet bench --server") {
				t.Error(err)
			}
		})
	}
}

func TestEndOfContext(t *testing.T) {
	client, server := pair(t)
	served := serve(t, new(Server), server)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, client, Test{Mode: Download, Duration: MaxDuration})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Run(ctx); err != context.Canceled {
		t.Error(err)
	}
	if err := <-served; err == nil {
		t.Error("the server has not noticed")
	}
}
