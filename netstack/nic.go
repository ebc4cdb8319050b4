// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The MTU of a link, in bytes, is between that of IPv6 (RFC 8200, section 5) and
// that of the loopback.
const (
	MinMTU = 1280
	MaxMTU = 65536
)

// AttachOptions configures a NIC. The zero value is an unnamed NIC that is up and
// has no address.
type AttachOptions struct {
	// Name appears in logs. Empty means "nic" and a number.
	Name string

	// Addresses are added in order; the first of a family is its oldest.
	Addresses []netip.Prefix

	// Routes are added in order, after the addresses.
	Routes []Route

	// Down leaves the NIC down until SetUp.
	Down bool

	// Capture, if not nil, is called with each packet that the NIC receives or sends,
	// before the stack or the link processes it. Package netstack/pcap has one that
	// writes a file. It is called by several goroutines at once, some of which hold locks
	// of the stack: it must not block or call the stack.
	Capture func(CapturedPacket)
}

// NIC is a link attached to a [Stack]. Its methods are safe for concurrent use
// and return [ErrDetached] once it is detached.
type NIC struct {
	stack *Stack
	id    tcpip.NICID
	name  string
	link  stack.LinkEndpoint

	// Guarded by stack.mu.
	addrs    []netip.Prefix // oldest first
	detached bool
}

// Attach makes link a NIC of the stack and takes ownership of it: Detach and
// [Stack.Close] close it. The MTU is the link's, within [MinMTU] and [MaxMTU]. If
// Attach fails, the link has been closed.
func (s *Stack) Attach(link stack.LinkEndpoint, opts AttachOptions) (*NIC, error) {
	n, err := s.attach(link, opts)
	if err != nil {
		link.Close()
		return nil, fmt.Errorf("netstack: attach: %w", err)
	}
	if err := n.setup(opts); err != nil {
		n.Detach()
		return nil, err
	}
	s.log.Debug("netstack: attached", "nic", n.name, "mtu", link.MTU())
	return n, nil
}

