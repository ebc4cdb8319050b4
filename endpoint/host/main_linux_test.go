// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"os"
	"testing"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
)

func TestMain(m *testing.M) { os.Exit(nstest.Run(m, available, nil)) }

// available returns an error that names a missing requirement of the tests.
func available() error {
	if os.Getuid() != 0 {
		return errors.New("root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return errors.New("/dev/net/tun")
	}
	return nil
}
