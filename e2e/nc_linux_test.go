// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// ncWorld has a client and a server node, whose port 80 leads to a service that each
// test brings along, and port 81 to nobody.
type ncWorld struct {
	*world
	client, server *peer
	listener       net.Listener
}

func newNCWorld(t *testing.T) *ncWorld {
	t.Helper()
	w := &ncWorld{world: newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80, 81}})}
	w.server = w.world.server("--serve", "80="+ncService, "--serve", "81="+ncNoService)
	w.client = w.world.client()
	var err error
	w.listener, err = w.Server.Listen(w.ctx, "tcp", ncService)
	w.must(err)
	t.Cleanup(func() { w.listener.Close() })
	return w
}

// Addresses of the service, and of none.
const (
	ncService   = "127.0.0.1:8000"
	ncNoService = "127.0.0.1:1"
)

// serve hands the next connection to the service to handle, and closes it.
func (w *ncWorld) serve(handle func(*net.TCPConn) error) (ended <-chan error) {
	result := make(chan error, 1)
	go func() {
		c, err := w.listener.Accept()
		if err == nil {
			c.SetDeadline(time.Now().Add(patience))
			err = errors.Join(handle(c.(*net.TCPConn)), c.Close())
		}
		result <- err
	}()
	return result
}

// nc starts mnet nc to the server's port 80 with pipes for its input and output.
func (w *ncWorld) nc() (p *process, in io.WriteCloser, out io.Reader) {
	w.t.Helper()
	cmd := w.client.command("nc", "--require", kernel.ServerAddr4.String(), "80")
	inR, inW, err := os.Pipe()
	w.must(err)
	outR, outW, err := os.Pipe()
	w.must(err)
	cmd.Stdin, cmd.Stdout = inR, outW
	p = w.start(w.Client, cmd)
	inR.Close()
	outW.Close()
	w.must(outR.SetReadDeadline(time.Now().Add(patience)))
	w.must(inW.SetWriteDeadline(time.Now().Add(patience)))
	w.t.Cleanup(func() { inW.Close(); outR.Close() })
	return p, inW, outR
}

// blob is n random bytes.
func blob(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// TestNC has mnet nc carry bytes of all values, with all the ways in which TCP's two
// directions end.
func TestNC(t *testing.T) {
	there, back := blob(8<<20, 1), blob(8<<20, 2)
	read := func(c io.Reader, want []byte) error {
		got, err := io.ReadAll(c)
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("%d bytes came, which are not the %d that were sent", len(got), len(want))
		}
		return err
	}
	write := func(c io.Writer, b []byte, end func() error) error {
		if _, err := c.Write(b); err != nil {
			return err
		}
		return end()
	}
	type step func(in, out func() error) error
	first := func(in, out func() error) error {
		if err := in(); err != nil {
			return err
		}
		return out()
	}
	second := func(in, out func() error) error { return first(out, in) }
	both := func(in, out func() error) error {
		done := make(chan error, 1)
		go func() { done <- out() }()
		return errors.Join(in(), <-done)
	}
	for _, tc := range []struct {
		name           string
		client, server step // in which order they send and receive
	}{
		{"the client ends first", first, second},
		{"the server ends first", second, first},
		{"both at once", both, both},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newNCWorld(t)
			served := w.serve(func(c *net.TCPConn) error {
				return tc.server(
					func() error { return write(c, back, c.CloseWrite) },
					func() error { return read(c, there) })
			})
			p, in, out := w.nc()
			err := tc.client(
				func() error { return write(in, there, in.Close) },
				func() error { return read(out, back) })
			if err != nil {
				t.Error("client:", err)
			}
			if err := w.result(served); err != nil {
				t.Error("server:", err)
			}
			if code := w.exitCode(p); code != 0 {
				t.Errorf("exit code %d: %s", code, p.err)
			}
		})
	}
}

