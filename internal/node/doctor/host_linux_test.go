// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	nft "github.com/google/nftables"
	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/netstack"
)

// roleEnv is set for a copy of the test binary that prints its findings.
const roleEnv = "MNET_DOCTOR_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := json.NewEncoder(os.Stdout).Encode(Run(context.Background(), Host("/nonexistent/mnet.sock"))); err != nil {
		panic(err)
	}
}

// examine runs the checks in a network namespace of their own, as a user and with
// capabilities. It compares the state of the namespace before and after.
func examine(t *testing.T, uid uint32, caps ...uintptr) map[string]Finding {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"=examine")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET,
		Credential:  &syscall.Credential{Uid: uid, Gid: uid},
		AmbientCaps: caps,
		Pdeathsig:   syscall.SIGKILL,
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var list []Finding
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]Finding)
	for _, f := range list {
		found[f.Check] = f
	}
	return found
}

const (
	nobody      = 65534
	capNetAdmin = 12 // linux/capability.h
)

func TestHostAsRoot(t *testing.T) {
	found := examine(t, 0)
	for name, want := range map[string]Level{
		"privileges": OK, "nf_tables": OK, "forwarding": OK, "firewall": OK, "uplinks": Warn, "node": OK,
	} {
		if f := found[name]; f.Level != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	if f := found["gVisor"]; (f.Level == OK) != (netstack.Patched() == nil) {
		t.Errorf("%+v", f)
	}
}

func TestHostAsNobody(t *testing.T) {
	found := examine(t, nobody)
	for _, name := range []string{"privileges", "nf_tables", "forwarding", "TUN driver"} {
		if f := found[name]; f.Level != Fail || f.Text == "" {
			t.Errorf("%+v, want %s", f, Fail)
		}
	}
}

// TestHostWithNetAdminOnly is how a service runs: the capability is enough for all
// but a TUN driver that only root may open.
func TestHostWithNetAdminOnly(t *testing.T) {
	found := examine(t, nobody, capNetAdmin)
	for _, name := range []string{"privileges", "nf_tables", "forwarding", "firewall"} {
		if f := found[name]; f.Level != OK {
			t.Errorf("%+v, want %s", f, OK)
		}
	}
}

// tableNames lists the nftables tables.
func tableNames() (names string, err error) {
	conn, err := nft.New()
	if err != nil {
		return "", err
	}
	tables, err := conn.ListTables()
	for _, t := range tables {
		names += t.Name + " "
	}
	return names, err
}

// TestHostLeavesNothing runs the checks where it can look for traces.
func TestHostLeavesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	type state struct{ devices, tables, forwarding string }
	look := func() (s state) {
		ifis, err := net.Interfaces()
		if err != nil {
			t.Error(err)
		}
		for _, i := range ifis {
			s.devices += i.Name + " "
		}
		if s.tables, err = tableNames(); err != nil {
			t.Error(err)
		}
		if s.forwarding, err = readSetting(forwardingPath); err != nil {
			t.Error(err)
		}
		return s
	}
	ended := make(chan struct{})
	go func() { // the thread is not used again
		defer close(ended)
		runtime.LockOSThread()
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		before := look()
		Run(t.Context(), Host(t.TempDir()+"/mnet.sock"))
		if after := look(); after != before {
			t.Errorf("before %+v, after %+v", before, after)
		}
	}()
	<-ended
}
