// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"log/slog"
	"net/netip"

	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// Undoer is told what is about to be changed on the host, to undo it if the process
// cannot.
type Undoer interface {
	Restore(hostnet.Setting) error
}

// share is what the host does for the stack.
type share struct {
	*hostnet.Share
	log      *slog.Logger
	unfollow func() // nil if it does not follow
}

func newShare(n *Node, undo Undoer) (*share, error) {
	cfg := hostnet.ShareConfig{
		Device: n.link.Name(),
		Logger: n.log,
		Changed: func(s hostnet.Setting) {
			if err := undo.Restore(s); err != nil {
				n.log.Warn("a setting of the host would stay changed if mnet was killed", "setting", s, "err", err)
			}
		},
	}
	if n.set.Masquerade {
		for _, p := range n.set.Addresses {
			cfg.Masquerade = append(cfg.Masquerade, p.Masked())
		}
		cfg.Masquerade = append(cfg.Masquerade, n.set.Routes...)
	}
	hs, err := hostnet.NewShare(cfg)
	if err != nil {
		return nil, err
	}
	return &share{Share: hs, log: n.log}, nil
}

// follow has packets forwarded that come in by the uplinks of the host, for a node
// whose connections do not depend on them.
func (s *share) follow() (err error) {
	s.unfollow, err = s.Watch(func(hostnet.State) {})
	return err
}

// Close undoes all that the host does for the stack.
func (s *share) Close() error {
	if s.unfollow != nil {
		s.unfollow()
	}
	return s.Share.Close()
}

// redirect has port of the host's own addresses lead to the addresses in to.
func (s *share) redirect(port uint16, to []netip.AddrPort) (undo func(), err error) {
	var done []hostnet.Redirect
	undo = func() {
		for _, r := range done {
			if err := s.RemoveRedirect(r); err != nil {
				s.log.Warn("redirected port", "redirect", r, "err", err)
			}
		}
	}
	for _, ap := range to {
		r := hostnet.Redirect{Port: port, To: ap}
		if err := s.Redirect(r); err != nil {
			undo()
			return nil, err
		}
		done = append(done, r)
	}
	return undo, nil
}
