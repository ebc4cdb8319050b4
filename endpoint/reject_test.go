// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// withCode has the ICMP errors of a router carry another code.
func withCode(code byte) gateFunc {
	return func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		n := 0
		switch {
		case !p.IsIPv6() && p.Protocol() == uint8(header.ICMPv4ProtocolNumber):
			n = header.IPv4MinimumSize
		case p.IsIPv6() && p.Protocol() == uint8(header.ICMPv6ProtocolNumber):
			n = header.IPv6MinimumSize
		default:
			return simnet.Pass
		}
		p.Bytes()[n+1] = code // RFC 792 and RFC 4443, 2.1: type, code
		p.FixChecksums()
		return simnet.Pass
	}
}

// TestRejected has a router answer SYNs with each code of ICMP Destination Unreachable.
// The destinations do not exist or are prohibited (RFC 1812, section 5.2.7.1; RFC 4443,
// section 3.1). Then neither a migration nor a dial waits for its time-outs, and a
// connection lives on.
//
// M516: An ICMP Destination Unreachable (host, network or port, or prohibited) that
// quotes the SYN's tuple and SEQ MUST end the attempt.
func TestRejected(t *testing.T) {
	for _, c := range []struct {
		server, to string
		codes      []byte
	}{
		{serverAddr, "10.2.0.2", []byte{
			byte(header.ICMPv4NetUnreachable), byte(header.ICMPv4HostUnreachable), byte(header.ICMPv4PortUnreachable),
			byte(header.ICMPv4NetProhibited), byte(header.ICMPv4HostProhibited), byte(header.ICMPv4AdminProhibited),
		}},
		{"[fd00:9::1]:80", "fd00:2::2", []byte{
			byte(header.ICMPv6NetworkUnreachable), byte(header.ICMPv6Prohibited), byte(header.ICMPv6BeyondScope),
			byte(header.ICMPv6AddressUnreachable), byte(header.ICMPv6PortUnreachable), byte(header.ICMPv6Policy),
			byte(header.ICMPv6RejectRoute),
		}},
	} {
		for _, code := range c.codes {
			t.Run(fmt.Sprintf("%s/%d", c.to, code), func(t *testing.T) {
				r := newRig(t, rigConfig{})
				conn, s := r.open(c.server)
				for _, g := range r.inner {
					g.set(withCode(code))
				}
				restore := r.unreachable(addr(c.server).Addr(), r.net.Bottleneck)
				within := func(what string, f func() error, want ...error) {
					t.Helper()
					begin := r.net.Clock.Elapsed()
					err := f()
					took := r.net.Clock.Elapsed() - begin
					wanted := slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) })
					if !wanted || took > 2*delay+time.Millisecond {
						t.Errorf("%s: %v after %v, want one of %v", what, err, took, want)
					}
				}
				within("migrate", func() error { return conn.Migrate(context.Background(), addr(c.to)) }, ErrUnreachable)
				within("dial", func() error {
					d, err := r.dialer.Dial("tcp", c.server)
					if err == nil {
						d.Close()
					}
					return err
				}, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNREFUSED)

				// For a connection it is a soft error (RFC 1122, 4.2.3.9).
				up := newStream(conn, s, 1)
				up.send(t, 10_000)
				r.sleep(2 * delay)
				restore()
				up.finish(t)
			})
		}
	}
}
