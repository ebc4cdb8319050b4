// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// opts decodes hexadecimal digits, with blanks for the eye.
func opts(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A Migrate option in both formats, and its fields.
const (
	migrateKinds        = "10 13 2a 0102030405060708 1112131415161718"
	migrateExperimental = "fd 15 6d67 2a 0102030405060708 1112131415161718"
	migrateTruncated    = "10 13 2a 0102030405060708 11121314151617"
)

var migrateContent = Request{ReqNo: 0x2a, Token: 0x0102030405060708, Tag: 0x1112131415161718}

// M106: An option of a wrong length MUST be treated as absent. So MUST two of the same
// kind and length in a segment, and any in an option field that cannot be parsed.
func TestParseRequest(t *testing.T) {
	const (
		mss  = "02 04 05b4"
		sack = "04 02"
		ts   = "08 0a 00000001 00000002"
		ws   = "03 03 07"
		nop  = "01"
		eol  = "00"
	)
	tests := []struct {
		name   string
		format Format
		opts   string
		ok     bool
	}{
		{"alone", FormatKinds, migrateKinds, true},
		{"last of a SYN", FormatKinds, mss + sack + ts + ws + migrateKinds, true},
		{"first", FormatKinds, migrateKinds + mss + ts, true},
		{"between NOPs", FormatKinds, nop + nop + migrateKinds + nop, true},
		{"before EOL", FormatKinds, migrateKinds + eol + "ff", true},
		{"behind EOL", FormatKinds, eol + migrateKinds, false},
		{"none", FormatKinds, mss + sack + ts, false},
		{"empty", FormatKinds, "", false},
		{"twice", FormatKinds, migrateKinds + migrateKinds, false},
		{"twice, NOP between", FormatKinds, migrateKinds + nop + migrateKinds, false},
		{"again behind EOL", FormatKinds, migrateKinds + eol + migrateKinds, true},
		{"truncated", FormatKinds, migrateTruncated, false},
		{"only its kind", FormatKinds, "10", false},
		{"only kind and length", FormatKinds, "10 13", false},
		{"length 0", FormatKinds, "10 00" + migrateKinds, false},
		{"length 1", FormatKinds, "10 01" + migrateKinds, false},
		{"one byte less", FormatKinds, "10 12 2a 0102030405060708 11121314151617", false},
		{"one byte more", FormatKinds, "10 14 2a 0102030405060708 1112131415161718 19", false},
		{"other of another length before", FormatKinds, "10 03 00" + migrateKinds, true},
		{"field ends amid another option", FormatKinds, migrateKinds + "08 0a 00", false},
		{"field ends with a lone kind", FormatKinds, migrateKinds + "08", false},
		{"unknown option", FormatKinds, "fe 04 abcd" + migrateKinds, true},
		{"experimental in kinds", FormatKinds, migrateExperimental, false},

		{"alone", FormatExperimental, migrateExperimental, true},
		{"in a SYN without NOP", FormatExperimental, mss + sack + ts + ws + migrateExperimental, true},
		{"kinds in experimental", FormatExperimental, migrateKinds, false},
		{"ExID of Migrate-Permitted", FormatExperimental, strings.Replace(migrateExperimental, "6d67", "6d70", 1), false},
		{"experiment of somebody else before", FormatExperimental, strings.Replace(migrateExperimental, "6d67", "f989", 1) + migrateExperimental, true},
		{"twice", FormatExperimental, migrateExperimental + migrateExperimental, false},
		{"too short for an ExID", FormatExperimental, "fd 02" + migrateExperimental, true},
		{"truncated", FormatExperimental, migrateExperimental[:len(migrateExperimental)-2], false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d/%s", test.format, test.name), func(t *testing.T) {
			r, ok := ParseRequest(test.format, opts(test.opts))
			if ok != test.ok {
				t.Fatalf("ParseRequest = %+v, %v", r, ok)
			}
			if ok && r != migrateContent || !ok && r != (Request{}) {
				t.Errorf("ParseRequest = %+v", r)
			}
		})
	}
}

// M105: An option that does not fit MUST be left out, and MUST NOT be cut.
func TestAppendRequest(t *testing.T) {
	for format, want := range map[Format]string{FormatKinds: migrateKinds, FormatExperimental: migrateExperimental} {
		w := opts(want)
		for room := range maxOptions + 1 {
			before := []byte{kindNOP, kindNOP}
			got := format.layout().appendRequest(before, migrateContent, room)
			switch {
			case room < len(w) && !bytes.Equal(got, before):
				t.Errorf("format %d: %d bytes of room: %x", format, room, got)
			case room >= len(w) && !bytes.Equal(got, append(before, w...)):
				t.Errorf("format %d: %d bytes of room: %x, want %x", format, room, got, w)
			}
		}
	}
}

