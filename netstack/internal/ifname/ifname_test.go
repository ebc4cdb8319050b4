// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package ifname

import (
	"errors"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

func TestCheck(t *testing.T) {
	for _, name := range []string{"mnet0", "a", "wlan0.7", "alls", strings.Repeat("x", MaxLen)} {
		if err := Check(name); err != nil {
			t.Error(err)
		}
	}
	for name, says := range map[string]string{
		"":                            "empty",
		strings.Repeat("x", MaxLen+1): "at most 15",
		"all":                         "the kernel keeps that name",
		"default":                     "the kernel keeps that name",
		".":                           "letters",
		"..":                          "letters",
		"a/b":                         "letters",
		"a:b":                         "letters",
		"a b":                         "letters",
		"tun%d":                       "letters",
		"a\x00b":                      "letters",
		"a\xa0b":                      "letters",
	} {
		if err := Check(name); !errors.Is(err, netstack.ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want it to say %q", name, err, says)
		}
	}
}
