// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Dial connects a socket of the kernel from within the namespace. The address must
// be numeric, as a namespace has no name server.
func (ns *Namespace) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return ns.DialWith(ctx, &net.Dialer{}, network, address)
}

// DialWith is [Namespace.Dial] with the settings of a net.Dialer, such as the local
// address.
func (ns *Namespace) DialWith(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	if err := numeric(address); err != nil {
		return nil, ns.wrap(err)
	}
	var conn net.Conn
	err := ns.join(func() (err error) {
		// The dialer creates the socket on the calling thread, if there is no name to
		// look up and no second address to race with.
		conn, err = d.DialContext(ctx, network, address)
		return ns.wrap(err)
	})
	return conn, err
}

// Listen opens a listening socket of the kernel in the namespace. The address must
// be numeric.
func (ns *Namespace) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if err := numeric(address); err != nil {
		return nil, ns.wrap(err)
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // the comparison is with plain TCP
	var ln net.Listener
	err := ns.Do(func() (err error) {
		ln, err = lc.Listen(ctx, network, address)
		return ns.wrap(err)
	})
	return ln, err
}

func numeric(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if host == "" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return fmt.Errorf("address %q is not numeric: give an IP address, there is no name server", address)
	}
	return nil
}
