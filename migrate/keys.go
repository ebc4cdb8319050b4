// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"crypto/hkdf"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// keys computes tokens and tags as one end does. It is immutable.
type keys struct {
	suite SuiteID
	role  Role // of this end

	// secret is PRK for suite 0x02, the shared secret for 0x01, unused for 0x00.
	secret   [sha256.Size]byte
	iss, irs uint32
}

const hkdfSalt = "mnet tcp-migrate"

// nullSecret is the size of K where there is no key exchange.
const nullSecret = 25

// newKeys derives the keys from the shared secret z and the public keys (M211, M221).
func newKeys(suite SuiteID, role Role, z, own, peer []byte, iss, irs uint32) (*keys, error) {
	k := &keys{suite: suite, role: role, iss: iss, irs: irs}
	switch suite {
	case SuiteX25519SHA1:
		copy(k.secret[:], z)
	case SuiteX25519SHA256:
		first, second := own, peer
		if role == Acceptor {
			first, second = peer, own
		}
		prk, err := hkdf.Extract(sha256.New, slices.Concat(z, first, second), []byte(hkdfSalt))
		if err != nil {
			return nil, err
		}
		copy(k.secret[:], prk)
	}
	return k, nil
}

// bind returns the keys into which secret is mixed (M241).
func (k *keys) bind(secret []byte) (*keys, error) {
	prk, err := hkdf.Extract(sha256.New, secret, k.secret[:])
	if err != nil {
		return nil, err
	}
	n := *k
	copy(n.secret[:], prk)
	return &n, nil
}

// Labels of tags (M221).
const (
	labelToken   = "token"
	labelRequest = "request"
	labelSYNACK  = "synack"
	labelACK     = "ack"
	labelConfirm = "confirm"
	labelAbort   = "abort"
	labelNonce   = "nonce"
)

// tag returns the first 8 bytes of HMAC(key(label, r), msg) (M221).
func (k *keys) tag(label string, r Role, msg []byte) uint64 {
	// HKDF-Expand for one block: HMAC(PRK, info || 0x01) (RFC 5869, 2.3).
	var info [16 + 2 + 1]byte
	n := copy(info[:16], label)
	info[n], info[n+1], info[n+2] = byte(k.suite), byte(r), 1
	key := hmac256(&k.secret, info[:n+3])
	sum := hmac256(&key, msg)
	return binary.BigEndian.Uint64(sum[:])
}

// hmac256 is HMAC-SHA-256 (RFC 2104) for keys of the hash's size and messages of at most
// maxMessage bytes. It works on the stack: a forged request must not make us allocate
// (M410), and crypto/hmac does.
func hmac256(key *[sha256.Size]byte, msg []byte) [sha256.Size]byte {
	const maxMessage = 96
	var in [sha256.BlockSize + maxMessage]byte
	var out [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		in[i], out[i] = 0x36, 0x5c
	}
	for i, b := range key {
		in[i] ^= b
		out[i] ^= b
	}
	n := sha256.BlockSize + copy(in[sha256.BlockSize:], msg)
	sum := sha256.Sum256(in[:n])
	copy(out[sha256.BlockSize:], sum[:])
	return sha256.Sum256(out[:])
}

// sha1Tag returns the first 8 bytes of SHA1(Ni || Nj || K || msg), as the draft has it
// (M211).
func (k *keys) sha1Tag(msg ...byte) uint64 {
	var b [4 + 4 + keySize + 16]byte
	ni, nj := k.iss, k.irs
	if k.role == Acceptor {
		ni, nj = nj, ni
	}
	binary.BigEndian.PutUint32(b[:], ni)
	binary.BigEndian.PutUint32(b[4:], nj)
	n := 8 + nullSecret
	if k.suite.hasKey() {
		n = 8 + copy(b[8:], k.secret[:])
	}
	n += copy(b[n:], msg)
	sum := sha1.Sum(b[:n])
	return binary.BigEndian.Uint64(sum[:])
}

// isn returns the initial sequence number of the end with role r.
func (k *keys) isn(r Role) uint32 {
	if r == k.role {
		return k.iss
	}
	return k.irs
}

