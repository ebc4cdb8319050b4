// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"net"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/migrate"
)

// TestSYNCookie has the server answer SYNs with cookies, as it does under a flood.
//
// M342: A connection that was opened by a SYN cookie MUST stay plain TCP.
func TestSYNCookie(t *testing.T) {
	r := newRig(t, rigConfig{})
	always := tcpip.TCPAlwaysUseSynCookies(true)
	if terr := r.server.GVisor().SetTransportProtocolOption(tcp.ProtocolNumber, &always); terr != nil {
		t.Fatal(terr)
	}
	c, s := r.pair(serverAddr)
	plainTCP(t, "client", c, migrate.PlainNotOffered)
	plainTCP(t, "server", s, migrate.PlainNotOffered)
	bothWays(t, c, s, 64<<10)()
}

// TestSimultaneousOpen has a peer send a SYN of its own, with the option, when the SYN of
// a dial arrives.
//
// M343: A connection that was opened simultaneously MUST stay plain TCP: Ni and Nj are
// ambiguous.
func TestSimultaneousOpen(t *testing.T) {
	r := newRig(t, rigConfig{})
	p := r.mallory()
	dialed := make(chan *Conn, 1)
	go func() {
		d := Dialer{Stack: r.server, LocalAddr: net.TCPAddrFromAddrPort(p.remote)}
		c, err := d.Dial("tcp", p.local.String())
		if err != nil {
			t.Error(err)
			close(dialed)
			return
		}
		dialed <- c.(*Conn)
	}()
	r.sleep(10 * time.Millisecond)
	p.wants("dial", fSYN)
	p.sends(fSYN, withOptions(permitted(byte(migrate.SuiteX25519SHA256), bytes.Repeat([]byte{9}, 17))...))
	p.wants("answer", fSYNACK)
	p.sends(fACK)
	c := <-dialed
	if c == nil {
		t.FailNow()
	}
	defer c.Close()
	plainTCP(t, "end that dialled", c, migrate.PlainSimultaneousOpen)
}
