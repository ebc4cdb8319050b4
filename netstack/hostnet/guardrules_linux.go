// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/binary"
	"net"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ipsDNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h: the destination of the
// connection has been rewritten.
const ipsDNAT = 1 << 5

// guardRules are what the guard's chain is about. What it drops comes in by an interface
// that forwards only because of a Share. It neither belongs to a connection of a stack
// nor leads to one by a redirected port.
type guardRules struct {
	shares     []string           // devices of all Shares
	interfaces []guardedInterface // that forward because of this Share
	everywhere []string           // families that all interfaces forward because of it
	bridges    []guardedBridge    // whose frames get here (br_netfilter)
}

type guardedInterface struct {
	family string
	index  int
}

// guardedBridge is a bridge whose frames between its ports are forwarded by nobody. They
// are not for the addresses of the bridge and of its ports.
type guardedBridge struct {
	index int
	own   []net.HardwareAddr
}

func newGuardedBridge(bridge netlink.Link, links []netlink.Link) guardedBridge {
	b := guardedBridge{index: bridge.Attrs().Index}
	for _, l := range links {
		if a := l.Attrs(); a.Index == b.index || a.MasterIndex == b.index {
			b.own = append(b.own, a.HardwareAddr)
		}
	}
	return b
}

// exprs returns the rules. There is none if there is nothing to drop.
func (r guardRules) exprs() (rules [][]expr.Any) {
	if len(r.interfaces) == 0 && len(r.everywhere) == 0 {
		return nil
	}
	for _, d := range r.shares {
		out := compareMeta(expr.MetaKeyOIFNAME, expr.CmpOpEq, interfaceName(d))
		rules = append(rules,
			// iifname DEVICE accept
			slices.Concat(compareMeta(expr.MetaKeyIIFNAME, expr.CmpOpEq, interfaceName(d)), verdict(expr.VerdictAccept)),
			// oifname DEVICE ct state established,related accept
			slices.Concat(out, hasBits(expr.CtKeySTATE, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), verdict(expr.VerdictAccept)),
			// oifname DEVICE ct status dnat accept
			slices.Concat(out, hasBits(expr.CtKeySTATUS, ipsDNAT), verdict(expr.VerdictAccept)))
	}
	for _, b := range r.bridges {
		// iif BRIDGE oif BRIDGE ether daddr != { OWN } accept
		rules = append(rules, slices.Concat(
			compareMeta(expr.MetaKeyIIF, expr.CmpOpEq, interfaceIndex(b.index)),
			compareMeta(expr.MetaKeyOIF, expr.CmpOpEq, interfaceIndex(b.index)),
			notForMAC(b.own), verdict(expr.VerdictAccept)))
	}
	for _, i := range r.interfaces {
		// meta nfproto FAMILY iif INTERFACE drop
		rules = append(rules, slices.Concat(isFamily(i.family),
			compareMeta(expr.MetaKeyIIF, expr.CmpOpEq, interfaceIndex(i.index)), verdict(expr.VerdictDrop)))
	}
	for _, f := range r.everywhere {
		// meta nfproto FAMILY drop
		rules = append(rules, slices.Concat(isFamily(f), verdict(expr.VerdictDrop)))
	}
	return rules
}

// notForMAC is true of frames that are for none of the addresses.
func notForMAC(addrs []net.HardwareAddr) []expr.Any {
	const size = 6
	exprs := []expr.Any{&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseLLHeader, Len: size}}
	for _, a := range addrs {
		exprs = append(exprs, &expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: a})
	}
	return exprs
}

func interfaceIndex(i int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(i)) }

func isFamily(name string) []expr.Any {
	family := byte(unix.NFPROTO_IPV4)
	if name == "ipv6" {
		family = unix.NFPROTO_IPV6
	}
	return compareMeta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{family})
}

// hasBits is true of packets of a connection with any of the bits.
func hasBits(key expr.CtKey, bits uint32) []expr.Any {
	mask := binary.NativeEndian.AppendUint32(nil, bits)
	zero := make([]byte, len(mask))
	return []expr.Any{
		&expr.Ct{Key: key, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(len(mask)), Mask: mask, Xor: zero},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: zero},
	}
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }
