// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"errors"
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

// Bounds of the connections of a stack that wait in MIGRATE_WAIT: each keeps its
// queues, and whoever can forge resets could collect them.
const (
	DefaultMaxHolds = 1024
	// DefaultMaxHoldBytes lets 512 connections wait with buffers of the default
	// sizes.
	DefaultMaxHoldBytes = 512 * 2 * DefaultBuffer
)

// ErrUnpatched is returned when migration is asked of a gVisor without the
// hooks for it.
var ErrUnpatched = errors.New("gVisor lacks the migration hooks; in your module run: " + PatchCommand)

// PatchCommand gives a module that embeds mnet a gVisor with the hooks.
const PatchCommand = "go run github.com/mnet-dev/mnet/patches/gvpatch apply -dir third_party/gvisor"

// MigrationConfig is what all connections of a stack share.
type MigrationConfig struct {
	// Format of the options on the wire. Zero value: Kinds 15 and 16. Both
	// ends need the same.
	Format migrate.Format

	// ResetUnknown answers a migrate SYN with an unknown token by a RST, as
	// the draft has it. Zero value: silence, which tells a scanner nothing.
	ResetUnknown bool

	// MaxHolds bounds the connections in MIGRATE_WAIT. Zero value:
	// DefaultMaxHolds. Over the bound a RST closes at once.
	MaxHolds int

	// MaxHoldBytes bounds what the queues of these connections may grow to: the
	// sum of the sizes of their buffers when they began to wait. Zero value:
	// DefaultMaxHoldBytes.
	MaxHoldBytes int64
}

// migrator is the stack's part of migration: it finds connections by token.
//
// Lock order: an endpoint's mutex, then mu. Nothing is called with mu held.
type migrator struct {
	cfg MigrationConfig
	gv  *stack.Stack

	mu    sync.RWMutex
	table migrate.Table[*Migration]
	// configs are those in use, so that connections which are dialled alike
	// share one.
	configs map[configKey]*migrate.Config

	holds     atomic.Int64
	holdBytes atomic.Int64
	counters  [migrate.NumCounters]atomic.Uint64
}

// Patched returns nil if the gVisor that this program was built with has the
// migration hooks, else ErrUnpatched.
func Patched() error {
	if _, ok := any((*tcp.Endpoint)(nil)).(tcb); !ok {
		return ErrUnpatched
	}
	if _, ok := any((*stack.Stack)(nil)).(preHandlerSetter); !ok {
		return ErrUnpatched
	}
	return nil
}

type preHandlerSetter interface {
	SetTransportProtocolPreHandler(tcpip.TransportProtocolNumber, func(stack.TransportEndpointID, *stack.PacketBuffer) bool)
}

// newMigrator hooks migration into gv. Without the hooks it does nothing:
// whoever asks for migration later is told so.
func newMigrator(gv *stack.Stack, cfg MigrationConfig) *migrator {
	if cfg.MaxHolds == 0 {
		cfg.MaxHolds = DefaultMaxHolds
	}
	if cfg.MaxHoldBytes == 0 {
		cfg.MaxHoldBytes = DefaultMaxHoldBytes
	}
	m := &migrator{cfg: cfg, gv: gv}
	if s, ok := any(gv).(preHandlerSetter); ok {
		s.SetTransportProtocolPreHandler(tcp.ProtocolNumber, m.handlePacket)
	}
	return m
}

// handlePacket sees every TCP packet before it is matched to an endpoint and
// takes the migrate SYNs out. A request that does not prove its right costs
// one table look-up, or that and one tag, and leaves no trace but a count.
func (m *migrator) handlePacket(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	hdr := header.TCP(pkt.TransportHeader().Slice())
	const kind = header.TCPFlagSyn | header.TCPFlagAck | header.TCPFlagRst | header.TCPFlagFin
	if hdr.Flags()&kind != header.TCPFlagSyn || len(hdr) <= header.TCPMinimumSize {
		return false
	}
	req, ok := migrate.ParseRequest(m.cfg.Format, hdr[header.TCPMinimumSize:])
	if !ok || !unicast(id, pkt) {
		return false
	}
	m.mu.RLock()
	conn, counter, ok := m.table.Lookup(req.Token)
	m.mu.RUnlock()
	if !ok {
		m.count(migrate.CountUnknownToken)
		if m.cfg.ResetUnknown {
			m.gv.TransportProtocolInstance(tcp.ProtocolNumber).HandleUnknownDestinationPacket(id, pkt)
		}
		return true
	}
	// Nil if the connection has closed since.
	if v := conn.verifier.Load(); v == nil || !v.Verify(req, counter, hdr.SequenceNumber()) {
		m.count(migrate.CountBadTag)
		return true
	}
	if !conn.tcb.DeliverMigrationSYN(id, pkt) {
		m.count(migrate.CountMalformed)
	}
	return true
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
	proto := header.IPv6ProtocolNumber
	if a.Is4() {
		proto = header.IPv4ProtocolNumber
	}
	return m.gv.CheckLocalAddress(0, proto, tcpip.AddrFromSlice(a.AsSlice())) != 0
}

// maxConfigs bounds the configurations that are remembered, for programs that
// make up a new one for each dial.
const maxConfigs = 64

// configKey is a migrate.Config that can be compared.
type configKey struct {
	policy        migrate.Policy
	format        migrate.Format
	hold          time.Duration
	holdOnTimeout time.Duration
	suites        string
}

// share returns a configuration equal to cfg that others may have, too.
func (m *migrator) share(cfg *migrate.Config) *migrate.Config {
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
	// Counts by event; what was never counted is absent.
	Counts map[migrate.Counter]uint64
	// Tokens published now.
	Tokens int
	// Holds is the number of connections in MIGRATE_WAIT now, HoldBytes the sum
	// of the sizes of their buffers.
	Holds     int
	HoldBytes int64
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
