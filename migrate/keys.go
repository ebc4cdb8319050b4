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

const hkdfSalt = "mnet tcp-migrate 2"

// nullSecret is the size of K where there is no key exchange.
const nullSecret = 25

// keyShare is what one end puts into the keys: its public key, and the flags and the fresh
// bytes of its Key-Rest.
type keyShare struct {
	public [keySize]byte
	flags  byte
	fresh  [nFresh]byte
}

// newKeys derives the keys from the shared secret z and the shares of both ends (M211,
// M221).
func newKeys(suite SuiteID, role Role, z []byte, own, peer keyShare, iss, irs uint32) (*keys, error) {
	k := &keys{suite: suite, role: role, iss: iss, irs: irs}
	switch suite {
	case SuiteX25519SHA1:
		copy(k.secret[:], z)
	case SuiteX25519SHA256:
		o, a := own, peer
		if role == Acceptor {
			o, a = peer, own
		}
		ikm := slices.Concat(z, o.public[:], a.public[:], []byte{o.flags, a.flags}, o.fresh[:], a.fresh[:])
		prk, err := hkdf.Extract(sha256.New, ikm, []byte(hkdfSalt))
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
	labelProof   = "proof"
	labelReceipt = "receipt"
	labelConfirm = "confirm"
	labelAbort   = "abort"
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
	const maxMessage = 48
	var b [4 + 4 + keySize + maxMessage]byte
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

// requestTag returns the tag of the SYN with sequence number seq by which the end with
// role r asks for its n-th migration. Suite 0x02 hashes relative numbers only (M225). The
// others have the form of the draft.
func (k *keys) requestTag(r Role, n uint64, seq uint32) uint64 {
	if !k.suite.rolling() {
		return k.sha1Tag(byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq), byte(n))
	}
	var m [12]byte
	binary.BigEndian.PutUint64(m[:], n)
	binary.BigEndian.PutUint32(m[8:], seq-k.isn(r))
	return k.tag(labelRequest, r, m[:])
}

// labelled returns the tag of a segment that the draft has no tag for. In suites 0x00 and
// 0x01 the label and the role are hashed in front of the message (M212).
func (k *keys) labelled(label string, r Role, msg []byte) uint64 {
	if k.suite.rolling() {
		return k.tag(label, r, msg)
	}
	var m [48]byte
	n := copy(m[:], label)
	m[n] = byte(r)
	n += 1 + copy(m[n+1:], msg)
	return k.sha1Tag(m[:n]...)
}

// answerTag returns the tag of a SYN-ACK with sequence number seq by the end with role
// r, which is 6 bytes long.
func (k *keys) answerTag(r Role, n uint64, seq uint32, a answer) uint64 {
	var m [8 + 4 + 4 + 8]byte
	binary.BigEndian.PutUint64(m[:], k.serial(n))
	binary.BigEndian.PutUint32(m[8:], seq-k.isn(r))
	binary.BigEndian.PutUint32(m[12:], a.rcvNxt)
	binary.BigEndian.PutUint64(m[16:], uint64(a.nonce))
	return k.labelled(labelSYNACK, r, m[:]) >> 16
}

// proofTag returns the tag of p on an ACK with sequence number seq by the end with role
// r. label is labelProof or labelReceipt.
func (k *keys) proofTag(label string, r Role, n uint64, seq uint32, p Proof, x nonce) uint64 {
	var m [8 + 1 + 1 + 4 + 4 + 8]byte
	binary.BigEndian.PutUint64(m[:], k.serial(n))
	m[8], m[9] = p.Done, byte(p.Flags)
	if p.Flags&flagCover != 0 {
		binary.BigEndian.PutUint32(m[10:], seq-k.isn(r))
	}
	binary.BigEndian.PutUint32(m[14:], p.Rcv)
	binary.BigEndian.PutUint64(m[18:], uint64(x))
	return k.labelled(label, r, m[:])
}

// serial returns the part of a counter that the tags hash. In suites 0x00 and 0x01 that
// is the low byte, as the SYN tells no more of it.
func (k *keys) serial(n uint64) uint64 {
	if !k.suite.rolling() {
		return uint64(uint8(n))
	}
	return n
}

// confirmTag returns the tag that proves that the end with role r has computed the
// secret. With done, the end has also checked the other end's tag.
func (k *keys) confirmTag(r Role, done bool) uint64 {
	var m [1]byte
	if done {
		m[0] = 1
	}
	return k.labelled(labelConfirm, r, m[:])
}

// abortTag returns the tag by which the end with role r proves that it meant its RST with
// sequence number seq. epoch is the epoch of that end (M406).
func (k *keys) abortTag(r Role, epoch, seq uint32) uint64 {
	var m [8]byte
	binary.BigEndian.PutUint32(m[:], epoch)
	binary.BigEndian.PutUint32(m[4:], seq-k.isn(r))
	return k.labelled(labelAbort, r, m[:])
}

// Verifier checks what names a connection by a token. It is immutable and safe for
// concurrent use, so that a forgery is found out without the connection's lock. Its
// methods do not allocate (M410).
type Verifier keys

// Verify reports whether the peer made the request that came on a SYN with sequence
// number seq (M412). counter is the counter of the token in the table. Suites with a
// single token take it from the request.
func (v *Verifier) Verify(r Request, counter uint64, seq uint32) bool {
	k := (*keys)(v)
	counter = k.fullCounter(r.ReqNo, counter)
	return uint8(counter) == r.ReqNo && k.requestTag(k.role.peer(), counter, seq) == r.Tag
}

// VerifyProof reports whether the peer sent p on an ACK with sequence number seq, in
// answer to a SYN-ACK from here to tuple t (M531). counter is as for Verify.
func (v *Verifier) VerifyProof(s *Secret, now Time, t Tuple, p Proof, counter uint64, seq uint32) bool {
	_, ok := (*keys)(v).proven(s, now, t, p, counter, seq)
	return ok
}

func (k *keys) proven(s *Secret, now Time, t Tuple, p Proof, counter uint64, seq uint32) (n nonce, ok bool) {
	counter = k.fullCounter(p.ReqNo, counter)
	if uint8(counter) != p.ReqNo {
		return 0, false
	}
	n, ok = s.again(now, t, p)
	return n, ok && k.proofTag(labelProof, k.role.peer(), counter, seq, p, n) == p.Tag
}

// fullCounter is the counter that the tags of a segment hash.
func (k *keys) fullCounter(reqNo uint8, counter uint64) uint64 {
	if !k.suite.rolling() {
		return uint64(reqNo)
	}
	return counter
}

// VerifyAbort reports whether the peer meant the RST with sequence number seq. counter
// is as for Verify.
func (v *Verifier) VerifyAbort(r Request, counter uint64, seq uint32) bool {
	k := (*keys)(v)
	return r.Tag == k.abortTag(k.role.peer(), epoch(counter), seq)
}

// epoch returns the epoch of counter n (M406). Each owner that an end of a connection
// gets has an epoch of its own.
func epoch(n uint64) uint32 { return uint32(n >> 32) }
