// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// serverAddr is where most tests listen.
const serverAddr = "10.9.0.1:80"

// patience is the virtual time after which a test fails. TCP needs less for everything
// but keep-alive.
const patience = 10 * time.Minute

// suites restricts both ends.
func (r *rig) suites(s ...migrate.SuiteID) {
	r.dialer.MigrationOptions.Suites, r.listen.MigrationOptions.Suites = s, s
}

// open returns a connection that both ends can migrate.
func (r *rig) open(address string) (c, s *Conn) {
	r.tb.Helper()
	c, s = r.pair(address)
	r.await(c, s)
	return c, s
}

// pair returns a connection from the client's first uplink to the server.
func (r *rig) pair(address string) (c, s *Conn) {
	r.tb.Helper()
	c, s, err := r.connect(address)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { c.Close(); s.Close() })
	return c, s
}

func (r *rig) connect(address string) (c, s *Conn, err error) {
	ln, err := r.listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	accepted := make(chan *Conn, 1)
	go func() {
		defer ln.Close()
		c, _ := ln.(*Listener).AcceptConn()
		accepted <- c
	}()
	d, err := r.dialer.Dial("tcp", address)
	if err != nil {
		ln.Close()
		return nil, nil, err
	}
	if s = <-accepted; s == nil {
		return nil, nil, errors.New("accept failed")
	}
	return d.(*Conn), s, nil
}

// await waits until the connections can migrate.
func (r *rig) await(conns ...*Conn) {
	r.tb.Helper()
	for _, c := range conns {
		if err := c.AwaitMigratable(context.Background()); err != nil {
			r.tb.Fatal(err)
		}
	}
}

// migrate moves c or fails the test.
func (r *rig) migrate(c *Conn, to string) {
	r.tb.Helper()
	if err := c.Migrate(context.Background(), addr(to)); err != nil {
		r.tb.Fatalf("migrate to %s: %v", to, err)
	}
}

// readError returns the error that ends a connection which carries no data.
func (r *rig) readError(c net.Conn) error {
	c.SetReadDeadline(r.net.Clock.Now().Add(patience))
	n, err := c.Read(make([]byte, 1))
	if n != 0 {
		return fmt.Errorf("unexpected data, %v", err)
	}
	return err
}

// nothingLeft checks that no connection has left anything on either stack.
func (r *rig) nothingLeft(t *testing.T) {
	t.Helper()
	r.sleep(3 * time.Minute) // more than TIME-WAIT and any drain
	for _, st := range []*netstack.Stack{r.client, r.server} {
		stats := st.MigrationStats()
		if n := connections(st); n != 0 || stats.Tokens != 0 || stats.Holds != 0 {
			t.Errorf("left: %d connections, %d tokens, %d holds", n, stats.Tokens, stats.Holds)
		}
	}
}

// counts returns how often a stack has counted something.
func counts(s *netstack.Stack, c migrate.Counter) uint64 { return s.MigrationStats().Counts[c] }

// connections returns how many TCP endpoints a stack has registered, listeners
// included.
func connections(s *netstack.Stack) int { return len(s.GVisor().RegisteredEndpoints()) }

// tcbReader is the part of a patched endpoint that tells its state.
type tcbReader interface {
	MigrationLock(func())
	MigrationTCB() struct {
		SndUna, SndNxt, RcvNxt uint32
		RcvAcc                 uint32
		TSRecent               uint32
		SRTT                   time.Duration
		Movable                bool
		TimeWait               bool
	}
}

// sequence is SND.UNA, SND.NXT and RCV.NXT of a connection.
type sequence struct{ una, nxt, rcv uint32 }

func sequenceOf(c *Conn) (s sequence) {
	ep := c.ep.(tcbReader)
	ep.MigrationLock(func() {
		tcb := ep.MigrationTCB()
		s = sequence{tcb.SndUna, tcb.SndNxt, tcb.RcvNxt}
	})
	return s
}
