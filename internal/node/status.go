// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/netip"
	"os"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// Status is a snapshot of a node.
type Status struct {
	PID         int            `json:"pid"`
	Started     time.Time      `json:"started"`
	Device      string         `json:"device"`
	Driver      string         `json:"driver"`
	MTU         uint32         `json:"mtu"`
	Host        []netip.Prefix `json:"host"`
	Addresses   []netip.Prefix `json:"addresses"`
	Chosen      bool           `json:"addresses_chosen"` // by the node, which may change them
	Policy      string         `json:"policy"`
	Masquerade  bool           `json:"masquerade"`
	Router      []string       `json:"router,omitempty"` // families that somebody else made the host a router for
	Uplinks     []UplinkStatus `json:"uplinks"`
	Services    []Service      `json:"services"`
	Connections []ConnStatus   `json:"connections"`

	// Tokens published and connections that are held, in the whole stack.
	Tokens    int               `json:"tokens"`
	Holds     int               `json:"holds"`
	HoldBytes int64             `json:"hold_bytes"`
	Counters  map[string]uint64 `json:"counters"`
	Link      tun.Stats         `json:"link"`
}

// UplinkStatus is a way out.
type UplinkStatus struct {
	Local netip.Addr `json:"local"`
	Via   string     `json:"via"`
}

// ConnStatus is a snapshot of a connection.
type ConnStatus struct {
	ID     string         `json:"id"`
	Kind   Kind           `json:"kind"`
	Peer   string         `json:"peer"`
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
	State  string         `json:"state"` // RFC 9293, or MIGRATE-WAIT
	Opened time.Time      `json:"opened"`

	// Migratable: the negotiation has succeeded, with Suite. Otherwise Why says
	// why not, or that it has not ended.
	Migratable bool   `json:"migratable"`
	Suite      string `json:"suite,omitempty"`
	Why        string `json:"why,omitempty"`

	// Path is the uplink that the packets to the peer leave by now.
	Path string `json:"path,omitempty"`

	RTTMS float64 `json:"rtt_ms"` // 0 before the first measurement
	// LastContactMS is how long ago the peer was last heard of; null for plain TCP.
	LastContactMS *float64 `json:"last_contact_ms"`
	Unanswered    int      `json:"unanswered"`
	InFlight      int      `json:"in_flight"`
	BytesIn       int64    `json:"bytes_in"`
	BytesOut      int64    `json:"bytes_out"`

	Initiated uint64      `json:"migrations_initiated"`
	Accepted  uint64      `json:"migrations_accepted"`
	LastMove  *MoveStatus `json:"last_move,omitempty"`
}

// MoveStatus is an attempt to move a connection.
type MoveStatus struct {
	At     time.Time      `json:"at"`
	Cause  string         `json:"cause"`
	From   netip.AddrPort `json:"from"`
	To     netip.AddrPort `json:"to"`
	Uplink string         `json:"uplink,omitempty"`
	TookMS float64        `json:"took_ms"`
	Error  string         `json:"error,omitempty"`
}

// Status returns a snapshot.
func (n *Node) Status() *Status {
	s := &Status{
		PID:         os.Getpid(),
		Started:     n.started,
		Device:      n.host.Link.Name(),
		Driver:      n.host.Link.Driver().String(),
		MTU:         n.host.Link.MTU(),
		Chosen:      n.host.Chosen(),
		Addresses:   n.host.NIC.Addresses(),
		Policy:      n.set.Policy,
		Masquerade:  n.set.Masquerade,
		Uplinks:     uplinkStatus(n.host.Uplinks()),
		Services:    n.services.list(),
		Connections: []ConnStatus{},
		Counters:    make(map[string]uint64),
		Link:        n.host.Link.Stats(),
	}
	if n.host.Share != nil {
		s.Router = n.host.Share.Routed()
	}
	s.Host, _ = n.host.Addresses()
	m := n.host.Stack.MigrationStats()
	s.Tokens, s.Holds, s.HoldBytes = m.Tokens, m.Holds, m.HoldBytes
	for c, count := range m.Counts {
		s.Counters[c.String()] = count
	}
	for _, c := range n.conns.all() {
		s.Connections = append(s.Connections, n.connStatus(c))
	}
	return s
}

func (n *Node) connStatus(c *Conn) ConnStatus {
	tcp, m := c.TCPInfo(), c.Migration()
	s := ConnStatus{
		ID: c.ID, Kind: c.Kind, Peer: c.Peer, Opened: c.opened,
		Local: m.Current.Local, Remote: m.Current.Remote,
		State:      tcp.State,
		Migratable: m.State == migrate.Confirmed,
		RTTMS:      stats.Milliseconds(tcp.RTT),
		Unanswered: tcp.Unanswered,
		InFlight:   tcp.InFlight,
		BytesIn:    c.progress.BToA.Load(),
		BytesOut:   c.progress.AToB.Load(),
		Initiated:  m.Initiated,
		Accepted:   m.Accepted,
	}
	switch m.State {
	case migrate.Confirmed:
		s.Suite = m.Suite.String()
	case migrate.Plain:
		s.Why = m.Reason.String()
	default:
		s.Why = m.State.String()
	}
	if m.Holding {
		s.State = "MIGRATE-WAIT"
	}
	if tcp.SinceHeard >= 0 {
		ms := stats.Milliseconds(tcp.SinceHeard)
		s.LastContactMS = &ms
	}
	c.mu.Lock()
	s.LastMove = c.last
	c.mu.Unlock()
	s.Path = path(n.host.UplinksTo(s.Remote.Addr()), s.Local.Addr())
	return s
}
