// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/netstack"
)

// measureRig is two hosts, each with a node, and a wire between them. The stacks are 10.1.0.2
// and 10.2.0.2.
type measureRig struct {
	mnet  string // the program
	dir   string // of the sockets
	hosts [2]*kernel.Namespace
}

var hostNames = [2]string{"client", "server"}

func newMeasureRig(t *testing.T) *measureRig {
	t.Helper()
	nl, err := kernel.New()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(nl.Close)
	dir := t.TempDir()
	l := &measureRig{mnet: filepath.Join(dir, "mnet"), dir: dir}
	// A node starts its janitor by the name of the program.
	if err := copyFile(l.mnet, "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	for i, name := range hostNames {
		if l.hosts[i], err = nl.Namespace(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nl.Wire(l.hosts[0], "wan0", l.hosts[1], "wan0", kernel.WireConfig{Delay: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for i, far := range []string{"10.2.0.0/24", "10.1.0.0/24"} {
		if err := l.hosts[i].Forward(); err != nil {
			t.Fatal(err)
		}
		if err := l.hosts[i].AddRoute(kernel.Route{To: netip.MustParsePrefix(far), Dev: "wan0"}); err != nil {
			t.Fatal(err)
		}
	}
	for i, near := range []string{"10.1.0.", "10.2.0."} {
		_, log := l.start(t, i, true, "up", "--host", near+"1/24", "--address", near+"2/24", "--socket", l.socket(i))
		awaitLine(t, log, "msg=up ")
	}
	return l
}

func (l *measureRig) socket(i int) string { return filepath.Join(l.dir, hostNames[i]+".sock") }

// command returns mnet with arguments. Its default socket is the one of a host.
func (l *measureRig) command(i int, args ...string) *exec.Cmd {
	cmd := exec.Command(l.mnet, args...)
	cmd.Env = append(os.Environ(), "MNET_SOCKET="+l.socket(i))
	return cmd
}

// start starts mnet on a host, and returns its standard output or error.
func (l *measureRig) start(t *testing.T, i int, stderr bool, args ...string) (*kernel.Process, io.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd := l.command(i, args...)
	if cmd.Stdout = w; stderr {
		cmd.Stdout, cmd.Stderr = nil, w
	}
	p, err := l.hosts[i].Start(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// run runs mnet on the client, and returns its output and exit code.
func (l *measureRig) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := l.command(0, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	p, err := l.hosts[0].Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Wait(ctx); err != nil && ctx.Err() != nil {
		t.Fatalf("%v: %s%s", args, &out, &errs)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestMeasureCommands(t *testing.T) {
	if err := netstack.Patched(); err != nil {
		t.Skip(err)
	}
	l := newMeasureRig(t)
	server, listening := l.start(t, 1, false, "bench", "--server")
	awaitLine(t, listening, ":5201")

	for _, tt := range []struct {
		args []string
		code int
		want []string // in the output, or in the message about the failure
	}{
		{[]string{"ping", "-c", "2", "10.2.0.2"}, 0, []string{"ping 10.2.0.2", "2: answer from 10.2.0.2, ttl 62", "2 sent, 2 answered, 0 % lost", "min "}},
		{[]string{"ping", "-c", "2", "-i", "10ms", "10.2.0.2", "5201"}, 0, []string{"port 5201: can migrate, x25519-sha256", "2: the peer answers on a new path", "2 answered"}},
		{[]string{"ping", "-c", "1", "-W", "50ms", "10.2.0.9"}, 1, []string{"1: no answer", "1 sent, 0 answered, 100 % lost", "mnet: no answer"}},
		{[]string{"ping", "-c", "1", "-i", "1ms", "10.2.0.2"}, 2, []string{"interval 1ms: want at least"}},
		{[]string{"ping", "-c", "1", "10.2.0.2", "9"}, 1, []string{"nobody listens there"}},
		{[]string{"bench", "-t", "1.2", "--migrations", "2", "10.2.0.2"}, 0, []string{"can migrate, x25519-sha256", "Mbit/s", "all of them right", "outage", " RTT"}},
		{[]string{"bench", "-t", "1.2", "-R", "-P", "2", "10.2.0.2:5201"}, 0, []string{"connection 4", "all of them right"}},
		{[]string{"bench", "-t", "1.2", "--interactive", "10.2.0.2"}, 0, []string{"messages, median"}},
		{[]string{"bench", "-t", "1", "10.2.0.2:9"}, 1, []string{"nobody listens there"}},
		{[]string{"doctor"}, 0, []string{"a node runs: process"}},
	} {
		out, errs, code := l.run(t, tt.args...)
		if code != tt.code {
			t.Errorf("%v: exit code %d, want %d\n%s%s", tt.args, code, tt.code, out, errs)
		}
		for _, want := range tt.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%v: no %q in\n%s%s", tt.args, want, out, errs)
			}
		}
	}

	t.Run("json", func(t *testing.T) {
		out, errs, code := l.run(t, "bench", "--json", "-t", "2", "--migrations", "1", "10.2.0.2")
		dec := json.NewDecoder(strings.NewReader(out))
		var last node.BenchEvent
		for dec.More() {
			last = node.BenchEvent{}
			if err := dec.Decode(&last); err != nil {
				t.Fatal(err)
			}
		}
		if code != 0 || last.Report == nil || last.Report.Migrations != 1 || last.Report.Bytes == 0 {
			t.Errorf("exit code %d, %+v\n%s", code, last.Report, errs)
		}
	})

	t.Run("interrupted", func(t *testing.T) {
		p, out := l.start(t, 0, false, "ping", "-i", "10ms", "10.2.0.2")
		awaitLine(t, out, "2: answer")
		if err := p.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(out)
		if err != nil || !strings.Contains(string(rest), "answered, ") {
			t.Errorf("no summary, but %q, %v", rest, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
	})

	// The listener ends with its command.
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Wait(ctx); err != nil {
		t.Error(err)
	}
	if _, errs, code := l.run(t, "bench", "-t", "1", "10.2.0.2"); code != 1 || !strings.Contains(errs, "nobody listens") {
		t.Errorf("after the server's end: exit code %d, %s", code, errs)
	}
}
