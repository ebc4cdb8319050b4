// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simnet is a layer-3 network in memory and in virtual time, for tests,
// demonstrations and benchmarks of gVisor stacks.
//
// A [Network] consists of hosts, routers and links. A [Host] owns a gVisor stack. Each
// of its [Interface] values is a stack.LinkEndpoint to be given to CreateNIC. A [Link]
// joins two ends with delay, rate, queue, loss, reordering and duplication per
// direction, all changeable at any time. It may carry middleboxes ([Box]): [NAT],
// [Firewall], [OptionBox], [SequenceShifter], [Filter]. A [Recorder] keeps a trace, and
// [Network.Last] the last packets of each link; [Mermaid] draws both.
//
//	net := simnet.NewPair(1, simnet.Symmetric(simnet.Wire{
//		Delay: 20 * time.Millisecond, Rate: 50 * simnet.Mbit,
//	}))
//	for _, h := range []*simnet.Host{net.A, net.B} {
//		st := stack.New(net.StackOptions(h.Name()))
//		defer st.Destroy()
//		if err := h.Plug(st); err != nil { ... }
//	}
//
// A stack that is not a plain one takes the interfaces itself. Bind tells the host
// which stack that is:
//
//	h.Bind(st)
//	for _, ifc := range h.Interfaces() {
//		attach(st, ifc, ifc.Prefixes())
//	}
//
// It must use the network's Clock and should take its randomness from
// [Network.StackOptions] or [Network.Rand].
//
// Give every path some delay. With a round-trip time of exactly zero, gVisor's RACK
// takes everything for lost and retransmits without end.
//
// Stacks configure their addresses. The [Router] decides where a packet goes: an
// address that moves to another interface needs a new [Router.Route].
//
// # Time
//
// Nothing happens unless the [Clock] is driven, in one of two ways.
//
// Stepping ([Clock.Step], [Clock.RunFor], [Clock.RunUntil]) is for a single goroutine
// that uses the stacks without blocking. After every event, the clock waits until the
// stacks have processed it: stack.Pause returns when all TCP processors are idle. So
// traces are equal bit for bit, with any number of processors. Blocking calls hang:
// nobody advances the time.
//
// Auto mode ([Clock.Start], [Clock.Run]) is for programs with goroutines that block,
// such as net/http. The driver fires the next event whenever no other goroutine of the
// process runs or is ready to. A minute of an idle network passes at once. A busy one
// is as fast as the stacks are; GOMAXPROCS=1 saves the cost of waking other processors
// for every packet. Results depend on the scheduler as far as the program's own
// goroutines race with each other. Its limits follow from the information that the Go
// runtime gives:
//
//   - Everything in the process counts. A goroutine that computes, in a parallel test
//     for instance, holds the time up for as long; it can't break anything.
//   - A goroutine may wait for something outside of the network: a terminal, a real
//     socket, a timer of package time, a child process. It counts as blocked: time runs
//     on meanwhile, up to the last pending timer. Stop the clock around such waits.
//     System calls are waited for if they take less than 200 milliseconds.
//   - Deadlines must come from the Clock ([Clock.AfterFunc], [Clock.NewTimer]).
//     Deadlines of context and net take real time; gonet's deadlines do, too.
//
// By default, a stack has processed a packet before the next one arrives at its host,
// even at the same instant. With [Host.SetCoalescing], packets queue at the host, as
// they do in front of a busy one.
//
// Callbacks (timers, boxes, filters) run on the driving goroutine and must not wait for
// virtual time to pass.
//
// # Middleboxes
//
// The state tracking of [NAT] and [Firewall] follows Linux nf_conntrack, window
// tracking included, with nf_conntrack_tcp_be_liberal=0 and a rule that drops "ct state
// invalid". See [Conntrack] for settings. They don't track fragments or ICMP echo.
package simnet
