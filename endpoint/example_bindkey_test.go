// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// HTTPS over a connection whose keys are bound to the TLS session. The client binds them
// when it has dialled, the server when the first request comes. An attacker who was in the
// middle from the start cannot move such a connection.
func ExampleConn_BindKey() {
	ctx := context.Background()
	left, right := netstack.Pipe(netstack.PipeConfig{})
	client := newHost(left, "10.0.0.1/24", "10.0.0.3/24")
	defer client.Close()
	server := newHost(right, "10.0.0.2/24")
	defer server.Close()

	ln, err := (&endpoint.ListenConfig{Stack: server}).Listen(ctx, "tcp", ":443")
	if err != nil {
		log.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := r.Context().Value(binding{}).(*binding)
		b.once.Do(func() { b.err = bind(r.Context(), b.conn, r.TLS) })
		if b.err != nil {
			http.Error(w, b.err.Error(), http.StatusInternalServerError)
		}
	}))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, binding{}, &binding{conn: c.(*tls.Conn).NetConn()})
	}
	srv.StartTLS()
	defer srv.Close()

	var conn *endpoint.Conn // the latest
	transport := srv.Client().Transport.(*http.Transport)
	config := transport.TLSClientConfig.Clone()
	config.ServerName = "example.com"
	transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := (&endpoint.Dialer{Stack: client}).DialContext(ctx, network, "10.0.0.2:443")
		if err != nil {
			return nil, err
		}
		conn = c.(*endpoint.Conn)
		t := tls.Client(c, config)
		if err = t.HandshakeContext(ctx); err == nil {
			state := t.ConnectionState()
			err = bind(ctx, c, &state)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
		return t, nil
	}
	get := func() bool {
		r, err := srv.Client().Get("https://example.com/")
		if err != nil {
			fmt.Println(err) // on a gVisor without the patches it says how to get them
			return false
		}
		r.Body.Close()
		fmt.Println(r.Status, "over the connection at", conn.Migration().Current.Local.Addr())
		return true
	}
	if !get() {
		return
	}
	if err := conn.Migrate(ctx, netip.MustParseAddrPort("10.0.0.3:0")); err != nil {
		log.Fatal(err)
	}
	get()

	// Prints, if gVisor has the patches:
	//
	//	200 OK over the connection at 10.0.0.1
	//	200 OK over the connection at 10.0.0.3
}

// binding is a connection of the server, bound once.
type binding struct {
	conn net.Conn
	once sync.Once
	err  error
}

// bind binds the keys of a connection to the TLS session over it. Both ends export the
// same secret.
func bind(ctx context.Context, c net.Conn, session *tls.ConnectionState) error {
	conn := c.(*endpoint.Conn)
	if err := conn.AwaitMigratable(ctx); err != nil {
		return err
	}
	secret, err := session.ExportKeyingMaterial("EXPORTER-mnet-example", nil, 2*migrate.MinSecret)
	if err != nil {
		return err
	}
	return conn.BindKey(ctx, secret)
}
