// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
)

// Machine is the protocol of one connection at one end. It is not safe for concurrent
// use: the lock of the transmission control block protects it as well.
//
// # Errors
//
// Start, Probe and BindKey return an error if they cannot begin, and then have changed
// nothing. An attempt that has begun ends by one ActDone, unless the connection ends first,
// by Closed or GivePlain. The Err of ActDone is nil if the attempt has succeeded. Otherwise
// it is one of this package's errors, or the cause that was given to Cancel, and the
// connection stays where it was. ActFail ends the connection, with ErrAborted, ErrFenced or the
// error that began a hold. All other methods take anything that a peer or an attacker may send.
// Bad input makes them count, and change nothing but what docs/protocol.md says. After
// Closed no method has an effect.
type Machine struct {
	cfg    *Config
	role   Role
	state  NegotiationState
	reason PlainReason
	suite  SuiteID

	capabilities Capabilities

	tokensChanged bool

	rand io.Reader    // until the key is made
	neg  *negotiation // until both ends have confirmed
	keys *keys        // from Ready on

	// sent is the counter of the last own request, and done the highest that the
	// peer is known to take no more. sent is never more than a window ahead of
	// done (M432).
	sent, done uint64
	// ownRequest is the last one sent, which may be reflected (M414).
	ownRequest Request
	// peerDone is the highest counter of the peer that this end takes no more
	// (M402).
	peerDone uint64

	initiated, accepted uint64

	secret   *Secret       // of the stack's nonces
	att      *attempt      // own request, until the receipt
	syns     []answeredSYN // requests of the peer that may be completed
	finished *finished     // last complete request of the peer, for a while
	drains   []drain       // in the order in which they were left
	hold     *hold
}

