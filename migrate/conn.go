// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
)

// Conn is the machine of one connection. It is not safe for concurrent use:
// whatever protects the transmission control block protects it.
type Conn struct {
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

// NewConn returns the machine of a connection that is about to be opened. rand
// is the source of the private key.
func NewConn(role Role, cfg *Config, rand io.Reader) (*Conn, error) {
	if cfg.Policy == Off {
		return nil, errors.New("migrate: policy is off")
	}
	c := &Conn{cfg: cfg, role: role, rand: rand}
	if role == Opener {
		if err := c.offer(cfg.suites()[0]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// offer begins the negotiation of a suite.
func (c *Conn) offer(s SuiteID) error {
	n := &negotiation{}
	if s.hasKey() {
		// Any 32 bytes are a private key (RFC 7748, section 5). GenerateKey
		// would not take them from c.rand.
		var b [keySize]byte
		if _, err := io.ReadFull(c.rand, b[:]); err != nil {
			return err
		}
		key, err := ecdh.X25519().NewPrivateKey(b[:])
		if err != nil {
			return err
		}
		n.key = key
	}
	c.suite, c.neg, c.rand = s, n, nil
	return nil
}

// State returns how far the negotiation has come.
func (c *Conn) State() NegotiationState { return c.state }

// Reason returns why the state is Plain.
func (c *Conn) Reason() PlainReason { return c.reason }

// Suite returns the suite offered or agreed on.
func (c *Conn) Suite() SuiteID { return c.suite }

// Moves returns how often the connection has moved at the request of either
// end.
func (c *Conn) Moves() (initiated, accepted uint64) { return c.initiated, c.accepted }

// Phase is what a connection is in the middle of.
type Phase uint8

// Phases, section 7.
const (
	Idle Phase = iota
	SYNSent
	SYNReceived
	Completing
)

var phases = [...]string{"idle", "syn-sent", "syn-received", "completing"}

func (p Phase) String() string { return phases[p] }

// Phase returns what the connection is in the middle of.
func (c *Conn) Phase() Phase {
	switch {
	case c.att != nil && !c.att.moved:
		return SYNSent
	case c.prov != nil:
		return SYNReceived
	case c.att != nil:
		return Completing
	default:
		return Idle
	}
}

// Watching reports whether Segment needs to see the segments of the current
// tuple as well.
func (c *Conn) Watching() bool { return c.att != nil || c.prov != nil }

// TokensChanged reports whether Tokens has another answer than at the last call
// of TokensChanged.
func (c *Conn) TokensChanged() bool {
	changed := c.tokensChanged
	c.tokensChanged = false
	return changed
}

// Tokens returns what the peer may name this connection by.
func (c *Conn) Tokens() []TokenEntry {
	if c.keys == nil {
		return nil
	}
	if !c.suite.rolling() {
		return []TokenEntry{{Token: c.keys.token(c.role.peer(), 0)}}
	}
	entries := make([]TokenEntry, tokenWindow)
	for i := range entries {
		n := c.peerDone + 1 + uint64(i)
		entries[i] = TokenEntry{c.keys.token(c.role.peer(), n), n}
	}
	return entries
}

// Verifier returns what checks the peer's requests, nil if there can be none.
// It is another one after BindKey.
func (c *Conn) Verifier() *Verifier { return (*Verifier)(c.keys) }

// window is how far requests may run ahead of the last completed one.
func (c *Conn) window() uint64 {
	if c.suite.rolling() {
		return tokenWindow
	}
	return serialWindow
}

// BindKey mixes a secret of both applications into the keys, section 2.
func (c *Conn) BindKey(secret []byte) error {
	switch {
	case c.state != Confirmed:
		return ErrNotNegotiated
	case !c.suite.rolling():
		return ErrSuite
	case c.Watching():
		return ErrBusy
	case len(secret) < MinSecret:
		return fmt.Errorf("secret of %d bytes to bind: want at least %d", len(secret), MinSecret)
	}
	k, err := c.keys.bind(secret)
	if err != nil {
		return err
	}
	c.keys, c.tokensChanged = k, true
	return nil
}

// Closed ends the machine: it has no tokens, wants nothing and emits nothing.
func (c *Conn) Closed() {
	c.GivePlain(PlainClosed)
	c.drains, c.hold = nil, nil
}

// Deadline returns when Timer wants to be called.
func (c *Conn) Deadline() (at Time, ok bool) {
	soonest := func(t Time) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if c.neg != nil && c.state >= Keying {
		soonest(c.neg.next)
	}
	if c.att != nil {
		soonest(c.att.next)
	}
	if c.prov != nil {
		soonest(c.prov.next)
	}
	if c.finished != nil {
		soonest(c.finished.until)
	}
	for _, d := range c.drains {
		soonest(d.until)
	}
	if c.hold != nil {
		soonest(c.hold.until)
	}
	return at, ok
}

// Timer is to be called at Deadline, or later.
func (c *Conn) Timer(now Time, tcb TCB) (acts []Action) {
	if c.neg != nil && c.state >= Keying && now >= c.neg.next {
		acts = c.followUp(acts, now)
	}
	if c.att != nil && now >= c.att.next {
		acts = c.repeatAttempt(acts, now, tcb)
	}
	if c.prov != nil && now >= c.prov.next {
		acts = c.repeatSYNACK(acts, now, tcb)
	}
	if c.finished != nil && now >= c.finished.until {
		c.finished = nil
	}
	acts = c.expireDrains(acts, now)
	if c.hold != nil && now >= c.hold.until {
		err := c.hold.err
		c.hold = nil
		acts = append(acts, count(CountHoldExpired), Action{Kind: ActFail, Err: err})
	}
	return acts
}
