// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"crypto/ecdh"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"testing"
)

// The vectors are made by testdata/vectors.py, which shares nothing with this
// package but docs/protocol.md.

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func (h hexBytes) uint64() uint64 { return binary.BigEndian.Uint64(h) }

type tagVectors struct {
	Confirm  [2]hexBytes
	Counters []struct {
		N                     uint64
		Seq, Rcv              uint32
		Nonce, Token, Request hexBytes
		SYNACK, Abort         hexBytes
		Proofs, Receipts      []hexBytes // by flags
	}
}

type optionVectors struct {
	SYN, Rest, Request, SYNACK, ACK, Receipt, Abort hexBytes
	Confirm                                         [2]hexBytes
}

type suiteVectors struct {
	Suite   SuiteID
	Public  [2]hexBytes
	Shared  hexBytes
	PRK     hexBytes
	Tags    [2]tagVectors
	Options map[string][2]optionVectors
	Bound   struct {
		PRK  hexBytes
		Tags [2]tagVectors
	}
}

type vectorFile struct {
	Private [2]hexBytes
	ISN     [2]uint32
	Fresh   [2]hexBytes
	Flags   [2]uint8
	TCB     struct {
		Una, Nxt [2]uint32
		Now      Time
	}
	Secret  hexBytes // of the applications
	Secrets [2]hexBytes
	Nonces  []struct {
		Now           Time
		Local, Remote string
		Token         hexBytes
		ReqNo         uint8
		MSS           uint16
		Nonce         hexBytes
	}
	Suites []suiteVectors
}

func readVectors(t *testing.T) (v vectorFile) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Suites) != len(suiteNames) {
		t.Fatalf("vectors for %d suites, there are %d", len(v.Suites), len(suiteNames))
	}
	return v
}

// keysOf derives the keys of both ends from the private keys.
func (v *vectorFile) keysOf(t *testing.T, s *suiteVectors) (ends [2]*keys) {
	t.Helper()
	for _, role := range []Role{Opener, Acceptor} {
		var z []byte
		var shares [2]keyShare
		if s.Suite.hasKey() {
			key, err := ecdh.X25519().NewPrivateKey(v.Private[role])
			if err != nil {
				t.Fatal(err)
			}
			pub, err := ecdh.X25519().NewPublicKey(s.Public[role.peer()])
			if err != nil {
				t.Fatal(err)
			}
			if z, err = key.ECDH(pub); err != nil || !bytes.Equal(z, s.Shared) {
				t.Fatalf("%v: shared secret %x, %v, want %x", s.Suite, z, err, s.Shared)
			}
			if own := key.PublicKey().Bytes(); !bytes.Equal(own, s.Public[role]) {
				t.Fatalf("%v: public key %x, want %x", s.Suite, own, s.Public[role])
			}
			for r := range shares {
				shares[r].flags = v.Flags[r]
				copy(shares[r].public[:], s.Public[r])
				copy(shares[r].fresh[:], v.Fresh[r])
			}
		}
		k, err := newKeys(s.Suite, role, z, shares[role], shares[role.peer()], v.ISN[role], v.ISN[role.peer()])
		if err != nil {
			t.Fatal(err)
		}
		ends[role] = k
	}
	return ends
}

// M211: Tokens and tags of suites 0x00 and 0x01 MUST be the first bytes of these
// hashes: 8 bytes, but 6 in an answer.
//
// M212: Label, r and message of M211 MUST be those of the same tag in suite 0x02
// (M221). There n is ReqNo, as 8 bytes.
//
// M221: In suite 0x02 tokens and tags MUST be the first bytes of these values: 8
// bytes, but 6 in an answer.
//
// M241: Binding MUST replace PRK by PRK' = HKDF-Extract(salt = PRK, IKM = secret).
// From then on only PRK' counts, in both directions.
//
// M225: In suite 0x02 an ISN or an absolute sequence number MUST NOT be hashed.
func TestTagVectors(t *testing.T) {
	v := readVectors(t)
	for i := range v.Suites {
		s := &v.Suites[i]
		for _, k := range v.keysOf(t, s) {
			t.Run(fmt.Sprintf("%v/%d", s.Suite, k.role), func(t *testing.T) {
				if len(s.PRK) > 0 && !bytes.Equal(k.secret[:], s.PRK) {
					t.Errorf("PRK %x, want %x", k.secret, s.PRK)
				}
				checkTags(t, k, &s.Tags)
				if len(s.Bound.PRK) == 0 {
					return
				}
				bound, err := k.bind(v.Secret)
				if err != nil || !bytes.Equal(bound.secret[:], s.Bound.PRK) {
					t.Fatalf("bound PRK %x, %v, want %x", bound.secret, err, s.Bound.PRK)
				}
				checkTags(t, bound, &s.Bound.Tags)
				checkTags(t, k, &s.Tags) // not changed by bind
			})
		}
	}
}

