// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/host"
)

// limitedConn remembers its deadline.
type limitedConn struct {
	net.Conn
	deadline time.Time
}

func (c *limitedConn) SetDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// startSOCKS serves one client of a node that has no stack, and returns its side.
func startSOCKS(t *testing.T, limit time.Duration) (client net.Conn, served *limitedConn, done <-chan struct{}) {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(patience))
	served = &limitedConn{Conn: server}
	n := &Node{set: &settings{}, host: &host.Host{}, log: slog.New(slog.DiscardHandler), ctx: t.Context()}
	end := make(chan struct{})
	go func() {
		defer close(end)
		n.serveSOCKS(served, limit)
	}()
	return client, served, end
}

// TestSOCKSSilent: a client that does not finish its request is not waited for.
func TestSOCKSSilent(t *testing.T) {
	for _, said := range []string{"", "\x05", "\x05\x01\x00"} {
		client, _, done := startSOCKS(t, 10*time.Millisecond)
		go client.Write([]byte(said))
		if _, err := io.Copy(io.Discard, client); err != nil {
			t.Errorf("%q: %v", said, err)
		}
		<-done
	}
}

// TestSOCKSRequest: a client that has made its request has all the time that it wants.
func TestSOCKSRequest(t *testing.T) {
	client, served, done := startSOCKS(t, patience)
	client.Write([]byte("\x05\x01\x00"))
	reply := make([]byte, 10)
	if _, err := io.ReadFull(client, reply[:2]); err != nil || string(reply[:2]) != "\x05\x00" {
		t.Fatalf("%x, %v", reply[:2], err)
	}
	client.Write([]byte("\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"))
	// There is no stack to dial by.
	if _, err := io.ReadFull(client, reply); err != nil || reply[1] == 0 {
		t.Errorf("%x, %v", reply, err)
	}
	<-done
	if !served.deadline.IsZero() {
		t.Errorf("deadline %v", served.deadline)
	}
	if _, err := client.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write: %v", err)
	}
}
