// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "encoding/binary"

// Secret makes the nonces of a responder (M224). It consists of random bytes that never
// leave the stack: no peer can compute a nonce that it has not received. Another Secret
// makes the earlier nonces void, and nothing else.
type Secret [32]byte

// nonce is what the initiator has to receive at its new address (M223). The ACK returns
// its open byte. Only the ACK's tag depends on the 5 closed ones.
type nonce uint64

func (n nonce) open() uint8 { return uint8(n >> 40) }

// An open byte holds the low bits of the tick, and a class of MSS below them.
const (
	classBits = 5
	tickBits  = 8 - classBits
)

// mssClasses are what an open byte can say of the MSS of a SYN (M229). The first is the
// least MSS that every IPv4 host takes (RFC 9293, section 3.7.1). There are many classes
// where the MSS of usual links and tunnels is.
var mssClasses = [1 << classBits]uint16{
	536, 1024, 1180, 1200, 1220, 1240, 1260, 1280, 1300, 1320, 1340, 1360, 1380, 1400, 1410, 1420,
	1430, 1432, 1440, 1448, 1452, 1460, 1480, 2000, 4000, 8192, 8900, 8960, 16000, 32000, 65483, 65495,
}

// mssClass returns the class of the largest MSS that is not above mss, or the first.
func mssClass(mss uint16) (class uint8) {
	for i, c := range mssClasses {
		if c <= mss {
			class = uint8(i)
		}
	}
	return class
}

// classMSS returns the MSS that an open byte stands for.
func classMSS(open uint8) uint16 { return mssClasses[open&(1<<classBits-1)] }

// nonce returns the nonce of a SYN-ACK to tuple t that is sent at now.
func (s *Secret) nonce(now Time, t Tuple, tok Token, reqNo uint8, mss uint16) nonce {
	tick := uint64(now / nonceTick)
	return s.nonceOf(tick, t, tok, reqNo, uint8(tick)<<classBits|mssClass(mss))
}

// nonceOf computes the nonce of a tick (M224). It does not allocate.
func (s *Secret) nonceOf(tick uint64, t Tuple, tok Token, reqNo, open uint8) nonce {
	var m [16 + 16 + 2 + 2 + 8 + 1 + 1 + 8]byte
	local, remote := t.Local.Addr().As16(), t.Remote.Addr().As16()
	copy(m[:], local[:])
	copy(m[16:], remote[:])
	binary.BigEndian.PutUint16(m[32:], t.Local.Port())
	binary.BigEndian.PutUint16(m[34:], t.Remote.Port())
	binary.BigEndian.PutUint64(m[36:], uint64(tok))
	m[44], m[45] = reqNo, open
	binary.BigEndian.PutUint64(m[46:], tick)
	sum := hmac256((*[32]byte)(s), m[:])
	return nonce(open)<<40 | nonce(uint64(binary.BigEndian.Uint32(sum[:]))<<8|uint64(sum[4]))
}

// again computes the nonce that the ACK with p on tuple t returns. It counts in its tick
// and in the next one (M228).
func (s *Secret) again(now Time, t Tuple, p Proof) (n nonce, ok bool) {
	tick := uint64(now / nonceTick)
	age := uint64((uint8(tick) - p.Open>>classBits) & (1<<tickBits - 1))
	if age > 1 || age > tick {
		return 0, false
	}
	return s.nonceOf(tick-age, t, p.Token, p.ReqNo, p.Open), true
}
