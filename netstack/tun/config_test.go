// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"errors"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		says string // empty: valid
	}{
		{Config{}, ""},
		{Config{Name: "mnet0", MTU: 1280, Driver: Water}, ""},
		{Config{Name: strings.Repeat("x", MaxName), MTU: MaxMTU, Driver: VNetHdr}, ""},
		{Config{Name: strings.Repeat("x", MaxName+1)}, "at most 15"},
		{Config{Name: "a/b"}, "letters"},
		{Config{Name: "a b"}, "letters"},
		{Config{Name: "tun%d"}, "letters"},
		{Config{Name: "a\x00b"}, "letters"},
		{Config{Name: "a\xa0b"}, "letters"},
		{Config{Name: ".."}, "letters"},
		{Config{MTU: 1279}, "between 1280"},
		{Config{MTU: MaxMTU + 1}, "and 65535"},
		{Config{Driver: 7}, "choose auto"},
	} {
		got, err := c.cfg.withDefaults()
		if c.says == "" {
			if err != nil || got.MTU == 0 || got.Driver == Auto {
				t.Errorf("%+v becomes %+v: %v", c.cfg, got, err)
			}
			continue
		}
		if _, err := Open(c.cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want it to say %q", c.cfg, err, c.says)
		}
	}
}
