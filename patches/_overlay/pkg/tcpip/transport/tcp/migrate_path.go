// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
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

	// peerStart is the sequence number after the peer's SYN on this path.
	peerStart seqnum.Value
	// limit is the sequence number up to which data may be sent while the path
	// is on trial (M506). The SYN has told middleboxes on the new path SND.UNA. A window
	// field reaches no further from there, and data beyond would not be valid to
	// them. limited: limit is set, by the first SYN. stopped: there was more to
	// send.
	limit   seqnum.Value
	limited bool
	stopped bool

	// peerMSS is the MSS of the peer's SYN, 0 as long as none came.
	peerMSS uint16

	// tsVal is the timestamp of the first SYN or SYN-ACK sent on this path.
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
	return true
}

// MigrationAcceptPath puts the tuple of a migrate SYN on trial.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationAcceptPath(syn migrationSegment) tcpip.Error {
	e.MigrationDropPath()
	if e.mig.closed {
		return &tcpip.ErrInvalidEndpointState{}
	}
	p, err := e.newPath(
		tcpip.FullAddress{NIC: syn.NIC, Addr: syn.ID.LocalAddress},
		tcpip.FullAddress{Addr: syn.ID.RemoteAddress, Port: syn.ID.RemotePort})
	if err != nil {
		return err
	}
	p.id, p.portRes.Port = syn.ID, syn.ID.LocalPort
	e.MigrationDropDrain(p.id)
	if !e.stack.ReserveTuple(p.portRes) {
		p.route.Release()
		return &tcpip.ErrPortInUse{}
	}
	if err := e.register(p); err != nil {
		e.stack.ReleasePort(p.portRes)
		p.route.Release()
		return err
	}
	e.setPath(p)
	p.notePeerSYN(syn)
	return nil
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
	p.reserved = true
	e.need().path = p
	e.mig.current.store(e.TransportEndpointInfo.ID)
	e.mig.update()
}

// notePeerSYN records what only the peer's SYN or SYN-ACK tells about a path.
func (p *migrationPath) notePeerSYN(syn migrationSegment) {
	p.peerStart = seqnum.Value(syn.Seq) + 1
	p.peerMSS = header.ParseSynOptions(syn.Options, syn.Flags.Contains(header.TCPFlagAck)).MSS
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
