// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// Completing reports whether the peer may be about to complete a move of this end. As
// long as the address of that move is there, the caller waits with the next one (M581).
// A request replaces the one before. If it then failed, the ends would be in different
// places.
func (m *Machine) Completing() bool {
	return m.att != nil && m.att.moved && m.att.completions < patience
}

// Proving reports whether all segments of this end on the current path carry a proof:
// without payload by ACKOption, with payload by DataOption (M546).
func (m *Machine) Proving() bool { return m.att != nil && m.att.moved }

// DataOption appends the proof for a segment with payload to b, if it fits into room bytes.
// It is no cover: the parts of a segment that a NIC cuts have numbers of their own.
func (m *Machine) DataOption(b []byte, room int, tcb TCB) []byte {
	if !m.Proving() {
		return b
	}
	return m.cfg.Format.layout().appendProof(b, m.proof(0, false, tcb), room)
}

// third returns step 4, which is the cover (M542). Before a scaled window has come,
// it is an ACK that goes no farther than a strict tracker allows (M543).
func (m *Machine) third(tcb TCB) Action {
	seq := tcb.SndNxt
	if !m.att.covered {
		seq = m.att.seq + 1
	}
	return Action{
		Kind: ActSendACK, Seq: seq,
		Option: m.cfg.Format.layout().appendProof(nil, m.proof(seq, m.att.covered, tcb), maxOptions),
	}
}

// proof returns the Migrate option of a segment with sequence number seq by which this
// end completes its request. It returns the nonce (M223) and tells RCV.NXT (M549). The
// number counts only if the segment is a cover.
func (m *Machine) proof(seq uint32, cover bool, tcb TCB) Proof {
	a := m.att
	p := Proof{
		ReqNo: uint8(a.counter), Done: uint8(m.peerDone), Open: a.nonce.open(),
		Rcv: tcb.RcvNxt - m.keys.irs, Token: m.keys.token(m.role, a.counter),
	}
	if cover {
		p.Flags |= flagCover
	}
	if a.alive {
		p.Flags |= flagAlive
	}
	if a.gated {
		p.Flags |= flagGone
	}
	p.Tag = m.keys.proofTag(labelProof, m.role, a.counter, seq, p, a.nonce)
	return p
}

// repeatThird is the timer of an attempt after the move (M564).
func (m *Machine) repeatThird(acts []Action, now Time, tcb TCB) []Action {
	a := m.att
	if a.completions == maxCompletions {
		// The peer may never have moved. TCP handles its next segment, a RST, or
		// silence.
		m.att = nil
		m.settleDrains(now) // M625
		if !a.covered {
			acts = append(acts, Action{Kind: ActGate}, Action{Kind: ActPush})
		}
		return acts
	}
	a.completions++
	a.rto = backoff(a.rto)
	a.next = now.Add(a.rto)
	return append(acts, m.third(tcb))
}

