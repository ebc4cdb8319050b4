// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// stalled is how long nothing has to arrive for a connection to be called so: fifteen
// times as long as its source pauses.
const stalled = 15 * kernelPace

// kernelFlow is a download by the kernel's TCP.
type kernelFlow struct {
	meter meter
	conn  net.Conn
	tell  func()
	done  chan struct{}

	mu  sync.Mutex
	err error
}

func dialKernel(ctx context.Context, topo *kernel.Topology, tell func()) (*kernelFlow, error) {
	address := netip.AddrPortFrom(kernel.HostAddr4, kernelPort).String()
	conn, err := topo.Client.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("kernel's TCP: %w", err)
	}
	k := &kernelFlow{conn: conn, tell: tell, done: make(chan struct{})}
	k.meter.mark(time.Now())
	go k.receive()
	return k, nil
}

func (k *kernelFlow) receive() {
	defer close(k.done)
	buf := make([]byte, 2*chunk)
	for {
		n, err := k.conn.Read(buf)
		if n > 0 {
			k.meter.stream.Add(time.Now(), n)
		}
		if err != nil {
			k.mu.Lock()
			k.err = err
			k.mu.Unlock()
		}
		k.tell()
		if err != nil {
			return
		}
	}
}

// result returns the state of the flow.
func (k *kernelFlow) result(now time.Time) KernelResult {
	r := k.meter.read(now)
	res := KernelResult{Fate: Alive, OutageMS: milliseconds(r.gap)}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.err != nil:
		res.Fate, res.Error = Dead, k.err.Error()
	case now.Sub(r.last) >= stalled:
		res.Fate = Stalled
	}
	return res
}

func (k *kernelFlow) close() {
	relay.Abort(k.conn)
	<-k.done
}

// reviveKernel makes a new connection of the kernel if the present one does not work.
func (r *run) reviveKernel(ctx context.Context) error {
	if r.kernel != nil {
		if r.kernel.result(time.Now()).Fate == Alive {
			return nil
		}
		r.kernel.close()
		r.kernel = nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, giveUp, errors.New("kernel's TCP: nothing arrives"))
	defer cancel()
	k, err := dialKernel(ctx, r.topo, r.tell)
	if err != nil {
		return err
	}
	r.kernel = k
	for k.meter.read(time.Now()).bytes == 0 {
		select {
		case <-r.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
