// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"strings"
	"testing"
)

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":               "/proc/sys/net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/100.forwarding": "/proc/sys/net/ipv4/conf/eth0.100/forwarding",
	} {
		if got := sysctlPath(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestSumColumn(t *testing.T) {
	for _, test := range []struct {
		table string
		sum   uint64
		err   string // empty for none
	}{
		{"found invalid ignore\n00000001 0000000a 00000000\n00000002 00000010 00000000\n", 26, ""},
		{"found invalid\n", 0, ""},
		{"found ignore\n1 2\n", 0, "no statistic"},
		{"", 0, "no statistic"},
		{"found invalid\n1\n", 0, "short line"},
		{"found invalid\n1 x\n", 0, "invalid syntax"},
	} {
		sum, err := sumColumn(test.table, "invalid")
		if sum != test.sum || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %d, error %v, want %d, %q", test.table, sum, err, test.sum, test.err)
		}
	}
}
