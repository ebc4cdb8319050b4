// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/migrate"
)

// migrator is what the connections of a stack share: the table that finds them by
// token, the bounds on holds, the counters.
//
// Lock order: an endpoint's mutex, then mu. Nothing is called with mu held.
type migrator struct {
	cfg    MigrationConfig
	gv     *stack.Stack
	secret migrate.Secret // of all nonces

	mu    sync.RWMutex
	table migrate.Table[*Migration]
	// configs are the configurations in use. Connections with equal ones share one.
	configs map[configKey]*migrate.Config

	holds     atomic.Int64
	holdBytes atomic.Int64
	counters  [migrate.NumCounters]atomic.Uint64
}

// newMigrator hooks migration into gv. It does nothing if gVisor lacks the hooks:
// NewMigration and AcceptMigration say so.
func newMigrator(gv *stack.Stack, cfg MigrationConfig) *migrator {
	if cfg.MaxHolds == 0 {
		cfg.MaxHolds = DefaultMaxHolds
	}
	if cfg.MaxHoldBytes == 0 {
		cfg.MaxHoldBytes = DefaultMaxHoldBytes
	}
	m := &migrator{cfg: cfg, gv: gv}
	if _, err := io.ReadFull(gv.SecureRNG().Reader, m.secret[:]); err != nil {
		panic(err) // as gVisor does: nothing is safe without randomness
	}
	if s, ok := any(gv).(gvisorStack); ok {
		s.SetTransportProtocolPreHandler(tcp.ProtocolNumber, m.handlePacket)
	}
	return m
}

func (m *migrator) newMigration(role migrate.Role, ep tcpip.Endpoint, cfg *migrate.Config) (*Migration, error) {
	machine, err := migrate.NewMachine(role, cfg, &m.secret, m.gv.SecureRNG().Reader)
	if err != nil {
		return nil, err
	}
	return &Migration{
		migrator: m, ep: ep.(gvisorEndpoint), machine: machine, required: cfg.Policy == migrate.Required,
	}, nil
}

// handlePacket sees every TCP packet before it is matched to an endpoint (M405). It takes
// out migrate SYNs, third ACKs and RSTs that name a connection by a token. A packet that
// does not prove its right costs a look-up in the table and at most two tags. It leaves
// nothing but a count (M410).
func (m *migrator) handlePacket(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	hdr := header.TCP(pkt.TransportHeader().Slice())
	if len(hdr) <= header.TCPMinimumSize {
		return false
	}
	const kind = header.TCPFlagSyn | header.TCPFlagAck | header.TCPFlagRst | header.TCPFlagFin
	switch options := hdr[header.TCPMinimumSize:]; hdr.Flags() & kind {
	case header.TCPFlagSyn:
		req, ok := migrate.ParseRequest(m.cfg.Format, options)
		return ok && unicast(id, pkt) && m.handleSYN(id, pkt, req, hdr.SequenceNumber())
	case header.TCPFlagAck, header.TCPFlagAck | header.TCPFlagFin:
		p, ok := migrate.ParseProof(m.cfg.Format, options)
		return ok && unicast(id, pkt) && m.handleProof(id, pkt, p, hdr.SequenceNumber())
	case header.TCPFlagRst, header.TCPFlagRst | header.TCPFlagAck:
		r, ok := migrate.ParseRequest(m.cfg.Format, options)
		return ok && unicast(id, pkt) && m.handleAbort(id, pkt, r, hdr.SequenceNumber())
	default:
		return false
	}
}

// handleSYN takes a migrate SYN.
func (m *migrator) handleSYN(id stack.TransportEndpointID, pkt *stack.PacketBuffer, r migrate.Request, seq uint32) bool {
	conn, counter, ok := m.lookup(r.Token)
	if !ok { // M411
		m.count(migrate.CountUnknownToken)
		if m.cfg.ResetUnknown {
			m.gv.TransportProtocolInstance(tcp.ProtocolNumber).HandleUnknownDestinationPacket(id, pkt)
		}
		return true
	}
	// M412. The verifier is nil if the connection has closed since.
	if v := conn.verifier.Load(); v == nil || !v.Verify(r, counter, seq) {
		m.count(migrate.CountBadTag)
		return true
	}
	m.deliver(conn, id, pkt)
	return true
}

// handleProof takes a third ACK. One whose token is unknown may be step 5, or a repetition
// on the current tuple (M532).
func (m *migrator) handleProof(id stack.TransportEndpointID, pkt *stack.PacketBuffer, p migrate.Proof, seq uint32) bool {
	conn, counter, ok := m.lookup(p.Token)
	if !ok {
		return false
	}
	if v := conn.verifier.Load(); v == nil || !v.VerifyProof(&m.secret, conn.now(), tupleOf(id), p, counter, seq) { // M531
		m.count(migrate.CountUnproven)
		return true
	}
	m.deliver(conn, id, pkt)
	return true
}

