// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
)

// fakeTB is a test of which another test says whether it fails.
type fakeTB struct {
	testing.TB
	name     string
	failed   atomic.Bool
	log      []string
	cleanups []func()
}

func (f *fakeTB) Name() string              { return f.name }
func (f *fakeTB) Failed() bool              { return f.failed.Load() }
func (f *fakeTB) Cleanup(cleanup func())    { f.cleanups = append(f.cleanups, cleanup) }
func (f *fakeTB) Logf(s string, a ...any)   { f.log = append(f.log, fmt.Sprintf(s, a...)) }
func (f *fakeTB) Errorf(s string, a ...any) { f.failed.Store(true); f.Logf(s, a...) }

// end ends the test and returns its output.
func (f *fakeTB) end() string {
	for _, cleanup := range slices.Backward(f.cleanups) {
		cleanup()
	}
	return strings.Join(f.log, "\n")
}

// TestTrace has tests fail and not fail. A test that fails prints the packets from
// before its failure, of the rig that was open then. It prints how to run it again, and
// leaves a file.
func TestTrace(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(traceEnv, dir)
	files := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	connected := func(tb testing.TB, address string, env string) (c, s *Conn) {
		tb.Helper()
		r := openRig(tb, rigConfig{env: env})
		c, s, err := r.connect(address)
		if err != nil {
			t.Fatal(err)
		}
		tb.Cleanup(func() { c.Close(); s.Close() })
		return c, s
	}

	passes := &fakeTB{TB: t, name: "TestPasses"}
	connected(passes, serverAddr, "")
	if out := passes.end(); out != "" || len(files()) != 0 {
		t.Errorf("printed %q, left %q", out, files())
	}

	fails := &fakeTB{TB: t, name: "TestFails/a b's"}
	connected(fails, "10.9.0.1:81", "") // this rig is all right
	c, s := connected(fails, "10.9.0.1:82", "MNET_SEED=7")
	fails.Errorf("wrong")
	for range flowPackets { // the test goes on
		mustWrite(t, c, "x")
		mustRead(t, s, 1)
	}
	connected(fails, "10.9.0.1:83", "") // and this
	out := fails.end()
	for _, want := range []string{
		"sequenceDiagram\n    client->>core: 0.000 s SYN seq 0 win ",
		"\n    core->>server: 0.020 s SYN seq 0 win ",
		"\n    core->>client: 0.020 s SYN-ACK seq 0 ack 1 win ",
		"again: MNET_SEED=7 " + replayed(`'^TestFails$/^a b'\''s$'`),
		"packets: " + filepath.Join(dir, "TestFails_a_b_s.pcapng"),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "sequenceDiagram"); n != 1 {
		t.Errorf("%d rigs are explained", n)
	}
	if n := strings.Count(out, ">>"); n > 3*flowPackets {
		t.Errorf("%d packets", n)
	}
	names := files()
	if len(names) != 1 {
		t.Fatalf("left %q", names)
	}
	ports := capturedPorts(t, filepath.Join(dir, names[0]))
	if !slices.Equal(ports, []uint16{82}) {
		t.Errorf("the file has packets to ports %v", ports)
	}
}

// replayed is the command that runs a test again, as this one is run.
func replayed(pattern string) string {
	command := replay("x", "")
	return command[:strings.Index(command, "'")] + pattern + " ./endpoint"
}

// capturedPorts returns the ports that SYNs in a file are for.
func capturedPorts(t *testing.T, file string) (ports []uint16) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if err != nil {
			return ports
		}
		s := decode(data)
		if s.flags == fSYN && !slices.Contains(ports, s.dst.Port()) {
			ports = append(ports, s.dst.Port())
		}
	}
}
