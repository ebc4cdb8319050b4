// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
)

// Machine is the machine of one connection. It is not safe for concurrent use:
// whatever protects the transmission control block protects it.
type Machine struct {
	cfg    *Config
	role   Role
	state  NegotiationState
	reason PlainReason
	suite  SuiteID

	tokensChanged bool

	rand io.Reader    // until the key is made
	neg  *negotiation // until both ends have confirmed
	keys *keys        // from Ready on

	// Own requests: the last counter used, and the highest that the peer is
	// known to take no more. sent never runs more than a window ahead.
	sent, done uint64
	// ownRequest is the last one sent, for suites in which it could be
	// reflected.
	ownRequest Request
	// peerDone is the highest request of the peer that is not taken any more:
	// the last one completed, or the one before the last one taken.
	peerDone uint64

	initiated, accepted uint64

	att      *attempt     // own request, and its completion
	prov     *provisional // request of the peer
	finished *finished    // last request of the peer, for a while
	drains   []drain
	hold     *hold
}

// NewMachine returns the machine of a connection that is about to be opened. rand
// is the source of the private key.
func NewMachine(role Role, cfg *Config, rand io.Reader) (*Machine, error) {
	if cfg.Policy == Off {
		return nil, errors.New("migrate: policy is off")
	}
	c := &Machine{cfg: cfg, role: role, rand: rand}
	if role == Opener {
		if err := c.offer(cfg.suites()[0]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// offer begins the negotiation of a suite.
func (m *Machine) offer(s SuiteID) error {
	n := &negotiation{}
	if s.hasKey() {
		// Any 32 bytes are a private key (RFC 7748, section 5). GenerateKey
		// would not take them from c.rand.
		var b [keySize]byte
		if _, err := io.ReadFull(m.rand, b[:]); err != nil {
			return err
		}
		key, err := ecdh.X25519().NewPrivateKey(b[:])
		if err != nil {
			return err
		}
		n.key = key
	}
	m.suite, m.neg, m.rand = s, n, nil
	return nil
}

// State returns how far the negotiation has come.
func (m *Machine) State() NegotiationState { return m.state }

// Reason returns why the state is Plain.
func (m *Machine) Reason() PlainReason { return m.reason }

// Suite returns the suite offered or agreed on.
func (m *Machine) Suite() SuiteID { return m.suite }

// Moves returns how often the connection has moved at the request of either
// end.
func (m *Machine) Moves() (initiated, accepted uint64) { return m.initiated, m.accepted }

// Phase is what a connection is in the middle of.
type Phase uint8

// Phases, section 8.
const (
	Idle Phase = iota
	SYNSent
	SYNReceived
	Completing
)

var phases = [...]string{"idle", "syn-sent", "syn-received", "completing"}

func (p Phase) String() string { return phases[p] }

// Phase returns what the connection is in the middle of.
func (m *Machine) Phase() Phase {
	switch {
	case m.att != nil && !m.att.moved:
		return SYNSent
	case m.prov != nil:
		return SYNReceived
	case m.att != nil:
		return Completing
	default:
		return Idle
	}
}

// Watching reports whether Segment needs to see the segments of the current
// tuple as well.
func (m *Machine) Watching() bool { return m.att != nil || m.prov != nil }

// TokensChanged reports whether Tokens has another answer than at the last call
// of TokensChanged.
func (m *Machine) TokensChanged() bool {
	changed := m.tokensChanged
	m.tokensChanged = false
	return changed
}

// Tokens returns what the peer may name this connection by.
func (m *Machine) Tokens() []TokenEntry {
	if m.keys == nil {
		return nil
	}
	if !m.suite.rolling() {
		return []TokenEntry{{Token: m.keys.token(m.role.peer(), 0)}}
	}
	entries := make([]TokenEntry, tokenWindow)
	for i := range entries {
		n := m.peerDone + 1 + uint64(i)
		entries[i] = TokenEntry{m.keys.token(m.role.peer(), n), n}
	}
	return entries
}

// Verifier returns what checks the peer's requests, nil if there can be none.
// It is another one after BindKey.
func (m *Machine) Verifier() *Verifier { return (*Verifier)(m.keys) }

// window is how far requests may run ahead of the last completed one.
func (m *Machine) window() uint64 {
	if m.suite.rolling() {
		return tokenWindow
	}
	return serialWindow
}

// BindKey mixes a secret of both applications into the keys, section 2.
func (m *Machine) BindKey(secret []byte) error {
	switch {
	case m.state != Confirmed:
		return ErrNotNegotiated
	case !m.suite.rolling():
		return ErrSuite
	case m.Watching():
		return ErrBusy
	case len(secret) < MinSecret:
		return fmt.Errorf("secret of %d bytes to bind: want at least %d", len(secret), MinSecret)
	}
	k, err := m.keys.bind(secret)
	if err != nil {
		return err
	}
	m.keys, m.tokensChanged = k, true
	return nil
}

// Closed ends the machine: it has no tokens, wants nothing and emits nothing.
func (m *Machine) Closed() {
	m.GivePlain(PlainClosed)
	m.drains, m.hold = nil, nil
}

// Deadline returns when Timer wants to be called.
func (m *Machine) Deadline() (at Time, ok bool) {
	soonest := func(t Time) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if m.neg != nil && m.state >= Keying {
		soonest(m.neg.next)
	}
	if m.att != nil {
		soonest(m.att.next)
	}
	if m.prov != nil {
		soonest(m.prov.next)
	}
	if m.finished != nil {
		soonest(m.finished.until)
	}
	for _, d := range m.drains {
		soonest(d.until)
	}
	if m.hold != nil {
		soonest(m.hold.until)
	}
	return at, ok
}

// Timer is to be called at Deadline, or later.
func (m *Machine) Timer(now Time, tcb TCB) (acts []Action) {
	if m.neg != nil && m.state >= Keying && now >= m.neg.next {
		acts = m.followUp(acts, now)
	}
	if m.att != nil && now >= m.att.next {
		acts = m.repeatAttempt(acts, now, tcb)
	}
	if m.prov != nil && now >= m.prov.next {
		acts = m.repeatSYNACK(acts, now, tcb)
	}
	if m.finished != nil && now >= m.finished.until {
		m.finished = nil
	}
	acts = m.expireDrains(acts, now)
	if m.hold != nil && now >= m.hold.until {
		err := m.hold.err
		m.hold = nil
		acts = append(acts, count(CountHoldExpired), Action{Kind: ActFail, Err: err})
	}
	return acts
}

// Segment takes a segment that came on another tuple than the current one, cur,
// or on any while Watching. It reports whether TCP has nothing more to do with
// the segment.
func (m *Machine) Segment(now Time, s Segment, cur Tuple, tcb TCB) (acts []Action, consumed bool) {
	switch {
	case s.RST && s.Tuple != cur && m.state == Confirmed && s.Seq == tcb.RcvNxt && m.meant(s.Options, s.Seq):
		// The peer's application aborted, from where the connection has been
		// or is about to be.
		return []Action{count(CountAborted), {Kind: ActFail, Err: ErrAborted}}, true
	case m.att != nil && !m.att.moved && s.Tuple == m.att.tuple:
		return m.answered(now, s, tcb), true
	case m.prov != nil && s.Tuple == m.prov.tuple:
		return m.onProvisional(now, s, tcb)
	case m.att != nil && m.att.moved && s.Tuple == cur && cur == m.att.tuple:
		return m.completing(now, s, tcb)
	default:
		// A tuple that drains brings data only.
		m.late(now, s.Tuple)
		return nil, s.Tuple != cur && (s.SYN || s.RST)
	}
}
