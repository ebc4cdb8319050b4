// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// holder opens the device of holderName and waits to be killed.
const holder = "holder"

func TestMain(m *testing.M) {
	os.Exit(nstest.Run(m, available, map[string]func(){holder: hold}))
}

// available returns an error that names a missing requirement of the tests.
func available() error {
	if os.Getuid() != 0 {
		return errors.New("root")
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// The device that the holder has.
const holderName = "mnethold"

var (
	holderAddr  = netip.MustParsePrefix("10.77.0.1/24")
	holderRoute = netip.MustParsePrefix("10.78.0.0/16")
)

func hold() {
	link, err := tun.Open(tun.Config{Name: holderName})
	if err == nil {
		err = link.Configure([]netip.Prefix{holderAddr}, []netip.Prefix{holderRoute})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(link)
}
