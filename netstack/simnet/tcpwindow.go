// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// The window tracking of Linux: van Rooij, "Real Stateful TCP Packet Filtering
// in IP Filter", 2000, with the amendments in nf_conntrack_proto_tcp.c.

// minAckWindow is the least distance by which an ACK may lag behind.
const minAckWindow = 66000

// maxWindowScale is the largest shift count, RFC 7323, 2.3.
const maxWindowScale = 14

// segment holds the fields of a TCP segment that the tracker needs.
type segment struct {
	seq, ack uint32
	win      uint16
	flags    header.TCPFlags
	payload  int
	opts     []byte
}

func segmentOf(t header.TCP) segment {
	return segment{
		seq: t.SequenceNumber(), ack: t.AckNumber(),
		win: t.WindowSize(), flags: t.Flags(),
		payload: len(t.Payload()), opts: t.Options(),
	}
}

func (s *segment) has(f header.TCPFlags) bool { return s.flags&f != 0 }

// end returns the sequence number behind the segment; SYN and FIN count.
func (s *segment) end() uint32 {
	n := s.seq + uint32(s.payload)
	if s.has(header.TCPFlagSyn) {
		n++
	}
	if s.has(header.TCPFlagFin) {
		n++
	}
	return n
}

// highestSACK returns the highest right edge among the SACK blocks, or ack.
func (s *segment) highestSACK() uint32 {
	high := s.ack
	for _, o := range eachOption(s.opts) {
		if o[0] != header.TCPOptionSACK {
			continue
		}
		for b := o[2:]; len(b) >= 8; b = b[8:] {
			if right := binary.BigEndian.Uint32(b[4:]); seqAfter(right, high) {
				high = right
			}
		}
		break
	}
	return high
}

func seqBefore(a, b uint32) bool { return int32(a-b) < 0 }
func seqAfter(a, b uint32) bool  { return int32(a-b) > 0 }

// peerWindow is the tracker's knowledge of one end.
type peerWindow struct {
	end    uint32 // highest seq+len it has sent
	maxEnd uint32 // highest ack+window of the other end: it may send up to here
	maxWin uint32 // largest window it has advertised; 0: nothing seen of it yet
	maxAck uint32 // highest ACK it has sent, if acked

	synOptions
	acked     bool
	unacked   bool // some of its data has not been acknowledged
	closeInit bool // it was the first to send a FIN
	liberal   bool // picked up in the middle: its windows are not enforced
}

// synOptions are the options of a SYN that matter here.
type synOptions struct {
	scale    uint8
	hasScale bool
	sackOK   bool
}

func parseSYN(opts []byte) synOptions {
	var so synOptions
	for _, o := range eachOption(opts) {
		switch {
		case o[0] == header.TCPOptionSACKPermitted && len(o) == header.TCPOptionSackPermittedLength:
			so.sackOK = true
		case o[0] == header.TCPOptionWS && len(o) == header.TCPOptionWSLength:
			so.hasScale, so.scale = true, min(o[2], maxWindowScale)
		}
	}
	return so
}

// open (re)starts a peer's window with its SYN. The window of a SYN is not
// scaled (RFC 7323, 2.2).
func (w *peerWindow) open(s *segment) {
	*w = peerWindow{end: s.end(), maxEnd: s.end(), maxWin: max(uint32(s.win), 1), liberal: w.liberal}
	w.synOptions = parseSYN(s.opts)
}

// agreeScale turns scaling off unless both SYNs offered it (RFC 7323, 2.2).
func agreeScale(a, b *peerWindow) {
	if !a.hasScale || !b.hasScale {
		a.scale, b.scale = 0, 0
	}
}

// pickUp starts the sender's window from a segment in the middle.
func pickUp(sender, receiver *peerWindow, s *segment, sack uint32) {
	sender.end = s.end()
	sender.maxWin = max(uint32(s.win)<<sender.scale, 1)
	sender.maxEnd = sender.end + sender.maxWin
	if receiver.maxWin == 0 {
		receiver.end, receiver.maxEnd = sack, sack
	} else if sack == receiver.end+1 {
		receiver.end++ // the answer to a keep-alive
	}
}

// windowVerdict says how a segment fits the windows.
type windowVerdict uint8

const (
	inWindow windowVerdict = iota
	tolerated
	outOfWindow
)

// checkWindow applies the four conditions. sack is the highest right edge that the
// segment acknowledges, by ACK or SACK:
//
//	I.   seq <= sender.maxEnd                      (else: over the window)
//	II.  seq+len >= sender.end - receiver.maxWin   (else: retransmitted)
//	III. sack <= receiver.end                      (else: not seen yet)
//	IV.  sack >= receiver.end - max(66000, sender.maxWin)  (else: delayed)
//
// Newer kernels only log a violation of II or IV, and of I by less than a window.
func checkWindow(sender, receiver *peerWindow, seq, end, sack uint32, legacy bool) (windowVerdict, string) {
	mild := tolerated
	if legacy {
		mild = outOfWindow
	}
	ackFloor := receiver.end - max(sender.maxWin, minAckWindow)
	notDelayed := seqAfter(sack, ackFloor-1)
	seen := !seqAfter(sack, receiver.end)
	floor := sender.end - receiver.maxWin

	if seqAfter(seq, sender.maxEnd) {
		over := end - sender.maxEnd + 1
		if !legacy && receiver.maxWin != 0 && seqAfter(end, floor-1) && notDelayed && seen && over <= receiver.maxWin {
			// The peer may take it and acknowledge it.
			sender.end, sender.unacked = end, true
			return tolerated, fmt.Sprintf("%d bytes more than expected", over)
		}
		return outOfWindow, fmt.Sprintf("SEQ is over upper bound %d (over the window of the receiver)", sender.maxEnd)
	}
	if !seen {
		return outOfWindow, fmt.Sprintf("ACK is over upper bound %d (ACKed data not seen yet)", receiver.end)
	}
	if receiver.maxWin != 0 && !seqAfter(end, floor-1) {
		return mild, fmt.Sprintf("SEQ is under lower bound %d (already ACKed data retransmitted)", floor)
	}
	if !notDelayed {
		return mild, fmt.Sprintf("ACK is under lower bound %d (possibly overly delayed)", ackFloor)
	}
	return inWindow, ""
}

// update takes a segment in the windows into account.
func updateWindows(sender, receiver *peerWindow, s *segment, end, ack, sack uint32) {
	win := uint32(s.win)
	if !s.has(header.TCPFlagSyn) {
		win <<= sender.scale
	}
	sender.maxWin = max(sender.maxWin, win+(sack-ack))
	if seqAfter(end, sender.end) {
		sender.end, sender.unacked = end, true
	}
	if s.has(header.TCPFlagAck) && (!sender.acked || seqAfter(ack, sender.maxAck)) {
		sender.maxAck, sender.acked = ack, true
	}
	if receiver.maxWin != 0 && seqAfter(end, sender.maxEnd) {
		receiver.maxWin += end - sender.maxEnd
	}
	if !seqBefore(sack+win, receiver.maxEnd) {
		receiver.maxEnd = sack + max(win, 1)
	}
	if ack == receiver.end {
		receiver.unacked = false
	}
}
