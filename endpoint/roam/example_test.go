// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// A policy that does not leave a path that works for the mobile network, whatever the
// host prefers. It is Handover otherwise.
func ExamplePolicy() {
	frugal := func(s roam.Situation) roam.Decision {
		d := roam.Handover(s)
		if d.Cause == roam.Preferred && s.Uplinks[d.To].Via.Interface == "wwan0" {
			return roam.Decision{}
		}
		return d
	}

	local := netip.MustParseAddr("10.77.0.2")
	candidate := func(name string) roam.Candidate {
		uplink := roam.Uplink{Local: local, Via: roam.Route{Interface: name}}
		return roam.Candidate{Uplink: uplink, Settled: time.Minute}
	}
	situation := roam.Situation{
		Uplinks: []roam.Candidate{candidate("wwan0"), candidate("wlan0")}, // the best first
		Current: 1,
	}
	fmt.Println("Handover:", roam.Handover(situation).Cause)
	fmt.Println("frugal:", frugal(situation).Cause)

	situation.Unanswered = 3 // time-outs in a row
	d := frugal(situation)
	fmt.Println("frugal, no answer:", d.Cause, "to", situation.Uplinks[d.To].Uplink)

	// Output:
	// Handover: better path
	// frugal: none
	// frugal, no answer: path dead to 10.77.0.2 (wlan0)
}

// A machine in the life of one connection: its uplink goes, and another one is there.
func ExampleMachine() {
	wlan := roam.Uplink{Local: netip.MustParseAddr("192.168.1.7"), Via: roam.Route{Interface: "wlan0"}}
	wwan := roam.Uplink{Local: netip.MustParseAddr("100.64.0.9"), Via: roam.Route{Interface: "wwan0"}}
	m := roam.NewMachine(roam.Config{Policy: roam.Handover, Local: wlan.Local})
	now := time.Now()
	m.SetUplinks(now, []roam.Uplink{wlan, wwan}, false)
	m.Settled(true) // the connection can migrate
	order, _ := m.Decide(now)
	fmt.Println(order.Cause)

	m.SetUplinks(now, []roam.Uplink{wwan}, false)
	order, _ = m.Decide(now)
	fmt.Println(order.Cause, "to", order.Uplink)
	m.Begin(order)
	m.Succeeded(now)

	m.SetUplinks(now, nil, false)
	order, _ = m.Decide(now)
	fmt.Println("hold:", order.Hold)

	// Output:
	// none
	// path gone to 100.64.0.9 (wwan0)
	// hold: true
}
