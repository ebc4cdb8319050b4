// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "encoding/binary"

// The options, with the number of bytes where it is not one (M101, M102, M103). Section 1 of
// docs/protocol.md has them drawn bit by bit.
//
//	Migrate-Permitted   15  3        suite
//	Migrate-Permitted   15  20       suite       key 0..16: 17
//	Key-Rest            15  18       flags, 0    key 17..31: 15
//	Key-Confirm         15  10       tag: 8
//	Migrate             16  19       ReqNo       Token: 8    Request: 8
//	experimental        253 length+2 ExID: 2     as above, but 15 and 17 key bytes
const (
	kindEOL          = 0
	kindNOP          = 1
	kindPermitted    = 15
	kindMigrate      = 16
	kindExperimental = 253

	exidPermitted = 0x6d70
	exidMigrate   = 0x6d67
)

// keySize is the size of an X25519 public key in bytes.
const keySize = 32

// layout is how a Format writes the options. Lengths are lengths of the content, in
// bytes.
type layout struct {
	header   int // bytes before the content
	synKey   int // key bytes that fit into the SYN beside the usual options
	kinds    [2]byte
	exids    [2]uint16
	nPlain   int // Migrate-Permitted without a key
	nPermit  int // Migrate-Permitted with a key
	nRest    int // Key-Rest
	nConfirm int // Key-Confirm
	nMigrate int // Migrate
}

// Indexes of layout.kinds and layout.exids.
const (
	optPermitted = iota // also Key-Rest and Key-Confirm, told apart by length
	optMigrate
)

var layouts = [...]layout{
	FormatKinds: {
		header: 2, synKey: 17, kinds: [2]byte{kindPermitted, kindMigrate},
		nPlain: 1, nPermit: 1 + 17, nRest: 1 + 15, nConfirm: 8, nMigrate: 17,
	},
	FormatExperimental: {
		header: 4, synKey: 15, kinds: [2]byte{kindExperimental, kindExperimental},
		exids:  [2]uint16{exidPermitted, exidMigrate},
		nPlain: 1, nPermit: 1 + 15, nRest: 1 + 17, nConfirm: 8, nMigrate: 17,
	},
}

func (f Format) layout() *layout { return &layouts[f] }

// appendOption appends an option with n bytes of content to b, and returns the content
// to be filled. If the option does not fit into room bytes, it returns b unchanged and no
// content (M105).
func (l *layout) appendOption(b []byte, opt, n, room int) (out, content []byte) {
	size := l.header + n
	if size > room {
		return b, nil
	}
	b = append(b, l.kinds[opt], byte(size))
	if l.header == 4 {
		b = binary.BigEndian.AppendUint16(b, l.exids[opt])
	}
	start := len(b)
	for range n {
		b = append(b, 0)
	}
	return b, b[start:]
}

// find returns the content of the option with n bytes of content. It returns nil if the
// option is absent or there twice, or if opts cannot be parsed (M106).
func (l *layout) find(opts []byte, opt, n int) (content []byte) {
	for len(opts) > 0 {
		switch opts[0] {
		case kindEOL:
			return content
		case kindNOP:
			opts = opts[1:]
			continue
		}
		if len(opts) < 2 || opts[1] < 2 || int(opts[1]) > len(opts) {
			return nil
		}
		o := opts[:opts[1]]
		opts = opts[opts[1]:]
		if o[0] != l.kinds[opt] || len(o) != l.header+n {
			continue
		}
		if l.header == 4 && binary.BigEndian.Uint16(o[2:]) != l.exids[opt] {
			continue
		}
		if content != nil {
			return nil
		}
		content = o[l.header:]
	}
	return content
}

// permitted is the content of Migrate-Permitted.
type permitted struct {
	suite SuiteID
	key   []byte // first part, empty if the suite has none
}

func (l *layout) parsePermitted(opts []byte) (p permitted, ok bool) {
	c := l.find(opts, optPermitted, l.nPermit)
	if c == nil {
		if c = l.find(opts, optPermitted, l.nPlain); c == nil {
			return p, false
		}
	}
	p.suite, p.key = SuiteID(c[0]), c[1:]
	return p, p.suite.hasKey() == (len(p.key) > 0)
}

// Token is the name of a connection on a migrate SYN.
type Token uint64

// Request is the content of a Migrate option.
type Request struct {
	ReqNo uint8  // low byte of the request counter (M401)
	Token Token  // in SYN-ACK and ACK of suite 0x02, RCV.NXT and nonce (M222)
	Tag   uint64 // the field that the draft calls Request
}

// ParseRequest finds the Migrate option among opts. It returns false if there is none or
// two, or if opts cannot be parsed (M106). It does not allocate (M410).
func ParseRequest(f Format, opts []byte) (Request, bool) {
	l := f.layout()
	c := l.find(opts, optMigrate, l.nMigrate)
	if c == nil {
		return Request{}, false
	}
	return Request{
		ReqNo: c[0],
		Token: Token(binary.BigEndian.Uint64(c[1:])),
		Tag:   binary.BigEndian.Uint64(c[9:]),
	}, true
}

// appendRequest appends a Migrate option to b, if it fits into room bytes.
func (l *layout) appendRequest(b []byte, r Request, room int) []byte {
	b, c := l.appendOption(b, optMigrate, l.nMigrate, room)
	if c != nil {
		c[0] = r.ReqNo
		binary.BigEndian.PutUint64(c[1:], uint64(r.Token))
		binary.BigEndian.PutUint64(c[9:], r.Tag)
	}
	return b
}

// maxOptions is the size of TCP's option field in bytes (RFC 9293, section 3.1).
const maxOptions = 40
