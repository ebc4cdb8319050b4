// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// Capabilities are what both ends of a connection can do beside this specification's
// rules: the flags of Key-Rest that both have set (M107). None is defined yet.
type Capabilities uint8

// Capabilities returns those of the connection. They are known from Ready on, and sure
// from Confirmed on: the keys depend on the flags of both ends.
func (m *Machine) Capabilities() Capabilities { return m.capabilities }