// handleAbort takes a RST that proves to be meant. Its tuple may be one that this end never
// heard of (M722). Any other RST is its tuple's.
func (m *migrator) handleAbort(id stack.TransportEndpointID, pkt *stack.PacketBuffer, r migrate.Request, seq uint32) bool {
	conn, counter, ok := m.lookup(r.Token)
	if !ok {
		return false
	}
	if v := conn.verifier.Load(); v == nil || !v.VerifyAbort(r, counter, seq) {
		return false
	}
	m.deliver(conn, id, pkt)
	return true
}

func (m *migrator) deliver(conn *Migration, id stack.TransportEndpointID, pkt *stack.PacketBuffer) {
	if !conn.ep.DeliverMigration(id, pkt) {
		m.count(migrate.CountMalformed)
	}
}

// lookup finds the connection that the peer names by a token.
func (m *migrator) lookup(t migrate.Token) (conn *Migration, counter uint64, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.table.Lookup(t)
}

// setTokens replaces the tokens of a connection. If another connection has one of
// the new ones, the connection has none afterwards.
func (m *migrator) setTokens(conn *Migration, old []migrate.Token, entries []migrate.TokenEntry) (collision bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.Set(conn, old, entries)
}

// unicast repeats the check that the demultiplexer makes for TCP.
func unicast(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	for _, a := range []tcpip.Address{id.LocalAddress, id.RemoteAddress} {
		if a.Unspecified() || header.IsV4MulticastAddress(a) || header.IsV6MulticastAddress(a) {
			return false
		}
	}
	return !pkt.NetworkPacketInfo.LocalAddressBroadcast
}

// isLocal reports whether a is an address of the stack.
func (m *migrator) isLocal(a netip.Addr) bool {
	return m.gv.CheckLocalAddress(0, Protocol(a), Address(a)) != 0
}

// forMany reports whether a is a multicast or broadcast address, of the stack's networks if
// it is directed. No connection has one (RFC 9293, section 3.9.2.3).
func (m *migrator) forMany(a tcpip.Address) bool {
	if header.IsV4MulticastAddress(a) || header.IsV6MulticastAddress(a) || a == header.IPv4Broadcast {
		return true
	}
	if a.Len() != header.IPv4AddressSize {
		return false // no address at all, or IPv6, which has no broadcast
	}
	for _, nic := range m.gv.NICInfo() {
		for _, p := range nic.ProtocolAddresses {
			if s := p.AddressWithPrefix.Subnet(); s.IsBroadcast(a) {
				return true
			}
		}
	}
	return false
}

// maxConfigs bounds the configurations that are remembered. It keeps a program that
// dials with ever new ones from filling the memory.
const maxConfigs = 64

// configKey is a migrate.Config that can be compared.
type configKey struct {
	policy        migrate.Policy
	format        migrate.Format
	hold          time.Duration
	holdOnTimeout time.Duration
	suites        string
}

// intern returns a configuration equal to cfg that other connections may have, too.
func (m *migrator) intern(cfg *migrate.Config) *migrate.Config {
	key := configKey{policy: cfg.Policy, format: cfg.Format, hold: cfg.Hold, holdOnTimeout: cfg.HoldOnTimeout}
	for _, s := range cfg.Suites {
		key.suites += string(rune(s))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.configs[key]; ok {
		return c
	}
	if len(m.configs) < maxConfigs {
		if m.configs == nil {
			m.configs = make(map[configKey]*migrate.Config)
		}
		m.configs[key] = cfg
	}
	return cfg
}

func (m *migrator) count(c migrate.Counter) {
	m.counters[c].Add(1)
}

// MigrationFormat is the format of the migration options on the wire.
func (s *Stack) MigrationFormat() migrate.Format { return s.migrator.cfg.Format }

// MigrationStats is a snapshot of what the stack has counted.
type MigrationStats struct {
	Counts    map[migrate.Counter]uint64 // without the events that never happened
	Tokens    int                        // published now
	Holds     int                        // connections that are held now
	HoldBytes int64                      // the sum of the sizes of their buffers
}

// MigrationStats returns what the stack has counted so far.
func (s *Stack) MigrationStats() MigrationStats {
	m := s.migrator
	st := MigrationStats{Counts: make(map[migrate.Counter]uint64), Holds: int(m.holds.Load()), HoldBytes: m.holdBytes.Load()}
	for c := range m.counters {
		if n := m.counters[c].Load(); n > 0 {
			st.Counts[migrate.Counter(c)] = n
		}
	}
	m.mu.RLock()
	st.Tokens = m.table.Len()
	m.mu.RUnlock()
	return st
}
