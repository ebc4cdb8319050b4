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

// optionString renders options for people.
func optionString(opts []byte) string {
	var names []string
	for _, o := range eachOption(opts) {
		names = append(names, optionName(o))
	}
	return strings.Join(names, " ")
}

func optionName(o []byte) string {
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
			s += fmt.Sprintf(" %d-%d", binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:]))
		}
		return s
	}
	return fmt.Sprintf("kind %d %x", o[0], v)
}
