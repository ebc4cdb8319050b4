// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/pcap"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// flowPackets is how many packets of each link a test prints that fails. It bounds the
// output, and the memory of each rig.
const flowPackets = 20

// traceEnv names a directory for the packets of tests that fail, as pcapng files.
const traceEnv = "MNET_TRACE"

// trace explains the failure of a test. It prints the last packets of each link and the
// command that runs the test again. If the environment asks for it, it leaves the
// packets in a file.
type trace struct {
	tb     testing.TB
	net    *simnet.Multihomed
	env    string // variables that the command needs
	failed bool   // the test had failed before it opened the rig
	done   bool

	// flow has the packets that had been kept when the test failed, nil if none has
	// crossed a link since.
	flow atomic.Pointer[[]simnet.Record]

	file *os.File // nil without traceEnv
	pcap *pcap.Writer
}

// traces has the trace of the rig that each running test has opened last.
var traces = struct {
	sync.Mutex
	last map[string]*trace // by the name of the test
}{last: make(map[string]*trace)}

// startTrace begins to keep packets. In a test with several rigs one after the other only
// the one is explained that was open when the test failed.
func startTrace(tb testing.TB, n *simnet.Multihomed, env string) *trace {
	tb.Helper()
	t := &trace{tb: tb, net: n, env: env, failed: tb.Failed()}
	if _, ok := tb.(*testing.B); !ok {
		n.KeepLast(flowPackets)
	}
	for _, l := range append([]*simnet.Link{n.Bottleneck}, n.Uplinks...) {
		l.Use(t)
	}
	traces.Lock()
	before := traces.last[tb.Name()]
	traces.last[tb.Name()] = t
	traces.Unlock()
	if before != nil {
		before.end()
	}
	if dir := os.Getenv(traceEnv); dir != "" && !t.failed {
		t.create(dir)
	}
	tb.Cleanup(func() {
		traces.Lock()
		if traces.last[tb.Name()] == t {
			delete(traces.last, tb.Name())
		}
		traces.Unlock()
		t.end()
	})
	return t
}

// Process implements simnet.Box. It keeps the packets from before the failure: a test may
// go on after it.
func (t *trace) Process(*simnet.Packet, simnet.Hop) simnet.Verdict {
	if t.flow.Load() == nil && t.tb.Failed() && !t.failed {
		records := t.net.Last()
		t.flow.Store(&records)
	}
	return simnet.Pass
}

// create opens the file, which has the name of the test.
func (t *trace) create(dir string) {
	t.tb.Helper()
	name := regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(t.tb.Name(), "_") + ".pcapng"
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.tb.Fatalf("%s: %v", traceEnv, err)
	}
	t.file, t.pcap = file, pcap.NewWriter(file, pcap.Config{SnapLen: pcap.HeaderSnapLen})
}

// capture returns a function that sees the packets of a NIC, for
// netstack.AttachOptions.
func (t *trace) capture(nic string) func(netstack.CapturedPacket) {
	if t.pcap == nil {
		return nil
	}
	return t.pcap.Interface(nic)
}

// end explains the failure, if this is the rig's.
func (t *trace) end() {
	t.tb.Helper()
	if t.done {
		return
	}
	t.done = true
	explain := t.tb.Failed() && !t.failed
	if explain {
		records := t.net.Last()
		if at := t.flow.Load(); at != nil {
			records = *at
		}
		t.tb.Logf("the last %d packets of each link:\n%s", flowPackets, simnet.Mermaid(records))
		t.tb.Logf("again: %s", replay(t.tb.Name(), t.env))
	}
	if t.file == nil {
		return
	}
	if err := t.pcap.Close(); err != nil {
		t.tb.Errorf("%s: %v", traceEnv, err)
	}
	t.file.Close()
	if !explain {
		os.Remove(t.file.Name())
		return
	}
	t.tb.Logf("packets: %s", t.file.Name())
}

// replay returns the command that runs a test again.
func replay(test, env string) string {
	var pattern []string
	for part := range strings.SplitSeq(test, "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	var vars, flags string
	if env != "" {
		vars = env + " "
	}
	if soaking() {
		vars += soakEnv + "=1 "
	}
	if testing.Short() {
		flags = "-short "
	}
	quoted := strings.ReplaceAll(strings.Join(pattern, "/"), "'", `'\''`)
	return fmt.Sprintf("%sgo test -count=1 %s-run '%s' ./endpoint", vars, flags, quoted)
}
