// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "encoding/binary"

// Option kinds and lengths, section 1.
const (
	kindEOL          = 0
	kindNOP          = 1
	kindPermitted    = 15
	kindMigrate      = 16
	kindExperimental = 253

	exidPermitted = 0x6d70
	exidMigrate   = 0x6d67
)

// keySize is the size of an X25519 public key.
const keySize = 32

// layout is where a Format puts things: the bytes before the content, and how
// many key bytes fit into the SYN beside the usual options.
type layout struct {
	header   int
	synKey   int
	kinds    [2]byte
	exids    [2]uint16
	nPlain   int // content length of Migrate-Permitted without key
	nPermit  int // ... with key
	nRest    int
	nConfirm int
	nMigrate int
}

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

// appendOption appends the header of an option with n bytes of content and
// returns the content to fill. It returns nil, and b unchanged, without room.
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

// find returns the content of the option that has n bytes of it, or nil if it
// is absent, malformed or there twice.
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
	key   []byte // first part, nil if the suite has none
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

// Token names a connection on a migrate SYN.
type Token uint64

// Request is the content of a Migrate option.
type Request struct {
	ReqNo uint8
	Token Token
	Tag   uint64 // the draft's Request
}

// ParseRequest finds a Migrate option. It returns false if there is none, or a
// malformed one, or two.
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

// appendRequest appends a Migrate option, or nothing without room.
func (l *layout) appendRequest(b []byte, r Request, room int) []byte {
	b, c := l.appendOption(b, optMigrate, l.nMigrate, room)
	if c != nil {
		c[0] = r.ReqNo
		binary.BigEndian.PutUint64(c[1:], uint64(r.Token))
		binary.BigEndian.PutUint64(c[9:], r.Tag)
	}
	return b
}

// maxOptions is the size of TCP's option field (RFC 9293, section 3.1).
const maxOptions = 40
