// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

// runConformance runs nettest's suite on pairs of connections.
func runConformance(t *testing.T, newPair pairFunc) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		d, a := newPair(t)
		return d, a, func() { d.Close(); a.Close() }, nil
	})
}

func TestConformance(t *testing.T) {
	runConformance(t, func(tb testing.TB) (tcpConn, tcpConn) { return pipeNet(tb).pair(tb) })
}
