// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/internal/broadcast"
)

// Stack is a TCP/IP stack of its own, independent of the host's. Its methods are
// safe for concurrent use.
type Stack struct {
	gv    *stack.Stack
	clock tcpip.Clock
	log   *slog.Logger

	migrator *migrator

	mu     sync.Mutex
	closed bool
	active sync.WaitGroup // calls of Do; only added to under mu, while not closed
	nics   []*NIC         // in the order they were attached
	routes []route        // in the order they were added
	done   chan struct{}  // closed when Close has released everything

	watchers broadcast.List[struct{}]
}

// The addresses of the loopback. Without it, packets for them would take the
// default route.
var (
	loopback4 = netip.MustParsePrefix("127.0.0.1/8")
	loopback6 = netip.MustParsePrefix("::1/128")
)

// New builds a stack. Its only NIC is the loopback, "lo", with 127.0.0.1 and ::1.
func New(cfg Config) (*Stack, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Stack{
		gv: stack.New(stack.Options{
			NetworkProtocols: []stack.NetworkProtocolFactory{
				ipv4.NewProtocol,
				// The zero options: no duplicate address detection, no router
				// solicitation, no MLD, no SLAAC.
				ipv6.NewProtocolWithOptions(ipv6.Options{}),
			},
			TransportProtocols: []stack.TransportProtocolFactory{
				tcp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
			},
			Clock:       cfg.Clock,
			RandSource:  cfg.RandSource,
			SecureRNG:   cfg.SecureRNG,
			HandleLocal: true,
		}),
		clock: cfg.Clock,
		log:   cfg.Logger,
		done:  make(chan struct{}),
	}
	if err := s.configure(cfg); err != nil {
		s.Close()
		return nil, err
	}
	lo := AttachOptions{Name: "lo", Addresses: []netip.Prefix{loopback4, loopback6}}
	if _, err := s.Attach(loopback.New(), lo); err != nil {
		s.Close()
		return nil, err
	}
	s.migrator = newMigrator(s.gv, cfg.Migration)
	return s, nil
}

// configure sets the options of the protocols.
func (s *Stack) configure(cfg Config) error {
	sack := tcpip.TCPSACKEnabled(!cfg.DisableSACK)
	recovery := tcpip.TCPRACKLossDetection
	if cfg.DisableRACK {
		recovery = 0
	}
	cc := tcpip.CongestionControlOption(cfg.CongestionControl)
	send := tcpip.TCPSendBufferSizeRangeOption(cfg.SendBuffer)
	receive := tcpip.TCPReceiveBufferSizeRangeOption(cfg.ReceiveBuffer)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	timeWait := tcpip.TCPTimeWaitTimeoutOption(cfg.TimeWait)
	finWait2 := tcpip.TCPLingerTimeoutOption(cfg.FinWait2)
	// gVisor wants the bounds in order after each step.
	noMin := tcpip.TCPMinRTOOption(0)
	minRTO, maxRTO := tcpip.TCPMinRTOOption(cfg.MinRTO), tcpip.TCPMaxRTOOption(cfg.MaxRTO)
	for _, o := range []tcpip.SettableTransportProtocolOption{
		&sack, &recovery, &cc, &send, &receive, &moderate, &timeWait, &finWait2,
		&noMin, &maxRTO, &minRTO,
	} {
		if terr := s.gv.SetTransportProtocolOption(tcp.ProtocolNumber, o); terr != nil {
			return fmt.Errorf("netstack: %T: %w", o, Error(terr))
		}
	}
	if cfg.Forwarding {
		for _, proto := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
			if terr := s.gv.SetForwardingDefaultAndAllNICs(proto, true); terr != nil {
				return fmt.Errorf("netstack: forwarding: %w", Error(terr))
			}
		}
	}
	return nil
}

// GVisor returns the gVisor stack, for functions that this package does not wrap. NICs,
// addresses and routes are this package's. Changes to them made behind its back are
// undone by the next change made through it. The stack must not be used after Close,
// see [Stack.Do].
func (s *Stack) GVisor() *stack.Stack { return s.gv }

// Watch has f called after each change of the NICs, addresses or routes of the
// stack, by the goroutine that made the change. Calls may overlap. stop ends
// that; it does not wait for a call that is under way.
func (s *Stack) Watch(f func()) (stop func()) {
	return s.watchers.Add(func(struct{}) { f() })
}

// Clock returns the clock that drives the stack, never nil.
func (s *Stack) Clock() tcpip.Clock { return s.clock }

// Do calls f with the gVisor stack and returns f's error, or [ErrClosed] if the stack
// is closed. Close waits until f has returned. So Close finds and aborts an endpoint
// that f registers with the stack. f must not block and must not close the stack.
func (s *Stack) Do(f func(*stack.Stack) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.active.Add(1)
	s.mu.Unlock()
	defer s.active.Done()
	return f(s.gv)
}

// Close resets all connections, closes all listeners, and detaches all NICs, which
// closes their links. It returns when no goroutine or timer of the stack is left.
// Connections learn of it by ECONNABORTED, peers by RST. Further calls wait for the
// first and do nothing. It must not be called by a link's delivery, for which it waits.
func (s *Stack) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	nics := slices.Clone(s.nics)
	s.mu.Unlock()
	defer close(s.done)

	s.active.Wait()
	// Abort the endpoints while links can still carry the RSTs.
	s.gv.Close()
	// The links go before gv.Wait: it waits for them under the lock that their
	// delivery goroutines may need to finish.
	for _, n := range nics {
		n.remove()
	}
	// A processor may have completed a handshake after Close made its list. Once they
	// have all ended, the remaining endpoints stay registered until they are aborted,
	// and gv.Wait would wait for them.
	s.gv.TransportProtocolInstance(tcp.ProtocolNumber).Wait()
	for _, ep := range s.gv.RegisteredEndpoints() {
		ep.Abort()
	}
	s.gv.Wait()
	s.log.Debug("netstack: closed")
	return nil
}
