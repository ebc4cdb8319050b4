// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// TestEmbeddedWebSocket has two programs with a stack each talk by a WebSocket, while
// the network changes under the client. Both use net/http as it is.
func TestEmbeddedWebSocket(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{
		Uplinks: [2]kernel.WireConfig{
			{Delay: 5 * time.Millisecond, Rate: 100e6},
			{Delay: 20 * time.Millisecond, Rate: 50e6},
		},
		ServerPorts: []uint16{80},
	})
	client := w.embed(w.Client, embedConfig{Policy: endpoint.Handover})
	server := w.embed(w.Server, embedConfig{Ports: []uint16{80}, Policy: endpoint.Handover})

	back := newChat(2)
	served := w.serveChat(server.listen(80), back)
	var conn *endpoint.Conn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := client.dialer().DialContext(ctx, network, addr)
		if err == nil {
			conn = c.(*endpoint.Conn)
		}
		return c, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	ws, _, err := websocket.Dial(w.ctx, fmt.Sprintf("ws://%v", netip.AddrPortFrom(kernel.ServerAddr4, 80)),
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	w.must(err)
	t.Cleanup(func() { ws.CloseNow() })
	w.must(conn.AwaitMigratable(w.timeout(patience)))
	there := newChat(1)
	talk := there.start(w.ctx, ws)
	w.talking(there, back)

	// moved waits until the connection has moved, and both ends are heard.
	moves := uint64(0)
	moved := func(what string, limit time.Duration) {
		t.Helper()
		w.eventually("moved: "+what, limit, func() error {
			if m := conn.Migration(); m.Initiated <= moves {
				return fmt.Errorf("%+v", m)
			}
			return nil
		})
		moves = conn.Migration().Initiated
		w.talking(there, back)
	}

	w.must(client.NIC.AddAddress(netip.MustParsePrefix("10.78.0.3/24")))
	w.must(client.NIC.RemoveAddress(embedStack[0].Addr()))
	moved("the stack's address has changed", 10*time.Second)

	w.must(w.Uplinks[0].Down(kernel.AddressGone))
	moved("the uplink is another, behind another NAT", 10*time.Second)

	w.must(w.NATs[1].FlushConntrack())
	moved("the NAT has forgotten", 25*time.Second)

	w.must(w.Uplinks[1].Down(kernel.LinkDown))
	w.eventually("held", 10*time.Second, func() error {
		if m := conn.Migration(); !m.Holding {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	w.pass(5 * time.Second)
	w.must(w.Uplinks[0].Up())
	moved("the link was down", 10*time.Second)

	close(there.stop)
	close(back.stop)
	w.must(w.result(talk))
	w.must(ws.Close(websocket.StatusNormalClosure, ""))
	w.must(w.result(served))
	if n := back.sessions.Load(); n != 1 {
		t.Errorf("the server has seen %d connections", n)
	}
	there.compare(t, back)
}

// serveChat serves a WebSocket, and tells how the handler has ended.
func (w *world) serveChat(l net.Listener, c *chat) <-chan error {
	ended := make(chan error, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c.sessions.Add(1)
		ws, err := websocket.Accept(rw, r, nil)
		if err != nil {
			ended <- err
			return
		}
		defer ws.CloseNow()
		if err := <-c.start(r.Context(), ws); err != nil {
			ended <- err
			return
		}
		// At last, the client closes it.
		if _, _, err := ws.Read(r.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			ended <- err
			return
		}
		ended <- nil
	})}
	served := make(chan struct{})
	go func() { srv.Serve(l); close(served) }()
	w.t.Cleanup(func() { srv.Close(); <-served })
	return ended
}

// talking waits until some messages more have arrived both ways.
func (w *world) talking(chats ...*chat) {
	w.t.Helper()
	const some = 5
	var want []int64
	for _, c := range chats {
		want = append(want, c.received.Load()+some)
	}
	w.eventually("both are heard", 10*time.Second, func() error {
		for i, c := range chats {
			if n := c.received.Load(); n < want[i] {
				return fmt.Errorf("%d of %d messages", n, want[i])
			}
		}
		return nil
	})
}

// result waits for an end.
func (w *world) result(ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		return fmt.Errorf("no end within %v", patience)
	}
}
