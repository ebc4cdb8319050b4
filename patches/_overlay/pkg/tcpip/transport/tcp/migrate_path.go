// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/ports"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// migrationPath is a tuple beside the current one. It has a route, a port reservation
// and a registration, which have to be released.
type migrationPath struct {
	id        stack.TransportEndpointID
	nicID     tcpip.NICID
	route     *stack.Route
	netProtos []tcpip.NetworkProtocolNumber

	// portRes is released if reserved. A connection made by a Forwarder has no
	// port of its own.
	portRes  ports.Reservation
	reserved bool

	// peerStart is the sequence number after the peer's SYN-ACK, or that of the
	// peer's third ACK, on this path.
	peerStart seqnum.Value
	// limit is the sequence number up to which data may be sent while the path
	// is on trial (M506). The SYN has told middleboxes on the new path SND.UNA. A window
	// field reaches no further from there, and data beyond would not be valid to
	// them. limited: limit is set, by the first SYN. stopped: there was more to
	// send.
	limit   seqnum.Value
	limited bool
	stopped bool

	// tsVal is a timestamp that no segment on this path is older than.
	tsVal uint32
}

// MigrationOpenPath puts the tuple from local to remote on trial. The caller is
// about to send a migrate SYN from it. A zero local NIC, address or port is chosen by
// the stack. An earlier tuple on trial is given up. Segments of the tuple go to the
// handler only.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationOpenPath(local, remote tcpip.FullAddress) (stack.TransportEndpointID, tcpip.Error) {
	e.MigrationDropPath()
	if e.mig.closed {
		return stack.TransportEndpointID{}, &tcpip.ErrInvalidEndpointState{}
	}
	p, err := e.newPath(local, remote)
	if err != nil {
		return stack.TransportEndpointID{}, err
	}
	if local.Port == 0 {
		_, err = e.stack.PickEphemeralPort(e.stack.SecureRNG(), func(port uint16) (bool, tcpip.Error) {
			// PickEphemeralPort calls this at once: e.mu is held.
			return e.tryPort(p, port), nil // +checklocksignore
		})
	} else if !e.tryPort(p, local.Port) {
		err = &tcpip.ErrPortInUse{}
	}
	if err != nil {
		p.route.Release()
		return stack.TransportEndpointID{}, err
	}
	e.setPath(p)
	return p.id, nil
}

// tryPort reserves and registers path p with a local port. It reports whether that
// was possible.
//
// +checklocks:e.mu
func (e *Endpoint) tryPort(p *migrationPath, port uint16) bool {
	if p.id.LocalAddress == p.id.RemoteAddress && port == p.id.RemotePort {
		return false
	}
	p.id.LocalPort, p.portRes.Port = port, port
	// A connection may return to a tuple that it has just left.
	e.MigrationDropDrain(p.id)
	if _, err := e.stack.ReservePort(e.stack.SecureRNG(), p.portRes, nil /* testPort */); err != nil {
		return false
	}
	if err := e.register(p); err != nil {
		e.stack.ReleasePort(p.portRes)
		return false
	}
	p.reserved = true
	return true
}

// MigrationAcceptPath registers the tuple of in, a third ACK, for MigrationRebind. It
// takes the place of a tuple on trial. After an error nothing has changed.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationAcceptPath(in migrationSegment) tcpip.Error {
	if e.mig.closed {
		return &tcpip.ErrInvalidEndpointState{}
	}
	p := e.takeRegistered(in.ID)
	if p == nil {
		var err tcpip.Error
		if p, err = e.registerAccepted(in); err != nil {
			return err
		}
	}
	e.MigrationDropPath()
	e.setPath(p)
	p.peerStart = seqnum.Value(in.Seq)
	p.tsVal = e.tsValNow() - uint32(maxHandshake.Milliseconds())
	return nil
}

// maxHandshake is the longest time between a SYN-ACK and a third ACK that answers it
// (M228).
const maxHandshake = 128 * time.Second