func (s *Stack) attach(link stack.LinkEndpoint, opts AttachOptions) (*NIC, error) {
	if mtu := link.MTU(); mtu < MinMTU || mtu > MaxMTU {
		return nil, fmt.Errorf("MTU %d: %w: want one within %d and %d", mtu, ErrConfig, MinMTU, MaxMTU)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	n := &NIC{stack: s, id: s.gv.NextNICID(), name: opts.Name, link: link}
	if n.name == "" {
		n.name = fmt.Sprintf("nic%d", n.id)
	}
	ep := link
	if opts.Capture != nil {
		ep = newCaptureLink(link, s.clock, opts.Capture)
	}
	if terr := s.gv.CreateNICWithOptions(n.id, ep, stack.NICOptions{Name: n.name, Disabled: true}); terr != nil {
		return nil, Error(terr)
	}
	s.nics = append(s.nics, n)
	return n, nil
}

func (n *NIC) setup(opts AttachOptions) error {
	if !opts.Down {
		if err := n.SetUp(); err != nil {
			return err
		}
	}
	for _, p := range opts.Addresses {
		if err := n.AddAddress(p); err != nil {
			return err
		}
	}
	for _, r := range opts.Routes {
		if err := n.AddRoute(r); err != nil {
			return err
		}
	}
	return nil
}

// ID returns the number of the NIC in gVisor.
func (n *NIC) ID() tcpip.NICID { return n.id }

// Name returns the name of the NIC.
func (n *NIC) Name() string { return n.name }

// Link returns the link of the NIC.
func (n *NIC) Link() stack.LinkEndpoint { return n.link }

// AddAddress gives the NIC the address of p and, if p is shorter than an address, the
// connected route to p. The error is an EEXIST if the NIC has the address already.
func (n *NIC) AddAddress(p netip.Prefix) error {
	p = unmapPrefix(p)
	if !p.IsValid() || p.Addr().IsUnspecified() || p.Addr().IsMulticast() {
		return fmt.Errorf("netstack: add address to %s: %v: %w (%w)", n.name, p, ErrConfig, syscall.EINVAL)
	}
	return n.change("add address", func(gv *stack.Stack) error {
		terr := gv.AddProtocolAddress(n.id, tcpip.ProtocolAddress{
			Protocol:          Protocol(p.Addr()),
			AddressWithPrefix: addressWithPrefix(p),
		}, stack.AddressProperties{})
		if terr != nil {
			return fmt.Errorf("%v: %w", p, Error(terr))
		}
		n.addrs = append(n.addrs, p)
		n.stack.log.Debug("netstack: address added", "nic", n.name, "address", p)
		return nil
	})
}

// RemoveAddress removes the address, and the connected route if no other address has
// that prefix. Connections that use the address can neither send nor receive any more.
// The error is an EADDRNOTAVAIL if the NIC does not have the address.
func (n *NIC) RemoveAddress(a netip.Addr) error {
	a = a.Unmap()
	return n.change("remove address", func(gv *stack.Stack) error {
		if terr := gv.RemoveAddress(n.id, Address(a)); terr != nil {
			return fmt.Errorf("%v: %w", a, Error(terr))
		}
		n.addrs = slices.DeleteFunc(n.addrs, func(p netip.Prefix) bool { return p.Addr() == a })
		n.stack.log.Debug("netstack: address removed", "nic", n.name, "address", a)
		return nil
	})
}

// Addresses returns the addresses of the NIC, oldest first.
func (n *NIC) Addresses() []netip.Prefix {
	n.stack.mu.Lock()
	defer n.stack.mu.Unlock()
	return slices.Clone(n.addrs)
}

// SetUp lets the NIC send and receive.
func (n *NIC) SetUp() error {
	return n.change("set up", func(gv *stack.Stack) error { return Error(gv.EnableNIC(n.id)) })
}

// SetDown stops the NIC from sending and receiving: packets are dropped. Its addresses
// and routes stay, but are not chosen.
func (n *NIC) SetDown() error {
	return n.change("set down", func(gv *stack.Stack) error { return Error(gv.DisableNIC(n.id)) })
}

// Detach removes the NIC from the stack with its addresses and routes, closes the link
// and waits until the link has stopped delivering. The link must not call it from its
// delivery.
func (n *NIC) Detach() error {
	s := n.stack
	s.mu.Lock()
	if n.detached || s.closed {
		s.mu.Unlock()
		return ErrDetached
	}
	n.detached = true
	s.nics = slices.DeleteFunc(s.nics, func(o *NIC) bool { return o == n })
	s.routes = slices.DeleteFunc(s.routes, func(r route) bool { return r.nic == n })
	n.addrs = nil
	s.mu.Unlock()
	n.remove()
	s.watchers.Send(struct{}{})
	s.log.Debug("netstack: detached", "nic", n.name)
	return nil
}

// remove removes the NIC from gVisor, its routes included. s.mu must not be held:
// the link may be delivering, and that may need it.
func (n *NIC) remove() {
	// It fails only if the link has closed itself, and so has removed the NIC.
	_ = n.stack.gv.RemoveNIC(n.id)
	n.link.Wait()
}

// change calls f, which changes the NIC, with the stack's lock held. It updates the
// route table and then tells the watchers, without the lock.
func (n *NIC) change(what string, f func(*stack.Stack) error) error {
	if err := n.tryChange(f); err != nil {
		return fmt.Errorf("netstack: %s: %s: %w", n.name, what, err)
	}
	n.stack.watchers.Send(struct{}{})
	return nil
}

// tryChange is change without the watchers, which are called without the lock.
func (n *NIC) tryChange(f func(*stack.Stack) error) error {
	s := n.stack
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case n.detached:
		return ErrDetached
	}
	if err := f(s.gv); err != nil {
		return err
	}
	s.refreshRoutesLocked()
	return nil
}

// Stack returns the stack that the NIC belongs to.
func (n *NIC) Stack() *Stack { return n.stack }