// TestNCBreaks has connections that break before all has been said: never by exit
// code 0, which a script takes for a whole stream.
func TestNCBreaks(t *testing.T) {
	half := blob(1<<20, 3)
	for _, tc := range []struct {
		name  string
		cut   func(w *ncWorld, c *net.TCPConn) error // when half the answer has come
		texts []string
	}{
		{"the service resets", func(_ *ncWorld, c *net.TCPConn) error { return c.SetLinger(0) }, []string{"reset by peer"}},
		{"the server's node ends", func(w *ncWorld, c *net.TCPConn) error { return without(w.server, c) }, []string{"reset by peer"}},
		// Nobody is left to ask how the connection has ended.
		{"the client's node is killed", func(w *ncWorld, _ *net.TCPConn) error {
			err := w.client.Signal(os.Kill)
			<-w.client.Done()
			return err
		}, []string{"mnet up"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newNCWorld(t)
			came := make(chan struct{})
			served := w.serve(func(c *net.TCPConn) error {
				if _, err := c.Write(half); err != nil {
					return err
				}
				<-came
				return tc.cut(w, c)
			})
			p, _, out := w.nc()
			got := make([]byte, len(half))
			_, err := io.ReadFull(out, got)
			close(came)
			w.must(err)
			if !bytes.Equal(got, half) {
				t.Error("other bytes than were sent")
			}
			w.failed(p, exitFailure, tc.texts...)
			w.must(w.result(served))
		})
	}
}

// TestNCInterrupted interrupts it while its input is silent, which no read of it
// notices.
func TestNCInterrupted(t *testing.T) {
	for _, tc := range []struct {
		name string
		ends bool // the service's side has ended before
	}{
		{"while the service has more to say", false},
		{"when only the input is waited for", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newNCWorld(t)
			hello := []byte("hello")
			served := w.serve(func(c *net.TCPConn) error {
				_, err := c.Write(hello)
				if tc.ends {
					err = errors.Join(err, c.CloseWrite())
				}
				_, _ = io.Copy(io.Discard, c) // by FIN or RST, as it comes
				return err
			})
			p, _, out := w.nc()
			_, err := io.ReadFull(out, make([]byte, len(hello)))
			if err == nil && tc.ends {
				_, err = io.Copy(io.Discard, out)
			}
			w.must(err)
			w.must(p.Signal(os.Interrupt))
			w.failed(p, exitFailure, "mnet: interrupted\n")
			w.must(w.result(served))
		})
	}
}

// without ends a node while a service waits for more, and returns when the service
// has learnt of it.
func without(p *peer, c *net.TCPConn) error {
	if err := p.Signal(os.Interrupt); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, c); err == nil {
		return errors.New("it looks as if the client had said all")
	}
	return nil
}

// TestNCCannotConnect has dials that come to nothing.
func TestNCCannotConnect(t *testing.T) {
	w := newNCWorld(t)
	// Longer than all others together.
	begin := time.Now()
	silent := w.start(w.Client, w.client.command("nc", kernel.ServerAddr4.String(), "9"))

	nc := func(args ...string) *exec.Cmd { return w.client.command(append([]string{"nc"}, args...)...) }
	w.fails(w.Client, nc(kernel.HostAddr4.String(), "9"), exitFailure, "refused", "nobody listens there")
	w.fails(w.Client, nc("0.0.0.0.0", "9"), exitFailure, "0.0.0.0.0")
	w.fails(w.Client, nc(kernel.ServerAddr4.String(), "0"), exitUsage, "port number from 1 to 65535")
	w.fails(w.Client, nc(kernel.ServerAddr4.String()), exitUsage, "mnet nc --help")
	w.fails(w.Client, nc("--socket", w.dir+"/none", "server", "9"), exitFailure, "no mnet runs here", "mnet up", "--socket")
	// A port that is served, but whose service is gone.
	w.fails(w.Client, nc(kernel.ServerAddr4.String(), "81"), exitFailure, "reset by peer")

	w.failed(silent, exitFailure, "no answer", "does a firewall drop it?")
	if took, limit := time.Since(begin), 30*time.Second; took > limit {
		t.Errorf("it took %v to say that nobody answers, want at most %v", took, limit)
	}
}

// TestNCRequire dials a peer with other suites. A user who requires migration gets an
// error, the others get plain TCP.
func TestNCRequire(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
	w.httpServer(w.Server, "127.0.0.1:8000")
	w.server("--serve", "80=127.0.0.1:8000", "--suite", "x25519-sha1")
	client := w.client("--suite", "x25519-sha256")
	args := []string{"nc", kernel.ServerAddr4.String(), "80"}
	w.fails(w.Client, client.command(append(args, "--require")...), exitFailure, "same suites", "--suite")

	cmd := client.command(args...)
	cmd.Stdin = bytes.NewReader([]byte("GET / HTTP/1.0\r\n\r\n"))
	p := w.start(w.Client, cmd)
	if code := w.exitCode(p); code != 0 || !bytes.HasPrefix([]byte(p.out.String()), []byte("HTTP/1.0 200 OK")) {
		t.Errorf("exit code %d, and the answer is %q: %s", code, p.out, p.err)
	}
}