// NewMachine returns the machine of a connection that is about to be opened. secret makes
// its nonces. rand is the source of the private key. It is an error if rand fails, or if
// the policy is Off.
func NewMachine(role Role, cfg *Config, secret *Secret, rand io.Reader) (*Machine, error) {
	if cfg.Policy == Off {
		return nil, errors.New("migrate: policy is off")
	}
	c := &Machine{cfg: cfg, role: role, secret: secret, rand: rand}
	if role == Opener {
		if err := c.offer(cfg.suites()[0]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// offer begins the negotiation of suite s.
func (m *Machine) offer(s SuiteID) error {
	n := &negotiation{}
	if s.hasKey() {
		// Any 32 bytes are a private key (RFC 7748, section 5). GenerateKey
		// would not take them from m.rand.
		var b [keySize]byte
		if _, err := io.ReadFull(m.rand, b[:]); err != nil {
			return err
		}
		key, err := ecdh.X25519().NewPrivateKey(b[:])
		if err != nil {
			return err
		}
		n.key = key
		copy(n.own.public[:], key.PublicKey().Bytes())
		if _, err := io.ReadFull(m.rand, n.own.fresh[:]); err != nil { // M108
			return err
		}
	}
	m.suite, m.neg, m.rand = s, n, nil
	return nil
}

// State returns how far the negotiation has come.
func (m *Machine) State() NegotiationState { return m.state }

// Reason returns why the state is Plain (M344).
func (m *Machine) Reason() PlainReason { return m.reason }

// Suite returns the suite that was offered or agreed on.
func (m *Machine) Suite() SuiteID { return m.suite }

// Moves returns how often the connection has moved at the request of this end, and at
// that of the peer.
func (m *Machine) Moves() (initiated, accepted uint64) { return m.initiated, m.accepted }

// Phase is where a connection is in the handshake of a migration.
type Phase uint8

// Phases (section 8 of the protocol).
const (
	Idle       Phase = iota // no handshake
	SYNSent                 // a request of this end has no answer yet
	Completing              // this end has moved, and has no receipt yet
)

var phases = [...]string{"idle", "syn-sent", "completing"}

func (p Phase) String() string { return phases[p] }

// Phase returns where the connection is in the handshake of a migration.
func (m *Machine) Phase() Phase {
	switch {
	case m.att != nil && !m.att.moved:
		return SYNSent
	case m.att != nil:
		return Completing
	default:
		return Idle
	}
}

// Watching reports whether Segment has to see the segments of the current tuple as
// well.
func (m *Machine) Watching() bool { return m.att != nil }

// TokensChanged reports whether the result of Tokens has changed since the last call of
// TokensChanged.
func (m *Machine) TokensChanged() bool {
	changed := m.tokensChanged
	m.tokensChanged = false
	return changed
}

// Tokens returns the tokens by which the peer may name this connection (M403). There
// are MaxTokens at most.
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

// Verifier returns a Verifier of the tags of the peer's requests, nil if there are no
// keys. After BindKey it is another one.
func (m *Machine) Verifier() *Verifier { return (*Verifier)(m.keys) }

// window returns how far requests may run ahead of the last one that is complete
// (M413).
func (m *Machine) window() uint64 {
	if m.suite.rolling() {
		return tokenWindow
	}
	return serialWindow
}

// BindKey mixes a secret of both applications into the keys (M241). The errors are
// ErrNotNegotiated, ErrSuite, ErrBusy, and one for a secret of fewer than MinSecret
// bytes.
func (m *Machine) BindKey(secret []byte) error {
	switch {
	case m.state != Confirmed:
		return ErrNotNegotiated
	case !m.suite.rolling(): // M242
		return ErrSuite
	case m.Watching(): // M242
		return ErrBusy
	case len(secret) < MinSecret: // M243
		return fmt.Errorf("secret of %d bytes to bind: want at least %d", len(secret), MinSecret)
	}
	k, err := m.keys.bind(secret)
	if err != nil {
		return err
	}
	m.keys, m.tokensChanged = k, true
	return nil
}

// Closed takes the news that the connection has ended. From then on the machine has no
// tokens, old tuples or deadline, and returns no action (M627).
func (m *Machine) Closed() {
	m.GivePlain(PlainClosed)
	m.drains, m.hold = nil, nil
}

// Deadline returns when Timer is to be called, if it is. Any other method may change it.
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

// Timer does the work that is due. It is to be called at Deadline or later.
func (m *Machine) Timer(now Time, tcb TCB) (acts []Action) {
	if m.neg != nil && m.state >= Keying && now >= m.neg.next {
		acts = m.followUp(acts, now)
	}
	if a := m.att; a != nil && now >= a.next {
		if a.moved {
			acts = m.repeatThird(acts, now, tcb)
		} else {
			acts = m.repeatSYN(acts, now)
		}
	}
	if m.finished != nil && now >= m.finished.until {
		m.finished = nil
	}
	acts = m.expireDrains(acts, now)
	if m.hold != nil && now >= m.hold.until { // M707
		err := m.hold.err
		m.hold = nil
		acts = append(acts, count(CountHoldExpired), Action{Kind: ActFail, Err: err})
	}
	return acts
}

// Segment takes a segment that came on another tuple than cur, the current one, or on
// any while Watching. It reports whether the segment is used up: TCP has nothing more to
// do with it. Of others on an old tuple TCP takes the payload only (M622).
func (m *Machine) Segment(now Time, s Segment, cur Tuple, tcb TCB) (acts []Action, consumed bool) {
	switch {
	case s.RST && s.Tuple != cur && m.state == Confirmed && tcb.inWindow(s.Seq) && m.meant(s.Options, s.Seq):
		// M722: the peer's application aborted, on an old tuple or on one that is
		// on trial here.
		return []Action{count(CountAborted), {Kind: ActFail, Err: ErrAborted}}, true
	case m.att != nil && !m.att.moved && s.Tuple == m.att.tuple:
		return m.answered(now, s, tcb), true
	case m.att != nil && m.att.moved && s.Tuple == cur && cur == m.att.tuple:
		return m.completing(now, s, tcb)
	default:
		// A tuple that drains brings data only (M622).
		return nil, s.Tuple != cur && (s.SYN || s.RST || !m.late(now, s))
	}
}
