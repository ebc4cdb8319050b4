// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
)

// holder has a Share and waits to be killed.
const holder = "holder"

func TestMain(m *testing.M) {
	os.Exit(nstest.Run(m, available, map[string]func(){holder: hold}))
}

// available returns an error that names a missing requirement of the tests.
func available() error {
	if os.Getuid() != 0 {
		return errors.New("root")
	}
	return nil
}

// hold has a Share of the device of a site. It writes each setting, and null once
// it is ready.
func hold() {
	out := json.NewEncoder(os.Stdout)
	s, err := NewShare(ShareConfig{
		Device:     device,
		Masquerade: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32"), netip.MustParsePrefix("fd77::2/128")},
		Changed:    func(set Setting) { out.Encode(set) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out.Encode(nil)
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(s)
}
