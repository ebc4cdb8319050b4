// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"fmt"
	"time"
)

// Policy is whether connections can migrate.
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

// Config is the common configuration of many connections. It must not change once it is
// in use.
type Config struct {
	// Policy is whether connections can migrate. Zero value: Preferred.
	Policy Policy
	// Suites are the allowed suites, in the order of preference. The opener offers the
	// first one (M201). Nil: SuiteX25519SHA256.
	Suites []SuiteID
	// Format of the options. Both ends need the same (M104). Zero value:
	// FormatKinds.
	Format Format
	// Hold is how long a connection is held after a RST. Zero value: DefaultHold
	// (M709). Negative: never, a RST closes the connection (M711). At most
	// MaxHold.
	Hold time.Duration
	// HoldOnTimeout is how long a connection is held when TCP would give up for
	// want of acknowledgements, or when no path is left (M708). Zero value:
	// never. At most MaxHold.
	HoldOnTimeout time.Duration
}

// defaultSuites has what is used unless the application asks for another (M204).
var defaultSuites = []SuiteID{SuiteX25519SHA256}

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

// Validate returns an error if a value of c is wrong, or nil.
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