// token returns the token by which the end with role r asks for its n-th migration.
func (k *keys) token(r Role, n uint64) Token {
	if !k.suite.rolling() {
		return Token(k.sha1Tag())
	}
	var m [8]byte
	binary.BigEndian.PutUint64(m[:], n)
	return Token(k.tag(labelToken, r, m[:]))
}

// draftTag returns the Request of suites 0x00 and 0x01, which is the same on all
// segments (M212).
func (k *keys) draftTag(seq uint32, n uint64) uint64 {
	return k.sha1Tag(byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq), byte(n))
}

// requestTag returns the tag of the SYN with sequence number seq by which the end with
// role r asks for its n-th migration. Suite 0x02 hashes relative numbers only (M225).
func (k *keys) requestTag(r Role, n uint64, seq uint32) uint64 {
	if !k.suite.rolling() {
		return k.draftTag(seq, n)
	}
	var m [12]byte
	binary.BigEndian.PutUint64(m[:], n)
	binary.BigEndian.PutUint32(m[8:], seq-k.isn(r))
	return k.tag(labelRequest, r, m[:])
}

// synackTag returns the tag of a SYN-ACK by the end with role r.
func (k *keys) synackTag(r Role, n uint64, seq uint32, field Token) uint64 {
	if !k.suite.rolling() {
		return k.draftTag(seq, n)
	}
	var m [20]byte
	binary.BigEndian.PutUint64(m[:], n)
	binary.BigEndian.PutUint32(m[8:], seq-k.isn(r))
	binary.BigEndian.PutUint64(m[12:], uint64(field))
	return k.tag(labelSYNACK, r, m[:])
}

// ackTag returns the tag of an ACK by the end with role r.
func (k *keys) ackTag(r Role, n uint64, seq uint32, field Token) uint64 {
	if !k.suite.rolling() {
		return k.draftTag(seq, n)
	}
	var m [16]byte
	binary.BigEndian.PutUint64(m[:], n)
	binary.BigEndian.PutUint64(m[8:], uint64(field))
	return k.tag(labelACK, r, m[:])
}

// confirmTag returns the tag that proves that the end with role r has computed the
// secret. With done, the end has also checked the other end's tag.
func (k *keys) confirmTag(r Role, done bool) uint64 {
	var m [1]byte
	if done {
		m[0] = 1
	}
	if !k.suite.rolling() {
		return k.sha1Tag(append([]byte(labelConfirm), byte(r), m[0])...)
	}
	return k.tag(labelConfirm, r, m[:])
}

// nonce returns a number that an attacker without the secret cannot predict (M224).
func (k *keys) nonce(n uint64, now Time) uint32 {
	var m [16]byte
	binary.BigEndian.PutUint64(m[:], n)
	binary.BigEndian.PutUint64(m[8:], uint64(now))
	return uint32(k.tag(labelNonce, k.role, m[:]))
}

// abortTag returns the tag that proves that the end with role r meant its RST with
// sequence number seq.
func (k *keys) abortTag(r Role, seq uint32) uint64 {
	if !k.suite.rolling() {
		return k.sha1Tag(append([]byte(labelAbort), byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq))...)
	}
	var m [4]byte
	binary.BigEndian.PutUint32(m[:], seq-k.isn(r))
	return k.tag(labelAbort, r, m[:])
}

// Verifier checks the tags of requests. It is immutable and safe for concurrent use, so
// that a forgery is found out without the connection's lock.
type Verifier keys

// Verify reports whether the peer made the request that came on a SYN with sequence
// number seq (M412). counter is the counter of the token in the table. Suites with a
// single token take it from the request. Verify does not allocate (M410).
func (v *Verifier) Verify(r Request, counter uint64, seq uint32) bool {
	k := (*keys)(v)
	if !k.suite.rolling() {
		counter = uint64(r.ReqNo)
	}
	return uint8(counter) == r.ReqNo && k.requestTag(k.role.peer(), counter, seq) == r.Tag
}
