// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// echoes is how many round trips are measured to find the shortest.
const echoes = 30

// calibrate shortens the wires by the time that hosts and emulation add, about 0.7 ms
// of a round trip. Then an echo between two applications over the kernels' TCP takes
// the round-trip time, if the machine is idle. The shortest echo counts: the others
// have waited for the machine.
func (n *network) calibrate(ctx context.Context, rtt time.Duration) error {
	c := reconnecting{network: n}
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer relay.Abort(conn)
	if err := (header{op: opEcho}).write(conn); err != nil {
		return err
	}
	best := 2 * rtt
	for i := range int64(echoes) {
		begin := time.Now()
		if err := echo(conn, i); err != nil {
			return err
		}
		best = min(best, time.Since(begin))
	}
	for _, u := range n.Uplinks {
		if err := u.Wire().SetConfig(wire(rtt - max(best-rtt, 0))); err != nil {
			return err
		}
	}
	return nil
}

// wire is an uplink with a round-trip time.
func wire(rtt time.Duration) kernel.WireConfig {
	return kernel.WireConfig{Delay: rtt / 2, Rate: rate, Queue: queue}
}
