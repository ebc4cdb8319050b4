// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	mdl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ctnetlink is a socket of NETLINK_NETFILTER.
type ctnetlink struct{ conn *mdl.Conn }

func dialTracker() (trackerConn, error) {
	conn, err := mdl.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("hostnet: connection tracking: %w", err)
	}
	return ctnetlink{conn}, nil
}

func (c ctnetlink) close() error { return c.conn.Close() }

// forget deletes the entry that has f as the tuple of one of its directions.
func (c ctnetlink) forget(f flow) error {
	message, err := deleteFlow(f)
	if err != nil {
		return err
	}
	_, err = c.conn.Execute(message)
	switch {
	case errors.Is(err, unix.ENOENT): // it is gone already
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (%w): run with CAP_NET_ADMIN", ErrPermission, err)
	default:
		return err
	}
}

// deleteFlow is the message that deletes an entry by the exact tuple.
func deleteFlow(f flow) (mdl.Message, error) {
	family, source, destination := byte(unix.AF_INET), uint16(nl.CTA_IP_V4_SRC), uint16(nl.CTA_IP_V4_DST)
	if f.from.Addr().Is6() {
		family, source, destination = unix.AF_INET6, nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST
	}
	e := mdl.NewAttributeEncoder()
	e.Nested(nl.CTA_TUPLE_ORIG, func(e *mdl.AttributeEncoder) error {
		e.Nested(nl.CTA_TUPLE_IP, func(e *mdl.AttributeEncoder) error {
			e.Bytes(source, f.from.Addr().AsSlice())
			e.Bytes(destination, f.to.Addr().AsSlice())
			return nil
		})
		e.Nested(nl.CTA_TUPLE_PROTO, func(e *mdl.AttributeEncoder) error {
			e.Uint8(nl.CTA_PROTO_NUM, unix.IPPROTO_TCP)
			e.Bytes(nl.CTA_PROTO_SRC_PORT, port(f.from))
			e.Bytes(nl.CTA_PROTO_DST_PORT, port(f.to))
			return nil
		})
		return nil
	})
	attrs, err := e.Encode()
	if err != nil {
		return mdl.Message{}, err
	}
	// struct nfgenmsg: family, version, resource id.
	header := []byte{family, unix.NFNETLINK_V0, 0, 0}
	return mdl.Message{
		Header: mdl.Header{
			Type:  unix.NFNL_SUBSYS_CTNETLINK<<8 | nl.IPCTNL_MSG_CT_DELETE,
			Flags: mdl.Request | mdl.Acknowledge,
		},
		Data: append(header, attrs...),
	}, nil
}

func port(a netip.AddrPort) []byte { return binary.BigEndian.AppendUint16(nil, a.Port()) }
