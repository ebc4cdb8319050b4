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

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// Exit codes of the command.
const (
	exitFailure = 1
	exitUsage   = 2
)

// nobody is a user without any rights.
const nobody = 65534

// fails runs a command to its end, which must have that exit code, print nothing and
// say all of texts.
func (w *world) fails(ns *kernel.Namespace, cmd *exec.Cmd, code int, texts ...string) {
	w.t.Helper()
	w.failed(w.start(ns, cmd), code, texts...)
}

func (w *world) failed(p *process, code int, texts ...string) {
	w.t.Helper()
	if got := w.exitCode(p); got != code {
		w.t.Errorf("exit code %d, want %d", got, code)
	}
	w.t.Logf("exit code %d: %s", code, p.err)
	for _, text := range texts {
		if !strings.Contains(p.err.String(), text) {
			w.t.Errorf("it does not say %q: %s", text, p.err)
		}
	}
	if out := p.out.String(); out != "" {
		w.t.Errorf("it prints %q", out)
	}
}

// upCommand is an mnet up with a socket of its own.
func (w *world) upCommand(args ...string) (cmd *exec.Cmd, socket string) {
	socket = filepath.Join(w.dir, "refused.sock")
	return exec.Command(mnetBin, append([]string{"up", "--socket", socket}, args...)...), socket
}

// TestNodeRefusesToStart has nodes that cannot start. Each says why, names the remedy,
// and leaves nothing.
func TestNodeRefusesToStart(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{})
	l, err := w.Host.Listen(w.ctx, "tcp", "127.0.0.1:8080")
	w.must(err)
	t.Cleanup(func() { l.Close() })
	w.must(w.Host.Do(func() error {
		tap := netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "idle0"}, Mode: netlink.TUNTAP_MODE_TUN}
		return netlink.LinkAdd(&tap) // persistent, attached to nobody
	}))
	file := filepath.Join(w.dir, "file")
	w.must(os.WriteFile(file, nil, 0o600))
	config := filepath.Join(w.dir, "mnet.yaml")
	w.must(os.WriteFile(config, []byte("device: mnet5\nmasquerade: true\nnonsense: 7\n"), 0o600))

	other := []string{"--device", "mnet5", "--host", "10.55.0.1/24", "--address", "10.55.0.2/24"}
	plan := []string{"--host", "10.77.0.1/24", "--address", "10.77.0.2/24"}
	running := w.up(w.Host, plan...)
	before := w.snapshot(w.Host)
	for _, tc := range []struct {
		name  string
		args  []string
		code  int
		texts []string
	}{
		{"device of another node", []string{"--device", "mnet0"}, exitFailure, []string{`"mnet0"`, "in use", "choose another"}},
		{"device that waits for another program", []string{"--device", "idle0"}, exitFailure, []string{`"idle0"`, "choose another", "ip link del"}},
		{"device of another kind", []string{"--device", "eth0"}, exitFailure, []string{`"eth0"`, "choose another"}},
		{"addresses of another node", append(plan, "--device", "mnet5"), exitFailure, []string{"10.77.0.1", "in use", "mnet0", "choose another"}},
		{"address of the host", []string{"--device", "mnet5", "--host", kernel.HostAddr4.String() + "/24", "--address", "192.0.2.7/24"}, exitFailure,
			[]string{kernel.HostAddr4.String(), "in use", "eth0", "choose another"}},
		{"forwarded port in use", append(other, "--forward", "8080=192.0.2.1:80"), exitFailure, []string{"127.0.0.1:8080", "choose another address or port"}},
		{"SOCKS port in use", append(other, "--socks", "127.0.0.1:8080"), exitFailure, []string{"127.0.0.1:8080", "choose another address or port"}},
		{"served port twice", append(other, "--serve", "22=127.0.0.1:22", "--serve", "22=127.0.0.1:23"), exitUsage, []string{"port 22", "choose another port"}},
		{"SOCKS on an address of another host", append(other, "--socks", "192.0.2.200:1080"), exitFailure, []string{"192.0.2.200", "choose another address or port"}},
		{"default route with masquerade", append(other, "--masquerade", "--route", "0.0.0.0/0"), exitUsage, []string{"route 0.0.0.0/0", "masquerade"}},
		{"too many routes with masquerade", append(other, "--masquerade", "--route", manyRoutes()), exitUsage, []string{"prefixes to masquerade", "at most 64"}},
		{"route twice", append(other, "--route", "10.56.0.0/24,10.56.0.0/24"), exitUsage, []string{"route 10.56.0.0/24", "leave it out"}},
		{"address without a route", []string{"--device", "mnet5", "--host", "10.55.0.1/24", "--address", "10.56.0.2/24"}, exitUsage, []string{"10.56.0.2", "does not route"}},
		{"name that the kernel keeps", []string{"--device", "all"}, exitUsage, []string{`"all"`, "the kernel keeps that name"}},
		{"control socket with a long path", append(other, "--socket", filepath.Join(w.dir, strings.Repeat("x", 120))), exitUsage, []string{"the system takes", "choose another place (--socket)"}},
		{"control socket of another node", append(other, "--socket", running.socket), exitFailure, []string{running.socket, "another mnet", "--socket"}},
		{"control socket is a file", append(other, "--socket", file), exitFailure, []string{file, "choose another place (--socket)"}},
		{"log in a directory that is not there", append(other, "--log", w.dir+"/none/log"), exitFailure, []string{"choose another file (--log)"}},
		{"unknown key in the file", []string{"--config", config}, exitUsage, []string{config, "line 3", "nonsense"}},
		{"no such file", []string{"--config", config + "x"}, exitUsage, []string{config + "x", "no such file"}},
		{"MTU too small", append(other, "--mtu", "100"), exitUsage, []string{"MTU 100", "1280"}},
		{"unknown owner", append(other, "--socket-owner", "no such user"), exitUsage, []string{`"no such user"`}},
		{"unknown suite", append(other, "--suite", "bogus"), exitUsage, []string{`"bogus"`, "x25519-sha256"}},
		{"unknown policy", append(other, "--policy", "bogus"), exitUsage, []string{`"bogus"`, "handover, interactive or manual"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := w.in(t)
			cmd, socket := w.upCommand(tc.args...)
			touched := w.watchDevices(w.Host)
			w.fails(w.Host, cmd, tc.code, tc.texts...)
			w.unchanged(w.Host, before, socket)
			if names := touched(); names != nil {
				t.Errorf("the command has changed devices on its way: %v", names)
			}
		})
	}
	w.status(running) // unharmed
}