// completing takes a segment on the current path of an initiator that has moved and
// has no receipt yet.
func (m *Machine) completing(now Time, s Segment, tcb TCB) (acts []Action, consumed bool) {
	a := m.att
	switch {
	case s.RST:
		if m.meant(s.Options, s.Seq) {
			return nil, false
		}
		// M534: the peer has not moved yet, or somebody wants to have it so.
		return append(acts, count(CountResetIgnored)), true
	case s.SYN:
		ans, ok := m.cfg.Format.layout().parseAnswer(s.Options)
		if !ok || !s.ACK || !m.provenSYNACK(ans, s.Seq) || !plausible(s.Seq+1, tcb) {
			return append(acts, count(CountBadSYNACK)), true
		}
		return append(acts, m.third(tcb)), true // M565
	case !s.ACK || s.Seq-(a.ack-1) > maxBehind || !leq(a.seq+1, s.Ack) || !leq(s.Ack, tcb.SndNxt):
		return nil, false // nothing that the peer sends here
	}
	// M544: the window came behind the SYN-ACK, so a tracker has seen it, too.
	if !a.covered && leq(tcb.SndNxt, s.Ack+s.Window) {
		a.covered = true
		acts = append(acts, m.third(tcb), Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	// M547: any other segment may have been sent before our ACK arrived, or when
	// the connection was on this tuple before.
	p, ok := ParseProof(m.cfg.Format, s.Options)
	if !ok || p.ReqNo != uint8(a.counter) || p.Tag != m.keys.proofTag(labelReceipt, m.role.peer(), a.counter, s.Seq, p, a.nonce) {
		return acts, false
	}
	if !leq(a.una, m.keys.iss+p.Rcv) { // M608
		return append(acts, count(CountFenced), Action{Kind: ActFail, Err: ErrFenced}), true
	}
	if p.Flags&flagCover != 0 {
		m.boundDrains(s.Seq)
	}
	if void := uint64(p.Done - uint8(m.peerDone)); void >= 1 && void <= m.window() {
		// M588: the peer has no use any more for what it asked before it moved.
		m.peerDone, m.tokensChanged = m.peerDone+void, true
	}
	m.done = max(m.done, a.counter) // M433
	m.settleDrains(now)             // M625
	if a.covered {
		m.att = nil
	}
	return acts, false
}

// Proof takes a segment s with step 4, which names the connection by a token with the
// given counter. The connection moves to the tuple of the first that is valid (M526), after
// open has registered that tuple. If open fails nothing has changed. Proof reports whether s
// is used up.
func (m *Machine) Proof(now Time, s Segment, cur Tuple, p Proof, counter uint64, tcb TCB, open func() bool) (acts []Action, consumed bool) {
	if s.Tuple == cur {
		return nil, false // a repetition
	}
	if m.keys == nil || !tcb.moves() { // M417
		return append(acts, count(CountWrongState)), true
	}
	counter, ok := m.fresh(p.ReqNo, counter)
	if !ok {
		return append(acts, count(CountStaleRequest)), true
	}
	n, ok := m.keys.proven(m.secret, now, s.Tuple, p, counter, s.Seq)
	peerRcvNxt := m.keys.iss + p.Rcv
	switch {
	case !ok: // M531
		return append(acts, count(CountUnproven)), true
	case s.Seq-(tcb.RcvNxt-maxBehind) > tcb.RcvAcc+maxRounding-(tcb.RcvNxt-maxBehind): // M533
		return append(acts, count(CountBadSequence)), true
	case !leq(peerRcvNxt, tcb.SndNxt): // M606
		return append(acts, count(CountFenced), Action{Kind: ActFail, Err: ErrFenced}), true
	case !leq(tcb.SndUna, peerRcvNxt): // M607
		return append(acts, count(CountFenced)), true
	}
	if a := m.att; a != nil && m.prefersOwn(p) {
		acts = append(acts, count(CountCrossedIgnored))
		if a.moved && now.Sub(a.asked) >= minSYNRTO { // M587
			a.asked = now
			acts = append(acts, m.third(tcb))
		}
		return acts, true
	}
	if !open() {
		return append(acts, count(CountPathBusy)), true
	}
	// M661: nothing has been sent on the old path during a hold, or when it is gone.
	silent := m.hold != nil || m.att != nil && m.att.gated
	if a := m.att; a != nil && !a.moved { // M585
		acts = append(acts, count(CountCrossedYielded), Action{Kind: ActDone, Err: ErrYielded})
	}
	m.att = nil // nor has the peer any use for an earlier move of ours
	m.undrain(s.Tuple)
	m.peerDone, m.tokensChanged = counter, true
	m.accepted++
	void := uint8(min(m.sent, m.done+m.window()-1)) // M588
	m.finished = &finished{keys: m.keys, counter: counter, nonce: n, void: void, until: now.Add(drainTime)}
	re := Rebind{
		PeerRcvNxt: peerRcvNxt, HasPeerRcvNxt: true,
		RTT:      m.handshakeRTT(now, s.Tuple, counter),
		PeerMSS:  classMSS(p.Open),
		KeepCC:   onlyPorts(s.Tuple, cur),
		OldAlive: !silent && p.Flags&flagAlive != 0, // M662
	}
	m.syns, m.hold = nil, nil // M706
	seq := tcb.SndNxt
	if edge := s.Ack + s.Window; !leq(seq, edge) { // M646
		seq = edge
	}
	acts = append(acts,
		Action{Kind: ActRebind, Rebind: re},
		Action{
			Kind: ActSendACK, Seq: seq,
			Option: m.cfg.Format.layout().appendProof(nil, m.receipt(seq, tcb), maxOptions),
		},
		Action{Kind: ActPush},
	)
	acts = m.drainFrom(acts, now, cur, tcb.SRTT)
	m.settleDrains(now) // M625 is the initiator's: it has moved first
	if p.Flags&flagCover != 0 {
		m.boundDrains(s.Seq)
	}
	return append(acts, count(CountAccepted)), s.Len == 0
}

// prefersOwn reports whether the own attempt goes on although the peer completes its
// own with p. Both ends come to the same result, or they would change places.
func (m *Machine) prefersOwn(p Proof) bool {
	a := m.att
	gone := p.Flags&flagGone != 0
	switch {
	case p.Done == uint8(a.counter):
		return false // the peer has completed ours, and moves on
	case a.moved && !a.covered || a.first(m.role): // M584, M586
		return true
	case gone != a.gated: // M589
		return a.moved && a.gated
	default:
		return a.moved && m.role == Opener // M586
	}
}

// finished is the last migration that the peer has completed. It stays for drainTime,
// as the receipt may be lost (M548).
type finished struct {
	keys    *keys // the keys of this request, also after a later BindKey
	counter uint64
	nonce   nonce
	void    uint8 // own requests up to this counter are void (M588)
	until   Time
	answer  bool // the initiator has repeated its ACK
}

// receipt returns the Migrate option of step 5 on a segment with sequence number seq.
func (m *Machine) receipt(seq uint32, tcb TCB) Proof {
	f := m.finished
	p := Proof{ReqNo: uint8(f.counter), Done: f.void, Open: f.nonce.open(), Rcv: tcb.RcvNxt - f.keys.irs}
	if seq == tcb.SndNxt {
		p.Flags = flagCover
	}
	p.Tag = f.keys.proofTag(labelReceipt, m.role, f.counter, seq, p, f.nonce)
	return p
}

// repeated takes a pure ACK with sequence number seq, which may be step 4 again. It
// reports whether it is to be answered by step 5 (M548).
func (m *Machine) repeated(seq uint32, opts []byte) (reply bool) {
	f := m.finished
	p, ok := ParseProof(m.cfg.Format, opts)
	if !ok || p.ReqNo != uint8(f.counter) || p.Tag != f.keys.proofTag(labelProof, m.role.peer(), f.counter, seq, p, f.nonce) {
		return false
	}
	if p.Flags&flagCover != 0 {
		m.boundDrains(seq)
	}
	// If the last answer still waits for room, it is no use to try at once.
	owed := f.answer
	f.answer = true
	return !owed
}

// onlyPorts reports whether two tuples differ in ports at most (M603).
func onlyPorts(a, b Tuple) bool {
	return a.Local.Addr() == b.Local.Addr() && a.Remote.Addr() == b.Remote.Addr()
}