// takeRegistered returns the tuple on trial or an old tuple that is id, and removes it
// from these. It returns nil if none is.
//
// +checklocks:e.mu
func (e *Endpoint) takeRegistered(id stack.TransportEndpointID) *migrationPath {
	b := e.mig.busy
	if b == nil {
		return nil
	}
	if p := b.path; p != nil && p.id == id {
		b.path = nil
		return p
	}
	for i, p := range b.drains {
		if p.id == id {
			b.drains = append(b.drains[:i], b.drains[i+1:]...)
			return p
		}
	}
	return nil
}

// +checklocks:e.mu
func (e *Endpoint) registerAccepted(in migrationSegment) (*migrationPath, tcpip.Error) {
	p, err := e.pathOf(in)
	if err != nil {
		return nil, err
	}
	if !e.stack.ReserveTuple(p.portRes) {
		p.route.Release()
		return nil, &tcpip.ErrPortInUse{}
	}
	if err := e.register(p); err != nil {
		e.stack.ReleasePort(p.portRes)
		p.route.Release()
		return nil, err
	}
	p.reserved = true
	return p, nil
}

// pathOf returns the path back to where in came from. It is not registered.
//
// +checklocks:e.mu
func (e *Endpoint) pathOf(in migrationSegment) (*migrationPath, tcpip.Error) {
	p, err := e.newPath(
		tcpip.FullAddress{NIC: in.NIC, Addr: in.ID.LocalAddress},
		tcpip.FullAddress{Addr: in.ID.RemoteAddress, Port: in.ID.RemotePort})
	if err != nil {
		return nil, err
	}
	p.id, p.portRes.Port = in.ID, in.ID.LocalPort
	return p, nil
}

// newPath finds the route of a path and prepares its reservation, but for the local
// port.
//
// +checklocks:e.mu
func (e *Endpoint) newPath(local, remote tcpip.FullAddress) (*migrationPath, tcpip.Error) {
	nicID := local.NIC
	// A socket that is bound to a device stays on it.
	if dev := e.boundBindToDevice; dev != 0 {
		if nicID != 0 && nicID != dev {
			return nil, &tcpip.ErrHostUnreachable{}
		}
		nicID = dev
	}
	netProto := header.IPv6ProtocolNumber
	if remote.Addr.Len() == header.IPv4AddressSize {
		netProto = header.IPv4ProtocolNumber
	}
	r, err := e.stack.FindRoute(nicID, local.Addr, remote.Addr, netProto, false /* multicastLoop */)
	if err != nil {
		return nil, err
	}
	netProtos := []tcpip.NetworkProtocolNumber{netProto}
	return &migrationPath{
		id: stack.TransportEndpointID{
			LocalAddress:  r.LocalAddress(),
			RemoteAddress: r.RemoteAddress(),
			RemotePort:    remote.Port,
		},
		nicID:     nicID,
		route:     r,
		netProtos: netProtos,
		portRes: ports.Reservation{
			Networks:     netProtos,
			Transport:    ProtocolNumber,
			Addr:         r.LocalAddress(),
			Flags:        e.boundPortFlags,
			BindToDevice: e.boundBindToDevice,
			Dest:         tcpip.FullAddress{Addr: r.RemoteAddress(), Port: remote.Port},
		},
	}, nil
}

// +checklocks:e.mu
func (e *Endpoint) register(p *migrationPath) tcpip.Error {
	return e.stack.RegisterTransportEndpoint(p.netProtos, ProtocolNumber, p.id, e, p.portRes.Flags, p.portRes.BindToDevice)
}

// +checklocks:e.mu
func (e *Endpoint) setPath(p *migrationPath) {
	e.need().path = p
	e.mig.current.store(e.TransportEndpointInfo.ID)
	e.mig.update()
}

// MigrationDropPath gives up the tuple on trial, if there is one.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationDropPath() {
	if b := e.mig.busy; b != nil && b.path != nil {
		p := b.path
		b.path = nil
		e.mig.update()
		e.releasePath(p)
		if p.stopped && !e.mig.closed {
			e.snd.sendData()
		}
	}
}

// +checklocks:e.mu
func (e *Endpoint) releasePath(p *migrationPath) {
	e.stack.UnregisterTransportEndpoint(p.netProtos, ProtocolNumber, p.id, e, p.portRes.Flags, p.portRes.BindToDevice)
	if p.reserved {
		e.stack.ReleasePort(p.portRes)
	}
	p.route.Release()
}
