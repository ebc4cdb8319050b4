// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mnet-dev/mnet/migrate"
)

// end is one end of a connection: a machine, and what a TCP would keep for it.
type end struct {
	machine *migrate.Machine
	secret  migrate.Secret // of its stack
	cur     migrate.Tuple  // where the connection is
	path    migrate.Tuple  // on trial
	tcb     migrate.TCB
}

// do carries out actions. A real TCP puts segments on the wire; here do returns them.
func (e *end) do(acts []migrate.Action) (sent []migrate.Segment) {
	for _, a := range acts {
		s := migrate.Segment{Tuple: e.path, Seq: a.Seq, Ack: a.Ack, Options: a.Option}
		switch a.Kind {
		case migrate.ActSendSYN:
			s.SYN, s.Len = true, 1
			sent = append(sent, s)
		case migrate.ActAnswerSYN:
			s.Tuple = e.path
			s.SYN, s.ACK, s.Len = true, true, 1
			sent = append(sent, s)
		case migrate.ActRebind:
			e.cur = e.path
		case migrate.ActSendACK:
			s.Tuple, s.ACK, s.Ack = e.cur, true, e.tcb.RcvNxt
			sent = append(sent, s)
		}
	}
	return sent
}

// arrives gives a segment to the machine, as its receiver sees it.
func (e *end) arrives(s migrate.Segment) []migrate.Segment {
	s.Tuple = flip(s.Tuple)
	acts, _ := e.machine.Segment(0, s, e.cur, e.tcb)
	return e.do(acts)
}

func flip(t migrate.Tuple) migrate.Tuple { return migrate.Tuple{Local: t.Remote, Remote: t.Local} }

// negotiate opens a connection between two machines and lets them exchange keys.
func negotiate(at migrate.Tuple) (client, server *end, err error) {
	cfg := &migrate.Config{}
	client, server = new(end), new(end)
	rand.Read(client.secret[:])
	rand.Read(server.secret[:])
	o, err := migrate.NewMachine(migrate.Opener, cfg, &client.secret, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	a, err := migrate.NewMachine(migrate.Acceptor, cfg, &server.secret, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	const room = 20 // beside the options of a usual SYN
	a.PeerSYN(o.SYNOption(nil, room))
	o.PeerSYN(a.SYNOption(nil, room))
	const isnO, isnA = 1000, 5000
	o.Established(0, isnO, isnA)
	a.Established(0, isnA, isnO)

	client.machine, client.cur = o, at
	client.tcb = migrate.TCB{SndUna: isnO + 1, SndNxt: isnO + 1, RcvNxt: isnA + 1, RcvAcc: isnA + 1, Movable: true}
	server.machine, server.cur = a, flip(at)
	server.tcb = migrate.TCB{SndUna: isnA + 1, SndNxt: isnA + 1, RcvNxt: isnO + 1, RcvAcc: isnO + 1, Movable: true}
	ack := func(from, to *end) {
		options := from.machine.ACKOption(nil, 28, from.tcb.SndNxt, from.tcb)
		to.machine.PeerACK(0, from.tcb.SndNxt, options, to.tcb)
	}
	ack(client, server) // Key-Rest
	ack(server, client) // Key-Rest
	ack(client, server) // Key-Confirm
	ack(server, client) // Key-Confirm
	if o.State() != migrate.Confirmed || a.State() != migrate.Confirmed {
		return nil, nil, errors.New("keys are not confirmed")
	}
	return client, server, nil
}

// Two machines negotiate, and the client's moves the connection to another address.
func Example() {
	home := migrate.Tuple{
		Local: netip.MustParseAddrPort("192.0.2.1:4000"), Remote: netip.MustParseAddrPort("198.51.100.1:80"),
	}
	client, server, err := negotiate(home)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("suite", client.machine.Suite())

	// The server publishes the tokens by which the client may name the connection.
	var table migrate.Table[*end]
	table.Set(server, nil, server.machine.Tokens())

	client.path = migrate.Tuple{Local: netip.MustParseAddrPort("203.0.113.7:4001"), Remote: home.Remote}
	acts, err := client.machine.Start(0, client.path, client.cur, client.tcb, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	syn := client.do(acts)[0]

	// A request costs the server one look-up and one tag, until it is proven.
	request, ok := migrate.ParseRequest(migrate.FormatKinds, syn.Options)
	owner, counter, known := table.Lookup(request.Token)
	if !ok || !known || !owner.machine.Verifier().Verify(request, counter, syn.Seq) {
		fmt.Println("not a request of the peer")
		return
	}
	const mss = 1460
	owner.path = flip(syn.Tuple)
	acts = owner.machine.SYN(0, flip(syn.Tuple), owner.cur, request, counter, syn.Seq, mss, owner.tcb)
	synack := owner.do(acts)[0]
	owner.path = migrate.Tuple{} // nothing is kept of it

	third := client.arrives(synack)[0]
	fmt.Println("client at", client.cur)

	// So does the third ACK, which names the connection by the same token.
	third.Tuple = flip(third.Tuple)
	proof, ok := migrate.ParseProof(migrate.FormatKinds, third.Options)
	owner, counter, known = table.Lookup(proof.Token)
	if !ok || !known || !owner.machine.Verifier().VerifyProof(&server.secret, 0, third.Tuple, proof, counter, third.Seq) {
		fmt.Println("not the peer's, or not from where the SYN-ACK went")
		return
	}
	register := func() bool {
		owner.path = third.Tuple
		return true
	}
	acts, _ = owner.machine.Proof(0, third, owner.cur, proof, counter, owner.tcb, register)
	receipt := owner.do(acts)[0]
	fmt.Println("server at", server.cur)
	client.arrives(receipt)
	fmt.Println("client is", client.machine.Phase())

	// Output:
	// suite x25519-sha256
	// client at 203.0.113.7:4001->198.51.100.1:80
	// server at 198.51.100.1:80->203.0.113.7:4001
	// client is idle
}
