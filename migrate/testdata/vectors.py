#!/usr/bin/env python3
# Copyright 2026 The mnet Authors.
# SPDX-License-Identifier: Apache-2.0
"""Test vectors of docs/protocol.md, written to vectors.json.

Shares no code with the Go implementation and needs the standard library only.
X25519 and HKDF are checked against the vectors of their RFCs first.

Usage: vectors.py           writes vectors.json
       vectors.py --check   fails if vectors.json is not what would be written
"""

import hashlib
import hmac
import ipaddress
import json
import pathlib
import struct
import sys

# X25519 (RFC 7748, section 5).

P = 2**255 - 19
BASE = bytes([9]) + bytes(31)


def x25519(scalar, point):
    k = int.from_bytes(scalar, "little")
    k = k & ~7 & (2**255 - 1) | 2**254
    x1 = int.from_bytes(point, "little") % 2**255
    x2, z2, x3, z3 = 1, 0, x1, 1
    for t in range(254, -1, -1):
        if k >> t & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        plus, minus = (x2 + z2) ** 2, (x2 - z2) ** 2
        cross1, cross2 = (x3 - z3) * (x2 + z2), (x3 + z3) * (x2 - z2)
        diff = plus - minus
        x2, z2 = plus * minus % P, diff * (plus + 121665 * diff) % P
        x3, z3 = (cross1 + cross2) ** 2 % P, x1 * (cross1 - cross2) ** 2 % P
        if k >> t & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


# HKDF with SHA-256 (RFC 5869, section 2).


def mac(key, msg):
    return hmac.new(key, msg, hashlib.sha256).digest()


