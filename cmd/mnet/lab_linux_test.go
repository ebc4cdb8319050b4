// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
)

// patience is the time after which a test that hangs fails.
const patience = 90 * time.Second

// labRig is an mnet of its own, so that its processes are known by the program.
type labRig struct {
	t    *testing.T
	exe  string
	temp string // its directory for temporary files
}

// newLabRig copies the test binary, which is mnet if it is called so.
func newLabRig(t *testing.T) *labRig {
	t.Helper()
	r := &labRig{t, filepath.Join(t.TempDir(), "mnet"), t.TempDir()}
	self, err := os.Executable()
	must(t, err)
	// A file that is open for writing cannot be executed (ETXTBSY). A process that
	// another test forks meanwhile inherits the descriptors of this one.
	must(t, exec.Command("cp", self, r.exe).Run())
	t.Cleanup(func() {
		for _, p := range r.processes() {
			t.Errorf("process %d is left", p.pid)
			_ = unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0)
			unix.Close(p.fd)
		}
	})
	return r
}

func needLab(t *testing.T) {
	t.Helper()
	if err := netstack.Patched(); err != nil {
		t.Skip(err)
	}
	l, err := kernel.New()
	if err != nil {
		t.Skip(err)
	}
	l.Close()
}

func (r *labRig) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, r.exe, append([]string{"lab"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+r.temp)
	return cmd
}

// process is one of mnet, with a descriptor that tells of its end.
type process struct{ pid, fd int }

func (r *labRig) processes() (list []process) {
	r.t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	must(r.t, err)
	for _, link := range links {
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		must(r.t, err)
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		if exe, _ := os.Readlink(link); exe != r.exe {
			unix.Close(fd)
			continue
		}
		list = append(list, process{pid, fd})
	}
	return list
}

// awaitEnd waits until a process has ended.
func (p process) awaitEnd(t *testing.T) {
	t.Helper()
	defer unix.Close(p.fd)
	deadline := time.Now().Add(patience)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("process %d is still there, %v", p.pid, err)
		}
		return
	}
}

// nothingLeft checks that there is no temporary file; the cleanup ends processes.
func (r *labRig) nothingLeft() {
	r.t.Helper()
	entries, err := os.ReadDir(r.temp)
	must(r.t, err)
	for _, e := range entries {
		r.t.Errorf("%s is left", e.Name())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLab plays the scenes: each of them moves both connections, and the uplink is
// the one that is meant.
func TestLab(t *testing.T) {
	needLab(t)
	t.Parallel()
	r := newLabRig(t)
	scenes := []string{"start", "roam", "return", "nat", "lid"}
	cmd := r.command("--json", "--linger", "300ms", "--away", "1500ms", "--rtt", "20ms", "--rate", "10Mbit/s",
		"--scenes", strings.Join(scenes, ","))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("standard error: %s", &stderr)
	}
	uplinks := map[string]string{"start": "wifi0", "roam": "lte0", "return": "wifi0", "nat": "wifi0", "lid": "wifi0"}
	dec := json.NewDecoder(bytes.NewReader(out))
	dec.DisallowUnknownFields()
	for _, name := range scenes {
		var s lab.Result
		must(t, dec.Decode(&s))
		if s.Scene != name || s.Uplink != uplinks[name] {
			t.Errorf("scene %s by %s, want %s by %s", s.Scene, s.Uplink, name, uplinks[name])
		}
		for flow, f := range map[string]lab.FlowResult{"bulk": s.Bulk, "interactive": s.Interactive} {
			if moved := len(f.Causes) > 0; moved != (name != "start") {
				t.Errorf("%s, %s: moved %v", name, flow, f.Causes)
			}
			if !f.Intact || f.Bytes == 0 || f.OutageMS <= 0 {
				t.Errorf("%s, %s: %+v", name, flow, f)
			}
			if resumed := f.ResumedMS > 0; resumed != (name == "lid") {
				t.Errorf("%s, %s: resumed in %v ms", name, flow, f.ResumedMS)
			}
			if name == "lid" && f.OutageMS < 1500 {
				t.Errorf("%s: out for %v ms while there was no uplink for 1500", flow, f.OutageMS)
			}
		}
	}
	var report lab.Report
	must(t, dec.Decode(&report))
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if moves := len(scenes) - 1; report.Bulk.Moves < moves || report.Interactive.Moves < moves || report.ServerMoves != 0 {
		t.Errorf("%d and %d moves, %d of the server", report.Bulk.Moves, report.Interactive.Moves, report.ServerMoves)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Errorf("something follows the report: %v", err)
	}
	r.nothingLeft()
}

// TestLabKilled kills the laboratory in the middle of a transfer.
func TestLabKilled(t *testing.T) {
	needLab(t)
	t.Parallel()
	r := newLabRig(t)
	cmd := r.command("--scenes", "roam", "--linger", "4m")
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "moved") {
	}
	must(t, lines.Err())
	processes := r.processes()
	if len(processes) < 6 { // three, with a janitor each
		t.Errorf("%d processes: what is it that runs?", len(processes))
	}
	must(t, cmd.Process.Signal(syscall.SIGKILL))
	if err := cmd.Wait(); err == nil {
		t.Error("ended by itself")
	}
	for _, p := range processes {
		p.awaitEnd(t)
	}
	r.nothingLeft()
}