// manyRoutes are more routes than can be masqueraded.
func manyRoutes() string {
	var routes []string
	for i := range hostnet.MaxMasquerade + 1 {
		routes = append(routes, fmt.Sprintf("10.56.%d.0/24", i))
	}
	return strings.Join(routes, ",")
}

// watchDevices returns a function that lists the devices which have come, changed or
// gone since, in the order of the kernel's notices. Each change to the network of a
// host begins with its device.
func (w *world) watchDevices(ns *kernel.Namespace) (touched func() []string) {
	w.t.Helper()
	var notices *nl.NetlinkSocket
	w.must(ns.Do(func() (err error) {
		notices, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
		return err
	}))
	w.t.Cleanup(notices.Close)
	buf := make([]byte, nl.RECEIVE_BUFFER_SIZE)
	return func() (names []string) {
		for {
			n, _, err := unix.Recvfrom(notices.GetFd(), buf, unix.MSG_DONTWAIT)
			if err == unix.EAGAIN {
				return names
			}
			w.must(err)
			messages, err := syscall.ParseNetlinkMessage(buf[:n])
			w.must(err)
			for _, m := range messages {
				link, err := netlink.LinkDeserialize((*unix.NlMsghdr)(&m.Header), m.Data)
				w.must(err)
				names = append(names, link.Attrs().Name)
			}
		}
	}
}

// TestWithoutRights has a user without rights start a node, and control that of
// another user.
func TestWithoutRights(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{})
	asNobody := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd
	}
	before := w.snapshot(w.Host)
	cmd, socket := w.upCommand()
	w.fails(w.Host, asNobody(cmd), exitFailure, "run as root or with CAP_NET_ADMIN")
	w.unchanged(w.Host, before, socket)

	p := w.up(w.Host)
	w.fails(w.Host, asNobody(p.command("status")), exitFailure, "permission denied", "--socket-owner")
}

// TestFullDisk has a node whose log, and a command whose output, cannot be written.
func TestFullDisk(t *testing.T) {
	const full = "/dev/full"
	w := newWorld(t, kernel.TopologyConfig{})
	p := w.up(w.Host, "--verbose", "--log", full)
	addr := w.service(p, "socks", "0")
	for range 3 { // each is several lines of the log
		c, err := w.Host.Dial(w.ctx, "tcp", addr)
		w.must(err)
		w.must(c.Close())
	}
	const told = "the log cannot be written"
	w.eventually("told that the log cannot be written", patience, func() error {
		if !strings.Contains(p.err.String(), told) {
			return os.ErrNotExist
		}
		return nil
	})

	f, err := os.OpenFile(full, os.O_WRONLY, 0)
	w.must(err)
	defer f.Close()
	cmd := p.command("status", "--json")
	cmd.Stdout = f
	w.fails(w.Host, cmd, exitFailure, "no space left on device")

	w.must(p.Signal(syscall.SIGTERM))
	if code := w.exitCode(p.process); code != 0 {
		t.Errorf("the node's exit code is %d", code)
	}
	if n := strings.Count(p.err.String(), told); n != 1 {
		t.Errorf("it was said %d times that the log cannot be written: %s", n, p.err)
	}
}
