// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import "gvisor.dev/gvisor/pkg/tcpip/header"

// tcpState is the state of a tracked TCP connection, as seen by a box in the
// middle: Linux's enum tcp_conntrack.
type tcpState uint8

const (
	tcpNone tcpState = iota
	tcpSynSent
	tcpSynRecv
	tcpEstablished
	tcpFinWait
	tcpCloseWait
	tcpLastAck
	tcpTimeWait
	tcpClose
	tcpSynSent2 // SYN seen from the responder, too: simultaneous open

	// Not states but outcomes of a transition.
	tcpIgnore  // let it pass, learn nothing
	tcpInvalid // not part of the connection
)

func (s tcpState) String() string {
	return [...]string{
		"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT",
		"LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2", "IGNORE", "INVALID",
	}[s]
}

// segmentClass is the class of a segment for the state machine.
type segmentClass uint8

const (
	classNone segmentClass = iota // none of the flags below
	classSYN
	classSYNACK
	classFIN
	classACK
	classRST
)

func (c segmentClass) String() string {
	return [...]string{"NONE", "SYN", "SYN-ACK", "FIN", "ACK", "RST"}[c]
}

func classify(f header.TCPFlags) segmentClass {
	switch {
	case f&header.TCPFlagRst != 0:
		return classRST
	case f&header.TCPFlagSyn != 0 && f&header.TCPFlagAck != 0:
		return classSYNACK
	case f&header.TCPFlagSyn != 0:
		return classSYN
	case f&header.TCPFlagFin != 0:
		return classFIN
	case f&header.TCPFlagAck != 0:
		return classACK
	}
	return classNone
}

// saneFlags reports whether a host may send this combination of flags. PSH,
// ECE and CWR go with everything.
func saneFlags(f header.TCPFlags) bool {
	const syn, ack, fin, rst, urg = header.TCPFlagSyn, header.TCPFlagAck, header.TCPFlagFin, header.TCPFlagRst, header.TCPFlagUrg
	switch f & (syn | ack | fin | rst | urg) {
	case syn, syn | urg, syn | ack, rst, rst | ack, fin | ack, fin | ack | urg, ack, ack | urg:
		return true
	}
	return false
}

// ctDir is a direction relative to the end that opened the connection.
type ctDir uint8

const (
	ctOriginal ctDir = iota
	ctReply
)

func (d ctDir) reverse() ctDir { return d ^ 1 }

func (d ctDir) String() string { return [...]string{"original", "reply"}[d] }

// nextState returns the state after a segment in direction d. The box sees all segments
// that the hosts sent, but not which ones they received. It may be out of step with
// both. So it ignores a possible start of a new connection, and the answers to it,
// rather than refuse them: the hosts know better.
func nextState(s tcpState, d ctDir, c segmentClass) tcpState {
	switch c {
	case classRST:
		if s == tcpNone {
			return tcpInvalid
		}
		return tcpClose
	case classSYN:
		return afterSYN(s, d)
	case classSYNACK:
		return afterSYNACK(s, d)
	case classFIN:
		return afterFIN(s)
	case classACK:
		return afterACK(s, d)
	}
	return tcpInvalid
}

func afterSYN(s tcpState, d ctDir) tcpState {
	if d == ctReply {
		if s == tcpSynSent || s == tcpSynSent2 {
			return tcpSynSent2
		}
		return tcpInvalid
	}
	switch s {
	case tcpNone, tcpSynSent:
		return tcpSynSent
	case tcpSynSent2:
		return tcpSynSent2
	case tcpTimeWait, tcpClose: // RFC 9293, 3.6.1: the pair may be used anew
		return tcpSynSent
	}
	return tcpIgnore
}

func afterSYNACK(s tcpState, d ctDir) tcpState {
	switch {
	case s == tcpNone, s == tcpSynSent && d == ctOriginal:
		return tcpInvalid
	case s == tcpSynSent, s == tcpSynSent2:
		return tcpSynRecv
	}
	return tcpIgnore
}

func afterFIN(s tcpState) tcpState {
	switch s {
	case tcpSynRecv, tcpEstablished:
		return tcpFinWait
	case tcpFinWait, tcpCloseWait, tcpLastAck:
		return tcpLastAck
	case tcpTimeWait, tcpClose:
		return s
	}
	return tcpInvalid
}

func afterACK(s tcpState, d ctDir) tcpState {
	switch s {
	case tcpNone:
		if d == ctOriginal {
			return tcpEstablished // picked up in the middle
		}
		return tcpInvalid
	case tcpSynSent, tcpSynSent2:
		if d == ctOriginal {
			return tcpInvalid
		}
		return tcpIgnore // perhaps half-open, or a challenge ACK
	case tcpSynRecv:
		if d == ctOriginal {
			return tcpEstablished
		}
		return tcpSynRecv
	case tcpFinWait, tcpCloseWait:
		return tcpCloseWait
	case tcpLastAck, tcpTimeWait:
		return tcpTimeWait
	}
	return s // ESTABLISHED, CLOSE
}
