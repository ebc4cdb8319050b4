// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
)

// newPTY returns both ends of a terminal of 80 columns and 24 lines.
func newPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		must(t, err)
		must(t, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		must(t, unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
		must(t, err)
	}))
	t.Cleanup(func() { slave.Close() })
	must(t, master.SetReadDeadline(time.Now().Add(patience)))
	return master, slave
}

// fakeNode answers as a node with a connection does that has just moved, until the
// returned function is called.
func fakeNode(t *testing.T) (c *control.Client, goDown func()) {
	t.Helper()
	c = &control.Client{Path: filepath.Join(t.TempDir(), "mnet.sock")}
	l, err := net.Listen("unix", c.Path)
	must(t, err)
	down := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(node.Status{Device: "mnet7", Connections: []node.ConnStatus{{ID: "1", Peer: "192.0.2.1:80"}}})
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(node.Event{Kind: node.EventMoved, Conn: "1", Move: &node.MoveStatus{Cause: "path gone"}})
		_ = http.NewResponseController(w).Flush()
		select {
		case <-down:
		case <-r.Context().Done():
		}
	})
	srv := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() { srv.Close(); <-served })
	return c, func() { close(down) }
}

// readUntil reads from a terminal until text has come.
func readUntil(t *testing.T, master *os.File, text string) string {
	t.Helper()
	var got strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), text) {
		n, err := master.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("no %q, %v: %q", text, err, got.String())
		}
	}
	return got.String()
}

// TestWatch draws on a terminal, and leaves it as it was after any end.
func TestWatch(t *testing.T) {
	for name, end := range map[string]struct {
		cause func(interrupt, goDown func())
		want  func(error) bool
	}{
		"interrupted": {
			func(interrupt, _ func()) { interrupt() },
			func(err error) bool { return untilInterrupted(err) == nil },
		},
		"the node goes": {
			func(_, goDown func()) { goDown() },
			func(err error) bool { return untilInterrupted(err) != nil && !errors.Is(err, context.Canceled) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			master, slave := newPTY(t)
			term := terminalOf(slave)
			if term == nil {
				t.Fatal("the terminal is not taken for one")
			}
			c, goDown := fakeNode(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			ended := make(chan error, 1)
			go func() { ended <- watch(ctx, c, term) }()
			text := readUntil(t, master, "path gone")
			if !strings.HasPrefix(text, enterScreen) {
				t.Errorf("does not go to the alternate screen: %q", text)
			}
			for _, want := range []string{"mnet7", "192.0.2.1:80", "moved"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %q", want, text)
				}
			}
			end.cause(interrupt, goDown)
			if err := <-ended; !end.want(err) {
				t.Errorf("ends with %v", err)
			}
			slave.Close()
			rest, err := io.ReadAll(master)
			if err != nil && !errors.Is(err, unix.EIO) { // Linux' answer when the other end is closed
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(rest), leaveScreen) {
				t.Errorf("does not leave the terminal as it was: %q", rest)
			}
		})
	}
}

// TestStatusIsPlain: without a terminal there are no escape sequences.
func TestStatusIsPlain(t *testing.T) {
	c, _ := fakeNode(t)
	var out strings.Builder
	must(t, showStatus(t.Context(), c, &out, false))
	if text := out.String(); !strings.Contains(text, "mnet7") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
	out.Reset()
	must(t, showStatus(t.Context(), c, &out, true))
	var s node.Status
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil || s.Device != "mnet7" {
		t.Errorf("%v: %q", err, out.String())
	}
}
