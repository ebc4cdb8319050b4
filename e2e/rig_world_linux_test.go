// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
)

// patience is the time after which a test that hangs fails.
const patience = 60 * time.Second

// world is the standard network with what the tests run in it.
type world struct {
	*kernel.Topology
	t   testing.TB
	ctx context.Context
	dir string // of this test
}

func newWorld(t testing.TB, cfg kernel.TopologyConfig) *world {
	t.Helper()
	need(t)
	network, err := kernel.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	topo, err := network.Topology(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Topology: topo, t: t, ctx: t.Context(), dir: t.TempDir()}
	for _, ns := range []*kernel.Namespace{topo.NATs[0], topo.NATs[1], topo.Firewall} {
		w.must(ns.Sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", "0"))
		// Nothing mid-stream makes a mapping: only a SYN does.
		w.must(ns.Sysctl("net.netfilter.nf_conntrack_tcp_loose", "0"))
	}
	return w
}

// in is the same world for a subtest.
func (w *world) in(t testing.TB) *world {
	sub := *w
	sub.t, sub.ctx = t, t.Context()
	return &sub
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// timeout is a context for one step.
func (w *world) timeout(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.ctx, d)
	w.t.Cleanup(cancel)
	return ctx
}

// eventually waits until cond returns nil.
func (w *world) eventually(what string, limit time.Duration, cond func() error) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not %s within %v: %v", what, limit, err)
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.t.Fatal(w.ctx.Err())
		}
	}
}

// process is a program in a namespace, with its output.
type process struct {
	*kernel.Process
	out, err *output
}

// output collects the output of a program.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start starts a program in a namespace. If the test fails, it shows the program's
// output.
func (w *world) start(ns *kernel.Namespace, cmd *exec.Cmd) *process {
	w.t.Helper()
	p := &process{out: new(output), err: new(output)}
	if cmd.Stdout == nil {
		cmd.Stdout = p.out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.err
	}
	var err error
	if p.Process, err = ns.Start(cmd); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		p.Stop()
		if w.t.Failed() {
			w.t.Logf("%s:\n%s%s", strings.Join(cmd.Args, " "), p.out, p.err)
		}
	})
	return p
}

// run runs a program in a namespace to its end and returns its output.
func (w *world) run(ns *kernel.Namespace, name string, args ...string) (stdout string, err error) {
	w.t.Helper()
	p := w.start(ns, exec.Command(name, args...))
	if err := p.Wait(w.timeout(patience)); err != nil {
		return p.out.String(), fmt.Errorf("%s: %w: %s", name, err, p.err)
	}
	return p.out.String(), nil
}

// peer is an mnet up in a namespace.
type peer struct {
	*process
	ns     *kernel.Namespace
	socket string
	ctl    control.Client
}

// up starts mnet up and waits until it answers.
func (w *world) up(ns *kernel.Namespace, args ...string) *peer {
	w.t.Helper()
	return w.upBy(ns, exec.Command(mnetBin, append([]string{"up"}, args...)...))
}

// upBy is up with a command line of the caller's.
func (w *world) upBy(ns *kernel.Namespace, cmd *exec.Cmd) *peer {
	w.t.Helper()
	socket := filepath.Join(w.dir, ns.Name()+".sock")
	cmd.Args = append(cmd.Args, "--socket", socket)
	p := &peer{ns: ns, socket: socket, ctl: control.Client{Path: socket}}
	p.process = w.start(ns, cmd)
	w.eventually("up: "+ns.Name(), patience, func() error {
		select {
		case <-p.Done():
			w.t.Fatalf("mnet up: %s", p.err)
		default:
		}
		_, err := p.ctl.Status(w.ctx)
		return err
	})
	return p
}

// command is an mnet command that talks to the node.
func (p *peer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(mnetBin, args...)
	cmd.Env = append(os.Environ(), control.SocketEnv+"="+p.socket)
	return cmd
}

// status is a snapshot of the node.
func (w *world) status(p *peer) *node.Status {
	w.t.Helper()
	s, err := p.ctl.Status(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// client and server are nodes as a laptop and a server would run them.
func (w *world) client(args ...string) *peer {
	w.t.Helper()
	return w.up(w.Client, append([]string{"--masquerade"}, args...)...)
}

func (w *world) server(args ...string) *peer {
	w.t.Helper()
	return w.up(w.Server, append([]string{"--dnat"}, args...)...)
}

// invalid fails the test if a middlebox has seen an invalid packet.
func (w *world) noInvalid(before map[*kernel.Namespace]uint64) {
	w.t.Helper()
	for ns, n := range w.countInvalid() {
		if n != before[ns] {
			w.t.Errorf("%s: %d packets are invalid to conntrack", ns.Name(), n-before[ns])
		}
	}
}

// countInvalid returns how many packets the middleboxes' connection tracking has called
// invalid so far.
func (w *world) countInvalid() map[*kernel.Namespace]uint64 {
	w.t.Helper()
	counts := make(map[*kernel.Namespace]uint64)
	for _, ns := range []*kernel.Namespace{w.NATs[0], w.NATs[1], w.Firewall, w.Client, w.Server} {
		n, err := ns.ConntrackInvalid()
		w.must(err)
		counts[ns] = n
	}
	return counts
}

// publicAddr returns the address of the NAT of uplink i, which the server sees.
func (w *world) publicAddr(i int) netip.Addr {
	return [2]netip.Addr{netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("198.51.100.2")}[i]
}

func addAddress(p string) control.AddressRequest {
	return control.AddressRequest{Add: netip.MustParsePrefix(p)}
}

func removeAddress(a string) control.AddressRequest {
	return control.AddressRequest{Remove: netip.MustParseAddr(a)}
}
