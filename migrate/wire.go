// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "encoding/binary"

// The options, with the number of bytes where it is not one (M101, M102, M103). Section 1 of
// docs/protocol.md has them drawn bit by bit.
//
//	Migrate-Permitted   15  3        suite
//	Migrate-Permitted   15  20       suite       key 0..16: 17
//	Key-Rest            15  24       flags       fresh: 6    key 17..31: 15
//	Key-Confirm         15  10       tag: 8
//	Migrate, SYN, RST   16  19       ReqNo       Token: 8    Request: 8
//	Migrate, SYN-ACK    16  19       ReqNo       RCV.NXT: 4  nonce: 6   tag: 6
//	Migrate, ACK        16  26       ReqNo       done        flags      open byte
//	                                 RCV.NXT: 4  Token: 8    tag: 8
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

// Lengths of contents that do not depend on the format, in bytes (M109).
const (
	nFresh   = 6  // bytes in Key-Rest that are new for each connection (M108)
	nMigrate = 17 // Migrate on a SYN, SYN-ACK or RST
	nProof   = 24 // Migrate on an ACK
)

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
}

// Indexes of layout.kinds and layout.exids.
const (
	optPermitted = iota // also Key-Rest and Key-Confirm, told apart by length
	optMigrate
)

var layouts = [...]layout{
	FormatKinds: {
		header: 2, synKey: 17, kinds: [2]byte{kindPermitted, kindMigrate},
		nPlain: 1, nPermit: 1 + 17, nRest: 1 + nFresh + 15, nConfirm: 8,
	},
	FormatExperimental: {
		header: 4, synKey: 15, kinds: [2]byte{kindExperimental, kindExperimental},
		exids:  [2]uint16{exidPermitted, exidMigrate},
		nPlain: 1, nPermit: 1 + 15, nRest: 1 + nFresh + 17, nConfirm: 8,
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

// Token is the name of a connection on the segments of a migration.
type Token uint64

// Request is the content of the Migrate option of a SYN or a RST.
type Request struct {
	ReqNo uint8 // low byte of the request counter (M401)
	Token Token
	Tag   uint64 // the field that the draft calls Request
}

// ParseRequest finds the Migrate option of a SYN or RST among opts. It returns false if
// there is none or two, or if opts cannot be parsed (M106). It does not allocate (M410).
func ParseRequest(f Format, opts []byte) (Request, bool) {
	l := f.layout()
	c := l.find(opts, optMigrate, nMigrate)
	if c == nil {
		return Request{}, false
	}
	return Request{
		ReqNo: c[0],
		Token: Token(binary.BigEndian.Uint64(c[1:])),
		Tag:   binary.BigEndian.Uint64(c[9:]),
	}, true
}

// appendRequest appends the Migrate option of a SYN or RST to b, if it fits into room
// bytes.
func (l *layout) appendRequest(b []byte, r Request, room int) []byte {
	b, c := l.appendOption(b, optMigrate, nMigrate, room)
	if c != nil {
		c[0] = r.ReqNo
		binary.BigEndian.PutUint64(c[1:], uint64(r.Token))
		binary.BigEndian.PutUint64(c[9:], r.Tag)
	}
	return b
}

// answer is the content of the Migrate option of a SYN-ACK (M223).
type answer struct {
	reqNo  uint8
	rcvNxt uint32 // relative to the peer's ISN
	nonce  nonce
	tag    uint64 // 48 bits
}

func (l *layout) parseAnswer(opts []byte) (a answer, ok bool) {
	c := l.find(opts, optMigrate, nMigrate)
	if c == nil {
		return a, false
	}
	return answer{
		reqNo:  c[0],
		rcvNxt: binary.BigEndian.Uint32(c[1:]),
		nonce:  nonce(uint48(c[5:])),
		tag:    uint48(c[11:]),
	}, true
}

func (l *layout) appendAnswer(b []byte, a answer) []byte {
	b, c := l.appendOption(b, optMigrate, nMigrate, maxOptions)
	c[0] = a.reqNo
	binary.BigEndian.PutUint32(c[1:], a.rcvNxt)
	putUint48(c[5:], uint64(a.nonce))
	putUint48(c[11:], a.tag)
	return b
}

// Proof is the content of the Migrate option of steps 4 and 5, and of all segments of an
// initiator that has no receipt yet.
type Proof struct {
	ReqNo uint8
	Done  uint8      // low byte of a counter (M226)
	Flags proofFlags // M227
	Open  uint8      // of the nonce (M223)
	Rcv   uint32     // RCV.NXT, relative to the peer's ISN
	Token Token      // of the request; zero in step 5
	Tag   uint64
}

// proofFlags are the flags of a Proof (M227).
type proofFlags uint8

const (
	flagCover proofFlags = 1 << iota // SEQ is SND.NXT: nothing above was sent on an old path
	flagAlive                        // the old path worked after the SYN
	flagGone                         // the sender has nothing left at the old path
)

// ParseProof finds the Migrate option of an ACK as ParseRequest does that of a SYN.
func ParseProof(f Format, opts []byte) (Proof, bool) {
	c := f.layout().find(opts, optMigrate, nProof)
	if c == nil {
		return Proof{}, false
	}
	return Proof{
		ReqNo: c[0], Done: c[1], Flags: proofFlags(c[2]), Open: c[3],
		Rcv:   binary.BigEndian.Uint32(c[4:]),
		Token: Token(binary.BigEndian.Uint64(c[8:])),
		Tag:   binary.BigEndian.Uint64(c[16:]),
	}, true
}

// appendProof appends the Migrate option of an ACK to b, if it fits into room bytes.
func (l *layout) appendProof(b []byte, p Proof, room int) []byte {
	b, c := l.appendOption(b, optMigrate, nProof, room)
	if c != nil {
		c[0], c[1], c[2], c[3] = p.ReqNo, p.Done, byte(p.Flags), p.Open
		binary.BigEndian.PutUint32(c[4:], p.Rcv)
		binary.BigEndian.PutUint64(c[8:], uint64(p.Token))
		binary.BigEndian.PutUint64(c[16:], p.Tag)
	}
	return b
}

// uint48 reads a number of 6 bytes.
func uint48(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

func putUint48(b []byte, v uint64) {
	binary.BigEndian.PutUint16(b, uint16(v>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(v))
}

// maxOptions is the size of TCP's option field in bytes (RFC 9293, section 3.1).
const maxOptions = 40
