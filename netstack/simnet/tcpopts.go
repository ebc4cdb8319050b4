// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// eachOption yields the options in a TCP header, kind byte first, with their
// offset. No-Operation is skipped; End of Option List and anything malformed
// end the list (RFC 9293, 3.1).
func eachOption(opts []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for i := 0; i < len(opts); {
			switch opts[i] {
			case header.TCPOptionEOL:
				return
			case header.TCPOptionNOP:
				i++
				continue
			}
			if i+1 >= len(opts) || opts[i+1] < 2 || i+int(opts[i+1]) > len(opts) {
				return
			}
			n := int(opts[i+1])
			if !yield(i, opts[i:i+n]) {
				return
			}
			i += n
		}
	}
}

// The options of TCP migration (docs/protocol.md, section 1), for traces. Three share
// the first kind and differ in length.
const (
	kindMigratePermitted = 15
	kindMigrate          = 16

	keyRestLen    = 18
	keyConfirmLen = 10
	migrateLen    = 19
)

// optionString renders options for people. ack renders a sequence number of SACK.
func optionString(opts []byte, ack func(uint32) int64) string {
	var names []string
	for _, o := range eachOption(opts) {
		names = append(names, optionName(o, ack))
	}
	return strings.Join(names, " ")
}

func optionName(o []byte, ack func(uint32) int64) string {
	v := o[2:]
	switch {
	case o[0] == header.TCPOptionMSS && len(v) == 2:
		return fmt.Sprintf("mss %d", binary.BigEndian.Uint16(v))
	case o[0] == header.TCPOptionWS && len(v) == 1:
		return fmt.Sprintf("ws %d", v[0])
	case o[0] == header.TCPOptionSACKPermitted:
		return "sackOK"
	case o[0] == header.TCPOptionTS && len(v) == 8:
		return fmt.Sprintf("ts %d/%d", binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:]))
	case o[0] == header.TCPOptionSACK && len(v)%8 == 0:
		s := "sack"
		for ; len(v) > 0; v = v[8:] {
			s += fmt.Sprintf(" %d-%d", ack(binary.BigEndian.Uint32(v)), ack(binary.BigEndian.Uint32(v[4:])))
		}
		return s
	case o[0] == kindMigratePermitted:
		return migratePermittedName(o)
	case o[0] == kindMigrate && len(o) == migrateLen:
		return fmt.Sprintf("Migrate %d %x %x", v[0], v[1:9], v[9:])
	}
	return fmt.Sprintf("kind %d %x", o[0], v)
}

// migratePermittedName renders one of the three options of that kind.
func migratePermittedName(o []byte) string {
	switch v := o[2:]; {
	case len(o) == keyRestLen:
		return "Key-Rest"
	case len(o) == keyConfirmLen:
		return fmt.Sprintf("Key-Confirm %x", v)
	case len(v) > 0:
		return fmt.Sprintf("Migrate-Permitted suite %d", v[0])
	default:
		return "Migrate-Permitted"
	}
}
