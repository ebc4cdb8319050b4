// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"

	"github.com/mnet-dev/mnet/internal/node"
)

// Error is the body of an answer that is an error.
type Error struct {
	Message string `json:"error"`
	// Usage: the request is wrong in any state of the node.
	Usage bool `json:"usage,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// ServeRequest asks for ports to be served.
type ServeRequest struct {
	Rules []node.ServeRule `json:"rules"`
	DNAT  bool             `json:"dnat"`
}

// ForwardRequest asks for ports to be forwarded.
type ForwardRequest struct {
	Rules []node.ForwardRule `json:"rules"`
}

// SOCKSRequest asks for a SOCKS proxy.
type SOCKSRequest struct {
	Listen string `json:"listen"`
}

// MigrateRequest moves a connection, or all if Conn is "all". An invalid Local
// means a new port of the same address.
type MigrateRequest struct {
	Conn  string         `json:"conn"`
	Local netip.AddrPort `json:"local"`
}

// AddressRequest gives the stack an address, or takes one from it.
type AddressRequest struct {
	Add    netip.Prefix `json:"add"`
	Remove netip.Addr   `json:"remove"`
}

// upgrade is the name of the byte stream that a dial becomes, connHeader where its
// answer has the ID of the connection.
const (
	upgrade    = "mnet"
	connHeader = "Mnet-Conn"
)
