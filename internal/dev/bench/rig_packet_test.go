// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// packet returns an IPv4 packet with a TCP segment from an unused port of the
// client to one of the server.
func packet(flags header.TCPFlags, options []byte) []byte {
	const ttl = 64
	src, dst := netstack.Address(clientPrefixes[0].Addr()), netstack.Address(serverPrefix.Addr())
	b := make([]byte, header.IPv4MinimumSize+header.TCPMinimumSize+len(options))
	ip := header.IPv4(b)
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(b)),
		TTL:         ttl,
		Protocol:    uint8(header.TCPProtocolNumber),
		SrcAddr:     src,
		DstAddr:     dst,
	})
	ip.SetChecksum(^ip.CalculateChecksum())

	segment := header.TCP(ip.Payload())
	segment.Encode(&header.TCPFields{
		SrcPort:    1024,
		DstPort:    1024,
		DataOffset: uint8(len(segment)),
		Flags:      flags,
		WindowSize: 65535,
	})
	copy(segment[header.TCPMinimumSize:], options)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, uint16(len(segment)))
	segment.SetChecksum(^segment.CalculateChecksum(checksum.Combine(sum, checksum.Checksum(options, 0))))
	return b
}

// option returns the TCP option of a request, padded to full words.
func option(r migrate.Request) []byte {
	const kind, length = 16, 19
	b := []byte{kind, length, r.ReqNo}
	b = binary.BigEndian.AppendUint64(b, uint64(r.Token))
	b = binary.BigEndian.AppendUint64(b, r.Tag)
	return append(b, header.TCPOptionNOP)
}
