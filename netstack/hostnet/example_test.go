// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet_test

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"

	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// A stack at 10.77.0.2 is behind the existing device mnet0. It goes out behind the
// addresses of this host, and gets connections to port 443 of these addresses. Package
// endpoint/host opens the device and the stack as well.
func ExampleNewShare() {
	share, err := hostnet.NewShare(hostnet.ShareConfig{
		Device:     "mnet0",
		Masquerade: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32")},
		Redirects:  []hostnet.Redirect{{Port: 443, To: netip.MustParseAddrPort("10.77.0.2:443")}},
		Changed:    func(s hostnet.Setting) { fmt.Println("changes", s.Path, "from", s.Was, "to", s.Set) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer share.Close() // undoes everything

	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	<-interrupt
}

// The uplinks of this host, and each change of them. No privilege is needed.
func ExampleWatcher() {
	stop, err := hostnet.Watcher{}.Watch(func(st hostnet.State) {
		if st.Woke {
			fmt.Println("the host has been asleep")
		}
		for _, u := range st.Uplinks {
			fmt.Println(u)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	<-interrupt
}
