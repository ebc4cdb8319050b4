// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ruleset fills one table of the packet filter.
type ruleset struct {
	conn  *nftables.Conn
	table *nftables.Table
}

// replaceTable gives the namespace a table in place of an earlier one of that name,
// at once.
func (ns *Namespace) replaceTable(name string, fill func(ruleset)) error {
	return ns.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return ns.wrap(err)
		}
		table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
		conn.AddTable(table) // so that there is a table to delete
		conn.DelTable(table)
		conn.AddTable(table)
		fill(ruleset{conn, table})
		return ns.wrap(conn.Flush())
	})
}

// chain adds a base chain of the filter.
func (r ruleset) chain(name string, hook *nftables.ChainHook, policy nftables.ChainPolicy) *nftables.Chain {
	return r.conn.AddChain(&nftables.Chain{
		Name: name, Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &policy,
	})
}

// rule adds a rule at the end of the chain.
func (r ruleset) rule(c *nftables.Chain, parts ...[]expr.Any) {
	var exprs []expr.Any
	for _, p := range parts {
		exprs = append(exprs, p...)
	}
	r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: c, Exprs: exprs})
}

// reg is the register that all expressions use.
const reg = 1

// state matches packets in one of the states of connection tracking.
func state(bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
	}
}

// device matches packets that came in by, or go out by, a device.
func device(key expr.MetaKey, name string) []expr.Any {
	data := make([]byte, unix.IFNAMSIZ)
	copy(data, name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: data},
	}
}

// network matches packets of a network protocol, NFPROTO_IPV4 or NFPROTO_IPV6.
func network(proto byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{proto}},
	}
}

// transport matches packets of a transport protocol, such as IPPROTO_TCP.
func transport(proto byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{proto}},
	}
}

// destinationPort matches packets to a port of TCP or UDP.
func destinationPort(port uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: binaryutil.BigEndian.PutUint16(port)},
	}
}

// count adds to a counter of the table.
func count(counter string) []expr.Any {
	return []expr.Any{&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: counter}}
}

func verdict(kind expr.VerdictKind) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind}}
}

// reject answers with ICMP "administratively prohibited" (RFC 1812, section 5.2.7.1;
// RFC 4443, section 3.1).
func reject() []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
}