// TestOptionLengths tells apart the options that share a Kind: each length, in
// turn, is found as one option or none.
//
// M103: In format experimental the SYN MUST carry 15 key bytes (length 20), and
// Key-Rest the other 17 (length 28).
func TestOptionLengths(t *testing.T) {
	for _, f := range []Format{FormatKinds, FormatExperimental} {
		l := f.layout()
		contents := map[string]int{
			"plain": l.nPlain, "permitted": l.nPermit, "rest": l.nRest, "confirm": l.nConfirm,
		}
		for n := range maxOptions - l.header + 1 {
			b, content := l.appendOption(nil, optPermitted, n, maxOptions)
			if content == nil && n > 0 {
				t.Fatalf("format %d: no room for %d bytes", f, n)
			}
			for i := range content {
				content[i] = byte(i + 1)
			}
			if len(b) != l.header+n || int(b[1]) != len(b) {
				t.Errorf("format %d: %x has a wrong length", f, b)
			}
			for name, want := range contents {
				got := l.find(b, optPermitted, want)
				if (got != nil) != (n == want) || got != nil && !bytes.Equal(got, content) {
					t.Errorf("format %d: %s found in %x: %x", f, name, b, got)
				}
			}
			for _, want := range []int{nMigrate, nProof} {
				if got := l.find(b, optMigrate, want); got != nil {
					t.Errorf("format %d: Migrate found in %x", f, b)
				}
			}
			if got := l.find(b[:len(b)-1], optPermitted, n); n > 0 && got != nil {
				t.Errorf("format %d: found in %x, which is truncated", f, b[:len(b)-1])
			}
			if b, content := l.appendOption(nil, optPermitted, n, len(b)-1); content != nil || b != nil {
				t.Errorf("format %d: %d bytes in %d bytes of room: %x", f, n, len(b)-1, b)
			}
		}
		if rest := l.nRest - 1 - nFresh; l.synKey+rest != keySize || l.nPermit != 1+l.synKey {
			t.Errorf("format %d: %d key bytes in the SYN and %d later", f, l.synKey, rest)
		}
		// Section 1: MSS, SACK-permitted, timestamps, NOP and window scale.
		if size := l.header + l.nPermit; size > maxOptions-20 {
			t.Errorf("format %d: Migrate-Permitted has %d bytes", f, size)
		}
		// The same without the NOP, for a migrate SYN.
		if size := l.header + nMigrate; size > maxOptions-19 {
			t.Errorf("format %d: Migrate has %d bytes", f, size)
		}
		// Timestamps with two NOPs.
		if size := l.header + max(nProof, l.nRest); size > maxOptions-12 {
			t.Errorf("format %d: Migrate or Key-Rest has %d bytes on an ACK", f, size)
		}
	}
}

func TestParsePermitted(t *testing.T) {
	const key = "000102030405060708090a0b0c0d0e0f10"
	tests := []struct {
		name  string
		opts  string
		suite SuiteID
		key   string
		ok    bool
	}{
		{"null", "0f 03 00", SuiteNull, "", true},
		{"null with a key", "0f 14 00" + key, SuiteNull, key, false},
		{"key", "0f 14 02" + key, SuiteX25519SHA256, key, true},
		{"key missing", "0f 03 02", SuiteX25519SHA256, "", false},
		{"unknown suite", "0f 14 77" + key, 0x77, key, true},
		{"unknown suite without a key", "0f 03 77", 0x77, "", false},
		{"two keys", "0f 14 02" + key + "0f 14 02" + key, 0, "", false},
		{"twice without a key", "0f 03 00 0f 03 00", 0, "", false},
		{"either", "0f 03 00 0f 14 01" + key, SuiteX25519SHA1, key, true},
		{"Key-Rest only", "0f 18 00 010203040506 000102030405060708090a0b0c0d0e", 0, "", false},
		{"none", "02 04 05b4", 0, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, ok := FormatKinds.layout().parsePermitted(opts(test.opts))
			if ok != test.ok {
				t.Fatalf("parsePermitted = %+v, %v", p, ok)
			}
			if ok && (p.suite != test.suite || !bytes.Equal(p.key, opts(test.key))) {
				t.Errorf("parsePermitted = %+v", p)
			}
		})
	}
}