// checkTags compares the tags of both roles as one end computes them.
func checkTags(t *testing.T, k *keys, v *[2]tagVectors) {
	t.Helper()
	check := func(name string, r Role, n, got uint64, want hexBytes) {
		t.Helper()
		if got != want.uint64() {
			t.Errorf("%s(%d, %d) = %016x, want %x", name, r, n, got, want)
		}
	}
	for _, r := range []Role{Opener, Acceptor} {
		check("confirm", r, 0, k.confirmTag(r, false), v[r].Confirm[0])
		check("confirm", r, 1, k.confirmTag(r, true), v[r].Confirm[1])
		for _, c := range v[r].Counters {
			x := nonce(uint48(c.Nonce))
			a := answer{reqNo: uint8(c.N), rcvNxt: c.Rcv, nonce: x}
			check("token", r, c.N, uint64(k.token(r, c.N)), c.Token)
			check("request", r, c.N, k.requestTag(r, c.N, c.Seq), c.Request)
			if got := k.answerTag(r, c.N, c.Seq, a); got != uint48(c.SYNACK) {
				t.Errorf("synack(%d, %d) = %012x, want %x", r, c.N, got, c.SYNACK)
			}
			for flags := range c.Proofs {
				p := Proof{ReqNo: uint8(c.N), Done: 77, Flags: proofFlags(flags), Rcv: c.Rcv}
				check("proof", r, c.N, k.proofTag(labelProof, r, c.N, c.Seq, p, x), c.Proofs[flags])
				check("receipt", r, c.N, k.proofTag(labelReceipt, r, c.N, c.Seq, p, x), c.Receipts[flags])
			}
			check("abort", r, c.N, k.abortTag(r, epoch(c.N), c.Seq), c.Abort)

			req := Request{ReqNo: uint8(c.N), Token: Token(c.Token.uint64()), Tag: c.Request.uint64()}
			if got := (*Verifier)(k).Verify(req, c.N, c.Seq); got != (r != k.role || !k.suite.rolling()) {
				t.Errorf("Verify(request %d of role %d) = %v at role %d", c.N, r, got, k.role)
			}
		}
	}
}

// M224: The 5 closed bytes of a nonce MUST be the first ones of this value. The secret
// is 32 random bytes that never leave the stack.
//
// M229: The open byte MUST hold the tick's low 3 bits. Below them is the class of the
// largest of these MSS values that is not above the SYN's, or else the first.
func TestNonceVectors(t *testing.T) {
	v := readVectors(t)
	s := Secret(v.Secrets[0])
	for _, n := range v.Nonces {
		at := Tuple{netip.MustParseAddrPort(n.Local), netip.MustParseAddrPort(n.Remote)}
		if got := s.nonce(n.Now, at, Token(n.Token.uint64()), n.ReqNo, n.MSS); uint64(got) != uint48(n.Nonce) {
			t.Errorf("nonce %012x, want %x", got, n.Nonce)
		}
	}
	if len(v.Nonces) < 4 {
		t.Errorf("%d vectors", len(v.Nonces))
	}
}

// TestOptionVectors lets two machines negotiate and each migrate once, and
// compares the options that they write.
//
// M101: Migrate-Permitted, Key-Rest and Key-Confirm MUST have Kind 15, and are told
// apart by length. Migrate MUST have Kind 16.
//
// M102: Format experimental MUST use Kind 253, a length two higher, and an ExID in
// front of the content (RFC 6994). The ExID is 0x6D70 for Kind 15 and 0x6D67 for Kind
// 16.
//
// M109: Migrate MUST be a request on a SYN and a RST, an answer on a SYN-ACK, and a
// proof on any other segment.
//
// M401: Each end MUST count its own requests, from 1. ReqNo is the counter's low byte.
//
// M721: An end that aborts a connection that can migrate MUST put the Abort tag in the
// Migrate option of its RST. Its Token names the sender's last request if that may not
// be completed, else the next.
func TestOptionVectors(t *testing.T) {
	v := readVectors(t)
	for i := range v.Suites {
		s := &v.Suites[i]
		for name, want := range s.Options {
			format := map[string]Format{"kinds": FormatKinds, "experimental": FormatExperimental}[name]
			for _, initiator := range []Role{Opener, Acceptor} {
				t.Run(fmt.Sprintf("%v/%s/%d", s.Suite, name, initiator), func(t *testing.T) {
					checkOptions(t, &v, s.Suite, format, initiator, &want)
				})
			}
		}
	}
}

