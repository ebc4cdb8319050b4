// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Time is a monotonic instant in nanoseconds since the origin of the caller's
// clock.
type Time int64

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Role is an end's part in the handshake of the connection. It never changes.
type Role uint8

// Roles.
const (
	Opener   Role = iota // sent the connection's first SYN
	Acceptor             // answered it
)

func (r Role) peer() Role { return r ^ 1 }

// Policy says whether connections can migrate.
type Policy uint8

// Policies.
const (
	Preferred Policy = iota // offered; plain TCP if the peer does not take it
	Off                     // neither offered nor accepted
	Required                // a connection without it fails
)

func (p Policy) String() string {
	switch p {
	case Preferred:
		return "preferred"
	case Off:
		return "off"
	case Required:
		return "required"
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// Format is how the options are written.
type Format uint8

// Formats.
const (
	FormatKinds        Format = iota // Kinds 15 and 16
	FormatExperimental               // Kind 253 with ExIDs (RFC 6994)
)

// Config is shared by many connections and immutable.
type Config struct {
	// Policy. Zero value: Preferred.
	Policy Policy
	// Suites allowed, in order of preference: the opener offers the first.
	// Nil: SuiteX25519SHA256, SuiteX25519SHA1.
	Suites []SuiteID
	// Format of the options. Zero value: FormatKinds.
	Format Format
	// Hold is the time in MIGRATE_WAIT. Zero value: DefaultHold. Negative:
	// none, a RST closes at once. At most MaxHold.
	Hold time.Duration
	// HoldOnTimeout is the time in MIGRATE_WAIT where TCP would give up for
	// want of acknowledgements, or no path is left. Zero value: none, and TCP
	// gives up. At most MaxHold.
	HoldOnTimeout time.Duration
}

var defaultSuites = []SuiteID{SuiteX25519SHA256, SuiteX25519SHA1}

func (c *Config) suites() []SuiteID {
	if c.Suites == nil {
		return defaultSuites
	}
	return c.Suites
}

func (c *Config) hold() time.Duration {
	if c.Hold == 0 {
		return DefaultHold
	}
	return c.Hold
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	switch {
	case c.Policy > Required:
		return fmt.Errorf("migrate: unknown %v", c.Policy)
	case c.Format > FormatExperimental:
		return fmt.Errorf("migrate: unknown format %d", c.Format)
	case c.Suites != nil && len(c.Suites) == 0:
		return errors.New("migrate: empty list of suites")
	case c.Hold > MaxHold:
		return fmt.Errorf("migrate: hold of %v is longer than %v", c.Hold, MaxHold)
	case c.HoldOnTimeout < 0 || c.HoldOnTimeout > MaxHold:
		return fmt.Errorf("migrate: hold on time-out of %v is not within 0 and %v", c.HoldOnTimeout, MaxHold)
	}
	for _, s := range c.Suites {
		if !s.known() {
			return fmt.Errorf("migrate: unknown suite %v", s)
		}
	}
	return nil
}

// Tuple is the addresses of a connection as seen from this end.
type Tuple struct{ Local, Remote netip.AddrPort }

func (t Tuple) String() string { return t.Local.String() + "->" + t.Remote.String() }

// TCB is what the machine needs to know of the transmission control block
// (RFC 9293, section 3.3.1) at an event.
type TCB struct {
	SndUna, SndNxt, RcvNxt uint32
	// RcvAcc is the right edge of the window that this end has advertised.
	RcvAcc uint32
	// TSRecent is the newest timestamp of the peer on the current path
	// (TS.Recent, RFC 7323), if timestamps are in use.
	TSRecent uint32
	// SRTT is the smoothed round-trip time; 0 if unknown.
	SRTT time.Duration
	// Movable: synchronized, and not in TIME-WAIT or CLOSED.
	Movable bool
}

// MayQuote reports whether an ICMP error that quotes sequence number seq can be about
// what this end has sent lately (RFC 5927, section 4.1): what is in flight, an ACK, or a
// probe, which is below SND.UNA. Others may be forged by who does not see the segments.
func (t TCB) MayQuote(seq uint32) bool { return leq(t.SndUna-1, seq) && leq(seq, t.SndNxt) }

// Segment is what the machine needs to know of a received segment.
type Segment struct {
	Tuple         Tuple
	Seq, Ack      uint32
	SYN, ACK, RST bool
	Len           uint32 // in sequence space
	Window        uint32 // in bytes
	Options       []byte // the TCP options as they came
}

// leq reports a <= b in sequence space (RFC 9293, section 3.4).
func leq(a, b uint32) bool { return int32(b-a) >= 0 }
