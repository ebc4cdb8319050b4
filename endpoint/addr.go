// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"net"
	"net/netip"
	"strconv"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/netstack"
)

var (
	errMissingAddress = errors.New("missing address")
	errNoZones        = errors.New("IPv6 zones are not supported")
	errNoSuitable     = errors.New("no suitable address found")
)

// parseNetwork says whether network is one of TCP's, and which family it is
// limited to: "4", "6" or "".
func parseNetwork(network string) (family string, err error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return network[len("tcp"):], nil
	}
	return "", net.UnknownNetworkError(network)
}

// inFamily says whether a is of the family.
func inFamily(a netip.Addr, family string) bool {
	switch family {
	case "4":
		return a.Is4()
	case "6":
		return a.Is6()
	}
	return true
}

// splitAddress takes address apart into a host, which may be empty, and a port,
// which may be a number or the name of a service.
func splitAddress(network, address string) (host string, port uint16, err error) {
	if address == "" {
		return "", 0, errMissingAddress
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		return host, uint16(n), nil
	}
	n, err := net.LookupPort(network, service)
	return host, uint16(n), err
}

// parseHost parses a numeric host.
func parseHost(host string) (netip.Addr, error) {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, err
	}
	if a.Zone() != "" {
		return netip.Addr{}, &net.AddrError{Err: errNoZones.Error(), Addr: host}
	}
	return a.Unmap(), nil
}

// tcpAddr converts ap. IPv4 addresses get the 4-byte form, as accepted and
// dialled sockets of the net package have.
func tcpAddr(ap netip.AddrPort) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(ap)
}

// addrs returns both addresses of the connection as the endpoint has them now.
// They come out of one critical section, so a change shows in both or in neither,
// and they outlive the connection.
func (c *Conn) addrs() (local, remote netip.AddrPort) {
	id := c.ep.Info().(*stack.TransportEndpointInfo).ID
	return netip.AddrPortFrom(netstack.Addr(id.LocalAddress), id.LocalPort),
		netip.AddrPortFrom(netstack.Addr(id.RemoteAddress), id.RemotePort)
}

// LocalAddr returns the local address, a *net.TCPAddr: the one in use now, or the
// last one after Close.
func (c *Conn) LocalAddr() net.Addr {
	local, _ := c.addrs()
	return tcpAddr(local)
}

// RemoteAddr returns the peer's address, a *net.TCPAddr: the one in use now, or
// the last one after Close.
func (c *Conn) RemoteAddr() net.Addr {
	_, remote := c.addrs()
	return tcpAddr(remote)
}
