// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// TestNetAdminOnly runs a node as the units do: with CAP_NET_ADMIN, and nothing else.
// The node gets all that it needs of the kernel: the device, address translation,
// forwarding.
func TestNetAdminOnly(t *testing.T) {
	host := newHost(t)
	target := greet(t, host)
	p, log := startConfined(t, host, "net_admin", "up",
		"--masquerade", "--dnat", "--serve", "7="+target, "--socks", "127.0.0.1:0")
	awaitLine(t, log, "msg=up ")

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	const netAdmin = "0000000000001000" // bit 12
	for _, want := range []string{"Uid:\t65534\t", "CapEff:\t" + netAdmin, "CapBnd:\t" + netAdmin, "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if v, err := host.ReadSysctl("net.ipv4.conf.mnet0.forwarding"); v != "1" {
		t.Errorf("mnet0 is forwarded: %q, %v", v, err)
	}
	if v, err := host.ReadSysctl("net.ipv6.conf.mnet0.force_forwarding"); v != "1" && !os.IsNotExist(err) {
		t.Errorf("mnet0 is forwarded, IPv6: %q, %v", v, err)
	}
	if got := tables(t, host); got != "mnet-mnet0" {
		t.Errorf("nftables tables: %q", got)
	}

	// By the host's own address, the stack, and back to the host's service.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := host.Dial(ctx, "tcp", "192.0.2.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(c); string(b) != greeting {
		t.Errorf("%q, %v", b, err)
	}

	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.Wait(ctx); err != nil {
		t.Errorf("the end: %v", err)
	}
	if got := tables(t, host); got != "" {
		t.Errorf("left behind: nftables tables %s", got)
	}
	if _, err := host.ReadSysctl("net.ipv4.conf.mnet0.forwarding"); err == nil {
		t.Error("left behind: mnet0")
	}
}

// TestNoNetAdmin is the same without the capability: the error names it.
func TestNoNetAdmin(t *testing.T) {
	host := newHost(t)
	p, log := startConfined(t, host, "net_bind_service", "up")
	awaitLine(t, log, "CAP_NET_ADMIN")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Wait(ctx); err == nil {
		t.Error("it has ended well")
	}
}

// newHost is a host with an address.
func newHost(t *testing.T) *kernel.Namespace {
	t.Helper()
	network, err := kernel.New()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(network.Close)
	host, err := network.Namespace("host")
	if err != nil {
		t.Fatal(err)
	}
	peer, err := network.Namespace("peer")
	if err != nil {
		t.Fatal(err)
	}
	if err := network.Veth(host, "eth0", peer, "eth0", kernel.VethConfig{}); err != nil {
		t.Fatal(err)
	}
	if err := host.AddAddress("eth0", netip.MustParsePrefix("192.0.2.1/24")); err != nil {
		t.Fatal(err)
	}
	return host
}

const greeting = "good day"

// greet is a service of the host that says something and hangs up.
func greet(t *testing.T, host *kernel.Namespace) (address string) {
	t.Helper()
	l, err := host.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, greeting)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).String()
}

// startConfined starts mnet in the namespace, with capabilities and no privileges.
func startConfined(t *testing.T, host *kernel.Namespace, caps string, args ...string) (*kernel.Process, io.Reader) {
	t.Helper()
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("/proc/self/exe", append([]string{caps}, args...)...)
	cmd.Args[0] = "confined"
	cmd.Env = append(os.Environ(), "MNET_SOCKET=")
	// The runtime makes the mounts private to the child before anything runs in it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd.Stderr = w
	p, err := host.Start(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, r
}

// awaitLine reads to a line with text in it.
func awaitLine(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var seen strings.Builder
	for s := bufio.NewScanner(r); s.Scan(); {
		if strings.Contains(s.Text(), text) {
			return
		}
		fmt.Fprintln(&seen, s.Text())
	}
	t.Fatalf("no line with %q in\n%s", text, &seen)
}

// tables lists the nftables tables of a host.
func tables(t *testing.T, host *kernel.Namespace) string {
	t.Helper()
	var names []string
	err := host.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		all, err := conn.ListTables()
		for _, table := range all {
			names = append(names, table.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
