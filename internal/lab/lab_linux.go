// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/janitor"
)

// Ports of the server: the ports that its node serves, and those of the services.
const (
	bulkPort, bulkTarget = 80, "127.0.0.1:8080"
	echoPort, echoTarget = 7, "127.0.0.1:8007"
)

// kernelPort is where the third host, without mnet, serves a download.
const kernelPort = 80

// privateDir is the mode of the directory of the control sockets.
const privateDir = 0o700

// minQueue is the least queue of an uplink, in bytes: a burst of a sender that has
// been idle fits.
const minQueue = 64 << 10

// Lab is a network with two nodes in it.
type Lab struct {
	cfg     Config
	jan     *janitor.Janitor
	net     *kernel.Network
	topo    *kernel.Topology
	client  *child
	server  *child
	sources *sources
}

// Start builds the network and starts the nodes. It needs root; if it fails,
// nothing is left. This program has to be mnet, as it is started for the nodes.
func Start(ctx context.Context, cfg Config) (*Lab, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Lab{cfg: cfg}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) (err error) {
	if l.net, err = kernel.New(); err != nil {
		return err
	}
	if l.jan, err = janitor.Start("janitor"); err != nil {
		return err
	}
	dir := filepath.Join(os.TempDir(), "mnet-lab-"+rand.Text()[:10])
	if err := l.jan.RemoveDir(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, privateDir); err != nil {
		return fmt.Errorf("control sockets: %w: choose another place (TMPDIR)", err)
	}
	if err := l.build(); err != nil {
		return err
	}
	if l.sources, err = listen(ctx, l.topo, l.cfg.Rate); err != nil {
		return err
	}
	l.server, err = l.startNode(ctx, l.topo.Server, dir, "--dnat",
		"--serve", fmt.Sprintf("%d=%s", bulkPort, bulkTarget),
		"--serve", fmt.Sprintf("%d=%s", echoPort, echoTarget))
	if err != nil {
		return err
	}
	l.client, err = l.startNode(ctx, l.topo.Client, dir, "--masquerade")
	return err
}

// build makes the network. A connection that the NATs have forgotten comes in again by
// a SYN only. By default, Linux takes up a connection by any segment. With the same
// port, there would be nothing to see.
func (l *Lab) build() (err error) {
	wire := kernel.WireConfig{
		Delay: l.cfg.RTT / 2,
		Rate:  l.cfg.Rate,
		// One round trip's worth: no bufferbloat, which would hide the outages.
		Queue: max(minQueue, int(float64(l.cfg.Rate)/8*l.cfg.RTT.Seconds())),
	}
	l.topo, err = l.net.Topology(kernel.TopologyConfig{
		Uplinks:     [2]kernel.WireConfig{wire, wire},
		ServerPorts: []uint16{bulkPort, echoPort},
	})
	if err != nil {
		return err
	}
	for _, nat := range l.topo.NATs {
		if err := nat.Sysctl("net.netfilter.nf_conntrack_tcp_loose", "0"); err != nil {
			return err
		}
	}
	return nil
}

// Node is a node of the laboratory, for users who want to look at it.
type Node struct {
	Name   string
	PID    int    // has the network namespace
	Socket string // its control socket
}

// Nodes are the client and the server.
func (l *Lab) Nodes() []Node { return []Node{l.client.node(), l.server.node()} }

// Close ends the nodes and removes the network. It returns when nothing is left.
func (l *Lab) Close() error {
	if l.net != nil {
		l.net.Close()
	}
	if l.sources != nil {
		l.sources.close()
	}
	if l.jan == nil {
		return nil
	}
	return l.jan.Close()
}
