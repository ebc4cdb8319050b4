// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mdl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	tablePrefix = "mnet-"

	// ownedTable is NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h: the table goes
	// with the socket that made it.
	ownedTable = 0x2

	// nftBuffer, in bytes, stops the largest set of rules, which is sent in one piece
	// and echoed before it is acknowledged, from overflowing the socket.
	nftBuffer = 1 << 20
)

// table is the nftables table of a device.
type table struct {
	*nftables.Table
	conn *nftables.Conn

	prerouting, output, postrouting, forward *nftables.Chain
}

// openTable makes the table, in the network namespace of the thread, and its
// chains. They have no rules yet, except for the MSS.
func openTable(device string) (*table, error) {
	conn, sock, err := dialNFT()
	if err != nil {
		return nil, explainNFT(err)
	}
	t := &table{
		Table: &nftables.Table{Name: tablePrefix + device, Family: nftables.TableFamilyINet},
		conn:  conn,
	}
	if err := t.create(sock, device); err != nil {
		conn.CloseLasting()
		return nil, explainNFT(err)
	}
	return t, nil
}

// dialNFT opens a connection that stays, and returns its socket, too.
func dialNFT() (conn *nftables.Conn, sock *mdl.Conn, err error) {
	conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *mdl.Conn) error {
		sock = c
		return errors.Join(c.SetReadBuffer(nftBuffer), c.SetWriteBuffer(nftBuffer))
	}))
	return conn, sock, err
}

func (t *table) create(sock *mdl.Conn, device string) error {
	if err := t.removeStale(); err != nil {
		return err
	}
	err := t.createTable(sock, ownedTable)
	if unknownFlag(err) { // before Linux 5.12
		err = t.createTable(sock, 0)
	}
	if errors.Is(err, unix.EEXIST) {
		return t.inUse() // somebody was quicker
	}
	if err != nil {
		return err
	}
	nat := func(name string, hook *nftables.ChainHook, prio *nftables.ChainPriority) *nftables.Chain {
		return t.conn.AddChain(&nftables.Chain{Name: name, Table: t.Table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: prio})
	}
	t.prerouting = nat("prerouting", nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	t.output = nat("output", nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	t.postrouting = nat("postrouting", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	t.forward = t.conn.AddChain(forwardChain(t.Table))
	addClamp(t.conn, t.Table, device)
	return t.conn.Flush()
}

// forwardChain is the chain of the guard.
func forwardChain(t *nftables.Table) *nftables.Chain {
	return &nftables.Chain{
		Name: "forward", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	}
}

// addClamp adds the chain for the MSS of connections by the device. The host is a router
// for them: the stack knows the MTU of the device only.
func addClamp(conn *nftables.Conn, t *nftables.Table, device string) {
	chain := conn.AddChain(&nftables.Chain{
		Name: "mss", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityMangle,
	})
	for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
		conn.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: clampMSS(key, device)})
	}
}

// removeStale removes a table of that name that nobody owns.
func (t *table) removeStale() error {
	tables, err := t.conn.ListTablesOfFamily(t.Family)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tables, func(o *nftables.Table) bool { return o.Name == t.Name })
	if i < 0 {
		return nil
	}
	if tableFlags(tables[i])&ownedTable != 0 {
		return t.inUse()
	}
	t.conn.DelTable(t.Table)
	return t.conn.Flush()
}

func (t *table) inUse() error {
	return fmt.Errorf("nftables table inet %s: %w: another mnet runs on that device: end it, or choose another device", t.Name, ErrInUse)
}

// tableFlags returns the flags of a table that the library has read. The library takes
// the kernel's network byte order for the host's.
func tableFlags(t *nftables.Table) uint32 {
	return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, t.Flags))
}

// createTable creates the table with flags, which the library cannot. The socket
// that sends it becomes the owner, so it is the one of t.conn.
func (t *table) createTable(sock *mdl.Conn, flags uint32) error {
	attrs, err := mdl.MarshalAttributes([]mdl.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(t.Name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, flags)},
	})
	if err != nil {
		return err
	}
	message := func(typ mdl.HeaderType, flags mdl.HeaderFlags, family byte, resource uint16, attrs []byte) mdl.Message {
		// struct nfgenmsg: family, version, resource id.
		data := binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
		return mdl.Message{Header: mdl.Header{Type: typ, Flags: mdl.Request | flags}, Data: append(data, attrs...)}
	}
	_, err = sock.SendMessages([]mdl.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, mdl.Acknowledge|mdl.Create|mdl.Excl, byte(t.Family), 0, attrs),
		message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil),
	})
	if err != nil {
		return err
	}
	_, err = sock.Receive() // the acknowledgement
	return err
}

// unknownFlag reports whether the kernel does not know a flag of a table.
func unknownFlag(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}

// apply replaces the rules of NAT by the rules for cfg, all at once.
func (t *table) apply(cfg ShareConfig) error {
	for _, c := range []*nftables.Chain{t.prerouting, t.output, t.postrouting} {
		t.conn.FlushChain(c)
	}
	for _, r := range cfg.Redirects {
		t.conn.AddRule(&nftables.Rule{Table: t.Table, Chain: t.prerouting, Exprs: redirectIn(cfg.Device, r)})
		t.conn.AddRule(&nftables.Rule{Table: t.Table, Chain: t.output, Exprs: redirectOwn(r)})
	}
	for _, p := range cfg.Masquerade {
		t.conn.AddRule(&nftables.Rule{Table: t.Table, Chain: t.postrouting, Exprs: masquerade(cfg.Device, p)})
	}
	return explainNFT(t.conn.Flush())
}

// applyGuard replaces the rules of the guard.
func (t *table) applyGuard(g guardRules) error {
	t.conn.FlushChain(t.forward)
	for _, exprs := range g.exprs() {
		t.conn.AddRule(&nftables.Rule{Table: t.Table, Chain: t.forward, Exprs: exprs})
	}
	return explainNFT(t.conn.Flush())
}

// devices returns the devices of all Shares of the host.
func (t *table) devices() (names []string, err error) {
	tables, err := t.conn.ListTablesOfFamily(t.Family)
	for _, o := range tables {
		if device, ok := strings.CutPrefix(o.Name, tablePrefix); ok {
			names = append(names, device)
		}
	}
	return names, explainNFT(err)
}

// close removes the table. Should that fail, the kernel does it when the socket is
// closed.
func (t *table) close() error {
	t.conn.DelTable(t.Table)
	err := t.conn.Flush()
	if errors.Is(err, unix.ENOENT) { // without an owner anybody can remove it
		err = nil
	}
	return errors.Join(explainNFT(err), t.conn.CloseLasting())
}

// explainNFT adds the remedy to an error of nftables.
func explainNFT(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("nftables: %w (%w): run as root or with CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN)", ErrPermission, err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT),
		errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("nftables: %w (%w): load the modules nf_tables, nft_nat, nft_masq, nft_ct and nft_fib_inet", errors.ErrUnsupported, err)
	default:
		return err
	}
}
