// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math"
	"strings"
	"testing"
)

func TestWireConfigCheck(t *testing.T) {
	for _, test := range []struct {
		cfg  WireConfig
		want string // in the error; empty for none
	}{
		{WireConfig{}, ""},
		{WireConfig{Delay: ms, Rate: 1, Queue: 1, Loss: 1, MTU: 1280}, ""},
		{WireConfig{Delay: -1}, "delay"},
		{WireConfig{Rate: -1}, "rate"},
		{WireConfig{Queue: -1}, "queue"},
		{WireConfig{Loss: -0.1}, "loss"},
		{WireConfig{Loss: 1.1}, "loss"},
		{WireConfig{Loss: math.NaN()}, "loss"},
		{WireConfig{MTU: 67}, "MTU"},
		{WireConfig{MTU: 65536}, "MTU"},
	} {
		err := test.cfg.check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want one about %q", test.cfg, err, test.want)
		}
	}
}
