// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/google/nftables"

	"github.com/mnet-dev/mnet/internal/tundev"
)

var (
	// ErrUnavailable is the error of [New] on a machine that lacks a requirement. The
	// text names it.
	ErrUnavailable = errors.New("kernel: no network laboratory here")
	// ErrClosed is the error of everything that is asked of a closed network.
	ErrClosed = errors.New("the network is closed")
)

// Network is a set of network namespaces and of links between them. Its methods may be
// called from several goroutines.
type Network struct {
	mu         sync.Mutex
	closed     bool
	namespaces []*Namespace
	wires      []*Wire
	closing    sync.Once
}

// New returns an empty network, or an [ErrUnavailable].
func New() (*Network, error) {
	if err := probe(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &Network{}, nil
}

// probe tries the requirements of a network.
func probe() error {
	ns, err := newNamespace("probe")
	if err != nil {
		return err
	}
	defer ns.close()
	return ns.Do(func() error {
		tun, err := os.OpenFile(tundev.Path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("%w: load the module (modprobe tun); in a container, pass the device to it", err)
		}
		tun.Close()
		nft, err := nftables.New()
		if err == nil {
			_, err = nft.ListTables()
		}
		if err != nil {
			return fmt.Errorf("nf_tables: %w: load the module (modprobe nf_tables)", err)
		}
		return nil
	})
}

// Namespace makes a network namespace with nothing in it but the loopback device. The
// name is for error messages.
//
// It is a host, with IPv4 and IPv6, that forwards nothing. IPv6 addresses are usable at
// once (no duplicate address detection). It ignores router advertisements. Connection
// tracking is as strict as the kernel can be: segments outside of a TCP window are
// invalid.
func (n *Network) Namespace(name string) (*Namespace, error) {
	ns, err := newNamespace(name)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		ns.close()
		return nil, ns.wrap(ErrClosed)
	}
	n.namespaces = append(n.namespaces, ns)
	return ns, nil
}

// Close kills all child processes, closes the wires, and ends the threads that hold the
// namespaces. When it returns, the process has nothing left of them. It may be called
// several times. The kernel clears a namespace that nobody holds a moment later.
// Sockets that the program opened in a namespace keep it alive until the program closes
// them.
func (n *Network) Close() {
	n.closing.Do(n.close)
}

func (n *Network) close() {
	n.mu.Lock()
	n.closed = true
	namespaces, wires := n.namespaces, n.wires
	n.mu.Unlock()

	var wg sync.WaitGroup
	for _, ns := range namespaces {
		wg.Go(ns.killAll)
	}
	wg.Wait()
	for _, w := range wires {
		wg.Go(w.close)
	}
	wg.Wait()
	for _, ns := range slices.Backward(namespaces) {
		ns.close()
	}
}
