// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// checkServices returns an error if a service that the node has from the start is
// wrong.
func (s *settings) checkServices() error {
	if err := CheckServe(s.Serve); err != nil {
		return err
	}
	if most := hostnet.MaxRedirects / len(firstAddresses(s.Addresses)); s.DNAT && len(s.Serve) > most {
		return fmt.Errorf("%w: dnat: %d ports to serve: give at most %d", ErrConfig, len(s.Serve), most)
	}
	if err := CheckForward(s.Forward); err != nil {
		return err
	}
	return s.checkSOCKS()
}

// checkSOCKS checks the addresses of proxies, which forwarded ports may have as well.
func (s *settings) checkSOCKS() error {
	given := make(map[string]bool)
	for _, r := range s.Forward {
		given[r.Listen] = true
	}
	for _, a := range s.SOCKS {
		if err := CheckSOCKS(a); err != nil {
			return err
		}
		a = localListen(a)
		if given[a] && !anyPort(a) {
			return fmt.Errorf("%w: socks: %s is given twice: choose another port", ErrConfig, a)
		}
		given[a] = true
	}
	return nil
}
