// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// silence is how long a test waits for an answer that must not come.
const silence = 300 * time.Millisecond

// knock tries to connect, where want is the answer or silence, context.DeadlineExceeded.
// A busy machine may take its time to answer.
func knock(t *testing.T, ns *kernel.Namespace, to netip.AddrPort, want error) error {
	t.Helper()
	within := patience
	if want == context.DeadlineExceeded {
		within = silence
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c, err := ns.Dial(ctx, "tcp", to.String())
	if err == nil {
		c.Close()
	}
	return err
}

func TestFirewall(t *testing.T) {
	const closedPort = 22
	for _, test := range []struct {
		name string
		cfg  kernel.TopologyConfig
		port uint16
		want error
	}{
		{"open", kernel.TopologyConfig{ServerPorts: []uint16{80, echoPort}}, echoPort, nil},
		{"nobody listens", kernel.TopologyConfig{ServerPorts: []uint16{80, echoPort}}, 80, syscall.ECONNREFUSED},
		{"dropped", kernel.TopologyConfig{ServerPorts: []uint16{80}}, closedPort, context.DeadlineExceeded},
		{"rejected", kernel.TopologyConfig{ServerPorts: []uint16{80}, Reject: true}, closedPort, syscall.EHOSTUNREACH},
	} {
		t.Run(test.name, func(t *testing.T) {
			topo := newTopology(t, test.cfg)
			echo(t, topo.Server)
			for _, a := range []netip.Addr{kernel.ServerAddr4, kernel.ServerAddr6} {
				want := test.want
				if want == syscall.EHOSTUNREACH && a.Is6() {
					want = syscall.EACCES // how Linux maps it, RFC 4443 code 1
				}
				if err := knock(t, topo.Client, netip.AddrPortFrom(a, test.port), want); !isError(err, want) {
					t.Errorf("%v: %v, want %v", a, err, want)
				}
			}
		})
	}
}

// TestFirewallIsReplaced: later rules are instead of the earlier ones.
func TestFirewallIsReplaced(t *testing.T) {
	topo := newTopology(t, kernel.TopologyConfig{ServerPorts: []uint16{80}})
	server := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(kernel.ServerAddr4, port) }
	must(t, topo.Firewall.Firewall(kernel.FirewallConfig{Inside: []string{"lan0"}, Ports: []uint16{81}}))
	if err := knock(t, topo.Client, server(81), syscall.ECONNREFUSED); !isError(err, syscall.ECONNREFUSED) {
		t.Errorf("to the port that is open now: %v", err)
	}
	if err := knock(t, topo.Client, server(80), context.DeadlineExceeded); !isError(err, context.DeadlineExceeded) {
		t.Errorf("to the port that was open: %v, want silence", err)
	}
}

// TestFirewallLetsOut: replies to connections that the server opens get in.
func TestFirewallLetsOut(t *testing.T) {
	topo := newTopology(t, kernel.TopologyConfig{})
	echo(t, topo.Host)
	for _, a := range []netip.Addr{kernel.HostAddr4, kernel.HostAddr6} {
		mustPingPong(t, dial(t, topo.Server, a), 1)
	}
}

// TestNATFromOutside: nobody gets in. Packets for the NAT itself are answered or not,
// as configured.
func TestNATFromOutside(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  kernel.TopologyConfig
		want error
	}{
		{"open input", kernel.TopologyConfig{}, syscall.ECONNREFUSED},
		{"closed input", kernel.TopologyConfig{CloseNATInput: true}, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			topo := newTopology(t, test.cfg)
			echo(t, topo.Client)
			if err := knock(t, topo.Host, netip.AddrPortFrom(outside[0], echoPort), test.want); !isError(err, test.want) {
				t.Errorf("to the NAT: %v, want %v", err, test.want)
			}
			client := netip.AddrPortFrom(topo.Uplinks[0].Addr6().Addr(), echoPort)
			if err := knock(t, topo.Host, client, context.DeadlineExceeded); !isError(err, context.DeadlineExceeded) {
				t.Errorf("to the client: %v, want silence", err)
			}
		})
	}
}

// isError is errors.Is, but takes any time-out for DeadlineExceeded.
func isError(err, want error) bool {
	var timeout interface{ Timeout() bool }
	if want == context.DeadlineExceeded && errors.As(err, &timeout) {
		return timeout.Timeout()
	}
	return errors.Is(err, want)
}
