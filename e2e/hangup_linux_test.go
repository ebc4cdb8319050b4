// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// resetWithin bounds the time after which the peer of a node that has ended learns that
// its connection is dead.
const resetWithin = 10 * time.Second

// TestHangup closes the terminal of a node, with its log at all places. The peer's end of
// the connection goes with the node's, and does not wait for another path.
func TestHangup(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
	server := w.server("--serve", "80="+w.echo(w.Server, "127.0.0.1:8000"))
	for name, args := range map[string][]string{
		"log on stderr":          nil,
		"log to a reader, gone":  nil,
		"log in a file":          {"--log", filepath.Join(w.dir, "log")},
		"log in a file, verbose": {"--log", filepath.Join(w.dir, "verbose"), "-v"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			cmd := exec.Command(mnetBin, append([]string{"up", "--masquerade"}, args...)...)
			r, out, err := os.Pipe()
			w.must(err)
			defer r.Close()
			if strings.HasSuffix(name, "gone") {
				cmd.Stderr = out
			}
			client := w.upBy(w.Client, cmd)
			out.Close()
			c := w.dial(w.Client, w.service(client, "forward", fmt.Sprintf("0=%v:80", kernel.ServerAddr4)))
			w.echoed("before", c, patience)

			r.Close()
			w.must(client.Signal(syscall.SIGHUP))
			if code := w.exitCode(client.process); code != 0 {
				t.Errorf("exit code %d", code)
			}
			w.eventually("closed at the peer", resetWithin, func() error {
				if conns := w.status(server).Connections; len(conns) > 0 {
					return fmt.Errorf("%+v", conns)
				}
				return nil
			})
		})
	}
}

// TestNohup is TestHangup for a node that was told to outlive its terminal.
func TestNohup(t *testing.T) {
	need(t, "nohup")
	w := newWorld(t, kernel.TopologyConfig{})
	p := w.upBy(w.Host, exec.Command("nohup", mnetBin, "up"))
	w.must(p.Signal(syscall.SIGHUP))
	w.must(p.Signal(syscall.SIGUSR1)) // with the log on stderr, nothing to do
	w.status(p)
	w.must(p.Signal(syscall.SIGTERM))
	if code := w.exitCode(p.process); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(p.err.String(), "going down") {
		t.Errorf("not by SIGTERM:\n%s", p.err)
	}
}

// TestReopenLog renames the log, as logrotate(8) does. The node goes on in a new file
// once it is told.
func TestReopenLog(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{})
	log := filepath.Join(w.dir, "log")
	p := w.up(w.Host, "--log", log)
	old, err := os.ReadFile(log)
	w.must(err)
	w.must(os.Rename(log, log+".1"))
	w.must(p.Signal(syscall.SIGUSR1))
	w.eventually("opened anew", patience, func() error {
		_, err := os.Stat(log)
		return err
	})
	w.must(p.Signal(syscall.SIGTERM))
	if code := w.exitCode(p.process); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if b, err := os.ReadFile(log + ".1"); err != nil || string(b) != string(old) {
		t.Errorf("the renamed log has changed: %v\n%s", err, b)
	}
	if b, err := os.ReadFile(log); err != nil || !strings.Contains(string(b), "going down") {
		t.Errorf("the new log: %v\n%s", err, b)
	}
}