func checkOptions(t *testing.T, v *vectorFile, suite SuiteID, format Format, initiator Role, want *[2]optionVectors) {
	equal := func(what string, got []byte, want ...hexBytes) {
		t.Helper()
		if w := concat(want...); !bytes.Equal(got, w) {
			t.Errorf("%s: %x, want %x", what, got, w)
		}
	}
	cfg := &Config{Format: format, Suites: []SuiteID{suite}}
	var conns [2]*Machine
	for r := range conns {
		secret := Secret(v.Secrets[r])
		c, err := NewMachine(Role(r), cfg, &secret, bytes.NewReader(concat(v.Private[r], v.Fresh[r])))
		if err != nil {
			t.Fatal(err)
		}
		c.setFlags(v.Flags[r])
		conns[r] = c
	}
	o, a := conns[Opener], conns[Acceptor]
	const room = 40
	syn := o.SYNOption(nil, room)
	equal("SYN", syn, want[Opener].SYN)
	a.PeerSYN(syn)
	a.setFlags(v.Flags[Acceptor])
	synack := a.SYNOption(nil, room)
	equal("SYN-ACK", synack, want[Acceptor].SYN)
	o.PeerSYN(synack)
	o.Established(0, v.ISN[Opener], v.ISN[Acceptor])
	a.Established(0, v.ISN[Acceptor], v.ISN[Opener])
	if suite.hasKey() {
		ack := func(c *Machine) []byte { return c.ACKOption(nil, room, 0, TCB{}) }
		rest := ack(o)
		equal("Key-Rest", rest, want[Opener].Rest)
		a.PeerACK(0, 0, rest, TCB{})
		both := ack(a)
		equal("Key-Rest, Key-Confirm", both, want[Acceptor].Rest, want[Acceptor].Confirm[0])
		o.PeerACK(0, 0, both, TCB{})
		confirm := ack(o)
		equal("Key-Confirm", confirm, want[Opener].Confirm[1])
		a.PeerACK(0, 0, confirm, TCB{})
	}
	if o.State() != Confirmed || a.State() != Confirmed {
		t.Fatalf("%v, %v", o.State(), a.State())
	}

	// All that has been sent has arrived.
	c, s := conns[initiator], conns[initiator.peer()]
	tcb := func(r Role) TCB {
		return TCB{
			SndUna: v.TCB.Una[r], SndNxt: v.TCB.Nxt[r], RcvNxt: v.TCB.Nxt[r.peer()], RcvAcc: v.TCB.Nxt[r.peer()] + 1000,
			Movable: true,
		}
	}
	w := &want[initiator]
	now := v.TCB.Now
	equal("RST", c.AbortOption(nil, room, v.TCB.Nxt[initiator]), w.Abort)
	acts, err := c.Start(now, tuple(1, 2), tuple(3, 4), tcb(initiator), true)
	if err != nil {
		t.Fatal(err)
	}
	sent := func(acts []Action, kind ActionKind) Action {
		t.Helper()
		for _, a := range acts {
			if a.Kind == kind {
				return a
			}
		}
		t.Fatalf("no action %d in %+v", kind, acts)
		panic("unreachable")
	}
	mig := sent(acts, ActSendSYN)
	equal("migrate SYN", mig.Option, w.Request)
	req, ok := ParseRequest(format, mig.Option)
	if !ok {
		t.Fatalf("cannot parse %x", mig.Option)
	}
	reply := sent(s.SYN(now, tuple(2, 1), tuple(4, 3), req, 1, mig.Seq, testMSS, tcb(initiator.peer())), ActAnswerSYN)
	equal("migrate SYN-ACK", reply.Option, w.SYNACK)
	acts, _ = c.Segment(now, Segment{
		Tuple: tuple(1, 2), Seq: reply.Seq, Ack: reply.Ack, SYN: true, ACK: true, Options: reply.Option,
	}, tuple(3, 4), tcb(initiator))
	third := sent(acts, ActSendACK)
	equal("step 4", third.Option, w.ACK)
	proof, ok := ParseProof(format, third.Option)
	if !ok {
		t.Fatalf("cannot parse %x", third.Option)
	}
	acts, _ = s.Proof(now, Segment{
		Tuple: tuple(2, 1), Seq: third.Seq, Ack: reply.Seq + 1, Window: 1 << 20, ACK: true, Options: third.Option,
	}, tuple(4, 3), proof, 1, tcb(initiator.peer()), func() bool { return true })
	equal("step 5", sent(acts, ActSendACK).Option, w.Receipt)
}

func concat(parts ...hexBytes) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// tuple returns a tuple of hosts in 192.0.2.0/24.
func tuple(local, remote byte) Tuple {
	return Tuple{
		Local:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, local}), 1000),
		Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, remote}), 2000),
	}
}
