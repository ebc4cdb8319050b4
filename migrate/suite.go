// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "fmt"

// SuiteID is the byte that the draft calls Curve Name.
type SuiteID uint8

// Suites (section 2 of the protocol).
const (
	// SuiteNull has no key exchange. It is as secure as the sequence space, and
	// used only if the application asks for it (M204).
	SuiteNull SuiteID = 0
	// SuiteX25519SHA1 has the Token and Request of the draft, and is used only if the
	// application asks for it (M204).
	SuiteX25519SHA1 SuiteID = 1
	// SuiteX25519SHA256 has a new token for each migration, and survives
	// middleboxes that rewrite sequence numbers. It is the default.
	SuiteX25519SHA256 SuiteID = 2
)

var suiteNames = [...]string{"null", "x25519-sha1", "x25519-sha256"}

func (s SuiteID) known() bool  { return int(s) < len(suiteNames) }
func (s SuiteID) hasKey() bool { return s != SuiteNull }

// rolling reports whether each migration has a token of its own.
func (s SuiteID) rolling() bool { return s == SuiteX25519SHA256 }

func (s SuiteID) String() string {
	if s.known() {
		return suiteNames[s]
	}
	return fmt.Sprintf("suite(%#02x)", uint8(s))
}

// ParseSuite returns the suite of a name, as String gives it. The error names the
// choices.
func ParseSuite(name string) (SuiteID, error) {
	for i, n := range suiteNames {
		if n == name {
			return SuiteID(i), nil
		}
	}
	return 0, fmt.Errorf("migrate: unknown suite %q, want one of %q", name, suiteNames)
}