def expand(prk, info, size):
    out = block = b""
    for i in range(1, -(-size // 32) + 1):
        block = mac(prk, block + info + bytes([i]))
        out += block
    return out[:size]


def self_test():
    h = bytes.fromhex

    def equal(a, b):
        if a != b:
            sys.exit(f"self-test: {a.hex()} != {b.hex()}")

    # RFC 7748, section 5.2.
    equal(
        x25519(
            h("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            h("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
        ),
        h("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
    )
    k = u = BASE
    for _ in range(1000):
        k, u = x25519(k, u), k
    equal(k, h("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"))
    # RFC 7748, section 6.1.
    a = h("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    b = h("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    equal(x25519(a, BASE), h("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
    z = h("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    equal(x25519(a, x25519(b, BASE)), z)
    equal(x25519(b, x25519(a, BASE)), z)
    # RFC 5869, appendices A.1 and A.2.
    prk = mac(bytes(range(13)), bytes([0x0B] * 22))
    equal(prk, h("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"))
    equal(
        expand(prk, bytes(range(0xF0, 0xFA)), 42),
        h("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    )
    prk = mac(bytes(range(0x60, 0xB0)), bytes(range(0x50)))
    equal(prk, h("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"))
    equal(
        expand(prk, bytes(range(0xB0, 0x100)), 82)[-18:],
        h("cc30c58179ec3e87c14c01d5c1f3434f1d87"),
    )


# The protocol.

OPENER, ACCEPTOR = 0, 1


def u32(n):
    return struct.pack(">I", n % 2**32)


def u64(n):
    return struct.pack(">Q", n)


class Keys:
    """Sections 2 and 4 as seen from above: both ends have the same keys."""

    def __init__(self, suite, private, flags, fresh, isn):
        self.suite, self.isn = suite, isn
        self.public = [x25519(k, BASE) for k in private]
        self.z = x25519(private[0], self.public[1])
        if suite == 0:
            self.public, self.z = [b"", b""], bytes(25)
        shares = self.public[0] + self.public[1] + bytes(flags) + fresh[0] + fresh[1]
        self.prk = mac(b"mnet tcp-migrate 2", self.z + shares)

    def bind(self, secret):
        self.prk = mac(self.prk, secret)

    def sha1(self, msg=b""):
        return hashlib.sha1(u32(self.isn[0]) + u32(self.isn[1]) + self.z + msg).digest()[:8]

    def hmac(self, label, role, msg):
        info = label.encode() + bytes([self.suite, role])
        return mac(expand(self.prk, info, 32), msg)[:8]

    def rel(self, role, seq):
        return u32(seq - self.isn[role])

    def token(self, role, n):
        return self.hmac("token", role, u64(n)) if self.suite == 2 else self.sha1()

    def request(self, role, n, seq):
        if self.suite == 2:
            return self.hmac("request", role, u64(n) + self.rel(role, seq))
        return self.sha1(u32(seq) + bytes([n % 256]))

    def labelled(self, label, role, msg):
        if self.suite == 2:
            return self.hmac(label, role, msg)
        return self.sha1(label.encode() + bytes([role]) + msg)

    def serial(self, n):
        return u64(n if self.suite == 2 else n % 256)

    def synack(self, role, n, seq, rcv, nonce):
        msg = self.serial(n) + self.rel(role, seq) + u32(rcv) + b"\0\0" + nonce
        return self.labelled("synack", role, msg)[:6]

    def ack(self, label, role, n, done, flags, seq, rcv, nonce):
        where = self.rel(role, seq) if flags & COVER else bytes(4)
        msg = self.serial(n) + bytes([done, flags]) + where + u32(rcv) + b"\0\0" + nonce
        return self.labelled(label, role, msg)

    def confirm(self, role, done):
        return self.labelled("confirm", role, bytes([done]))

    def abort(self, role, n, seq):
        return self.labelled("abort", role, u32(n >> 32) + self.rel(role, seq))


COVER, ALIVE = 1, 2

CLASSES = [
    536, 1024, 1180, 1200, 1220, 1240, 1260, 1280, 1300, 1320, 1340, 1360, 1380, 1400, 1410, 1420,
    1430, 1432, 1440, 1448, 1452, 1460, 1480, 2000, 4000, 8192, 8900, 8960, 16000, 32000, 65483, 65495,
]  # fmt: skip


def address(a):
    ip = ipaddress.ip_address(a)
    return ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed


def nonce(secret, now, local, remote, token, reqno, mss):
    """local and remote are an address and a port."""
    tick = now // 64_000_000_000
    cls = max([i for i, c in enumerate(CLASSES) if c <= mss], default=0)
    start = bytes([tick % 8 * 32 + cls])
    where = address(local[0]) + address(remote[0]) + struct.pack(">HH", local[1], remote[1])
    return start + mac(secret, where + token + bytes([reqno]) + start + u64(tick))[:5]


def tags(keys):
    """All tags of both roles for a few inputs."""
    out = []
    for role in (OPENER, ACCEPTOR):
        isn = keys.isn[role]
        numbers = [(1, isn + 1), (2, isn), (255, isn - 1), (256, isn + 0x80000000), (2**40 + 7, 0)]
        x, rcv = bytes.fromhex("0123456789ab"), 0xFEDCBA98
        out.append(
            {
                "confirm": [keys.confirm(role, d).hex() for d in (0, 1)],
                "counters": [
                    {
                        "n": n,
                        "seq": seq % 2**32,
                        "rcv": rcv,
                        "nonce": x.hex(),
                        "token": keys.token(role, n).hex(),
                        "request": keys.request(role, n, seq).hex(),
                        "synack": keys.synack(role, n, seq, rcv, x).hex(),
                        "proofs": [keys.ack("proof", role, n, 77, f, seq, rcv, x).hex() for f in range(8)],
                        "receipts": [keys.ack("receipt", role, n, 77, f, seq, rcv, x).hex() for f in range(8)],
                        "abort": keys.abort(role, n, seq).hex(),
                    }
                    for n, seq in numbers
                ],
            }
        )
    return out


# What stands in front of the content: Kind and Length, with the ExID of the
# experimental format. And how many bytes of a key the SYN carries.
FORMATS = {
    "kinds": ({"permitted": (15, b""), "migrate": (16, b"")}, 17),
    "experimental": ({"permitted": (253, b"\x6d\x70"), "migrate": (253, b"\x6d\x67")}, 15),
}


def options(keys, flags, fresh, secrets, tcb):
    """The options of one negotiation, and of a first migration by each end.

    tcb has SND.UNA and SND.NXT of both ends; all that has been sent has
    arrived. The responder takes the request at the time now.
    """
    out = {}
    for name, (heads, split) in FORMATS.items():

        def option(what, content):
            kind, exid = heads[what]
            return (bytes([kind, 2 + len(exid) + len(content)]) + exid + content).hex()

        def migrate(n, *content):
            return option("migrate", bytes([n % 256]) + b"".join(content))

        ends = []
        for role in (OPENER, ACCEPTOR):
            peer = 1 - role
            una, nxt, now = tcb["una"][role], tcb["nxt"][role], tcb["now"]
            peer_una, peer_nxt = tcb["una"][peer], tcb["nxt"][peer]
            token = keys.token(role, 1)
            x = nonce(secrets[peer], now, ("192.0.2.2", 1000), ("192.0.2.1", 2000), token, 1, 1460)
            got, peer_got = u32(peer_nxt - keys.isn[peer]), u32(nxt - keys.isn[role])
            rcv, peer_rcv = (int.from_bytes(n, "big") for n in (got, peer_got))
            proof = keys.ack("proof", role, 1, 0, COVER, nxt, rcv, x)
            receipt = keys.ack("receipt", peer, 1, 0, COVER, peer_nxt, peer_rcv, x)
            e = {
                "syn": option("permitted", bytes([keys.suite]) + keys.public[role][:split]),
                "request": migrate(1, token, keys.request(role, 1, una - 1)),
                "synack": migrate(1, peer_got, x, keys.synack(peer, 1, peer_una - 1, peer_rcv, x)),
                "ack": migrate(1, bytes([0, COVER]), x[:1], got, token, proof),
                "receipt": migrate(1, bytes([0, COVER]), x[:1], peer_got, bytes(8), receipt),
                "abort": migrate(1, token, keys.abort(role, 0, nxt)),
            }
            if keys.suite != 0:
                e["rest"] = option("permitted", bytes([flags[role]]) + fresh[role] + keys.public[role][split:])
                e["confirm"] = [option("permitted", keys.confirm(role, d)) for d in (0, 1)]
            ends.append(e)
        out[name] = ends
    return out


def vectors():
    private = [hashlib.sha256(b"mnet test vector, " + r).digest() for r in (b"opener", b"acceptor")]
    isn = [0xFFFFFF00, 0x01234567]
    tcb = {
        "una": [(isn[0] + 0x1000) % 2**32, isn[1] + 1],
        "nxt": [(isn[0] + 0x2345) % 2**32, isn[1] + 0x5432],
        "now": 123456789012345,
    }
    secret = b"exported keying material"
    flags = [0x05, 0x0C]
    fresh = [b"fresh1", b"fresh2"]
    secrets = [hashlib.sha256(b"mnet stack secret, " + r).digest() for r in (b"opener", b"acceptor")]
    out = {
        "private": [k.hex() for k in private],
        "fresh": [f.hex() for f in fresh],
        "flags": flags,
        "isn": isn,
        "tcb": tcb,
        "secret": secret.hex(),
        "secrets": [s.hex() for s in secrets],
        "nonces": [],
        "suites": [],
    }
    token = bytes.fromhex("0123456789abcdef")
    for now, local, remote, reqno, mss in (
        (0, ("192.0.2.1", 80), ("198.51.100.2", 40000), 1, 1460),
        (63_999_999_999, ("192.0.2.1", 80), ("198.51.100.2", 40000), 1, 0),
        (64_000_000_000, ("192.0.2.1", 80), ("198.51.100.2", 40000), 255, 65535),
        (64_000_000_000 * 9, ("2001:db8::1", 443), ("2001:db8::2", 1), 7, 1439),
    ):
        out["nonces"].append(
            {
                "now": now,
                "local": ("[%s]:%d" if ":" in local[0] else "%s:%d") % local,
                "remote": ("[%s]:%d" if ":" in remote[0] else "%s:%d") % remote,
                "token": token.hex(),
                "reqno": reqno,
                "mss": mss,
                "nonce": nonce(secrets[0], now, local, remote, token, reqno, mss).hex(),
            }
        )
    for suite in (0, 1, 2):
        keys = Keys(suite, private, flags, fresh, isn)
        s = {
            "suite": suite,
            "public": [k.hex() for k in keys.public],
            "shared": keys.z.hex(),
            "tags": tags(keys),
            "options": options(keys, flags, fresh, secrets, tcb),
        }
        if suite == 2:
            s["prk"] = keys.prk.hex()
            keys.bind(secret)
            s["bound"] = {"prk": keys.prk.hex(), "tags": tags(keys)}
        out["suites"].append(s)
    return json.dumps(out, indent=1) + "\n"


def main():
    self_test()
    path = pathlib.Path(__file__).with_name("vectors.json")
    text = vectors()
    if sys.argv[1:] == ["--check"]:
        if path.read_text() != text:
            sys.exit(f"{path} is not what this program writes")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