// TestLabLost kills the server's node: the connections are lost, and the exit code
// says so.
func TestLabLost(t *testing.T) {
	needLab(t)
	t.Parallel()
	r := newLabRig(t)
	cmd := r.command("--scenes", "start", "--linger", "4m")
	out, err := cmd.StdoutPipe()
	must(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "start") {
	}
	must(t, lines.Err())
	killed := 0
	for _, p := range r.processes() {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		must(t, err)
		if strings.Contains(string(args), "server.sock") {
			must(t, unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0))
			killed++
		}
		unix.Close(p.fd)
	}
	if killed != 1 {
		t.Errorf("%d nodes of the server", killed)
	}
	_, err = io.Copy(io.Discard, out)
	must(t, err)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Errorf("%v, want exit code %d", err, exitFailure)
	}
	if text := stderr.String(); !strings.Contains(text, "node server has ended") {
		t.Errorf("standard error: %q", text)
	}
	r.nothingLeft()
}

// TestLabInterrupted ends the laboratory by a signal, in both its ways.
func TestLabInterrupted(t *testing.T) {
	needLab(t)
	for _, args := range [][]string{{"--keep"}, {"--scenes", "start", "--linger", "4m"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			r := newLabRig(t)
			cmd := r.command(args...)
			out, err := cmd.StdoutPipe()
			must(t, err)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			must(t, cmd.Start())
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "start") && !strings.Contains(lines.Text(), "Ctrl-C") {
			}
			must(t, lines.Err())
			must(t, cmd.Process.Signal(os.Interrupt))
			err = cmd.Wait()
			if keep := args[0] == "--keep"; keep != (err == nil) {
				t.Errorf("%v: %s", err, &stderr)
			}
			r.nothingLeft()
		})
	}
}

// TestLabWithoutRoot wants the missing requirement named.
func TestLabWithoutRoot(t *testing.T) {
	if err := netstack.Patched(); err != nil {
		t.Skip(err)
	}
	r := newLabRig(t)
	cmd := r.command("--json")
	if os.Geteuid() == 0 {
		for dir := range map[string]bool{filepath.Dir(r.exe): true, r.temp: true, filepath.Dir(filepath.Dir(r.exe)): true} {
			must(t, os.Chmod(dir, 0o755))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Errorf("%v, want exit code %d", err, exitFailure)
	}
	if len(out) > 0 || !strings.Contains(stderr.String(), "run as root") {
		t.Errorf("output %q, error %q", out, &stderr)
	}
}
