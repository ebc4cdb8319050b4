// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"sync/atomic"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// gate is a middlebox that a test may change at any time. It starts open.
type gate struct{ f atomic.Pointer[gateFunc] }

type gateFunc func(p *simnet.Packet, at simnet.Hop) simnet.Verdict

// set replaces the gate's function; nil opens it.
func (g *gate) set(f gateFunc) {
	if f == nil {
		g.f.Store(nil)
		return
	}
	g.f.Store(&f)
}

// Process implements simnet.Box.
func (g *gate) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	if f := g.f.Load(); f != nil {
		return (*f)(p, at)
	}
	return simnet.Pass
}

// dropPureACKs drops segments without payload.
func dropPureACKs(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
	if t, ok := p.TCP(); ok && len(t.Payload()) == 0 {
		return simnet.Drop
	}
	return simnet.Pass
}

// dropSYNs keeps an attempt to move over a path waiting until it is given up.
func dropSYNs(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
	if t, ok := p.TCP(); ok && t.Flags()&fSYN != 0 {
		return simnet.Drop
	}
	return simnet.Pass
}
